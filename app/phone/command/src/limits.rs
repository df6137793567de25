//! When a user or a code may act, as it is written on a command line.

use clap::Args;
use latchkey_protocol::value::{DateTime, TimeLimits, TimeOfDay, Weekday, Weekdays};

use crate::failure::{Failure, Outcome};

/// Limits in time. Without any: always. Times are the lock's local ones.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Not before this: 2026-12-24 or "2026-12-24 18:00".
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) from: Option<DateTime>,
    /// Not after this; a day counts to its end.
    #[arg(long, value_name = "DATE", value_parser = last_date)]
    pub(crate) until: Option<DateTime>,
    /// Only on these days: mon,tue,sat.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub(crate) days: Option<Weekdays>,
    /// On those days only between these times: 08:00-17:30.
    #[arg(long, value_name = "TIMES", value_parser = between)]
    pub(crate) between: Option<Between>,
}

/// Two times of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Between(TimeOfDay, TimeOfDay);

impl Limits {
    /// As a lock takes them; `None` for always.
    pub(crate) fn given(&self) -> Outcome<Option<TimeLimits>> {
        if self.from.is_none() && self.until.is_none() && self.days.is_none() && self.between.is_none() {
            return Ok(None);
        }
        let Between(daily_from, daily_until) = self
            .between
            .unwrap_or(Between(TimeOfDay::default(), TimeOfDay::default()));
        let limits = TimeLimits {
            from: self.from.unwrap_or_default(),
            until: self.until.unwrap_or_default(),
            weekdays: self.days.unwrap_or_default(),
            daily_from,
            daily_until,
        };
        if self.from.is_some() && self.until.is_some() && limits.until <= limits.from {
            return Err(Failure::usage("--until is not after --from; nothing was changed"));
        }
        Ok(Some(limits))
    }
}

/// A day as `--days` takes it.
pub(crate) const fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

/// Where a day begins, unless a time is given.
fn date(text: &str) -> Result<DateTime, String> {
    read_date(text, "00:00")
}

/// Where a day ends, unless a time is given.
fn last_date(text: &str) -> Result<DateTime, String> {
    let day_only = !text.contains(TIME_FOLLOWS);
    let date = read_date(text, "23:59")?;
    let second = if day_only { 59 } else { 0 };
    Ok(DateTime { second, ..date })
}

/// What stands between a day and a time.
const TIME_FOLLOWS: [char; 2] = [' ', 'T'];

fn read_date(text: &str, no_time: &str) -> Result<DateTime, String> {
    let wrong = || format!("{text:?} is no date; write 2026-12-24 or \"2026-12-24 18:00\"");
    let (day, time) = text.split_once(TIME_FOLLOWS).unwrap_or((text, no_time));
    let mut parts = day.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let time = time_of_day(time).map_err(|_| wrong())?;
    let date = DateTime {
        year: year.parse().map_err(|_| wrong())?,
        month: month.parse().map_err(|_| wrong())?,
        day: day.parse().map_err(|_| wrong())?,
        hour: time.hour,
        minute: time.minute,
        second: 0,
    };
    date.to_unix().map(|_| date).ok_or_else(wrong)
}

pub(crate) fn time_of_day(text: &str) -> Result<TimeOfDay, String> {
    let wrong = || format!("{text:?} is no time of day; write 08:00");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let time = TimeOfDay {
        hour: hour.parse().map_err(|_| wrong())?,
        minute: minute.parse().map_err(|_| wrong())?,
    };
    time.minutes().map(|_| time).ok_or_else(wrong)
}

fn between(text: &str) -> Result<Between, String> {
    let (from, until) = text.split_once('-').ok_or("write it as 08:00-17:30")?;
    Ok(Between(time_of_day(from)?, time_of_day(until)?))
}

fn days(text: &str) -> Result<Weekdays, String> {
    let named: Result<Vec<Weekday>, String> = text
        .split(',')
        .map(|name| {
            let found = Weekday::ALL
                .into_iter()
                .find(|day| day_name(*day) == name.trim().to_ascii_lowercase());
            found.ok_or_else(|| format!("{name:?} is no day; write mon, tue, wed, thu, fri, sat or sun"))
        })
        .collect();
    Ok(Weekdays::new(&named?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_moments_of_the_calendar() {
        let evening = date("2026-12-24 18:05").unwrap();
        assert_eq!((evening.day, evening.hour, evening.minute), (24, 18, 5));
        assert_eq!(date("2026-12-24").unwrap().hour, 0);
        let last = last_date("2026-12-24").unwrap();
        assert_eq!((last.day, last.hour, last.minute, last.second), (24, 23, 59, 59));
        assert_eq!(last_date("2026-12-24 18:05").unwrap(), evening);
        for wrong in [
            "",
            "2026",
            "2026-02-30",
            "2026-12-24 24:00",
            "24.12.2026",
            "2026-12-24-1",
        ] {
            assert!(date(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn days_and_times_are_named_or_refused() {
        let weekend = days("sat, Sun").unwrap();
        assert!(weekend.contains(Weekday::Sunday) && !weekend.contains(Weekday::Monday));
        assert!(days("someday").is_err());
        assert!(between("08:00-17:30").is_ok());
        assert!(between("8-17").is_err() && between("08:00").is_err());
    }

    #[test]
    fn no_limit_is_none_and_an_empty_span_is_refused() {
        assert_eq!(Limits::default().given().unwrap(), None);
        let backwards = Limits {
            from: Some(date("2026-12-24").unwrap()),
            until: Some(date("2026-12-23").unwrap()),
            ..Limits::default()
        };
        assert!(backwards.given().is_err());
    }
}
