//! The watch over running rollouts: what became of each offer, the halt when too many went wrong, and the next stage
//! when one has proven itself.
//!
//! An offer's [`Standing`] is written with the check-in or report that it follows from. [`Service::watch_rollouts`]
//! holds every running rollout against its [`super::gate::Gate`] and its [`super::stage::Stages`]: after each report of
//! a failure or a bootloader's word against a release, and by the clock, for silence and for what was cut short by a
//! restart. Where devices could not be heard ([`super::hearing`]), nothing rests on their silence, and no rollout grows.
//! The halt comes first.

use latchkey_directive::Event;

use super::audit::Actor;
use super::gate::Health;
use super::rollout::{Rollout, State};
use super::spelled;
use crate::Service;
use crate::failure::Outcome;

/// How often a rollout that others keep changing is judged in one look.
const LOOKS_MAX: usize = 4;

spelled! {
    /// What became of an offer.
    Standing {
        /// The device runs the release, confirmed.
        Confirmed = "confirmed",
        /// Its owner does not want it.
        Declined = "declined",
        /// It would get it at another time: its battery is low, the hour is wrong, somebody is using it, or its owner
        /// wants it later.
        Deferred = "deferred",
        /// The offer does not hold now: something newer runs or goes first, nothing may be offered to the device, or it
        /// is to have another try and has not called since.
        Lapsed = "lapsed",
        /// The device was offered it.
        Offered = "offered",
        /// The device, or its bootloader, refused it.
        Refused = "refused",
        /// The device asked its bootloader for it.
        Requested = "requested",
        /// The device has it back out.
        Reverted = "reverted",
    }
}

impl Standing {
    /// What an event makes of an offer.
    #[must_use]
    pub const fn after(event: Event) -> Self {
        match event {
            Event::Requested => Self::Requested,
            Event::Confirmed => Self::Confirmed,
            Event::Reverted => Self::Reverted,
            Event::RefusedByApp | Event::RefusedByBootloader => Self::Refused,
        }
    }

    /// Whether it speaks against the release.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Refused | Self::Reverted => true,
            Self::Confirmed
            | Self::Declined
            | Self::Deferred
            | Self::Lapsed
            | Self::Offered
            | Self::Requested => false,
        }
    }

    /// Whether the device has yet to do anything about it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Declined | Self::Deferred | Self::Lapsed | Self::Offered => true,
            Self::Confirmed | Self::Refused | Self::Requested | Self::Reverted => false,
        }
    }
}

/// What a rollout does by itself.
struct Step {
    action: &'static str,
    detail: serde_json::Value,
    after: Rollout,
}

impl Service {
    /// Looks at every running rollout. Who calls this can do nothing when that fails; the clock will ask again.
    pub async fn watch_rollouts(&self) {
        if let Err(failure) = self.step_rollouts().await {
            tracing::error!(%failure, "the running rollouts could not be looked at; they are again in a while");
        }
    }

    async fn step_rollouts(&self) -> Outcome<()> {
        // Who called is not silent, written down or not.
        self.write_presence().await?;
        let now = self.clock.now_ms();
        let is_heard = self.is_heard(now).await?;
        for rollout in self.store.running_rollouts().await? {
            let id = rollout.id.clone();
            // One that cannot be looked at must not keep the others from halting.
            if let Err(failure) = self.step_rollout(rollout, is_heard, now).await {
                tracing::error!(%failure, rollout = id, "a running rollout could not be looked at");
            }
        }
        Ok(())
    }

    /// Has a rollout do what is due, if anything. Where somebody changed it meanwhile, what it has become is judged: a
    /// failure that was acknowledged is not left to the clock.
    async fn step_rollout(&self, mut rollout: Rollout, is_heard: bool, now: i64) -> Outcome<()> {
        for _ in 0..LOOKS_MAX {
            let Some(step) = self.next_step(&rollout, is_heard, now).await? else {
                return Ok(());
            };
            match self.take(&rollout, step, now).await? {
                Some(changed) if changed.state == State::Running => rollout = changed,
                Some(_) | None => return Ok(()),
            }
        }
        Ok(())
    }

    async fn next_step(&self, rollout: &Rollout, is_heard: bool, now: i64) -> Outcome<Option<Step>> {
        let (health, stage_confirmed) = self.store.outcomes(rollout, now).await?;
        let counts = match is_heard {
            true => health,
            false => Health { silent: 0, ..health },
        };
        if let Some(halt) = rollout.gate.judge(counts) {
            let because = halt.to_string();
            return Ok(Some(Step {
                action: "rollout.halt",
                detail: serde_json::json!({ "because": because }),
                after: Rollout {
                    state: State::Halted,
                    halted_because: Some(because),
                    asked: None,
                    ..rollout.clone()
                },
            }));
        }
        if !is_heard {
            // What went wrong with this stage is yet to be told.
            return Ok(None);
        }
        let (Some(next), Some(advance)) = (rollout.next_stage(), rollout.advance) else {
            return Ok(None);
        };
        let reaching = rollout.reaching(next);
        let due = advance.is_due(stage_confirmed, now.saturating_sub(rollout.soaks_since()));
        Ok(due.then(|| Step {
            action: "rollout.widen",
            detail: serde_json::json!({
                "percent": reaching.share.percent(),
                "cohorts": reaching.cohorts_reached,
                "confirmed": stage_confirmed,
            }),
            after: Rollout {
                reached_at: now,
                widening: rollout.widening.saturating_add(1),
                ..reaching
            },
        }))
    }

    /// Takes a step, unless somebody has changed the rollout since it was looked at: gives what it has become.
    async fn take(&self, looked_at: &Rollout, step: Step, now: i64) -> Outcome<Option<Rollout>> {
        let Step {
            action,
            detail,
            after,
        } = step;
        let mut look = self.store.look().await?;
        let found = look.rollout(&after.id).await?;
        if found.as_ref() != Some(looked_at) {
            return Ok(found);
        }
        let what = detail.to_string();
        let after = Rollout {
            changed_at: now,
            ..after
        };
        let after = self.put(look, &Actor::Gate, action, detail, after).await?;
        tracing::warn!(rollout = after.id, what, "{action}, by the server itself");
        Ok(None)
    }
}
