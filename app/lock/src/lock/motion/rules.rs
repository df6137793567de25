//! What an action comes to in this lock, and what must be so for it.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::message::PerformKeypadAction;
use latchkey_protocol::value::{Completion, ErrorCode, FobAction, KeypadAction, LockAction, Trigger};
use latchkey_storage::Storage;

use super::super::commands::Done;
use super::super::state::{Last, State};
use super::act::{Act, Subject};
use crate::access::{Authorization, Code, Wrong};
use crate::activity::Entry;
use crate::bolt::{Goal, Stand};
use crate::schedule::Why;
use crate::store::StoreFailed;

/// An auto unlock sooner than this after the last one is none: the phone has only come near again, in milliseconds.
const AUTO_UNLOCK_MS: u64 = 30_000;

/// What an action comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) goal: Goal,
    /// Lock again after a time.
    pub(super) lock_n_go: bool,
}

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

    /// What an action comes to: where the bolt goes, and whether it comes back; `None` for a press on the fob that
    /// nothing is set for.
    pub(super) fn plan(&self, action: LockAction) -> Option<Plan> {
        let (goal, lock_n_go) = match action {
            LockAction::Unlock if self.config.auto_unlatch => (Goal::Unlatch, false),
            LockAction::Unlock => (Goal::Unlock, false),
            LockAction::Lock => (Goal::Lock, false),
            LockAction::FullLock => (Goal::FullLock, false),
            LockAction::Unlatch => (Goal::Unlatch, false),
            LockAction::LockNGo => (Goal::Unlock, true),
            LockAction::LockNGoUnlatch => (Goal::Unlatch, true),
            LockAction::FobAction1 | LockAction::FobAction2 | LockAction::FobAction3 => {
                return self.fob_plan(self.config.fob_action(action)?);
            }
        };
        Some(Plan { goal, lock_n_go })
    }

    fn fob_plan(&self, set: FobAction) -> Option<Plan> {
        match set {
            FobAction::None => None,
            FobAction::Unlock => self.plan(LockAction::Unlock),
            FobAction::Lock => self.plan(LockAction::Lock),
            FobAction::LockNGo => self.plan(LockAction::LockNGo),
            FobAction::Intelligent => self.plan(self.intelligent()),
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
    pub(super) fn after_action(&mut self, lock_n_go: bool, now_ms: u64) {
        if lock_n_go {
            let after_s = self.advanced.lock_n_go_seconds.into();
            self.relock.arm(Why::LockNGo, after_s, now_ms);
        } else {
            self.arm_auto_lock(now_ms);
        }
    }

    /// Nothing had to be done for an action. What follows from it, follows: one that unlocks for good ends a
    /// lock'n'go.
    pub(super) fn done_already<F: NorFlash>(
        &mut self,
        plan: Option<Plan>,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<(), StoreFailed> {
        let Some(plan) = plan else { return Ok(()) };
        if self.relock.armed() == Some(Why::LockNGo) {
            self.relock.disarm();
        }
        self.after_action(plan.lock_n_go, now_ms);
        self.save_bolt(storage)
    }

    /// Auto lock, where it is on and there is something to lock.
    pub(in crate::lock) fn arm_auto_lock(&mut self, now_ms: u64) {
        let unlocked = matches!(self.bolt.stand(), Stand::Unlocked | Stand::Unlatched);
        if self.auto_lock_is_on() && unlocked && self.relock.armed().is_none() {
            let after_s = self.advanced.auto_lock_seconds;
            self.relock.arm(Why::AutoLock, after_s, now_ms);
        }
    }

    /// The owner has set auto lock anew: it counts from here.
    pub(in crate::lock) fn review_auto_lock(&mut self, now_ms: u64) {
        if self.relock.armed() == Some(Why::AutoLock) {
            self.relock.disarm();
        }
        self.arm_auto_lock(now_ms);
    }

    fn auto_lock_is_on(&self) -> bool {
        self.advanced.auto_lock || (self.night.is_active() && self.advanced.night_auto_lock)
    }
}
