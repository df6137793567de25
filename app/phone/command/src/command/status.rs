//! `status`: how lock and door are, and what runs.

use latchkey_phone::release::LockFacts;
use latchkey_phone::request::Report;
use latchkey_protocol::message::{FromLock, KeyturnerStates};
use latchkey_protocol::value::AuthorizationType;
use serde_json::{Value, json};

use super::Context;
use crate::door::Door;
use crate::failure::{Failure, Kind, Outcome};
use crate::words::{date, reported};

pub(super) fn run(context: &Context) -> Outcome<()> {
    let mut door = context.door(AuthorizationType::App)?;
    let states = states(&mut door)?;
    let running = running(&mut door)?;
    door.leave();
    context.output.facts(&facts(&states, running.as_ref()));
    Ok(())
}

pub(super) fn states(door: &mut Door) -> Outcome<KeyturnerStates> {
    let answer = door.ask(Report::States {})?;
    match (answer.last, answer.states) {
        (Some(FromLock::KeyturnerStates(states)), _) | (_, Some(states)) => Ok(states),
        (Some(_) | None, None) => Err(Failure::odd_answer()),
    }
}

/// What runs; `None` when the lock does not tell that, as those by others do not.
pub(super) fn running(door: &mut Door) -> Outcome<Option<LockFacts>> {
    match door.ask(Report::Running {}) {
        Ok(answer) => match answer.last {
            Some(FromLock::RunningImage(told)) => Ok(Some(LockFacts::from(&told))),
            Some(_) | None => Err(Failure::odd_answer()),
        },
        Err(failure) if failure.kind == Kind::Refused => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn facts(states: &KeyturnerStates, running: Option<&LockFacts>) -> Value {
    json!({
        "lock_state": reported(states.lock_state),
        "door": reported(states.door),
        "device": reported(states.nuki_state),
        "battery_percent": states.battery.percent(),
        "battery_critical": states.battery.critical(),
        "time_utc": date(states.time),
        "last_action": states.last_action.map(reported),
        "last_trigger": reported(states.last_trigger),
        "last_completion": reported(states.last_completion),
        "version": running.map(|running| running.version.to_string()),
        "security_counter": running.map(|running| running.counter.0),
        "confirmed": running.map(|running| running.confirmed),
        "boot": running.map(|running| reported(running.boot.outcome)),
        "boot_reason": running.and_then(|running| latchkey_phone::release::describe(running.boot.reason)),
    })
}
