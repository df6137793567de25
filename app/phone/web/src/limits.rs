//! When somebody may use a lock, as a page's forms have it: dates as `2026-11-26T08:00`, times as `08:00`, days as the
//! protocol's mask. Local time at the lock.

use latchkey_protocol::value::{DateTime, TimeLimits, TimeOfDay, Weekdays};
use serde::{Deserialize, Serialize};

/// All of it optional: what is absent sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Limits {
    from: Option<String>,
    until: Option<String>,
    days: u8,
    daily_from: Option<String>,
    daily_until: Option<String>,
}

impl Limits {
    /// In the protocol's form.
    pub(crate) fn read(&self) -> Result<TimeLimits, String> {
        Ok(TimeLimits {
            from: date(self.from.as_deref())?,
            until: date(self.until.as_deref())?,
            weekdays: Weekdays::from_mask(self.days).ok_or("the days of the week have no meaning")?,
            daily_from: time(self.daily_from.as_deref())?,
            daily_until: time(self.daily_until.as_deref())?,
        })
    }
}

impl From<TimeLimits> for Limits {
    fn from(limits: TimeLimits) -> Self {
        let daily = |time: TimeOfDay| {
            (time != TimeOfDay::default()).then(|| format!("{:02}:{:02}", time.hour, time.minute))
        };
        Self {
            from: local(limits.from),
            until: local(limits.until),
            days: limits.weekdays.mask(),
            daily_from: daily(limits.daily_from),
            daily_until: daily(limits.daily_until),
        }
    }
}

/// A local date as forms have it; `None` when it is not set.
pub(crate) fn local(date: DateTime) -> Option<String> {
    let DateTime {
        year,
        month,
        day,
        hour,
        minute,
        ..
    } = date;
    (date != DateTime::UNSET).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}"))
}

fn date(text: Option<&str>) -> Result<DateTime, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(DateTime::UNSET);
    };
    let parsed = || {
        let (day, clock) = text.split_once('T')?;
        let mut parts = day.split('-');
        let TimeOfDay { hour, minute } = time(Some(clock)).ok()?;
        let date = DateTime {
            year: parts.next()?.parse().ok()?,
            month: parts.next()?.parse().ok()?,
            day: parts.next()?.parse().ok()?,
            hour,
            minute,
            second: 0,
        };
        // A date of the calendar, and nothing behind it.
        (parts.next().is_none() && date.to_unix().is_some()).then_some(date)
    };
    parsed().ok_or_else(|| format!("{text:?} is no date and time; choose one as 2026-11-26 08:00"))
}

fn time(text: Option<&str>) -> Result<TimeOfDay, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(TimeOfDay::default());
    };
    let parsed = || {
        let (hour, minute) = text.split_once(':')?;
        let time = TimeOfDay {
            hour: hour.parse().ok()?,
            minute: minute.parse().ok()?,
        };
        time.minutes().map(|_| time)
    };
    parsed().ok_or_else(|| format!("{text:?} is no time of day; choose one as 08:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lock_says_reads_back() {
        let limits = TimeLimits {
            from: DateTime {
                year: 2026,
                month: 2,
                day: 28,
                hour: 23,
                minute: 59,
                second: 0,
            },
            until: DateTime::UNSET,
            weekdays: Weekdays::from_mask(0b101).unwrap(),
            daily_from: TimeOfDay { hour: 8, minute: 0 },
            daily_until: TimeOfDay { hour: 20, minute: 30 },
        };
        assert_eq!(Limits::from(limits).read(), Ok(limits));
        assert_eq!(Limits::default().read(), Ok(TimeLimits::default()));
    }

    #[test]
    fn what_is_on_no_calendar_and_no_clock_is_refused() {
        for from in [
            "2026-02-30T08:00",
            "2026-02-28",
            "T08:00",
            "2026-02-28-01T08:00",
            "2026-02-28T24:00",
            "soon",
        ] {
            let limits = Limits {
                from: Some(from.into()),
                ..Limits::default()
            };
            assert!(limits.read().is_err(), "{from}");
        }
        for at in ["24:00", "8", "08:60", "-1:00", "08:00:00"] {
            let limits = Limits {
                daily_until: Some(at.into()),
                ..Limits::default()
            };
            assert!(limits.read().is_err(), "{at}");
        }
        let limits = Limits {
            days: 0x80,
            ..Limits::default()
        };
        assert!(limits.read().is_err());
    }
}
