//! When a time-limited authorization or keypad code may be used. The one place that judges it.
//!
//! Refuses by default: without a time that was told, and outside of any of the limits that are set.

use latchkey_protocol::value::{DateTime, TimeLimits, TimeOfDay};

use crate::clock::{Local, weekday};

/// Whether `limits` allow something at `local`; never while the lock does not know the time.
///
/// A span of the day that ends before it begins goes over midnight and belongs to the day it begins on. A span of
/// no length is the whole day, as clients mean it when they set none.
#[must_use]
pub fn allow(limits: &TimeLimits, local: Option<Local>) -> bool {
    local.is_some_and(|local| in_dates(limits, local) && in_days_and_hours(limits, local).unwrap_or(false))
}

/// Whether these limits can be kept at all: every date is one or not set, every time of day is one.
#[must_use]
pub fn are_sound(limits: &TimeLimits) -> bool {
    let date = |date: DateTime| date == DateTime::UNSET || date.to_unix().is_some();
    let time = |time: TimeOfDay| time.minutes().is_some();
    date(limits.from) && date(limits.until) && time(limits.daily_from) && time(limits.daily_until)
}

fn in_dates(limits: &TimeLimits, local: Local) -> bool {
    let now = local.date();
    // Fields in order of weight: dates compare as they stand.
    let begun = limits.from == DateTime::UNSET || limits.from <= now;
    let over = limits.until != DateTime::UNSET && limits.until < now;
    begun && !over
}

fn in_days_and_hours(limits: &TimeLimits, local: Local) -> Option<bool> {
    let (from, until) = (limits.daily_from.minutes()?, limits.daily_until.minutes()?);
    let now = local.minute();
    let today = limits.weekdays.contains(weekday(local.day()));
    let yesterday = limits.weekdays.contains(weekday(local.day().saturating_sub(1)));
    Some(if from == until {
        today
    } else if from < until {
        today && (from..=until).contains(&now)
    } else {
        (today && now >= from) || (yesterday && now <= until)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{UnixTime, Zone};
    use latchkey_protocol::value::{DaylightSaving, TimeZoneId, Weekday, Weekdays};
    use proptest::prelude::*;

    fn at(day: u8, hour: u8, minute: u8) -> Option<Local> {
        // June 2026 begins on a Monday.
        let date = DateTime {
            year: 2026,
            month: 6,
            day,
            hour,
            minute,
            second: 0,
        };
        let utc = Zone {
            id: TimeZoneId::None,
            offset_min: 0,
            saving: DaylightSaving::Off,
        };
        Some(utc.local(UnixTime::of(date).unwrap()))
    }

    fn hours(from: u8, until: u8, days: &[Weekday]) -> TimeLimits {
        let time = |hour| TimeOfDay { hour, minute: 0 };
        TimeLimits {
            weekdays: Weekdays::new(days),
            daily_from: time(from),
            daily_until: time(until),
            ..TimeLimits::default()
        }
    }

    #[test]
    fn a_lock_that_does_not_know_the_time_allows_nothing() {
        assert!(!allow(&TimeLimits::default(), None));
        assert!(allow(&TimeLimits::default(), at(1, 0, 0)));
    }

    #[test]
    fn hours_hold_on_their_days_only() {
        let office = hours(8, 17, &[Weekday::Monday, Weekday::Friday]);
        assert!(allow(&office, at(1, 8, 0)) && allow(&office, at(1, 17, 0)) && allow(&office, at(5, 12, 0)));
        assert!(!allow(&office, at(1, 7, 59)) && !allow(&office, at(1, 17, 1)));
        assert!(!allow(&office, at(2, 12, 0)), "Tuesday");
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_begin_on() {
        let night = hours(22, 6, &[Weekday::Friday]);
        assert!(allow(&night, at(5, 23, 0)) && allow(&night, at(6, 5, 0)));
        assert!(!allow(&night, at(5, 5, 0)), "Thursday's night");
        assert!(!allow(&night, at(6, 23, 0)), "Saturday's night");
        assert!(!allow(&night, at(5, 12, 0)));
    }

    #[test]
    fn dates_bound_on_both_sides() {
        let date = |day| DateTime {
            year: 2026,
            month: 6,
            day,
            hour: 12,
            minute: 0,
            second: 0,
        };
        let stay = TimeLimits {
            from: date(2),
            until: date(4),
            ..TimeLimits::default()
        };
        assert!(!allow(&stay, at(2, 11, 59)) && allow(&stay, at(2, 12, 0)));
        assert!(allow(&stay, at(4, 12, 0)) && !allow(&stay, at(4, 12, 1)));
    }

    #[test]
    fn limits_that_no_clock_can_keep_are_unsound() {
        assert!(are_sound(&TimeLimits::default()));
        assert!(!are_sound(&hours(24, 6, &[])));
        let from = DateTime {
            year: 2026,
            month: 2,
            day: 30,
            ..DateTime::UNSET
        };
        assert!(!are_sound(&TimeLimits {
            from,
            ..TimeLimits::default()
        }));
    }

    proptest! {
        #[test]
        fn any_limits_end_in_an_answer(year: u16, month: u8, day: u8, a: u8, b: u8, mask in 0..128_u8) {
            let odd = DateTime { year, month, day, hour: a, minute: b, second: a };
            let limits = TimeLimits {
                from: odd,
                until: odd,
                weekdays: Weekdays::from_mask(mask).unwrap(),
                daily_from: TimeOfDay { hour: a, minute: b },
                daily_until: TimeOfDay { hour: b, minute: a },
            };
            let _ = (allow(&limits, at(1, 12, 0)), are_sound(&limits));
        }
    }
}
