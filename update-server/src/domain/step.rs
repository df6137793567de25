//! What a person may do with a rollout as it stands, and that it is done to the rollout they saw.
//!
//! Between reading what a step does and taking it, others may have changed the rollout, and so may its own stages and
//! gate. So whoever takes a step says what they have [`Seen`], and it is taken only while that is still so. Halting
//! alone asks for no more than that the rollout runs: what it does is the same then, and it must not be late. An alarm
//! about a device is settled by whoever has seen that one, in the same way.

use super::access::Caller;
use super::device::Device;
use super::moves::Move;
use super::rollout::{Rollout, State};
use super::second::What;
use super::share::Share;
use super::stage::Reach;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// What a person does with a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Stops offering it until it is resumed.
    Halt,
    /// Offers it for the first time.
    Start,
    /// Goes on offering it.
    Resume,
    /// Has it reach so far.
    Widen(Reach),
    /// Ends it for good.
    Abort,
}

/// What may be done with a rollout now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// It runs, so it can be halted.
    pub halt: bool,
    /// It stands still, and no lock was offered it yet.
    pub start: bool,
    /// It stands still, and locks were offered it before.
    pub resume: bool,
    /// How far it would reach next: the next stage, or everybody.
    pub widen: Option<Reach>,
    /// It is not over.
    pub abort: bool,
}

impl Actions {
    /// With this rollout. `begun`: it has been offered to somebody.
    #[must_use]
    pub fn with(rollout: &Rollout, begun: bool) -> Self {
        let open = rollout.state != State::Aborted;
        let stopped = matches!(rollout.state, State::Paused | State::Halted);
        let all = (rollout.share < Share::ALL).then_some(Reach::Share(Share::ALL));
        Self {
            halt: rollout.state == State::Running,
            start: stopped && !begun,
            resume: stopped && begun,
            widen: rollout.next_stage().or(all).filter(|_| open),
            abort: open,
        }
    }
}

/// What somebody knew of a rollout, or of an alarm, when they read what a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen(String);

impl Seen {
    /// A rollout as it stands at a time in milliseconds since 1970.
    #[must_use]
    pub fn of(rollout: &Rollout, now: i64) -> Self {
        let waits = rollout
            .asked
            .as_ref()
            .is_some_and(|asked| now < asked.expires_at());
        Self(format!(
            "{} {} {} {} {waits}",
            rollout.changed_at,
            rollout.state,
            rollout.cohorts_reached,
            rollout.share.hundredths()
        ))
    }

    /// The alarm about a device, if there is one. Settling one begins another numbering, so no other is like it.
    #[must_use]
    pub fn of_alarm(device: &Device) -> Option<Self> {
        let since = device.alarm?;
        Some(Self(format!("{since} alarm {}", device.numbering)))
    }

    /// As it was written down; what never was of a rollout is of none.
    #[must_use]
    pub fn written(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// To be written down.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the rollout had changed last, in milliseconds since 1970; `None` for what is of none.
    #[must_use]
    pub fn changed_at(&self) -> Option<i64> {
        self.0.split(' ').next()?.parse().ok()
    }
}

impl Service {
    /// Takes a step with the rollout that was seen.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is not any more what was seen, and as [`Service::move_rollout`]
    /// and [`Service::widen_rollout`]; storage.
    pub async fn take_step(&self, by: &Caller, id: &str, step: Step, seen: &Seen) -> Outcome<Rollout> {
        let (look, rollout) = self.look_at(id).await?;
        let is_as_read = match step {
            Step::Halt => rollout.state == State::Running,
            Step::Start | Step::Resume | Step::Widen(_) | Step::Abort => {
                Seen::of(&rollout, self.clock.now_ms()) == *seen
            }
        };
        if !is_as_read {
            return Err(Failure::new(
                Kind::Conflict,
                "the rollout has changed since the page that this was pressed on was made, so nothing was done",
            ));
        }
        match step {
            Step::Halt => self.moved(look, rollout, by, Move::Pause).await,
            Step::Start | Step::Resume => self.moved(look, rollout, by, Move::Resume).await,
            Step::Abort => self.moved(look, rollout, by, Move::Abort).await,
            Step::Widen(to) => self.widened(look, rollout, by, to).await,
        }
    }

    /// Whether this step, taken by this person now, would only be noted, since it takes another person too.
    #[must_use]
    pub fn waits_for_another(&self, rollout: &Rollout, by: &Caller, step: Step) -> bool {
        let what = match step {
            Step::Halt | Step::Abort => return false,
            Step::Start | Step::Resume => What::Start,
            Step::Widen(to) => What::Widen(to),
        };
        !self.is_enough(rollout, by, what, self.clock.now_ms())
    }
}
