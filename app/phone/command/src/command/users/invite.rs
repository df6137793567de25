//! `users invite`: a key for somebody who is not here, as one word in a file, or on the terminal as a QR code.

use std::path::Path;

use latchkey_phone::invitation::Word;
use latchkey_phone::request::Administer;
use latchkey_phone::{Credentials, Invitation};
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::FromLock;
use latchkey_protocol::value::{AppId, AuthorizationType, CarriedKey};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::Invite;
use crate::clock::random;
use crate::command::{Context, name};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::store;

pub(super) fn run(context: &Context, asked: &Invite) -> Outcome<()> {
    let called = name(&asked.user)?;
    let limits = asked.limits.given()?;
    if asked.qr && context.output.json {
        return Err(Failure::usage(
            "--qr is for people and --json for programs; use --out. Nobody was invited",
        ));
    }
    if let Some(out) = asked.out.as_deref().filter(|out| out.exists()) {
        return Err(Failure::new(
            Kind::File,
            format!(
                "{} exists and is not overwritten; nobody was invited",
                out.display()
            ),
        ));
    }
    let own = context.held(AuthorizationType::App)?;
    let (family, uuid, lock) = (own.credentials.family, own.credentials.uuid, own.lock);
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    let app = AppId(u32::from_le_bytes(random()?));
    let (mut door, pin) = context.administer_as(own, &asked.pin)?;
    let request = Administer::Invite {
        name: called,
        kind: AuthorizationType::App,
        key: CarriedKey::new(*key),
        remote_allowed: true,
        limits,
    };
    let answer = door.ask(request.with(pin.pin()?))?;
    door.leave();
    let Some(FromLock::InvitedAuthorization(invited)) = answer.last else {
        return Err(Failure::odd_answer());
    };
    let id = invited.authorization;
    let shared = SharedKey::from_bytes(&mut { *key });
    let credentials = Credentials::invited(family, uuid, id, app, shared);
    let word = Invitation { lock, credentials }.word();
    hand(&word, asked.out.as_deref()).map_err(|failure| {
        Failure::new(
            failure.kind,
            format!(
                "{failure}. The lock has the invitation already: `latchkey users remove {}`, and try again",
                id.0
            ),
        )
    })?;
    context.output.facts(&json!({
        "id": id.0,
        "name": asked.user,
        "invitation": asked.out.as_ref().map(|out| out.display().to_string()),
    }));
    output::note(
        "Give it to nobody else. `latchkey pair --invitation FILE` takes it, and the web app, where it is pasted.",
    );
    Ok(())
}

/// Into the file, or onto the terminal where none is named.
fn hand(word: &Word, out: Option<&Path>) -> Outcome<()> {
    word.expose(|word| match out {
        Some(out) => {
            let mut line = buffer(word.len().saturating_add(1));
            line.push_str(word);
            line.push('\n');
            store::write(out, line.as_bytes())
        }
        None => {
            output::tell(&code(word)?);
            Ok(())
        }
    })
}

/// Drawn dark on light, whatever the terminal's own colours are. What the code's library works with, it leaves as it is.
fn code(word: &str) -> Outcome<Zeroizing<String>> {
    const DARK_ON_LIGHT: &str = "\u{1b}[30;107m";
    const END: &str = "\u{1b}[0m\n";
    let code = QrCode::with_error_correction_level(word, EcLevel::L)
        .map_err(|error| Failure::new(Kind::File, format!("the code cannot be drawn: {error}")))?;
    let drawn = Zeroizing::new(code.render::<Dense1x2>().build());
    let around = drawn
        .lines()
        .count()
        .saturating_mul(DARK_ON_LIGHT.len().saturating_add(END.len()));
    let mut lines = buffer(drawn.len().saturating_add(around));
    for line in drawn.lines() {
        for part in [DARK_ON_LIGHT, line, END] {
            lines.push_str(part);
        }
    }
    Ok(lines)
}

/// Room for all of a text with a secret in it, at once: growing would leave copies behind.
fn buffer(bytes: usize) -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_dark_on_light_with_a_quiet_zone() {
        let word = format!("latchkey:{}", "AQQEAwIBBQAAAPDw8PDw8A".repeat(4));
        let drawn = code(&word).unwrap();
        let plain = anstream::adapter::strip_str(&drawn).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        // Version 5 has 37 modules a side; four of nothing on each, and two modules in a line of text.
        assert_eq!(lines.len(), (37 + 8_usize).div_ceil(2));
        assert!(lines.iter().all(|line| line.chars().count() == 37 + 8));
        // The corner of a finder pattern: its first two rows are its edge, then white inside it.
        assert!(lines[0].trim().is_empty() && lines[1].trim().is_empty());
        assert!(lines[2].starts_with("    █▀▀▀▀▀█ "), "{}", lines[2]);
    }
}
