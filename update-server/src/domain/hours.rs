//! Times of day where a device is: windows of them, and the time zones that say what time it is there.
//!
//! Zones and their rules come with the program, whatever the machine has, so that every server of a fleet says the
//! same. Knows no devices.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

/// From one time of day to before another, past midnight where the second is the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: Minute,
    until: Minute,
}

/// A time zone by its IANA name, such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Minute {
    /// This time of day, if there is one.
    #[must_use]
    pub const fn of(minute: u16) -> Option<Self> {
        if minute < DAY { Some(Self(minute)) } else { None }
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for Minute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |text: &str, most: u16| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = digits.then(|| text.parse().ok()).flatten()?;
            (number < most).then_some(number)
        };
        let parsed = text.split_once(':').and_then(|(hours, minutes)| {
            let hours = part(hours, 24)?;
            Self::of(hours.saturating_mul(60).saturating_add(part(minutes, 60)?))
        });
        parsed.ok_or_else(|| format!("{text:?} is no time of day, such as 06:30"))
    }
}

impl Hours {
    /// Whether it is within them.
    #[must_use]
    pub fn include(self, minute: Minute) -> bool {
        if self.from < self.until {
            self.from <= minute && minute < self.until
        } else {
            self.from <= minute || minute < self.until
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.until)
    }
}

impl FromStr for Hours {
    type Err = String;

    /// Reads `22:00-05:30`. From and until the same is no window: it could mean all day or never.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} are no hours, such as 22:00-05:30");
        let (from, until) = text.split_once('-').ok_or_else(wrong)?;
        let (from, until) = (from.parse()?, until.parse()?);
        if from == until {
            return Err(wrong());
        }
        Ok(Self { from, until })
    }
}

impl Zone {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What time of day it is there at a time in milliseconds since 1970.
    #[must_use]
    pub fn minute_at(&self, at: i64) -> Minute {
        let there = self.rules.to_datetime(timestamp(at));
        let part = |number: i8| u16::from(number.unsigned_abs());
        Minute(
            part(there.hour())
                .saturating_mul(60)
                .saturating_add(part(there.minute())),
        )
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let rules = TimeZone::get(name)
            .map_err(|_| format!("{name:?} is no time zone of the IANA list, such as Europe/Berlin"))?;
        Ok(Self {
            // As the list spells it, whatever the case that was given.
            name: rules.iana_name().unwrap_or(name).to_owned(),
            rules,
        })
    }
}

/// A time in words, in UTC to the second.
pub(crate) fn utc(at: i64) -> String {
    format!("{:.0}", timestamp(at))
}

/// A time as forms have it, in UTC to the minute, `2027-01-15T08:00`: in milliseconds since 1970.
pub(crate) fn from_utc(text: &str) -> Result<i64, String> {
    let minutes_or_seconds = [16, 19].contains(&text.len());
    let time = text.parse::<DateTime>().ok().filter(|_| minutes_or_seconds);
    time.and_then(|time| TimeZone::UTC.to_timestamp(time).ok())
        .map(Timestamp::as_millisecond)
        .ok_or_else(|| format!("{text:?} is no time, such as 2027-01-15T08:00"))
}

/// Times beyond the calendar are as good as its end.
fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> Minute {
        text.parse().unwrap()
    }

    #[test]
    fn hours_include_their_beginning_and_not_their_end_also_past_midnight() {
        for (hours, inside, outside) in [
            ("01:00-05:00", ["01:00", "04:59"], ["00:59", "05:00"]),
            ("22:30-05:00", ["22:30", "00:00"], ["22:29", "05:00"]),
            ("12:00-00:00", ["12:00", "23:59"], ["00:00", "11:59"]),
        ] {
            let read: Hours = hours.parse().unwrap();
            assert_eq!(read.to_string(), hours);
            assert!(inside.iter().all(|time| read.include(minute(time))), "{hours}");
            assert!(!outside.iter().any(|time| read.include(minute(time))), "{hours}");
        }
        for wrong in [
            "",
            "22",
            "22-05",
            "22:00",
            "24:00-05:00",
            "1:00-05:00",
            "05:00-05:00",
            "+1:00-05:00",
        ] {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_zone_keeps_summer_time_and_the_machines_own_zones_do_not_matter() {
        let berlin: Zone = "europe/berlin".parse().unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(berlin.minute_at(at("2027-01-15T12:00:00Z")), minute("13:00"));
        assert_eq!(berlin.minute_at(at("2027-07-15T12:00:00Z")), minute("14:00"));
        let kolkata: Zone = "Asia/Kolkata".parse().unwrap();
        assert_eq!(kolkata.minute_at(at("2027-07-15T20:00:00Z")), minute("01:30"));
        for wrong in ["", "Europe/Atlantis", "../etc/passwd", "CEST-1"] {
            assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_said_in_utc_whatever_they_are() {
        assert_eq!(utc(1_800_000_000_123), "2027-01-15T08:00:00Z");
        assert!(!utc(i64::MIN).is_empty() && !utc(i64::MAX).is_empty());
    }

    #[test]
    fn times_of_forms_are_utc() {
        assert_eq!(from_utc("2027-01-15T08:00"), Ok(1_800_000_000_000));
        assert_eq!(from_utc("2027-01-15T08:00:01"), Ok(1_800_000_001_000));
        for wrong in [
            "",
            "tomorrow",
            "2027-01-15",
            "2027-02-30T08:00",
            "2027-01-15T08:00+05:00",
            "99999-01-15T08:00",
        ] {
            assert!(from_utc(wrong).is_err(), "{wrong}");
        }
    }
}
