//! Until when a metadata file counts: UTC, whole seconds, `2027-11-26T00:00:00Z` and no other form.
//!
//! python-tuf reads exactly this form and refuses the whole file for any other; tough writes fractions of a second.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime};

use crate::Refusal;

/// A moment, in whole seconds since 1970; the years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expires(u64);

impl Expires {
    /// The last moment that has a four-digit year.
    const LAST_S: u64 = 253_402_300_799;

    /// This many seconds after 1970; at most the year 9999.
    #[must_use]
    pub const fn at(unix_s: u64) -> Self {
        Self(if unix_s > Self::LAST_S {
            Self::LAST_S
        } else {
            unix_s
        })
    }

    /// The start of a day, written `2027-11-26`.
    ///
    /// # Errors
    /// [`Refusal::Moment`] when it is none.
    pub fn day(text: &str) -> Result<Self, Refusal> {
        format!("{text}T00:00:00Z").parse()
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn unix_s(self) -> u64 {
        self.0
    }

    /// Whether it is over at this moment.
    #[must_use]
    pub const fn is_over(self, now_s: u64) -> bool {
        self.0 <= now_s
    }
}

impl FromStr for Expires {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let moment = || -> Option<Self> {
            let field = |from: usize, to: usize| -> Option<u16> {
                let digits = text.get(from..to)?;
                digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
                digits.parse().ok()
            };
            let small = |from: usize| field(from, from.checked_add(2)?)?.try_into().ok();
            let month = Month::try_from(small(5)?).ok()?;
            let date = Date::from_calendar_date(field(0, 4)?.into(), month, small(8)?).ok()?;
            let moment = date.with_hms(small(11)?, small(14)?, small(17)?).ok()?;
            u64::try_from(moment.assume_utc().unix_timestamp()).ok().map(Self)
        };
        // Printing it back catches every other form at once.
        moment()
            .filter(|moment| moment.to_string() == text)
            .ok_or_else(|| Refusal::Moment(text.escape_default().to_string()))
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).unwrap_or_default();
        let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (moment.date(), moment.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

impl TryFrom<String> for Expires {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Expires> for String {
    fn from(moment: Expires) -> Self {
        moment.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_has_one_spelling() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2027-11-21T19:03:43Z", 1_826_823_823),
            ("9999-12-31T23:59:59Z", Expires::LAST_S),
        ] {
            assert_eq!(text.parse::<Expires>().unwrap().unix_s(), seconds, "{text}");
            assert_eq!(Expires::at(seconds).to_string(), text);
        }
        assert_eq!(Expires::at(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(
            Expires::day("2027-11-21").unwrap().to_string(),
            "2027-11-21T00:00:00Z"
        );
    }

    #[test]
    fn fractions_other_zones_and_days_that_are_none_are_refused() {
        for text in [
            "2027-11-21T19:03:43.049640005Z",
            "2027-11-21T19:03:43.0Z",
            "2027-11-21T19:03:43+00:00",
            "2027-11-21t19:03:43z",
            "2027-11-21 19:03:43Z",
            "2027-11-21T19:03:60Z",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-11-21T19:03:43ZZ",
            "+027-11-21T19:03:43Z",
            "1969-12-31T23:59:59Z",
            "2027-11-21",
            "",
            "\u{e9}27-11-21T19:03:43Z",
        ] {
            assert!(
                matches!(text.parse::<Expires>(), Err(Refusal::Moment(_))),
                "{text}"
            );
        }
    }
}
