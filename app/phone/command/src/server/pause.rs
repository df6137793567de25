//! How long to wait before a download is tried again: ever longer, with jitter, so that many who lost the same server do
//! not come back in step; as long as the server says, where it does (RFC 9110, 10.2.3); and never without end.
//!
//! Knows no clock; the time of day comes in where a server names one.

use std::time::{Duration, SystemTime};

/// Attempts in a row that bring nothing before a download is given up.
const FRUITLESS_MOST: u32 = 5;
/// Attempts in all, also where each brings a little.
const ATTEMPTS_MOST: u32 = 100;
/// The first wait is at least so long and at most twice that; each one after it twice as long.
const HALF: Duration = Duration::from_millis(500);
/// No server has an owner sit and wait longer.
const LONGEST: Duration = Duration::from_secs(60);

/// See the module's header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    fruitless: u32,
    attempts: u32,
}

impl Patience {
    /// One more attempt broke off; how long to wait before the next, `None` to give up. `after` is what the server
    /// asked for, `jitter` any number.
    pub(super) fn broke_off(
        &mut self,
        got_on: bool,
        after: Option<Duration>,
        jitter: u32,
    ) -> Option<Duration> {
        self.attempts = self.attempts.saturating_add(1);
        self.fruitless = if got_on {
            1
        } else {
            self.fruitless.saturating_add(1)
        };
        if self.fruitless >= FRUITLESS_MOST || self.attempts >= ATTEMPTS_MOST {
            return None;
        }
        let doublings = self.fruitless.saturating_sub(1);
        let half = HALF.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let own = half.saturating_add(half.mul_f64(f64::from(jitter) / f64::from(u32::MAX)));
        let wait = after.map_or(own, |after| after.max(own));
        (wait <= LONGEST).then_some(wait)
    }
}

/// How long the value of a `Retry-After` is from `now`; nothing where it makes no sense.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(after: Option<Duration>, jitter: u32) -> Vec<Option<Duration>> {
        let mut patience = Patience::default();
        (0..6).map(|_| patience.broke_off(false, after, jitter)).collect()
    }

    #[test]
    fn waits_double_and_end() {
        let of = |milliseconds: [u64; 4]| {
            let given = milliseconds.map(|one| Some(Duration::from_millis(one)));
            [&given[..], &[None, None]].concat()
        };
        assert_eq!(waits(None, 0), of([500, 1_000, 2_000, 4_000]));
        assert_eq!(waits(None, u32::MAX), of([1_000, 2_000, 4_000, 8_000]));
    }

    #[test]
    fn what_gets_on_goes_on_but_not_for_ever() {
        let mut patience = Patience::default();
        let attempts = (0..).take_while(|_| patience.broke_off(true, None, 0).is_some());
        assert_eq!(attempts.count(), 99);
    }

    #[test]
    fn the_servers_word_is_obeyed_as_far_as_an_owner_waits() {
        let after = |seconds| Some(Duration::from_secs(seconds));
        let mut patience = Patience::default();
        assert_eq!(patience.broke_off(false, after(30), 0), after(30));
        let own = Some(Duration::from_secs(1));
        assert_eq!(
            patience.broke_off(false, after(0), 0),
            own,
            "never sooner than without"
        );
        assert_eq!(patience.broke_off(false, after(61), 0), None);
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_by_the_clock() {
        let date = httpdate::parse_http_date("Fri, 31 Dec 1999 23:59:59 GMT").unwrap();
        let before = date - Duration::from_secs(120);
        let told = retry_after("Fri, 31 Dec 1999 23:59:59 GMT", before);
        assert_eq!(told, Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("Fri, 31 Dec 1999 23:59:59 GMT", date + LONGEST),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after(" 120 ", date), Some(Duration::from_secs(120)));
        for wrong in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(wrong, date), None, "{wrong:?}");
        }
    }
}
