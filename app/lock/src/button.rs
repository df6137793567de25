//! The button on the lock: what the way it is pressed means.
//!
//! One press and two presses are told apart by waiting; holding it opens pairing, holding it on resets the lock to
//! factory state. Knows no pairing and no storage. Whoever holds the button stands inside, at the lock.

/// Held this long, the lock goes into pairing mode, in milliseconds.
pub const PAIRING_HOLD_MS: u64 = 5_000;
/// Held this long, the lock forgets everything, in milliseconds.
pub const RESET_HOLD_MS: u64 = 30_000;
/// A longer press than this is no click, in milliseconds.
const CLICK_MS: u64 = 1_000;
/// A second click later than this after the first is one of its own, in milliseconds.
const DOUBLE_MS: u64 = 600;

/// What was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// The button went down: stop what moves.
    Down,
    /// One press.
    Single,
    /// Two presses.
    Double,
    /// Held for [`PAIRING_HOLD_MS`].
    Pair,
    /// Held for [`RESET_HOLD_MS`].
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Down since then; `second` says that it is the second press.
    Down {
        since_ms: u64,
        second: bool,
    },
    /// Down, and pairing was opened.
    Held {
        since_ms: u64,
    },
    /// Down, and nothing more comes of it.
    Spent,
    /// Up after one click; a second may follow.
    Clicked {
        until_ms: u64,
    },
}

/// See the module's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Button {
    state: State,
}

impl Button {
    /// A button that nobody presses.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Up }
    }

    /// The button went down or up.
    pub fn change(&mut self, pressed: bool, now_ms: u64) -> Option<Gesture> {
        match (self.state, pressed) {
            (State::Up, true) => {
                self.state = State::Down {
                    since_ms: now_ms,
                    second: false,
                };
                Some(Gesture::Down)
            }
            (State::Clicked { until_ms }, true) => {
                let second = now_ms < until_ms;
                self.state = State::Down {
                    since_ms: now_ms,
                    second,
                };
                // A late press is a new one, and the click before it still counts.
                Some(if second { Gesture::Down } else { Gesture::Single })
            }
            (State::Down { since_ms, second }, false) => {
                let click = now_ms.saturating_sub(since_ms) < CLICK_MS;
                self.state = if click && !second {
                    State::Clicked {
                        until_ms: now_ms.saturating_add(DOUBLE_MS),
                    }
                } else {
                    State::Up
                };
                (click && second).then_some(Gesture::Double)
            }
            (State::Held { .. } | State::Spent, false) => {
                self.state = State::Up;
                None
            }
            // Said twice.
            (State::Down { .. } | State::Held { .. } | State::Spent, true)
            | (State::Up | State::Clicked { .. }, false) => None,
        }
    }

    /// Nothing more comes of this press: what it did was to stop something.
    pub fn spend(&mut self) {
        if let State::Down { .. } = self.state {
            self.state = State::Spent;
        }
    }

    /// When [`Button::tick`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Up | State::Spent => None,
            State::Down { since_ms, .. } => Some(since_ms.saturating_add(PAIRING_HOLD_MS)),
            State::Held { since_ms } => Some(since_ms.saturating_add(RESET_HOLD_MS)),
            State::Clicked { until_ms } => Some(until_ms),
        }
    }

    /// The time of [`Button::deadline`] has come.
    pub fn tick(&mut self, now_ms: u64) -> Option<Gesture> {
        self.deadline().filter(|deadline| *deadline <= now_ms)?;
        let (state, gesture) = match self.state {
            State::Down { since_ms, .. } => (State::Held { since_ms }, Gesture::Pair),
            State::Held { .. } => (State::Spent, Gesture::Reset),
            State::Clicked { .. } => (State::Up, Gesture::Single),
            State::Up | State::Spent => return None,
        };
        self.state = state;
        Some(gesture)
    }
}

impl Default for Button {
    fn default() -> Self {
        Self::new()
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
    fn one_press_and_two_are_told_apart() {
        let mut button = Button::new();
        assert_eq!(button.change(true, 0), Some(Gesture::Down));
        assert_eq!(button.change(false, 100), None);
        assert_eq!(button.tick(699), None);
        assert_eq!(button.tick(700), Some(Gesture::Single));
        button.change(true, 1_000);
        button.change(false, 1_100);
        assert_eq!(button.change(true, 1_300), Some(Gesture::Down));
        assert_eq!(button.change(false, 1_400), Some(Gesture::Double));
        assert_eq!(button.deadline(), None);
    }

    #[test]
    fn held_it_pairs_and_held_on_it_resets() {
        let mut button = Button::new();
        button.change(true, 0);
        assert_eq!(button.tick(4_999), None);
        assert_eq!(button.tick(5_000), Some(Gesture::Pair));
        assert_eq!(button.tick(29_999), None);
        assert_eq!(button.tick(30_000), Some(Gesture::Reset));
        assert_eq!(button.deadline(), None);
        assert_eq!(button.change(false, 31_000), None);
    }

    #[test]
    fn a_press_that_stopped_the_motor_means_nothing_else() {
        let mut button = Button::new();
        button.change(true, 0);
        button.spend();
        assert_eq!(button.deadline(), None);
        assert_eq!(button.change(false, 100), None);
        assert_eq!(button.tick(10_000), None);
    }

    #[test]
    fn a_press_between_click_and_hold_means_nothing() {
        let mut button = Button::new();
        button.change(true, 0);
        assert_eq!(button.change(false, 2_000), None);
        assert_eq!(button.tick(60_000), None);
    }

    proptest! {
        /// Nobody resets a lock with less than the whole hold.
        #[test]
        fn only_holding_resets(presses in proptest::collection::vec((any::<bool>(), 0..6_000_u64), 0..60)) {
            let (mut button, mut now_ms, mut down_ms) = (Button::new(), 0, None);
            for (pressed, wait_ms) in presses {
                now_ms += wait_ms;
                let ticked = button.tick(now_ms);
                if ticked == Some(Gesture::Reset) {
                    prop_assert!(down_ms.is_some_and(|since: u64| now_ms - since >= RESET_HOLD_MS));
                }
                button.change(pressed, now_ms);
                down_ms = if pressed { down_ms.or(Some(now_ms)) } else { None };
            }
        }
    }
}
