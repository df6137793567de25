//! Whether silence says anything: only where devices could be heard.
//!
//! A server that was stopped, frozen, without its database, or whose clock jumped, heard nobody meanwhile. And who called
//! in vain waits ever longer before the next call, so that goes on for a while after it is back. That devices could be
//! heard is shown by calls that were written down and by looks at the rollouts that came to something. Such moments in a
//! row make a [`Stretch`]; what is kept of it in the database, [`Noted`], outlives this process and is one for all
//! instances. Knows no rollouts.

use std::sync::{Mutex, PoisonError};

use latchkey_lock::update::Pace;

use crate::Service;
use crate::failure::Outcome;

/// Moments at which devices could be heard, without a gap: the first and the last, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    since: i64,
    until: i64,
}

/// What is kept, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    /// When devices could last be heard; `None` before the first look of all.
    pub(crate) at: Option<i64>,
    /// From then on all who can call have had the time to, twice.
    pub(crate) sure_from: i64,
}

/// What is usual, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Usual {
    /// Longer than this nobody is unheard while all is well.
    gap: i64,
    /// The longest time that devices are told to wait between two calls.
    call: i64,
}

/// This instance's latest stretch.
#[derive(Debug, Default)]
pub(crate) struct Hearing(Mutex<Option<Stretch>>);

impl Hearing {
    /// Devices could be heard at these moments, which come in order. Gives the stretch that they end.
    fn heard(&self, moments: impl IntoIterator<Item = i64>, usual: Usual) -> Option<Stretch> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for at in moments {
            let begun = Stretch { since: at, until: at };
            *latest = Some(match *latest {
                Some(stretch) if !usual.is_gap(at.saturating_sub(stretch.until)) => Stretch {
                    until: at.max(stretch.until),
                    ..stretch
                },
                Some(_) | None => begun,
            });
        }
        *latest
    }
}

impl Usual {
    /// Whether so much time between two moments is one in which devices called in vain, or a clock that jumped.
    const fn is_gap(self, time: i64) -> bool {
        time.saturating_abs() > self.gap
    }

    /// How long it takes, after so long a time away, until all who can call have done so twice. A wait of theirs is no
    /// longer than twice the time in which they tried, and than their longest.
    fn recovery(self, away: i64) -> i64 {
        let longest = i64::try_from(Pace::FIELD.most_ms).unwrap_or(i64::MAX);
        let wait = away.saturating_mul(2).min(longest);
        wait.saturating_add(self.call.saturating_mul(2))
    }
}

impl Noted {
    fn then(self, stretch: Stretch, usual: Usual) -> Self {
        let away = self.at.map_or(0, |at| {
            let before = stretch.since.saturating_sub(at);
            let behind = at.saturating_sub(stretch.until);
            before.max(behind).max(0)
        });
        // No longer than ever, should the clock have been ahead.
        let longest = stretch.until.saturating_add(usual.recovery(i64::MAX));
        let mut sure_from = self.sure_from.min(longest);
        if usual.is_gap(away) {
            // Who still waits since a longer absence before goes on waiting.
            sure_from = sure_from.max(stretch.since.saturating_add(usual.recovery(away)));
        }
        Self {
            at: Some(stretch.until),
            sure_from,
        }
    }
}

impl Service {
    /// Devices could be heard at these moments.
    pub(super) fn heard(&self, mut moments: Vec<i64>) {
        moments.sort_unstable();
        self.hearing.heard(moments, self.usual());
    }

    /// Takes down that devices can be heard now; says whether all who can call have had the time to since they could
    /// not.
    pub(super) async fn is_heard(&self, now: i64) -> Outcome<bool> {
        let usual = self.usual();
        let before = self.store.hearing().await?;
        let Some(stretch) = self.hearing.heard([now], usual) else {
            return Ok(false);
        };
        let after = before.then(stretch, usual);
        let moved = before
            .at
            .is_none_or(|at| stretch.until.saturating_sub(at) > usual.gap / 4);
        if (moved || after.sure_from != before.sure_from) && !self.store.put_hearing(before, after).await? {
            // Another instance looks at this very moment.
            return Ok(false);
        }
        if after.sure_from > before.sure_from {
            tracing::warn!(
                last_heard_ms = before.at,
                since_ms = stretch.since,
                sure_from_ms = after.sure_from,
                "devices could not be heard for a while; until all could call again no rollout widens by itself, and \
                 none halts for silence"
            );
        }
        Ok(now >= after.sure_from)
    }

    fn usual(&self) -> Usual {
        let ms = |seconds: u32| i64::from(seconds).saturating_mul(1000);
        let interval = ms(self.settings.check_in_interval_s);
        let looks = ms(self.settings.watch_interval_s).saturating_mul(2);
        Usual {
            gap: looks.max(interval / 10),
            // Told give or take a tenth, and a second.
            call: interval.saturating_add(interval / 10).saturating_add(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Usual = Usual { gap: 10, call: 100 };

    fn kept(at: i64, sure_from: i64) -> Noted {
        Noted {
            at: Some(at),
            sure_from,
        }
    }

    fn after(kept: Noted, moments: &[i64]) -> Noted {
        let hearing = Hearing::default();
        kept.then(hearing.heard(moments.iter().copied(), USUAL).unwrap(), USUAL)
    }

    #[test]
    fn calls_and_looks_without_a_gap_change_nothing() {
        assert_eq!(after(kept(1000, 7), &[1005, 1015, 1014, 1020]), kept(1020, 7));
        assert_eq!(
            after(kept(1000, 7), &[990, 1000, 1010, 1020, 1030]),
            kept(1030, 7)
        );
        let first = Noted {
            at: None,
            sure_from: 0,
        };
        assert_eq!(
            after(first, &[1000]),
            kept(1000, 0),
            "nobody was told anything before"
        );
    }

    #[test]
    fn time_away_counts_from_its_end_and_so_do_waits_that_grew_meanwhile() {
        // Stopped for 50, whatever is called then.
        assert_eq!(after(kept(1000, 7), &[1050]), kept(1050, 1050 + 100 + 200));
        assert_eq!(after(kept(1000, 7), &[1050, 1055]), kept(1055, 1050 + 100 + 200));
        // Frozen: what was heard before is kept.
        assert_eq!(after(kept(1000, 7), &[1005, 1055]), kept(1055, 1055 + 110 + 200));
        // For a year: nobody waits longer than a day.
        let year = 365 * 86_400_000;
        assert_eq!(after(kept(0, 7), &[year]).sure_from, year + 86_400_000 + 200);
    }

    #[test]
    fn a_short_absence_ends_no_longer_one_before_it() {
        let long = after(kept(1000, 7), &[2000]);
        assert_eq!(long.sure_from, 2000 + 2000 + 200);
        assert_eq!(after(long, &[2020]), kept(2020, long.sure_from));
    }

    #[test]
    fn a_clock_that_is_put_back_is_time_away_and_one_that_was_ahead_is_got_over() {
        assert_eq!(after(kept(1000, 7), &[900]), kept(900, 900 + 200 + 200));
        assert_eq!(
            after(kept(1000, i64::MAX), &[1000]).sure_from,
            1000 + 86_400_000 + 200
        );
    }
}
