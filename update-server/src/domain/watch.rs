//! The watch over running rollouts: what became of each offer, the halt when too many went wrong, and the next stage
//! when one has proven itself.
//!
//! An offer's [`Standing`] is written with the check-in or report that it follows from. [`Service::watch_rollouts`]
//! holds every running rollout against its [`super::gate::Gate`] and its [`super::stage::Stages`]: after each report of
//! a failure or a bootloader's word against a release, and by the clock, for silence and for what was cut short by a
//! restart. A server that was away heard nobody meanwhile, and takes that for nobody's silence. The halt comes first; a
//! rollout that is to halt, or may be, never grows.

use std::sync::atomic::{AtomicI64, Ordering};

use latchkey_directive::Event;

use super::audit::Actor;
use super::gate::Health;
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

/// Since when devices could call, in milliseconds since 1970: since the start, or since the database was back.
#[derive(Debug)]
pub(crate) struct Hearing {
    since: AtomicI64,
    /// Since when every look has failed; 0 while they do not.
    failing: AtomicI64,
}

impl Hearing {
    pub(crate) const fn from(now: i64) -> Self {
        Self {
            since: AtomicI64::new(now),
            failing: AtomicI64::new(0),
        }
    }

    /// A look succeeded, or failed. Devices may have called in vain as long as all failed; one failure alone is nothing
    /// that lasts as long as they wait.
    fn looked(&self, succeeded: bool, now: i64, call_ms: i64) {
        if !succeeded {
            let _ = self
                .failing
                .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
            return;
        }
        let failing = self.failing.swap(0, Ordering::Relaxed);
        if failing != 0 && now.saturating_sub(failing) > call_ms / 2 {
            self.since.store(now, Ordering::Relaxed);
        }
    }

    /// Whether every device that can call has had the time to, twice.
    fn is_sure(&self, now: i64, call_ms: i64) -> bool {
        now.saturating_sub(self.since.load(Ordering::Relaxed)) >= call_ms.saturating_mul(2)
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
        let looked = self.step_rollouts().await;
        self.hearing
            .looked(looked.is_ok(), self.clock.now_ms(), self.call_ms());
        if let Err(failure) = looked {
            tracing::error!(%failure, "the running rollouts could not be looked at; they are again in a while");
        }
    }

    /// How long devices are told to wait between two calls, in milliseconds.
    fn call_ms(&self) -> i64 {
        i64::from(self.settings.check_in_interval_s).saturating_mul(1000)
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
        let (health, stage_confirmed) = self.store.outcomes(rollout, now).await?;
        let counts = match self.hearing.is_sure(now, self.call_ms()) {
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
        if rollout.gate.judge(health).is_some() {
            // Whether those are silent shows when all could call. Until then it does not grow either.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_was_away_for_long_makes_nobody_silent_and_a_hiccup_changes_nothing() {
        const CALL: i64 = 1_000;
        let hearing = Hearing::from(0);
        assert!(!hearing.is_sure(1_999, CALL), "just started");
        assert!(hearing.is_sure(2_000, CALL));
        hearing.looked(false, 3_000, CALL);
        hearing.looked(false, 3_400, CALL);
        hearing.looked(true, 3_500, CALL);
        assert!(hearing.is_sure(3_500, CALL), "a hiccup");
        hearing.looked(false, 4_000, CALL);
        hearing.looked(false, 4_400, CALL);
        hearing.looked(true, 4_501, CALL);
        assert!(!hearing.is_sure(6_500, CALL), "it was away");
        hearing.looked(false, 6_500, CALL);
        hearing.looked(true, 6_501, CALL);
        assert!(hearing.is_sure(6_501, CALL));
    }
}
