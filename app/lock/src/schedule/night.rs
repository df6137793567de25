//! Night mode: a span of the day in which the lock locks itself, and takes no auto unlock.

use super::minutes_until;
use crate::clock::Local;

/// What the owner wants at night.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NightRule {
    /// Whether there is a night.
    pub enabled: bool,
    /// First minute of the day that belongs to it.
    pub from_min: u16,
    /// First minute of the day after it.
    pub until_min: u16,
}

impl NightRule {
    fn covers(self, minute: u16) -> bool {
        let (from, until) = (self.from_min, self.until_min);
        self.enabled
            && if from <= until {
                (from..until).contains(&minute)
            } else {
                minute >= from || minute < until
            }
    }
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NightChange {
    /// The night began.
    Begun,
    /// It is over.
    Over,
}

/// Whether it is night.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Night {
    active: bool,
}

impl Night {
    /// Whether it is night.
    #[must_use]
    pub fn is_active(self) -> bool {
        self.active
    }

    /// Looks at the clock. A lock that does not know the time has no night.
    pub fn look(&mut self, rule: NightRule, local: Option<Local>) -> Option<NightChange> {
        let active = local.is_some_and(|local| rule.covers(local.minute()));
        let changed = active != self.active;
        self.active = active;
        changed.then_some(if active {
            NightChange::Begun
        } else {
            NightChange::Over
        })
    }

    /// Minutes until it begins or ends, the running one included; `None` without a night.
    #[must_use]
    pub fn next_in_min(self, rule: NightRule, local: Local) -> Option<u32> {
        let next = |of_day| minutes_until(of_day, local.minute());
        rule.enabled
            .then(|| next(rule.from_min).min(next(rule.until_min)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "an overflow in a test fails the test"
    )]

    use super::*;
    use crate::clock::{UnixTime, Zone};
    use latchkey_protocol::value::{DaylightSaving, TimeZoneId};

    fn at(minute: u32) -> Option<Local> {
        let utc = Zone {
            id: TimeZoneId::None,
            offset_min: 0,
            saving: DaylightSaving::Off,
        };
        Some(utc.local(UnixTime(1_767_225_600 + minute * 60)))
    }

    #[test]
    fn the_night_goes_over_midnight() {
        let rule = NightRule {
            enabled: true,
            from_min: 22 * 60,
            until_min: 6 * 60,
        };
        let mut night = Night::default();
        assert_eq!(night.look(rule, at(22 * 60 - 1)), None);
        assert_eq!(night.look(rule, at(22 * 60)), Some(NightChange::Begun));
        assert_eq!(night.look(rule, at(24 * 60)), None);
        assert!(night.is_active());
        assert_eq!(night.next_in_min(rule, at(0).unwrap()), Some(360));
        assert_eq!(night.look(rule, at(6 * 60)), Some(NightChange::Over));
        assert_eq!(night.look(rule, None), None, "no time, no night");
    }

    #[test]
    fn a_night_of_no_length_or_switched_off_is_none() {
        let mut night = Night::default();
        for rule in [
            NightRule::default(),
            NightRule {
                enabled: true,
                from_min: 60,
                until_min: 60,
            },
        ] {
            assert!((0..1_440).all(|minute| night.look(rule, at(minute)).is_none()));
        }
    }
}
