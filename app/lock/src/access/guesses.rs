//! How often a secret may be guessed: the longer the row of wrong guesses, the longer the lock takes no more.
//!
//! Knows neither the secret nor who guesses. The row's length is to be stored before a wrong guess is answered;
//! after a start it is taken up again with its full wait, so restarting the lock gains nothing.

/// What a row of wrong guesses costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule(&'static [Step]);

/// From this many wrong guesses on, wait so long after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: u8,
    wait_s: u32,
}

/// For the security PIN. Sixteen bits at this pace take more than seven years.
pub const PIN: Rule = Rule(&[
    Step { from: 5, wait_s: 60 },
    Step { from: 8, wait_s: 600 },
    Step {
        from: 10,
        wait_s: 3_600,
    },
]);

/// For keypad codes: half a million codes at this pace take more than four years.
pub const KEYPAD: Rule = Rule(&[
    Step { from: 3, wait_s: 10 },
    Step { from: 5, wait_s: 60 },
    Step { from: 8, wait_s: 300 },
]);

/// Guessing is refused for now. The level counts the rule's steps, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which step of the rule it is.
    pub level: u8,
}

/// See the module's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    rule: Rule,
    wrong: u8,
    until_ms: u64,
}

impl Guesses {
    /// Takes up a row of `wrong` guesses, at a start.
    #[must_use]
    pub fn resume(rule: Rule, wrong: u8, now_ms: u64) -> Self {
        let mut guesses = Self {
            rule,
            wrong,
            until_ms: 0,
        };
        guesses.wait_from(now_ms);
        guesses
    }

    /// Whether a guess may be looked at now.
    ///
    /// # Errors
    /// [`Waiting`]: not yet. Such a try is not counted.
    pub fn admit(&self, now_ms: u64) -> Result<(), Waiting> {
        if now_ms < self.until_ms {
            Err(Waiting { level: self.level() })
        } else {
            Ok(())
        }
    }

    /// Takes in a wrong guess, and says which wait begins with it: 0 for none. Store [`Guesses::wrong`] before
    /// answering.
    pub fn miss(&mut self, now_ms: u64) -> u8 {
        self.wrong = self.wrong.saturating_add(1);
        self.wait_from(now_ms);
        self.level()
    }

    /// Takes in a right guess. Whether that changed what is to be stored.
    pub fn hit(&mut self) -> bool {
        let changed = self.wrong > 0;
        (self.wrong, self.until_ms) = (0, 0);
        changed
    }

    /// Wrong guesses in a row.
    #[must_use]
    pub fn wrong(&self) -> u8 {
        self.wrong
    }

    fn steps(&self) -> impl Iterator<Item = &'static Step> + use<> {
        let wrong = self.wrong;
        self.rule.0.iter().filter(move |step| step.from <= wrong)
    }

    fn level(&self) -> u8 {
        u8::try_from(self.steps().count()).unwrap_or(u8::MAX)
    }

    fn wait_from(&mut self, now_ms: u64) {
        let wait_s = self.steps().last().map_or(0, |step| step.wait_s);
        self.until_ms = now_ms.saturating_add(u64::from(wait_s).saturating_mul(1_000));
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "an overflow in a test fails the test"
    )]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_grow_with_the_row_and_end_with_a_right_guess() {
        let mut pin = Guesses::resume(PIN, 0, 0);
        for _ in 0..4 {
            assert_eq!(pin.miss(0), 0);
            assert_eq!(pin.admit(0), Ok(()));
        }
        assert_eq!(pin.miss(0), 1);
        assert_eq!(pin.admit(59_999), Err(Waiting { level: 1 }));
        assert_eq!(pin.admit(60_000), Ok(()));
        assert!(pin.hit() && !pin.hit());
        assert_eq!((pin.miss(60_000), pin.wrong()), (0, 1));
    }

    #[test]
    fn restarting_the_lock_gains_no_guess() {
        let mut keypad = Guesses::resume(KEYPAD, 0, 0);
        (0..8).for_each(|_| {
            keypad.miss(0);
        });
        let again = Guesses::resume(KEYPAD, keypad.wrong(), 5);
        assert_eq!(again.admit(300_004), Err(Waiting { level: 3 }));
        assert_eq!(again.admit(300_005), Ok(()));
    }

    #[test]
    fn guessing_every_secret_takes_years() {
        const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;
        for (rule, secrets, years) in [(PIN, 65_536, 7), (KEYPAD, 9_u32.pow(6) - 9_u32.pow(4), 4)] {
            let (mut guesses, mut now_ms) = (Guesses::resume(rule, 0, 0), 0);
            for _ in 0..secrets {
                now_ms = now_ms.max(guesses.until_ms);
                guesses.miss(now_ms);
            }
            assert!(now_ms > years * YEAR_MS, "{} years", now_ms / YEAR_MS);
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shortened_by_guessing(wrong: u8, a in 0..1_000_000_u64, b in 0..1_000_000_u64) {
            let mut guesses = Guesses::resume(PIN, wrong, a);
            let before = guesses.until_ms;
            guesses.miss(a + b);
            prop_assert!(guesses.until_ms >= before);
        }
    }
}
