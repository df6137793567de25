//! Actions: from being asked for to being written down.
//!
//! An action is resolved to a goal of the bolt. What must be on flash before the bolt moves is written first; then the
//! client hears that it was accepted. The end comes from the motor, from time or from a hand, needs no client, and is
//! in the log before the client hears of it.

mod act;
mod rules;

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::message::{
    Message, PerformKeypadAction, PerformLockAction, PerformSimpleLockAction, RequestCalibration,
};
use latchkey_protocol::value::{
    ButtonAction, CodeId, Completion, ErrorCode, KeypadSource, LockAction, Name, Status, Trigger,
};
use latchkey_storage::Storage;

use super::commands::Done;
use super::links::{Item, Reply};
use super::{LinkId, Lock};
use crate::access::Authorization;
use crate::activity::with_suffix;
use crate::bolt::{Failure, Goal, News, NoMotion, Sense, Stand};
use crate::store::StoreFailed;
pub(super) use act::Act;
use act::{Subject, completion_of, error_of};
use rules::{Counted, Plan};

impl Lock {
    pub(super) fn lock_action<F: NorFlash>(
        &mut self,
        link: LinkId,
        by: Authorization,
        asked: &PerformLockAction,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        if asked.flags.auto_unlock() {
            self.state.may_auto_unlock(now_ms)?;
        }
        let suffix = asked.suffix.0.as_ref().map_or("", |suffix| suffix.as_str());
        let act = Act {
            flags: asked.flags,
            name: with_suffix(&by.name, suffix),
            ..Act::asked_by(&by, link, asked.action, PerformLockAction::COMMAND)
        };
        self.perform(act, Counted::Authorization(by), now_ms, storage)?;
        if asked.flags.auto_unlock() {
            self.state.auto_unlock_ms = Some(now_ms);
        }
        Ok(())
    }

    pub(super) fn simple_action<F: NorFlash>(
        &mut self,
        link: LinkId,
        by: Authorization,
        asked: &PerformSimpleLockAction,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        let act = Act::asked_by(&by, link, asked.action.into(), PerformSimpleLockAction::COMMAND);
        self.perform(act, Counted::Authorization(by), now_ms, storage)
    }

    pub(super) fn keypad_action<F: NorFlash>(
        &mut self,
        link: LinkId,
        by: Authorization,
        asked: &PerformKeypadAction,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        let action = self.state.keypad_action(asked.action);
        let mut act = Act::asked_by(&by, link, action, PerformKeypadAction::COMMAND);
        let mut subject = |code| {
            act.subject = Subject::Keypad {
                action,
                asked: asked.action,
                source: asked.source,
                code,
            };
            act
        };
        match asked.source {
            // Whoever has no code may shut the door behind him, and no more.
            KeypadSource::ArrowKey if action == LockAction::Lock => {
                let act = subject(CodeId(0));
                self.perform(act, Counted::Authorization(by), now_ms, storage)
            }
            KeypadSource::ArrowKey => Err(ErrorCode::CodeInvalid),
            KeypadSource::Fingerprint => Err(ErrorCode::BadParameter),
            KeypadSource::Code => {
                let code = match self.state.typed_code(asked, now_ms, storage) {
                    Ok(code) => code,
                    Err(wrong) => {
                        let act = subject(CodeId(0));
                        self.state.log_wrong_code(&act, wrong, now_ms, storage)?;
                        return Err(wrong.code_error());
                    }
                };
                if !code.enabled {
                    return Err(ErrorCode::Disabled);
                }
                if !code.is_in_time(self.state.local(now_ms)) {
                    return Err(ErrorCode::TimeNotAllowed);
                }
                let act = Act {
                    name: Name::new(code.name.as_str()).unwrap_or(Name::EMPTY),
                    ..subject(code.id)
                };
                self.perform(act, Counted::Both(by, code), now_ms, storage)
            }
        }
    }

    pub(super) fn calibrate<F: NorFlash>(
        &mut self,
        link: LinkId,
        by: Authorization,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        if self.state.bolt.is_moving() {
            return Err(ErrorCode::Busy);
        }
        let act = Act {
            subject: Subject::Calibration,
            ..Act::asked_by(&by, link, LockAction::Lock, RequestCalibration::COMMAND)
        };
        self.start(act, Goal::Calibrate, now_ms, storage)
    }

    /// What the button on the lock does when pressed like this.
    pub(super) fn button_action<F: NorFlash>(
        &mut self,
        set: ButtonAction,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) {
        let action = match set {
            // Showing is the light's, which this lock has none of.
            ButtonAction::None | ButtonAction::ShowStatus => return,
            ButtonAction::Intelligent => self.state.intelligent(),
            ButtonAction::Unlock => LockAction::Unlock,
            ButtonAction::Lock => LockAction::Lock,
            ButtonAction::Unlatch => LockAction::Unlatch,
            ButtonAction::LockNGo => LockAction::LockNGo,
        };
        self.perform_itself(action, Trigger::Button, now_ms, storage);
    }

    /// Does something that no client asked for. If it cannot, nobody is there to hear it; the log may say so.
    pub(super) fn perform_itself<F: NorFlash>(
        &mut self,
        action: LockAction,
        trigger: Trigger,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) {
        let act = Act::by_itself(action, trigger);
        if self.state.bolt.is_moving() {
            let entry = self.state.entry(&act, Completion::Busy, now_ms);
            let _ = self.state.log(storage, &entry);
            return;
        }
        let plan = self.state.plan(action);
        match plan {
            Some(plan) if !self.state.bolt.is_at(plan.goal) => {
                let _ = self.start(act.planned(plan.lock_n_go), plan.goal, now_ms, storage);
            }
            Some(_) | None => {
                let _ = self.state.done_already(plan, now_ms, storage);
            }
        }
    }

    /// Does what a client asked for.
    fn perform<F: NorFlash>(
        &mut self,
        act: Act,
        counted: Counted,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        if self.state.bolt.is_moving() {
            return Err(ErrorCode::Busy);
        }
        let plan = act.action().and_then(|action| self.state.plan(action));
        let there = |plan: Plan| self.state.bolt.is_at(plan.goal) && !act.flags.force();
        match plan {
            Some(plan) if !there(plan) => {
                if self.state.bolt.stand() == Stand::Uncalibrated {
                    return Err(ErrorCode::NotCalibrated);
                }
                self.state.count(counted, now_ms, storage)?;
                self.start(act.planned(plan.lock_n_go), plan.goal, now_ms, storage)
            }
            // There is nothing to do, or it is done already.
            Some(_) | None => {
                let before = self.state.lock_state();
                self.state.done_already(plan, now_ms, storage)?;
                if self.state.lock_state() != before {
                    self.links.tell_state(self.state.lock_state());
                }
                if let Some((link, _)) = act.answer {
                    self.reply(link, Reply::status(Status::Complete));
                }
                Ok(())
            }
        }
    }

    /// Sets the bolt moving: from here on it ends by itself.
    fn start<F: NorFlash>(&mut self, act: Act, goal: Goal, now_ms: u64, storage: &mut Storage<F>) -> Done {
        let from_deg = self.state.bolt.kept().at_deg;
        self.state.bolt.begin(goal, now_ms).map_err(|why| match why {
            NoMotion::Busy => ErrorCode::Busy,
            NoMotion::NotCalibrated => ErrorCode::NotCalibrated,
        })?;
        // That it moves is on flash before it does: a cut in the motion leaves no place that is believed.
        if self.state.save_bolt(storage).is_err() {
            self.state.bolt.abandon();
            return Err(ErrorCode::Unknown);
        }
        // A lock'n'go that a cut leaves on flash locks a door that somebody may be opening: better than the reverse.
        self.state.relock.disarm();
        self.state.trigger = act.trigger;
        if let Some(action) = act.action() {
            self.state.battery.begin(action, from_deg);
        }
        if let Some((link, _)) = act.answer {
            self.reply(link, Reply::status(Status::Accepted));
        }
        self.state.act = Some(act);
        self.links.tell_state(self.state.lock_state());
        Ok(())
    }

    /// The motor tells something.
    pub(super) fn motor<F: NorFlash>(&mut self, sense: Sense, now_ms: u64, storage: &mut Storage<F>) {
        if let Some(news) = self.state.bolt.sense(sense, now_ms) {
            self.bolt_news(news, now_ms, storage);
        }
    }

    /// Takes in what became of the bolt.
    pub(super) fn bolt_news<F: NorFlash>(&mut self, news: News, now_ms: u64, storage: &mut Storage<F>) {
        match news {
            News::Changed => {
                if !self.state.bolt.is_moving() {
                    // Where it came to rest was not known. If it cannot be written down, the next start finds out.
                    let _ = self.state.save_bolt(storage);
                }
                self.links.tell_state(self.state.lock_state());
            }
            News::Turned => self.turned_by_hand(now_ms, storage),
            News::Ended(result) => self.ended(result, now_ms, storage),
        }
    }

    fn turned_by_hand<F: NorFlash>(&mut self, now_ms: u64, storage: &mut Storage<F>) {
        let action = match self.state.bolt.stand() {
            Stand::Locked => LockAction::Lock,
            Stand::Unlatched => LockAction::Unlatch,
            Stand::Unlocked
            | Stand::Uncalibrated
            | Stand::Locating
            | Stand::Undefined
            | Stand::Locking
            | Stand::Unlocking
            | Stand::Unlatching
            | Stand::Blocked
            | Stand::Calibrating => LockAction::Unlock,
        };
        self.state.relock.disarm();
        self.state.trigger = Trigger::Manual;
        let act = Act::by_itself(action, Trigger::Manual);
        self.state.after_action(false, now_ms);
        // The hand has done it, whether or not it can be written down.
        let _ = self.state.record_end(&act, Completion::Success, now_ms, storage);
        self.links.tell_state(self.state.lock_state());
    }

    fn ended<F: NorFlash>(&mut self, result: Result<(), Failure>, now_ms: u64, storage: &mut Storage<F>) {
        let Some(act) = self.state.act.take() else {
            // The bolt was found after a start that nothing had been cut off before.
            self.state.arm_auto_lock(now_ms);
            let _ = self.state.save_bolt(storage);
            self.links.tell_state(self.state.lock_state());
            return;
        };
        self.state.battery.end(self.state.bolt.kept().at_deg);
        let completion = result.map_or_else(completion_of, |()| Completion::Success);
        if result.is_ok() {
            self.state.after_action(act.lock_n_go, now_ms);
        }
        let recorded = self.state.record_end(&act, completion, now_ms, storage);
        self.links.tell_state(self.state.lock_state());
        let Some((link, command)) = act.answer else { return };
        let answer = match (result, recorded) {
            (Ok(()), Ok(())) => Reply::status(Status::Complete),
            (Err(failure), _) => Reply::error(error_of(failure), command),
            (Ok(()), Err(StoreFailed)) => Reply::error(ErrorCode::Unknown, command),
        };
        if let Some(waiting) = self.links.get(link).filter(|waiting| waiting.is_with(act.who)) {
            waiting.push(Item::Sealed(answer));
        }
    }

    /// Somebody is gone: nobody waits for the end any more, and it comes all the same.
    pub(super) fn disconnected(&mut self, link: LinkId) {
        self.links.disconnected(link);
        if let Some(act) = self.state.act.as_mut().filter(|act| act.link() == Some(link.0)) {
            act.answer = None;
        }
    }
}
