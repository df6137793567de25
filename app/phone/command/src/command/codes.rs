//! `codes`: keypad codes, without ever showing one.

use latchkey_phone::request::Administer;
use latchkey_protocol::message::{FromLock, KeypadCodeEntry};
use latchkey_protocol::value::{KeypadCode, Pin};
use serde_json::{Value, json};

use super::{Context, choose, name};
use crate::arguments::{Chosen, CodeSource, Codes};
use crate::door::Door;
use crate::failure::{Failure, Outcome};
use crate::limits::Limits;
use crate::secret::{PinSource, obtain, parse_code};
use crate::words::{date, limits};

/// More than any lock has.
const MOST: u16 = 1_000;
const COLUMNS: [&str; 7] = [
    "id",
    "name",
    "enabled",
    "created",
    "last_active",
    "lock_count",
    "limits",
];

pub(super) fn run(context: &Context, asked: &Codes) -> Outcome<()> {
    match asked {
        Codes::List { pin } => list(context, pin),
        Codes::Add {
            user,
            code,
            limits,
            pin,
        } => add(context, user, code, limits, pin),
        Codes::Update {
            chosen,
            user,
            new_code,
            code,
            enabled,
            always,
            limits,
        } => {
            let wanted = Wanted {
                user: user.as_deref(),
                code: new_code.then(|| digits(code)).transpose()?,
                enabled: *enabled,
                always: *always,
                limits,
            };
            update(context, chosen, wanted)
        }
        Codes::Remove(chosen) => remove(context, chosen),
    }
}

fn digits(source: &CodeSource) -> Outcome<KeypadCode> {
    let text = obtain(
        source.code_file.as_deref(),
        "LATCHKEY_CODE",
        "--code-file",
        "Keypad code (six digits from 1 to 9): ",
    )?;
    parse_code(&text)
}

fn list(context: &Context, pin: &PinSource) -> Outcome<()> {
    let (mut door, asked) = context.administer(pin)?;
    let entries = entries(&mut door, asked.pin()?)?;
    door.leave();
    let rows: Vec<Value> = entries.iter().map(row).collect();
    context.output.rows(&COLUMNS, &rows, "No code was given out.");
    Ok(())
}

fn entries(door: &mut Door, pin: Pin) -> Outcome<Vec<KeypadCodeEntry>> {
    let request = Administer::Codes {
        offset: 0,
        count: MOST,
    };
    let parts = door.ask(request.with(pin))?.parts;
    let mut entries = Vec::new();
    for part in parts {
        if let FromLock::KeypadCodeEntry(entry) = part {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn row(entry: &KeypadCodeEntry) -> Value {
    json!({
        "id": entry.id.0,
        "name": entry.name.as_str(),
        "enabled": entry.enabled,
        "created": date(entry.created),
        "last_active": date(entry.last_active),
        "lock_count": entry.lock_count,
        "limits": limits(entry.limits),
    })
}

fn add(context: &Context, user: &str, code: &CodeSource, limits: &Limits, pin: &PinSource) -> Outcome<()> {
    let request = Administer::AddCode {
        name: name(user)?,
        limits: limits.given()?,
        code: digits(code)?,
    };
    let (mut door, asked) = context.administer(pin)?;
    let answer = door.ask(request.with(asked.pin()?))?;
    door.leave();
    let Some(FromLock::KeypadCodeId(made)) = answer.last else {
        return Err(Failure::odd_answer());
    };
    context.output.facts(&json!({ "id": made.id.0, "name": user }));
    Ok(())
}

/// What is to be another.
struct Wanted<'a> {
    user: Option<&'a str>,
    code: Option<KeypadCode>,
    enabled: Option<bool>,
    always: bool,
    limits: &'a Limits,
}

fn update(context: &Context, chosen: &Chosen, wanted: Wanted<'_>) -> Outcome<()> {
    let user = wanted.user.map(name).transpose()?;
    let limits = wanted.limits.given()?;
    change(context, chosen, "changed", |entry| Administer::UpdateCode {
        id: entry.id,
        code: wanted.code.unwrap_or(entry.code),
        name: user.unwrap_or(entry.name),
        enabled: wanted.enabled.unwrap_or(entry.enabled),
        limits: if wanted.always {
            None
        } else {
            limits.or(entry.limits)
        },
    })
}

fn remove(context: &Context, chosen: &Chosen) -> Outcome<()> {
    change(context, chosen, "removed", |entry| Administer::RemoveCode {
        id: entry.id,
    })
}

fn change(
    context: &Context,
    chosen: &Chosen,
    done: &str,
    request: impl FnOnce(KeypadCodeEntry) -> Administer,
) -> Outcome<()> {
    let (mut door, asked) = context.administer(&chosen.pin)?;
    let mut entries = entries(&mut door, asked.pin()?)?;
    let id = choose(
        &entries,
        &chosen.which,
        |entry| entry.id.0.into(),
        |entry| entry.name.to_string(),
    )?
    .id;
    entries.retain(|entry| entry.id == id);
    let entry = entries.pop().ok_or_else(Failure::odd_answer)?;
    let facts = json!({ "id": entry.id.0, "name": entry.name.as_str(), "now": done });
    door.ask(request(entry).with(asked.pin()?))?;
    door.leave();
    context.output.facts(&facts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::value::{CodeId, DateTime, Name};

    use super::*;

    #[test]
    fn a_row_is_as_scripts_know_it_and_has_no_digits_of_the_code() {
        let entry = KeypadCodeEntry {
            id: CodeId(3),
            code: KeypadCode::new(987_654).unwrap(),
            name: Name::new("Plumber").unwrap(),
            enabled: false,
            created: DateTime::UNSET,
            last_active: DateTime::UNSET,
            lock_count: 0,
            limits: None,
        };
        assert_eq!(
            row(&entry).to_string(),
            "{\"created\":null,\"enabled\":false,\"id\":3,\"last_active\":null,\"limits\":null,\"lock_count\":0,\
             \"name\":\"Plumber\"}"
        );
    }
}
