//! The watch over running rollouts: what became of each offer, the halt when too many went wrong, and the next stage
//! when one has proven itself.
//!
//! An offer's [`Standing`] is written with the check-in or report that it follows from. [`Service::watch_rollouts`]
//! holds every running rollout against its [`super::gate::Gate`] and its [`super::stage::Stages`]: after each report of
//! a failure, and by the clock, for silence and for what was cut short by a restart. A server that was away hears nobody
//! at first, and takes that for nobody's silence. The halt comes first; a rollout
//! that is to halt never grows.

use std::sync::atomic::Ordering;

use latchkey_directive::Event;

use super::audit::Actor;
use super::rollout::{Rollout, State};
use super::spelled;
use crate::Service;
use crate::failure::Outcome;

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
            self.heard_nobody_until(self.clock.now_ms());
            tracing::error!(%failure, "the running rollouts could not be looked at; they are again in a while");
        }
    }

    /// Who calls while this server or its database is away is not silent. What began, or failed, at `now` has been away.
    fn heard_nobody_until(&self, now: i64) {
        self.heard_since.store(now, Ordering::Relaxed);
    }

    /// Whether every device that can call has had the time to, twice.
    fn could_be_called(&self, now: i64) -> bool {
        let twice = i64::from(self.settings.check_in_interval_s).saturating_mul(2 * 1000);
        now.saturating_sub(self.heard_since.load(Ordering::Relaxed)) >= twice
    }

    async fn step_rollouts(&self) -> Outcome<()> {
        let running = self.store.running_rollouts().await?;
        if !running.is_empty() {
            // Who called is not silent, written down or not.
            self.write_presence().await?;
        }
        for rollout in running {
            // One that cannot be looked at must not keep the others from halting.
            if let Err(failure) = self.step_rollout(&rollout).await {
                tracing::error!(%failure, rollout = rollout.id, "a running rollout could not be looked at");
            }
        }
        Ok(())
    }

    async fn step_rollout(&self, rollout: &Rollout) -> Outcome<()> {
        let now = self.clock.now_ms();
        if let Some(step) = self.next_step(rollout, now).await? {
            self.take(rollout, step, now).await?;
        }
        Ok(())
    }

    async fn next_step(&self, rollout: &Rollout, now: i64) -> Outcome<Option<Step>> {
        let (mut health, stage_confirmed) = self.store.outcomes(rollout, now).await?;
        if !self.could_be_called(now) {
            health.silent = 0;
        }
        if let Some(halt) = rollout.gate.judge(health) {
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

    /// Takes a step, unless somebody has changed the rollout since it was looked at.
    async fn take(&self, looked_at: &Rollout, step: Step, now: i64) -> Outcome<()> {
        let Step {
            action,
            detail,
            after,
        } = step;
        let mut look = self.store.look().await?;
        if look.rollout(&after.id).await?.as_ref() != Some(looked_at) {
            return Ok(());
        }
        let what = detail.to_string();
        let after = Rollout {
            changed_at: now,
            ..after
        };
        let after = self.put(look, &Actor::Gate, action, detail, after).await?;
        tracing::warn!(rollout = after.id, what, "{action}, by the server itself");
        Ok(())
    }
}
