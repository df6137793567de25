//! What time it is, as far as the lock can know: it has no clock that survives a loss of power.
//!
//! Time is told by an authenticated administrator or by the board, and runs on with the milliseconds since the
//! start. Until it has been told, the lock goes by the latest time it wrote down, which is a lower bound and good
//! for nothing but the order of its log. Invariant: what is limited in time is judged by [`Clock::told`] alone, so
//! a lock that lost its time refuses instead of guessing.

mod zones;

use latchkey_protocol::value::{DateTime, Weekday};

pub use zones::Zone;

/// Seconds in a minute.
const MINUTE_S: u32 = 60;
/// Seconds in a day.
const DAY_S: u32 = 24 * 60 * 60;

/// Seconds since 1970-01-01T00:00:00 UTC, without leap seconds. Good until the year 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub u32);

/// The first moment the lock takes for a time it can be told: the year 2000.
pub const EARLIEST: UnixTime = UnixTime(946_684_800);

impl UnixTime {
    /// The moment that UTC calls so; `None` for a date that does not exist or lies before [`EARLIEST`] or after
    /// the year 2105.
    #[must_use]
    pub fn of(date: DateTime) -> Option<Self> {
        let time = Self(u32::try_from(date.to_unix()?).ok()?);
        (time >= EARLIEST).then_some(time)
    }

    /// What UTC calls this moment.
    #[must_use]
    pub fn date(self) -> DateTime {
        // Every moment of 32 bits is in the calendar's range.
        DateTime::from_unix(self.0.into()).unwrap_or(DateTime::UNSET)
    }

    /// The moment so many seconds later.
    #[must_use]
    pub fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A moment as a wall clock beside the lock shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local {
    seconds: u32,
}

impl Local {
    fn at(time: UnixTime, offset_min: i16) -> Self {
        let offset_s = i64::from(offset_min).saturating_mul(MINUTE_S.into());
        let seconds = i64::from(time.0).saturating_add(offset_s).max(0);
        Self {
            seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }

    /// Date and time of day.
    #[must_use]
    pub fn date(self) -> DateTime {
        UnixTime(self.seconds).date()
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn day(self) -> u32 {
        self.seconds / DAY_S
    }

    /// Minutes since midnight, 0 to 1439.
    #[must_use]
    pub fn minute(self) -> u16 {
        u16::try_from(self.seconds % DAY_S / MINUTE_S).unwrap_or(0)
    }

    /// Minutes since the beginning of 1970, as local clocks count.
    #[must_use]
    pub fn minutes(self) -> u32 {
        self.seconds / MINUTE_S
    }

    /// Seconds until the minute is over.
    #[must_use]
    pub fn rest_of_minute_s(self) -> u32 {
        MINUTE_S.saturating_sub(self.seconds % MINUTE_S)
    }
}

/// The day of the week that is this many days after 1970-01-01, a Thursday.
#[must_use]
pub fn weekday(day: u32) -> Weekday {
    let after_monday = usize::try_from(day.saturating_add(3) % 7).unwrap_or(0);
    Weekday::ALL.get(after_monday).copied().unwrap_or(Weekday::Monday)
}

/// See the module's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    base: UnixTime,
    at_ms: u64,
    told: bool,
}

impl Clock {
    /// A clock that was not told the time yet. `latest` is the latest time that was ever written down.
    #[must_use]
    pub fn resume(latest: UnixTime, now_ms: u64) -> Self {
        Self {
            base: latest.max(EARLIEST),
            at_ms: now_ms,
            told: false,
        }
    }

    /// It is `time` now, says somebody who may.
    pub fn tell(&mut self, time: UnixTime, now_ms: u64) {
        *self = Self {
            base: time,
            at_ms: now_ms,
            told: true,
        };
    }

    /// For the log and for display: the time, or a lower bound of it.
    #[must_use]
    pub fn now(&self, now_ms: u64) -> UnixTime {
        let passed_s = now_ms.saturating_sub(self.at_ms) / 1_000;
        UnixTime(
            self.base
                .0
                .saturating_add(u32::try_from(passed_s).unwrap_or(u32::MAX)),
        )
    }

    /// When it will be `time`, in milliseconds since the start: the very moment at which [`Clock::now`] begins to say
    /// so.
    #[must_use]
    pub fn when(&self, time: UnixTime) -> u64 {
        let ahead_s = u64::from(time.0.saturating_sub(self.base.0));
        self.at_ms.saturating_add(ahead_s.saturating_mul(1_000))
    }

    /// The time, once it has been told.
    #[must_use]
    pub fn told(&self, now_ms: u64) -> Option<UnixTime> {
        self.told.then(|| self.now(now_ms))
    }
}

#[cfg(test)]
mod tests;
