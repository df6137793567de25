//! `log`: who did what, and when.

use latchkey_phone::request::Administer;
use latchkey_protocol::message::{FromLock, LogEntry, LogEvent, Movement};
use latchkey_protocol::value::{LogIndex, SortOrder};
use serde_json::{Value, json};

use super::Context;
use crate::arguments::Log;
use crate::failure::Outcome;
use crate::words::{date, reported};

const COLUMNS: [&str; 7] = [
    "index",
    "time_utc",
    "who",
    "event",
    "action",
    "trigger",
    "completion",
];

pub(super) fn run(context: &Context, asked: &Log) -> Outcome<()> {
    let (mut door, pin) = context.administer(&asked.pin)?;
    let request = Administer::Log {
        start: LogIndex(0),
        count: asked.count,
        order: SortOrder::Descending,
        want_count: false,
    };
    let answer = door.ask(request.with(pin.pin()?))?;
    door.leave();
    let mut rows = Vec::new();
    for part in &answer.parts {
        if let FromLock::LogEntry(entry) = part {
            rows.push(row(entry));
        }
    }
    context.output.rows(&COLUMNS, &rows, "Nothing was logged yet.");
    Ok(())
}

fn row(entry: &LogEntry) -> Value {
    let who = entry.name.as_str();
    let mut row = json!({
        "index": entry.index.0,
        "time_utc": date(entry.time),
        "who": if who.is_empty() { Value::Null } else { json!(who) },
        "authorization": entry.authorization.0,
    });
    let event = event(&entry.event);
    if let (Some(row), Some(event)) = (row.as_object_mut(), event.as_object()) {
        row.extend(event.clone());
    }
    row
}

fn event(event: &LogEvent) -> Value {
    match event {
        LogEvent::Logging(on) => json!({ "event": "logging", "action": switched(*on) }),
        LogEvent::LockAction(movement) => moved("lock-action", movement),
        LogEvent::Calibration(movement) => moved("calibration", movement),
        LogEvent::InitializationRun(movement) => moved("initialization-run", movement),
        LogEvent::KeypadAction {
            action,
            source,
            completion,
            code,
        } => json!({
            "event": "keypad",
            "action": reported(*action),
            "trigger": reported(*source),
            "completion": reported(*completion),
            "code": code.0,
        }),
        LogEvent::Door(door) => json!({ "event": "door", "action": reported(*door) }),
        LogEvent::DoorSensorLogging(on) => json!({ "event": "door-sensor-logging", "action": switched(*on) }),
        LogEvent::FirmwareUpdate(version) => {
            json!({ "event": "firmware-update", "action": format!("{version}") })
        }
        LogEvent::Unknown(kind) => json!({ "event": format!("unknown-{kind}") }),
    }
}

fn moved(event: &str, movement: &Movement) -> Value {
    json!({
        "event": event,
        "action": movement.action.map(reported),
        "trigger": reported(movement.trigger),
        "completion": reported(movement.completion),
    })
}

const fn switched(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::value::{
        ActionFlags, AuthorizationId, CodeId, Completion, DateTime, KeypadAction, KeypadSource, LockAction,
        Name, Trigger,
    };

    use super::*;

    fn entry(event: LogEvent) -> LogEntry {
        LogEntry {
            index: LogIndex(7),
            time: DateTime::from_unix(1_790_000_000).unwrap(),
            authorization: AuthorizationId(3),
            name: Name::new("Ann").unwrap(),
            event,
        }
    }

    #[test]
    fn rows_are_as_scripts_know_them() {
        let moved = LogEvent::LockAction(Movement {
            action: Some(LockAction::Unlock.into()),
            trigger: Trigger::System.into(),
            flags: ActionFlags(0),
            completion: Completion::Success.into(),
        });
        assert_eq!(
            row(&entry(moved)).to_string(),
            "{\"action\":\"unlock\",\"authorization\":3,\"completion\":\"success\",\"event\":\"lock-action\",\
             \"index\":7,\"time_utc\":\"2026-09-21 14:13:20\",\"trigger\":\"system\",\"who\":\"Ann\"}"
        );
        let typed = LogEvent::KeypadAction {
            action: KeypadAction::Lock.into(),
            source: KeypadSource::Code.into(),
            completion: Completion::InvalidCode.into(),
            code: CodeId(9),
        };
        let row = row(&entry(typed));
        assert_eq!(
            (row["code"].as_u64(), row["completion"].as_str()),
            (Some(9), Some("invalid-code"))
        );
    }
}
