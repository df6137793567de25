//! `pair`: becoming one whom a lock knows.

use std::path::Path;

use latchkey_phone::{Credentials, Invitation};
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::{AppId, AuthorizationType, NukiId};
use latchkey_protocol::wire::PinWidth;
use serde_json::json;

use super::{Context, keep_time, name, warn_of_clock};
use crate::arguments::Pair;
use crate::clock::random;
use crate::door::Door;
use crate::failure::{Failure, Kind, Outcome};
use crate::link::{Heard, Link};
use crate::output;
use crate::secret::{self, Asked, PinSource};
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
    let pin = pin(&heard, kind, &asked.pin)?;
    let way = match (&heard.says, &pin) {
        (Advertisement::Pairing(Family::Fifth, _), Some(pin)) => Way::Fifth(pin.pin()?),
        _ => Way::ToFourth,
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
                // A new lock does not know the time. Who has just paired is not told so by a failure.
                keep_time(&mut door, pin.as_ref()).unwrap_or_else(|failure| warn_of_clock(&failure));
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

/// The PIN, as far as it is known: for the pairing itself, or to set the lock's clock afterwards. None is tried that may
/// be wrong: locks count wrong ones.
fn pin(heard: &Heard, kind: AuthorizationType, source: &PinSource) -> Outcome<Option<Asked>> {
    match heard.says {
        Advertisement::Pairing(Family::Fifth, _) => source.ask(PinWidth::Long).map(Some),
        _ if kind != AuthorizationType::App => Ok(None),
        // Nobody has paired with it before, so that nobody can have set one.
        Advertisement::Uninitialized(_) => source.given_or_none_set(PinWidth::Short).map(Some),
        Advertisement::Pairing(Family::ToFourth, _) | Advertisement::DoorMode { .. } => {
            source.ask_somebody(PinWidth::Short)
        }
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

#[cfg(test)]
mod tests {
    use latchkey_protocol::value::Pin;

    use super::*;

    fn pin_for(kind: AuthorizationType, says: Advertisement) -> Option<Pin> {
        let heard = Heard { says, rssi: None };
        let source = PinSource::default();
        pin(&heard, kind, &source)
            .unwrap()
            .map(|asked| asked.pin().unwrap())
    }

    #[test]
    fn no_pin_is_tried_that_may_be_wrong() {
        let id = NukiId::new(1).unwrap();
        let new = Advertisement::Uninitialized(id);
        let known = Advertisement::Pairing(Family::ToFourth, id);
        assert_eq!(pin_for(AuthorizationType::App, new), Some(Pin::short(0)));
        for kind in [AuthorizationType::Keypad, AuthorizationType::Fob] {
            assert_eq!(pin_for(kind, new), None, "{kind:?}");
            assert_eq!(pin_for(kind, known), None, "{kind:?}");
        }
    }
}
