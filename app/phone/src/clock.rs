//! When a lock's clock is to be set.
//!
//! A lock that was without power does not know the time, and others run ahead or behind. Its log and every limit on
//! when somebody may come in go by that clock, so whoever has the PIN and knows the time puts it right on the way.
//!
//! Knows no clock: both times are given.

use latchkey_protocol::value::DateTime;

use crate::request::Administer;

/// How far a lock's clock may be from its owner's, in seconds. What it says takes a moment to arrive.
pub const OFF_MOST_S: u64 = 60;

/// What sets right a clock that shows `told`, when it is `now_unix`; nothing when it is right already, or when now is
/// no time that a lock's clock can show.
///
/// ```
/// # use latchkey_phone::clock::correction;
/// # use latchkey_protocol::value::DateTime;
/// let told = DateTime::from_unix(1_790_000_000).unwrap();
/// assert!(correction(told, 1_790_000_060).is_none());
/// assert!(correction(told, 1_790_000_061).is_some());
/// ```
#[must_use]
pub fn correction(told: DateTime, now_unix: u64) -> Option<Administer> {
    // A lock that shows no time at all has not been told any.
    let off_s = told.to_unix().map_or(u64::MAX, |told| told.abs_diff(now_unix));
    let time = DateTime::from_unix(now_unix)?;
    (off_s > OFF_MOST_S).then_some(Administer::SetTime { time })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn set_to(told: DateTime, now_unix: u64) -> Option<u64> {
        match correction(told, now_unix) {
            Some(Administer::SetTime { time }) => time.to_unix(),
            _ => None,
        }
    }

    #[test]
    fn a_clock_that_is_off_either_way_or_was_never_set_is_set() {
        for told in [NOW - 61, NOW + 61, 0] {
            let told = DateTime::from_unix(told).unwrap_or(DateTime::UNSET);
            assert_eq!(set_to(told, NOW), Some(NOW), "{told:?}");
        }
        assert_eq!(set_to(DateTime::UNSET, NOW), Some(NOW));
    }

    #[test]
    fn a_clock_that_is_right_is_left_alone_and_so_is_any_when_the_time_is_none() {
        for told in [NOW - 60, NOW, NOW + 60] {
            assert_eq!(set_to(DateTime::from_unix(told).unwrap(), NOW), None);
        }
        assert_eq!(set_to(DateTime::UNSET, u64::MAX), None);
    }
}
