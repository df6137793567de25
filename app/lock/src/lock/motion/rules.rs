//! What an action comes to in this lock, and what must be so for it.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::message::PerformKeypadAction;
use latchkey_protocol::value::{Completion, ErrorCode, FobAction, KeypadAction, LockAction, Trigger};
use latchkey_storage::Storage;

use super::super::commands::Done;
use super::super::state::{Last, State};
use super::act::{Act, Subject, is_lock_n_go};
use crate::access::{Authorization, Code, Wrong};
use crate::activity::Entry;
use crate::bolt::{Goal, Stand};
use crate::schedule::Why;
use crate::store::StoreFailed;

/// An auto unlock sooner than this after the last one is none: the phone has only come near again, in milliseconds.
const AUTO_UNLOCK_MS: u64 = 30_000;

/// Who an action is counted for.
pub(super) enum Counted {
    Authorization(Authorization),
    Both(Authorization, Code),
}

impl State {
    /// After a start: notes what the bolt is being looked for for, if a motion was cut off.
    pub(in crate::lock) fn located_since_start(&mut self, cut_off: bool) {
        if cut_off && self.bolt.is_moving() {
            self.act = Some(Act {
                subject: Subject::Found,
                ..Act::by_itself(LockAction::Unlock, Trigger::Automatic)
            });
        }
    }

    /// What an action comes to; `None` for one that nothing is set for.
    pub(super) fn goal(&self, action: LockAction) -> Option<Goal> {
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
    pub(super) fn fob_action(&self, pressed: LockAction) -> Option<LockAction> {
        match self.config.fob_action(pressed)? {
            FobAction::None => None,
            FobAction::Unlock => Some(LockAction::Unlock),
            FobAction::Lock => Some(LockAction::Lock),
            FobAction::LockNGo => Some(LockAction::LockNGo),
            FobAction::Intelligent => Some(self.intelligent()),
        }
    }

    pub(super) fn keypad_action(&self, asked: KeypadAction) -> LockAction {
        match asked {
            KeypadAction::Intelligent => self.intelligent(),
            KeypadAction::Unlock => LockAction::Unlock,
            KeypadAction::Lock => LockAction::Lock,
            KeypadAction::Unlatch => LockAction::Unlatch,
            KeypadAction::LockNGo => LockAction::LockNGo,
        }
    }

    /// Unlock when locked, lock when unlocked.
    pub(super) fn intelligent(&self) -> LockAction {
        if self.bolt.stand() == Stand::Locked {
            LockAction::Unlock
        } else {
            LockAction::Lock
        }
    }

    pub(super) fn may_auto_unlock(&self, now_ms: u64) -> Done {
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
    pub(super) fn typed_code<F: NorFlash>(
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
    pub(super) fn log_wrong_code<F: NorFlash>(
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

    pub(super) fn count<F: NorFlash>(
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

    pub(super) fn entry(&self, act: &Act, completion: Completion, now_ms: u64) -> Entry {
        let time = self.clock.now(now_ms);
        Entry::new(time, act.who, act.name, act.event(completion))
    }

    pub(super) fn record_end<F: NorFlash>(
        &mut self,
        act: &Act,
        completion: Completion,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<(), StoreFailed> {
        self.last = Last {
            action: act.action(),
            trigger: act.trigger,
            completion,
        };
        self.save_bolt(storage)?;
        let entry = self.entry(act, completion, now_ms);
        self.log(storage, &entry)
    }

    /// What follows from an action that is done: locking again, some time.
    pub(super) fn after_action(&mut self, act: &Act, now_ms: u64) {
        let fob = act.action().and_then(|action| self.fob_action(action));
        if act.lock_n_go || fob.is_some_and(is_lock_n_go) {
            let after_s = self.advanced.lock_n_go_seconds.into();
            self.relock.arm(Why::LockNGo, after_s, now_ms);
        } else {
            self.arm_auto_lock(now_ms);
        }
    }

    /// Auto lock, where it is on and there is something to lock.
    pub(in crate::lock) fn arm_auto_lock(&mut self, now_ms: u64) {
        let at_night = self.night.is_active() && self.advanced.night_auto_lock;
        let on = self.advanced.auto_lock || at_night;
        let unlocked = matches!(self.bolt.stand(), Stand::Unlocked | Stand::Unlatched);
        if on && unlocked && self.relock.armed().is_none() {
            let after_s = self.advanced.auto_lock_seconds;
            self.relock.arm(Why::AutoLock, after_s, now_ms);
        }
    }
}
