//! What a page is told, as JSON: `news` says what it is.

use latchkey_image::{Uuid, Version};
use latchkey_phone::error::{Effect, Error, Failure};
use latchkey_phone::release::About;
use latchkey_phone::session::News;
use latchkey_phone::update::{self, Plan};
use latchkey_protocol::message::{
    AuthorizationEntry, FromLock, KeypadCodeEntry, KeyturnerStates, LogEntry, RunningImage,
};
use latchkey_protocol::value::Battery;
use serde_json::{Value, json};

use crate::limits::{Limits, local};
use crate::words;

/// News of a session.
pub(crate) fn news(news: &News) -> Value {
    match news {
        News::Paired => json!({ "news": "paired" }),
        News::Accepted => json!({ "news": "accepted" }),
        News::States(states) => json!({ "news": "states", "told": self::states(states) }),
        News::Part(message) => json!({ "news": "part", "told": told(message) }),
        News::Done(message) => json!({ "news": "done", "told": message.as_ref().map(told) }),
        News::Failed(failure) => failed(failure),
    }
}

fn failed(failure: &Failure) -> Value {
    json!({
        "news": "failed",
        "words": failure.to_string(),
        "wrongPin": failure.is_wrong_pin(),
        "lost": matches!(failure.error, Error::Disconnected | Error::Silence),
        "stranger": matches!(failure.error, Error::RefusedInPlain(_)),
        "unknownEffect": failure.effect == Effect::Unknown,
    })
}

fn told(message: &FromLock) -> Value {
    match message {
        FromLock::KeyturnerStates(states) => self::states(states),
        FromLock::LogEntry(entry) => log_entry(entry),
        FromLock::KeypadCodeEntry(entry) => code(entry),
        FromLock::AuthorizationEntry(entry) => user(entry),
        FromLock::RunningImage(running) => self::running(running),
        FromLock::LogEntryCount(count) => {
            json!({ "what": "log-count", "count": count.count, "logging": count.logging })
        }
        FromLock::KeypadCodeCount(count) => json!({ "what": "count", "count": count.count }),
        FromLock::AuthorizationEntryCount(count) => json!({ "what": "count", "count": count.count }),
        FromLock::KeypadCodeId(made) => json!({ "what": "made", "id": made.id.0 }),
        FromLock::InvitedAuthorization(made) => json!({ "what": "made", "id": made.authorization.0 }),
        FromLock::BatteryReport(report) => json!({
            "what": "battery",
            "millivolts": report.millivolts,
            "battery": battery(report.battery),
        }),
        FromLock::Config(config) => {
            json!({ "what": "config", "nukiId": config.nuki_id.to_string(), "name": config.name.as_str() })
        }
        FromLock::Challenge(_)
        | FromLock::StatusReport(_)
        | FromLock::MostRecentCommand(_)
        | FromLock::OpeningsClosingsSummary(_)
        | FromLock::ErrorReport(_)
        | FromLock::FirmwareStatus(_)
        | FromLock::AdvancedConfig(_)
        | FromLock::TimeControlEntryId(_)
        | FromLock::TimeControlEntryCount(_)
        | FromLock::TimeControlEntry(_)
        | FromLock::UpdateStatus(_) => json!({ "what": "other" }),
    }
}

fn states(states: &KeyturnerStates) -> Value {
    let (lock, words) = words::lock_state(states.lock_state);
    json!({
        "what": "states",
        "lock": lock,
        "words": words,
        "door": words::door(states.door),
        "battery": battery(states.battery),
        "keypadBatteryCritical": states.accessories.0.and_then(|told| told.keypad_critical()),
        "unix": states.time.to_unix(),
        "lastAction": states.last_action.map(words::action),
        "nightMode": states.night_mode.0,
    })
}

fn battery(battery: Battery) -> Value {
    let percent = battery.percent();
    json!({
        "critical": battery.critical(),
        "charging": battery.charging(),
        // 0 is also what a lock says that does not tell.
        "percent": (percent > 0).then_some(percent),
    })
}

fn log_entry(entry: &LogEntry) -> Value {
    json!({
        "what": "log-entry",
        "index": entry.index.0,
        "unix": entry.time.to_unix(),
        "who": entry.name.as_str(),
        "words": words::event(&entry.event),
    })
}

fn code(entry: &KeypadCodeEntry) -> Value {
    json!({
        "what": "code",
        "id": entry.id.0,
        "code": entry.code.expose(|code| code),
        "name": entry.name.as_str(),
        "enabled": entry.enabled,
        "created": local(entry.created),
        "lastActive": local(entry.last_active),
        "count": entry.lock_count,
        "limits": entry.limits.map(Limits::from),
    })
}

fn user(entry: &AuthorizationEntry) -> Value {
    json!({
        "what": "user",
        "id": entry.authorization.0,
        "kind": words::kind(entry.kind),
        "name": entry.name.as_str(),
        "enabled": entry.enabled,
        "remote": entry.remote_allowed,
        "created": local(entry.created),
        "lastActive": local(entry.last_active),
        "count": entry.lock_count,
        "limits": entry.limits.map(Limits::from),
    })
}

fn running(running: &RunningImage) -> Value {
    let version = Version {
        major: running.major,
        minor: running.minor,
        revision: running.revision,
        build: running.build,
    };
    json!({
        "what": "running",
        "version": version.to_string(),
        "counter": running.counter,
        "floor": running.floor,
        "confirmed": running.confirmed,
        "vendor": Uuid(running.vendor).to_string(),
        "class": Uuid(running.class).to_string(),
        "image": hex(&running.image),
    })
}

/// What an image says of itself.
pub(crate) fn about(about: &About) -> Value {
    json!({
        "image": hex(&about.image.0),
        "version": about.version.to_string(),
        "counter": about.counter.0,
        "vendor": about.vendor.to_string(),
        "class": about.class.to_string(),
        "size": about.size,
    })
}

/// News of an update.
pub(crate) fn update_news(news: &update::News) -> Value {
    match news {
        update::News::Plan(plan) => self::plan(plan),
        update::News::Uploading { received, size } => {
            json!({ "news": "uploading", "received": received, "size": size })
        }
        update::News::Requested => json!({ "news": "requested" }),
        update::News::Restarting => json!({ "news": "restarting" }),
        update::News::OnTrial => json!({ "news": "on-trial" }),
        update::News::Busy => json!({ "news": "busy" }),
        update::News::LinkLost { again_at_ms } => json!({ "news": "link-lost", "againAtMs": again_at_ms }),
        update::News::Ended(ended) => {
            json!({
                "news": "ended",
                "good": ended.is_good(),
                "wrongPin": ended.is_wrong_pin(),
                "words": ended.to_string(),
            })
        }
    }
}

fn plan(plan: &Plan) -> Value {
    json!({
        "news": "plan",
        "from": plan.from.to_string(),
        "to": plan.to.to_string(),
        "counter": plan.counter.0,
        "size": plan.size,
        "received": plan.received,
        "battery": battery(plan.battery),
        "awaySeconds": plan.away_seconds,
        "earlier": plan.earlier.map(|earlier| earlier.to_string()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
