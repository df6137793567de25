//! The watch over running rollouts: what became of each offer, and the halt when too many went wrong.
//!
//! An offer's [`Standing`] is written with the check-in or report that it follows from. [`Service::halt_failing`]
//! holds every running rollout against its [`super::gate::Gate`]: after each report of a failure, and by the clock, for
//! silence and for what was cut short by a restart. It only ever stops things, so it needs nobody's leave.

use super::audit::{Actor, Entry};
use super::rollout::{Rollout, State};
use super::spelled;
use crate::Service;
use crate::failure::Outcome;

use latchkey_directive::Event;

spelled! {
    /// What became of an offer.
    Standing {
        /// The device runs the release, confirmed.
        Confirmed = "confirmed",
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
            Self::Confirmed | Self::Offered | Self::Requested => false,
        }
    }
}

impl Service {
    /// [`Self::halt_failing`] for who can do nothing when that fails. The clock will ask again.
    pub async fn watch_rollouts(&self) {
        if let Err(failure) = self.halt_failing().await {
            tracing::error!(%failure, "the running rollouts could not be looked at; they are again in a while");
        }
    }

    /// Halts every running rollout that fares worse than its gate allows; gives those.
    ///
    /// # Errors
    /// Storage; what was halted before stays halted.
    pub async fn halt_failing(&self) -> Outcome<Vec<Rollout>> {
        let mut halted = Vec::new();
        for rollout in self.store.running_rollouts().await? {
            let now = self.clock.now_ms();
            let health = self.store.health(&rollout, now).await?;
            let Some(halt) = rollout.gate.judge(health) else {
                continue;
            };
            let because = halt.to_string();
            let mut change = self
                .store
                .change(&Entry {
                    actor: &Actor::Gate,
                    at: now,
                    action: "rollout.halt",
                    subject: rollout.id.clone(),
                    detail: serde_json::json!({ "because": because }),
                })
                .await?;
            // Somebody may have stopped it, or started it again, since.
            let Some(found) = change.rollout(&rollout.id).await? else {
                continue;
            };
            if found.state != State::Running || found.judged_since != rollout.judged_since {
                continue;
            }
            let stopped = Rollout {
                state: State::Halted,
                changed_at: now,
                halted_because: Some(because),
                ..found
            };
            change.put_rollout(&stopped).await?;
            change.commit().await?;
            tracing::warn!(
                rollout = stopped.id,
                because = stopped.halted_because,
                "a rollout has halted itself"
            );
            halted.push(stopped);
        }
        Ok(halted)
    }
}
