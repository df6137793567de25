//! Actions: from being asked for to being written down.
//!
//! An action is resolved to a goal of the bolt. What must be on flash before the bolt moves is written first; then the
//! client hears that it was accepted. The end comes from the motor, from time or from a hand, needs no client, and is
//! in the log before the client hears of it.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::message::{
    Command, LogEvent, Message, Movement, PerformKeypadAction, PerformLockAction, PerformSimpleLockAction,
    RequestCalibration,
};
use latchkey_protocol::value::{
    ActionFlags, AuthorizationId, ButtonAction, CodeId, Completion, ErrorCode, FobAction, KeypadAction,
    KeypadSource, LockAction, Name, Status, Trigger,
};
use latchkey_storage::Storage;

use super::commands::Done;
use super::links::Reply;
use super::state::State;
use super::{LinkId, Lock};
use crate::access::{Authorization, Code, Wrong};
use crate::activity::{Entry, NOBODY, with_suffix};
use crate::bolt::{Failure, Goal, MotorFault, News, NoMotion, Sense, Stand};
use crate::schedule::Why;
use crate::store::StoreFailed;

/// An auto unlock sooner than this after the last one is none: the phone has only come near again, in milliseconds.
const AUTO_UNLOCK_MS: u64 = 30_000;

/// What is in the log about an action besides how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Action(LockAction),
    Calibration,
    /// The bolt was found after a start that followed a cut in a motion.
    Found,
    Keypad {
        action: LockAction,
        asked: KeypadAction,
        source: KeypadSource,
        code: CodeId,
    },
}

/// An action under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Act {
    subject: Subject,
    trigger: Trigger,
    flags: ActionFlags,
    who: AuthorizationId,
    name: Name<32>,
    /// Who waits for its end.
    answer: Option<(LinkId, Command)>,
    /// Lock again when it is over.
    lock_n_go: bool,
}

impl Act {
    /// The connection that waits for its end.
    pub(super) fn link(&self) -> Option<u8> {
        self.answer.map(|(link, _)| link.0)
    }

    fn by_itself(action: LockAction, trigger: Trigger) -> Self {
        Self {
            subject: Subject::Action(action),
            trigger,
            flags: ActionFlags::default(),
            who: NOBODY,
            name: Name::EMPTY,
            answer: None,
            lock_n_go: is_lock_n_go(action),
        }
    }

    fn action(&self) -> Option<LockAction> {
        match self.subject {
            Subject::Action(action) | Subject::Keypad { action, .. } => Some(action),
            Subject::Calibration | Subject::Found => None,
        }
    }

    fn event(&self, completion: Completion) -> LogEvent {
        let movement = Movement {
            action: self.action().map(Into::into),
            trigger: self.trigger.into(),
            flags: self.flags,
            completion: completion.into(),
        };
        match self.subject {
            Subject::Action(_) => LogEvent::LockAction(movement),
            Subject::Calibration => LogEvent::Calibration(movement),
            Subject::Found => LogEvent::InitializationRun(movement),
            Subject::Keypad {
                asked, source, code, ..
            } => LogEvent::KeypadAction {
                action: asked.into(),
                source: source.into(),
                completion: completion.into(),
                code,
            },
        }
    }
}

/// Who an action is counted for.
enum Counted {
    Authorization(Authorization),
    Both(Authorization, Code),
}

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
            ..asked_by(&by, link, asked.action, PerformLockAction::COMMAND)
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
        let act = asked_by(&by, link, asked.action.into(), PerformSimpleLockAction::COMMAND);
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
        let mut act = asked_by(&by, link, action, PerformKeypadAction::COMMAND);
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
            ..asked_by(&by, link, LockAction::Lock, RequestCalibration::COMMAND)
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
            // What cannot be written down is not done either.
            let _ = self.state.log(storage, &entry);
            return;
        }
        let Some(goal) = self.state.goal(action) else {
            return;
        };
        if self.state.bolt.is_at(goal) {
            self.state.after_action(&act, now_ms);
        } else {
            let _ = self.start(act, goal, now_ms, storage);
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
        let goal = act.action().and_then(|action| self.state.goal(action));
        let there = |goal| self.state.bolt.is_at(goal) && !act.flags.force();
        match goal {
            Some(goal) if !there(goal) => {
                if self.state.bolt.stand() == Stand::Uncalibrated {
                    return Err(ErrorCode::NotCalibrated);
                }
                self.state.count(counted, now_ms, storage)?;
                self.start(act, goal, now_ms, storage)
            }
            // There is nothing to do, or it is done already.
            Some(_) | None => {
                self.state.after_action(&act, now_ms);
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
        // The hand has done it, whether or not it can be written down.
        let _ = self.state.record_end(&act, Completion::Success, now_ms, storage);
        self.state.after_action(&act, now_ms);
        self.links.tell_state(self.state.lock_state());
    }

    fn ended<F: NorFlash>(&mut self, result: Result<(), Failure>, now_ms: u64, storage: &mut Storage<F>) {
        let Some(act) = self.state.act.take() else {
            // The bolt was found after a start that nothing had been cut off before.
            let _ = self.state.save_bolt(storage);
            self.links.tell_state(self.state.lock_state());
            return;
        };
        self.state.battery.end(self.state.bolt.kept().at_deg);
        let completion = result.map_or_else(completion_of, |()| Completion::Success);
        let recorded = self.state.record_end(&act, completion, now_ms, storage);
        if result.is_ok() {
            self.state.after_action(&act, now_ms);
        }
        self.links.tell_state(self.state.lock_state());
        let Some((link, command)) = act.answer else { return };
        let answer = match (result, recorded) {
            (Ok(()), Ok(())) => Reply::status(Status::Complete),
            (Err(failure), _) => Reply::error(error_of(failure), command),
            (Ok(()), Err(StoreFailed)) => Reply::error(ErrorCode::Unknown, command),
        };
        if let Some(waiting) = self.links.get(link).filter(|waiting| waiting.is_with(act.who)) {
            waiting.push(super::links::Item::Sealed(answer));
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

impl State {
    /// After a start: notes what the bolt is being looked for for, if a motion was cut off.
    pub(super) fn located_since_start(&mut self, cut_off: bool) {
        if cut_off && self.bolt.is_moving() {
            self.act = Some(Act {
                subject: Subject::Found,
                ..Act::by_itself(LockAction::Unlock, Trigger::Automatic)
            });
        }
    }

    /// What an action comes to; `None` for one that nothing is set for.
    fn goal(&self, action: LockAction) -> Option<Goal> {
        let unlock = if self.config.auto_unlatch {
            Goal::Unlatch
        } else {
            Goal::Unlock
        };
        Some(match action {
            LockAction::Unlock => unlock,
            LockAction::LockNGo => Goal::Unlock,
            LockAction::Lock => Goal::Lock,
            LockAction::FullLock => Goal::FullLock,
            LockAction::Unlatch | LockAction::LockNGoUnlatch => Goal::Unlatch,
            LockAction::FobAction1 | LockAction::FobAction2 | LockAction::FobAction3 => {
                return self.goal(self.fob_action(action)?);
            }
        })
    }

    /// What is set for a press on the fob.
    fn fob_action(&self, pressed: LockAction) -> Option<LockAction> {
        match self.config.fob_action(pressed)? {
            FobAction::None => None,
            FobAction::Unlock => Some(LockAction::Unlock),
            FobAction::Lock => Some(LockAction::Lock),
            FobAction::LockNGo => Some(LockAction::LockNGo),
            FobAction::Intelligent => Some(self.intelligent()),
        }
    }

    fn keypad_action(&self, asked: KeypadAction) -> LockAction {
        match asked {
            KeypadAction::Intelligent => self.intelligent(),
            KeypadAction::Unlock => LockAction::Unlock,
            KeypadAction::Lock => LockAction::Lock,
            KeypadAction::Unlatch => LockAction::Unlatch,
            KeypadAction::LockNGo => LockAction::LockNGo,
        }
    }

    /// Unlock when locked, lock when unlocked.
    fn intelligent(&self) -> LockAction {
        if self.bolt.stand() == Stand::Locked {
            LockAction::Unlock
        } else {
            LockAction::Lock
        }
    }

    fn may_auto_unlock(&self, now_ms: u64) -> Done {
        let at_night = self.night.is_active() && self.advanced.night_auto_unlock_disabled;
        if self.advanced.auto_unlock_disabled || at_night {
            return Err(ErrorCode::Disabled);
        }
        let again_ms = self
            .auto_unlock_ms
            .map(|last_ms| last_ms.saturating_add(AUTO_UNLOCK_MS));
        if again_ms.is_some_and(|again_ms| now_ms < again_ms) {
            return Err(ErrorCode::AutoUnlockTooRecent);
        }
        Ok(())
    }

    /// The code that was typed in.
    fn typed_code<F: NorFlash>(
        &mut self,
        asked: &PerformKeypadAction,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<Code, Wrong> {
        self.guard.admit_code(now_ms)?;
        let Some(id) = self.codes.find(storage, &asked.code)? else {
            return Err(self.guard.code_was_wrong(storage, now_ms));
        };
        self.guard.code_was_right(storage)?;
        self.codes.load(storage, id)?.ok_or(Wrong::Store)
    }

    /// A code that was looked at and wrong stands in the log; one that was not looked at does not, or guessing would
    /// push everything else out of it.
    fn log_wrong_code<F: NorFlash>(
        &mut self,
        act: &Act,
        wrong: Wrong,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        match wrong {
            Wrong::Missed(_) => {
                let entry = self.entry(act, Completion::InvalidCode, now_ms);
                Ok(self.log(storage, &entry)?)
            }
            Wrong::Waiting(_) | Wrong::Store => Ok(()),
        }
    }

    fn count<F: NorFlash>(
        &mut self,
        counted: Counted,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<(), StoreFailed> {
        let time = self.clock.now(now_ms);
        let (mut by, code) = match counted {
            Counted::Authorization(by) => (by, None),
            Counted::Both(by, code) => (by, Some(code)),
        };
        by.used(time);
        self.authorizations.update(storage, &by)?;
        if let Some(mut code) = code {
            code.used(time);
            self.codes.update(storage, &code)?;
        }
        Ok(())
    }

    fn entry(&self, act: &Act, completion: Completion, now_ms: u64) -> Entry {
        let time = self.clock.now(now_ms);
        Entry::new(time, act.who, act.name, act.event(completion))
    }

    fn record_end<F: NorFlash>(
        &mut self,
        act: &Act,
        completion: Completion,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<(), StoreFailed> {
        self.last = super::state::Last {
            action: act.action(),
            trigger: act.trigger,
            completion,
        };
        self.save_bolt(storage)?;
        let entry = self.entry(act, completion, now_ms);
        self.log(storage, &entry)
    }

    /// What follows from an action that is done: locking again, some time.
    fn after_action(&mut self, act: &Act, now_ms: u64) {
        let fob = act.action().and_then(|action| self.fob_action(action));
        if act.lock_n_go || fob.is_some_and(is_lock_n_go) {
            let after_s = self.advanced.lock_n_go_seconds.into();
            self.relock.arm(Why::LockNGo, after_s, now_ms);
        } else {
            self.arm_auto_lock(now_ms);
        }
    }

    /// Auto lock, where it is on and there is something to lock.
    pub(super) fn arm_auto_lock(&mut self, now_ms: u64) {
        let at_night = self.night.is_active() && self.advanced.night_auto_lock;
        let on = self.advanced.auto_lock || at_night;
        let unlocked = matches!(self.bolt.stand(), Stand::Unlocked | Stand::Unlatched);
        if on && unlocked && self.relock.armed().is_none() {
            let after_s = self.advanced.auto_lock_seconds;
            self.relock.arm(Why::AutoLock, after_s, now_ms);
        }
    }
}

fn asked_by(by: &Authorization, link: LinkId, action: LockAction, command: Command) -> Act {
    Act {
        subject: Subject::Action(action),
        trigger: Trigger::System,
        flags: ActionFlags::default(),
        who: by.id,
        name: by.name,
        answer: Some((link, command)),
        lock_n_go: is_lock_n_go(action),
    }
}

fn is_lock_n_go(action: LockAction) -> bool {
    matches!(action, LockAction::LockNGo | LockAction::LockNGoUnlatch)
}

fn completion_of(failure: Failure) -> Completion {
    match failure {
        Failure::Blocked => Completion::MotorBlocked,
        Failure::Canceled => Completion::Canceled,
        Failure::Timeout => Completion::Incomplete,
        Failure::Motor(MotorFault::LowVoltage) => Completion::LowMotorVoltage,
        Failure::Motor(MotorFault::Clutch) => Completion::ClutchFailure,
        Failure::Motor(MotorFault::Power) => Completion::MotorPowerFailure,
    }
}

fn error_of(failure: Failure) -> ErrorCode {
    match failure {
        Failure::Blocked => ErrorCode::MotorBlocked,
        Failure::Canceled => ErrorCode::Canceled,
        Failure::Timeout => ErrorCode::MotorTimeout,
        Failure::Motor(MotorFault::LowVoltage) => ErrorCode::MotorLowVoltage,
        Failure::Motor(MotorFault::Clutch) => ErrorCode::ClutchFailure,
        Failure::Motor(MotorFault::Power) => ErrorCode::MotorPowerFailure,
    }
}
