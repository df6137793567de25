//! `pair`: becoming one whom a lock knows.

use std::path::Path;

use latchkey_phone::{Credentials, Invitation};
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::{AppId, AuthorizationType, NukiId};
use latchkey_protocol::wire::PinWidth;
use serde_json::json;

use super::{Context, keep_time, name};
use crate::arguments::Pair;
use crate::clock::random;
use crate::door::Door;
use crate::failure::{Failure, Kind, Outcome};
use crate::link::{Heard, Link};
use crate::output;
use crate::secret::{self, Asked};
use crate::store::Held;
use crate::words;

pub(super) fn run(context: &Context, asked: &Pair) -> Outcome<()> {
    if let Some(file) = &asked.invitation {
        return accept(context, file, asked.keyring);
    }
    let store = context.store_into(asked.keyring)?;
    let kind = asked.kind.kind();
    let identity = Identity {
        kind,
        app: AppId(u32::from_le_bytes(random()?)),
        name: name(&asked.user)?,
    };
    if let Some(name) = &context.common.lock {
        store.make_room(name, kind)?;
    }
    let mut link = context.link()?;
    let heard = find(context, &mut *link, asked.id)?;
    let lock = heard.id();
    let called = context.common.lock.clone().unwrap_or_else(|| lock.to_string());
    store.make_room(&called, kind)?;
    let (way, pin) = match heard.says {
        Advertisement::Pairing(Family::Fifth, _) => {
            let pin = asked.pin.ask(PinWidth::Long)?;
            (Way::Fifth(pin.pin()?), pin)
        }
        Advertisement::Pairing(Family::ToFourth, _)
        | Advertisement::Uninitialized(_)
        | Advertisement::DoorMode { .. } => (Way::ToFourth, asked.pin.given(PinWidth::Short)?),
    };
    let spinner = output::spinner("pairing");
    let mut kept = None;
    let paired = Door::pair(link, lock, way, identity, context.patience(), &mut |given| {
        let held = Held {
            name: called.clone(),
            kind,
            lock,
            credentials: copy(given)?,
        };
        let path = store.keep(&held)?;
        kept = Some((held, path));
        Ok(())
    });
    spinner.finish_and_clear();
    match (paired, kept) {
        (Ok(mut door), Some((held, path))) => {
            if kind == AuthorizationType::App {
                start_clock(&mut door, &pin);
            }
            door.leave();
            told(context, &held, &path);
            Ok(())
        }
        (Ok(_), None) => Err(Failure::odd_answer()),
        // It is certain that the lock does not hold what was kept.
        (Err(failure), Some((held, _))) if failure.kind != Kind::Unknown => {
            store.take_back(&held)?;
            Err(failure)
        }
        (Err(failure), Some((_, path))) => Err(Failure::new(
            failure.kind,
            format!(
                "{failure}. The credentials are kept in {}; if `latchkey status` says that the lock does not know \
                 you, `latchkey forget` it and pair again",
                path.display()
            ),
        )),
        (Err(failure), None) => Err(failure),
    }
}

/// A new lock does not know the time. Who has just paired cannot be told so by a failure.
fn start_clock(door: &mut Door, pin: &Asked) {
    if let Err(failure) = keep_time(door, pin) {
        output::note(&format!(
            "Paired, but the lock's clock could not be looked after: {failure}. `latchkey config clock` sets it."
        ));
    }
}

/// The lock that waits to be paired with.
fn find(context: &Context, link: &mut dyn Link, id: Option<NukiId>) -> Outcome<Heard> {
    let spinner = output::spinner("looking for a lock that waits to be paired with");
    let is_meant = |heard: &Heard| id.is_none_or(|id| heard.id() == id);
    let waits = |heard: &Heard| !matches!(heard.says, Advertisement::DoorMode { .. }) && is_meant(heard);
    let heard = link.scan(context.patience(), &waits);
    spinner.finish_and_clear();
    let heard = heard?;
    let mut waiting = heard.iter().filter(|heard| waits(heard));
    match (waiting.next(), waiting.next()) {
        (Some(only), None) => Ok(*only),
        (Some(_), Some(_)) => Err(Failure::usage(
            "several locks wait to be paired with; `latchkey scan` shows them, name one by --id",
        )),
        (None, _) if heard.iter().any(is_meant) => Err(Failure::new(
            Kind::Refused,
            "no lock here waits to be paired with; hold the lock's button for five seconds and try again",
        )),
        (None, _) => Err(Failure::new(
            Kind::Link,
            "no lock was heard; go nearer, see that it has power, and hold its button for five seconds",
        )),
    }
}

/// Takes an invitation.
fn accept(context: &Context, file: &Path, keyring: bool) -> Outcome<()> {
    let store = context.store_into(keyring)?;
    let text = secret::whole(file, "Invitation: ")?;
    let invitation = Invitation::read(&text)
        .map_err(|why| Failure::new(Kind::Secret, format!("{}: {why}", secret::place(file))))?;
    let lock = invitation.lock;
    let held = Held {
        name: context.common.lock.clone().unwrap_or_else(|| lock.to_string()),
        kind: AuthorizationType::App,
        lock,
        credentials: invitation.credentials,
    };
    let path = store.keep(&held)?;
    told(context, &held, &path);
    output::note("Remove every copy of the invitation now: whoever has one can use the lock.");
    Ok(())
}

fn told(context: &Context, held: &Held, path: &Path) {
    context.output.facts(&json!({
        "name": held.name,
        "lock": held.lock.to_string(),
        "as": words::kind(held.kind),
        "authorization": held.credentials.authorization.0,
        "kept_in": path.display().to_string(),
    }));
}

/// Those that the session goes on with, once more: there is no `Clone`, so that each copy is seen.
fn copy(credentials: &Credentials) -> Outcome<Credentials> {
    let mut bytes = credentials.expose(|bytes| *bytes);
    Credentials::from_bytes(&mut bytes).map_err(|error| Failure::new(Kind::Secret, error.to_string()))
}
