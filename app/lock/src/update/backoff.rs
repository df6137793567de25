//! How long to wait: after failures ever longer, with jitter, so that a fleet does not call in step; after an
//! answer as long as the server says, within bounds of ours.

/// Bounds on waiting, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The wait after a first failure, and the shortest that a server may ask for.
    pub least_ms: u64,
    /// The longest wait after any number of failures, and the longest that a server may ask for.
    pub most_ms: u64,
}

impl Pace {
    /// For locks in the field: ten seconds to a day.
    pub const FIELD: Self = Self {
        least_ms: 10_000,
        most_ms: 86_400_000,
    };

    /// What the server asked for, within bounds.
    #[must_use]
    pub fn asked(self, call_again_s: u32) -> u64 {
        u64::from(call_again_s)
            .saturating_mul(1000)
            .clamp(self.least_ms, self.most_ms.max(self.least_ms))
    }

    /// The wait after this many failures in a row: doubling from the least to the most, of which a random half
    /// is taken off.
    #[must_use]
    pub fn after(self, failures: u32, random: u32) -> u64 {
        let doublings = failures.saturating_sub(1).min(32);
        let whole = self
            .least_ms
            .saturating_mul(1_u64 << doublings)
            .min(self.most_ms.max(self.least_ms));
        let off = u128::from(whole / 2).saturating_mul(u128::from(random)) >> 32;
        whole.saturating_sub(u64::try_from(off).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let pace = Pace {
            least_ms: 10,
            most_ms: 65,
        };
        let waits = [1, 2, 3, 4, 5, u32::MAX].map(|failures| pace.after(failures, 0));
        assert_eq!(waits, [10, 20, 40, 65, 65, 65]);
        assert_eq!(pace.after(2, u32::MAX), 11, "at most half is taken off");
    }

    #[test]
    fn the_server_is_obeyed_within_bounds() {
        assert_eq!(Pace::FIELD.asked(0), 10_000);
        assert_eq!(Pace::FIELD.asked(600), 600_000);
        assert_eq!(Pace::FIELD.asked(u32::MAX), 86_400_000);
    }

    proptest! {
        #[test]
        fn no_wait_is_out_of_bounds(least_ms: u64, most_ms: u64, failures: u32, random: u32, asked: u32) {
            let pace = Pace { least_ms, most_ms };
            let most = most_ms.max(least_ms);
            let wait = pace.after(failures, random);
            prop_assert!(wait >= least_ms / 2 && wait <= most);
            prop_assert!((least_ms..=most).contains(&pace.asked(asked)));
        }
    }
}
