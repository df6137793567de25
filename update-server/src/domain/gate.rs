//! When a rollout halts itself: a pure function of how its release fares on the devices it was offered to.
//!
//! What counts for it is a lock's own word that the release runs and passed its self-test; what counts against it
//! are refusals, reverts, and silence: a device that was offered the release and of which nothing was heard since, for
//! longer than the limit, may be one that can no longer say anything. One that calls is not silent, whatever it does
//! with the offer. Knows no clock, no devices and no database.

use std::fmt;

use super::share::Share;

/// What a rollout may cost before it halts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// So many failures halt it, whatever their share.
    pub failures_max: u32,
    /// Failures above this share of all outcomes halt it,
    pub failed_share_max: Share,
    /// once there are so many outcomes.
    pub sample_min: u32,
    /// How long a device with an offer may not be heard of before that counts as a failure, in milliseconds.
    pub silence_ms: i64,
}

impl Default for Gate {
    /// Five percent of twenty or more, or fifty in all; silent for three days.
    fn default() -> Self {
        Self {
            failures_max: 50,
            failed_share_max: Share::of_hundredths(500).unwrap_or(Share::ALL),
            sample_min: 20,
            silence_ms: 3 * 24 * 3_600_000,
        }
    }
}

/// How a release fares in a rollout, in devices it was offered to since the rollout was last started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = RolloutHealth)]
pub struct Health {
    /// On their way: offered or requested, and not silent for too long.
    pub under_way: u32,
    /// Run it, confirmed by their own self-test.
    pub confirmed: u32,
    /// Refused it.
    pub refused: u32,
    /// Reverted it.
    pub reverted: u32,
    /// Offered it or asked for it, and not heard of since for too long.
    pub silent: u32,
    /// Get it at another time. Counts neither for nor against it.
    pub deferred: u32,
    /// Do not want it. Counts neither for nor against it.
    pub declined: u32,
}

impl Health {
    /// What counts against the release.
    #[must_use]
    pub const fn failed(&self) -> u32 {
        self.refused
            .saturating_add(self.reverted)
            .saturating_add(self.silent)
    }

    /// Devices whose outcome is known.
    #[must_use]
    pub const fn outcomes(&self) -> u32 {
        self.confirmed.saturating_add(self.failed())
    }
}

/// Why a rollout halts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Too many failures.
    Count(Health),
    /// Too large a share of failures.
    Share(Health, Share),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Count(health) | Self::Share(health, _)) = self;
        write!(
            f,
            "{} of {} devices failed ({} reverted, {} refused, {} silent)",
            health.failed(),
            health.outcomes(),
            health.reverted,
            health.refused,
            health.silent
        )?;
        if let Self::Share(_, share) = self {
            write!(f, ", more than {share}")?;
        }
        Ok(())
    }
}

impl Gate {
    /// Whether the rollout is to halt.
    #[must_use]
    pub fn judge(&self, health: Health) -> Option<Halt> {
        let (failed, outcomes) = (health.failed(), health.outcomes());
        if failed >= self.failures_max {
            return Some(Halt::Count(health));
        }
        let exceeded = self.failed_share_max.is_exceeded_by(failed, outcomes);
        (outcomes >= self.sample_min && exceeded).then_some(Halt::Share(health, self.failed_share_max))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "small numbers that the test itself chose"
    )]

    use proptest::prelude::*;

    use super::*;

    fn health(confirmed: u32, reverted: u32) -> Health {
        Health {
            confirmed,
            reverted,
            ..Health::default()
        }
    }

    #[test]
    fn a_share_counts_from_the_smallest_sample_on_and_a_count_always() {
        let gate = Gate::default();
        assert_eq!(
            gate.judge(health(0, 19)),
            None,
            "one outcome too few to speak of a share"
        );
        assert_eq!(
            gate.judge(health(0, 20)),
            Some(Halt::Share(health(0, 20), gate.failed_share_max))
        );
        assert_eq!(
            gate.judge(health(95, 5)),
            None,
            "five percent is not more than five percent"
        );
        assert!(gate.judge(health(94, 6)).is_some());
        assert_eq!(gate.judge(health(1_000_000, 49)), None);
        assert_eq!(
            gate.judge(health(1_000_000, 50)),
            Some(Halt::Count(health(1_000_000, 50)))
        );
    }

    #[test]
    fn refusals_and_silence_count_as_reverts_do() {
        let gate = Gate::default();
        for bad in [
            Health {
                refused: 2,
                ..health(20, 0)
            },
            Health {
                silent: 2,
                ..health(20, 0)
            },
            health(20, 2),
        ] {
            assert!(gate.judge(bad).is_some(), "{bad:?}");
        }
        let halt = gate
            .judge(Health {
                silent: 1,
                ..health(20, 1)
            })
            .unwrap();
        assert_eq!(
            halt.to_string(),
            "2 of 22 devices failed (1 reverted, 0 refused, 1 silent), more than 5 %"
        );
    }

    proptest! {
        /// More failures never make a rollout go on that halted.
        #[test]
        fn failures_only_ever_count_against(confirmed in 0..200_u32, reverted in 0..100_u32, more in 1..50_u32) {
            let gate = Gate::default();
            if gate.judge(health(confirmed, reverted)).is_some() {
                prop_assert!(gate.judge(health(confirmed, reverted + more)).is_some());
            }
            prop_assert_eq!(gate.judge(health(confirmed, 0)), None);
        }
    }
}
