//! `users`: who may use the lock.

mod invite;

use latchkey_phone::request::Administer;
use latchkey_protocol::message::{AuthorizationEntry, FromLock};
use latchkey_protocol::value::Pin;
use serde_json::{Value, json};

use super::{Context, choose};
use crate::arguments::{Chosen, Users};
use crate::door::Door;
use crate::failure::Outcome;
use crate::secret::PinSource;
use crate::words::{date, limits, reported};

/// More than any lock has.
const MOST: u16 = 1_000;
const COLUMNS: [&str; 8] = [
    "id",
    "kind",
    "name",
    "enabled",
    "created",
    "last_active",
    "lock_count",
    "limits",
];

pub(super) fn run(context: &Context, asked: &Users) -> Outcome<()> {
    match asked {
        Users::List { pin } => list(context, pin),
        Users::Invite(asked) => invite::run(context, asked),
        Users::Disable(chosen) => enable(context, chosen, false),
        Users::Enable(chosen) => enable(context, chosen, true),
        Users::Remove(chosen) => remove(context, chosen),
    }
}

fn list(context: &Context, pin: &PinSource) -> Outcome<()> {
    let (mut door, asked) = context.administer(pin)?;
    let entries = entries(&mut door, asked.pin()?)?;
    door.leave();
    let rows: Vec<Value> = entries.iter().map(row).collect();
    context.output.rows(&COLUMNS, &rows, "Nobody may use the lock.");
    Ok(())
}

fn entries(door: &mut Door, pin: Pin) -> Outcome<Vec<AuthorizationEntry>> {
    let request = Administer::Authorizations {
        offset: 0,
        count: MOST,
    };
    let parts = door.ask(request.with(pin))?.parts;
    let mut entries = Vec::new();
    for part in parts {
        if let FromLock::AuthorizationEntry(entry) = part {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn row(entry: &AuthorizationEntry) -> Value {
    json!({
        "id": entry.authorization.0,
        "kind": reported(entry.kind),
        "name": entry.name.as_str(),
        "enabled": entry.enabled,
        "remote_allowed": entry.remote_allowed,
        "created": date(entry.created),
        "last_active": date(entry.last_active),
        "lock_count": entry.lock_count,
        "limits": limits(entry.limits),
    })
}

fn enable(context: &Context, chosen: &Chosen, enabled: bool) -> Outcome<()> {
    change(
        context,
        chosen,
        if enabled { "enabled" } else { "disabled" },
        |entry| Administer::UpdateAuthorization {
            authorization: entry.authorization,
            name: entry.name,
            enabled,
            remote_allowed: entry.remote_allowed,
            limits: entry.limits,
        },
    )
}

fn remove(context: &Context, chosen: &Chosen) -> Outcome<()> {
    change(context, chosen, "removed", |entry| {
        Administer::RemoveAuthorization {
            authorization: entry.authorization,
        }
    })
}

fn change(
    context: &Context,
    chosen: &Chosen,
    done: &str,
    request: impl FnOnce(&AuthorizationEntry) -> Administer,
) -> Outcome<()> {
    let (mut door, asked) = context.administer(&chosen.pin)?;
    let entries = entries(&mut door, asked.pin()?)?;
    let entry = choose(
        &entries,
        &chosen.which,
        |entry| entry.authorization.0,
        |entry| entry.name.to_string(),
    )?;
    door.ask(request(entry).with(asked.pin()?))?;
    door.leave();
    let facts = json!({ "id": entry.authorization.0, "name": entry.name.as_str(), "now": done });
    context.output.facts(&facts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::value::{AuthorizationId, AuthorizationType, DateTime, Name, TimeLimits};

    use super::*;

    #[test]
    fn a_row_is_as_scripts_know_it() {
        let entry = AuthorizationEntry {
            authorization: AuthorizationId(5),
            kind: AuthorizationType::Keypad.into(),
            name: Name::new("Bob").unwrap(),
            enabled: true,
            remote_allowed: false,
            created: DateTime::from_unix(1_790_000_000).unwrap(),
            last_active: DateTime::UNSET,
            lock_count: 2,
            limits: Some(TimeLimits::default()),
        };
        assert_eq!(
            row(&entry).to_string(),
            "{\"created\":\"2026-09-21 14:13:20\",\"enabled\":true,\"id\":5,\"kind\":\"keypad\",\
             \"last_active\":null,\"limits\":{\"between\":null,\"days\":\"mon,tue,wed,thu,fri,sat,sun\",\
             \"from\":null,\"until\":null},\"lock_count\":2,\"name\":\"Bob\",\"remote_allowed\":false}"
        );
    }
}
