//! What moves the lock: `lock`, `unlock`, `unlatch`, `keypad enter`, `fob press`.

use latchkey_phone::request::Act;
use latchkey_phone::session::News;
use latchkey_protocol::message::KeyturnerStates;
use latchkey_protocol::value::{ActionFlags, AuthorizationType, EnteredCode, KeypadSource, LockAction};
use latchkey_protocol::wire::Tail;
use serde_json::{Value, json};

use super::Context;
use super::status::states;
use crate::arguments::{Fob, Keypad};
use crate::door::Door;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::words::reported;

pub(super) fn lock(context: &Context) -> Outcome<()> {
    turn(context, AuthorizationType::App, act(LockAction::Lock))
}

pub(super) fn unlock(context: &Context) -> Outcome<()> {
    turn(context, AuthorizationType::App, act(LockAction::Unlock))
}

pub(super) fn unlatch(context: &Context) -> Outcome<()> {
    turn(context, AuthorizationType::App, act(LockAction::Unlatch))
}

pub(super) fn keypad(context: &Context, asked: &Keypad) -> Outcome<()> {
    let Keypad::Enter { code, action } = asked;
    // Any number at all: the lock decides, and counts wrong ones.
    let typed = code
        .parse()
        .map_err(|_| Failure::usage("a keypad has digits only; nothing was sent"))?;
    let act = Act::Keypad {
        source: KeypadSource::Code,
        code: EnteredCode::new(typed),
        action: action.action(),
    };
    turn(context, AuthorizationType::Keypad, act)
}

pub(super) fn fob(context: &Context, asked: &Fob) -> Outcome<()> {
    let Fob::Press { times } = asked;
    let action = match times {
        2 => LockAction::FobAction2,
        3 => LockAction::FobAction3,
        _ => LockAction::FobAction1,
    };
    turn(context, AuthorizationType::Fob, act(action))
}

const fn act(action: LockAction) -> Act {
    Act::Lock {
        action,
        flags: ActionFlags(0),
        suffix: Tail(None),
    }
}

fn turn(context: &Context, kind: AuthorizationType, act: Act) -> Outcome<()> {
    let mut door = context.door(kind)?;
    let spinner = output::spinner("asking the lock");
    let outcome = follow(&mut door, act, &mut |words| spinner.set_message(words));
    spinner.finish_and_clear();
    door.leave();
    context.output.facts(&facts(outcome?.as_ref()));
    Ok(())
}

/// Gives how lock and door are afterwards, where the lock tells.
fn follow(door: &mut Door, act: Act, show: &mut dyn FnMut(String)) -> Outcome<Option<KeyturnerStates>> {
    let answer = door.follow(act, &mut |news| match news {
        News::Accepted => show("the lock moves".to_owned()),
        News::States(states) => show(reported(states.lock_state)),
        News::Paired | News::Part(_) | News::Done(_) | News::Failed(_) => {}
    })?;
    // What was asked for is done, whatever becomes of this question.
    Ok(states(door).ok().or(answer.states))
}

fn facts(states: Option<&KeyturnerStates>) -> Value {
    json!({
        "done": true,
        "lock_state": states.map(|states| reported(states.lock_state)),
        "completion": states.map(|states| reported(states.last_completion)),
    })
}
