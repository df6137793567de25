//! The time zones of the lock's protocol, and when each goes over to daylight saving time.
//!
//! The protocol numbers 46 zones (Nuki Smart Lock API 2.1, "Timezone IDs"). A lock asks only what time it is
//! there now, so it carries the rule in force of each and no history: 46 lines here instead of the 70 KB that the
//! zones' full tables take. The rules are those of tzdata 2026b; the tests hold every line against that release,
//! half hour by half hour.

use latchkey_protocol::value::{DateTime, DaylightSaving, TimeZoneId};

use super::{DAY_S, Local, UnixTime};

/// Where the lock is, as its configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The zone; with [`TimeZoneId::None`] the two fields below count instead.
    pub id: TimeZoneId,
    /// Standard time's offset from UTC, in minutes. Counts without a zone only.
    pub offset_min: i16,
    /// Which daylight saving time is kept. Counts without a zone only.
    pub saving: DaylightSaving,
}

impl Zone {
    /// Offset from UTC at this moment, daylight saving time included, in minutes.
    #[must_use]
    pub fn offset_min(&self, time: UnixTime) -> i16 {
        let rule = self.rule();
        rule.offset_min(time).unwrap_or(rule.standard_min)
    }

    /// What a wall clock shows at this moment.
    #[must_use]
    pub fn local(&self, time: UnixTime) -> Local {
        Local::at(time, self.offset_min(time))
    }

    /// What a wall clock and a calendar show at this moment; nothing set for moment 0, which stands for never.
    #[must_use]
    pub fn date(&self, time: UnixTime) -> DateTime {
        if time == UnixTime(0) {
            DateTime::UNSET
        } else {
            self.local(time).date()
        }
    }

    fn rule(&self) -> Rule {
        // The number of "none" lies far behind the table.
        let known = ZONES.get(usize::from(self.id.number())).copied();
        known.unwrap_or(Rule {
            standard_min: self.offset_min,
            summer: match self.saving {
                DaylightSaving::Off => Summer::Never,
                DaylightSaving::European => Summer::Europe,
            },
        })
    }
}

/// One zone's rule.
#[derive(Clone, Copy)]
struct Rule {
    standard_min: i16,
    summer: Summer,
}

/// Who keeps daylight saving time, by which rule. Always one hour.
#[derive(Clone, Copy)]
enum Summer {
    Never,
    Australia,
    Chile,
    Egypt,
    Europe,
    Israel,
    NewZealand,
    NorthAmerica,
}

/// A change: month, week of the month (5 is the last), day of the week (Sunday is 0), seconds since midnight on
/// the clock that is in force until then.
struct Change(u8, u8, u8, i32);

const HOUR_S: i32 = 3_600;

impl Summer {
    /// When it begins and ends, where standard time is `standard_s` seconds ahead of UTC.
    fn changes(self, standard_s: i32) -> Option<(Change, Change)> {
        let in_europe = |ahead_h: i32| {
            // One o'clock UTC, everywhere at once.
            let ahead_s = ahead_h.saturating_add(1).saturating_mul(HOUR_S);
            standard_s.saturating_add(ahead_s)
        };
        Some(match self {
            Self::Never => return None,
            Self::Australia => (Change(10, 1, 0, 2 * HOUR_S), Change(4, 1, 0, 3 * HOUR_S)),
            Self::Chile => (Change(9, 1, 6, 24 * HOUR_S), Change(4, 1, 6, 24 * HOUR_S)),
            Self::Egypt => (Change(4, 5, 5, 0), Change(10, 5, 4, 24 * HOUR_S)),
            Self::Europe => (Change(3, 5, 0, in_europe(0)), Change(10, 5, 0, in_europe(1))),
            Self::Israel => (Change(3, 4, 4, 26 * HOUR_S), Change(10, 5, 0, 2 * HOUR_S)),
            Self::NewZealand => (Change(9, 5, 0, 2 * HOUR_S), Change(4, 1, 0, 3 * HOUR_S)),
            Self::NorthAmerica => (Change(3, 2, 0, 2 * HOUR_S), Change(11, 1, 0, 2 * HOUR_S)),
        })
    }
}

impl Change {
    /// When it comes in this year, in seconds since 1970 on the clock that is in force until then.
    fn comes_s(&self, year: u16) -> Option<i64> {
        let &Self(month, week, weekday, time_s) = self;
        // No rule changes anything in December.
        let first = first_day(year, month)?;
        let next = first_day(year, month.saturating_add(1))?;
        // The first of January 1970 was a Thursday.
        let until_first = i64::from(weekday)
            .saturating_sub(first.saturating_add(4))
            .rem_euclid(7);
        let weeks = i64::from(week.saturating_sub(1));
        let day = first
            .saturating_add(until_first)
            .saturating_add(weeks.saturating_mul(7));
        let day = if day < next { day } else { day.saturating_sub(7) };
        Some(day.saturating_mul(DAY_S.into()).saturating_add(time_s.into()))
    }
}

/// The first day of a month, in days since 1970.
fn first_day(year: u16, month: u8) -> Option<i64> {
    let first = DateTime {
        year,
        month,
        day: 1,
        ..DateTime::UNSET
    };
    i64::try_from(first.to_unix()?.checked_div(DAY_S.into())?).ok()
}

impl Rule {
    /// `None` where standard time holds all year.
    fn offset_min(self, time: UnixTime) -> Option<i16> {
        let standard_s = i32::from(self.standard_min).saturating_mul(60);
        let (start, end) = self.summer.changes(standard_s)?;
        let year = Local::at(time, self.standard_min).date().year;
        // All three on the clock of standard time.
        let now_s = i64::from(time.0).saturating_add(standard_s.into());
        let starts_s = start.comes_s(year)?;
        let ends_s = end.comes_s(year)?.saturating_sub(HOUR_S.into());
        let is_summer = if starts_s < ends_s {
            (starts_s..ends_s).contains(&now_s)
        } else {
            // South of the equator, over New Year.
            !(ends_s..starts_s).contains(&now_s)
        };
        Some(if is_summer {
            self.standard_min.saturating_add(60)
        } else {
            self.standard_min
        })
    }
}

const fn rule(standard_min: i16, summer: Summer) -> Rule {
    Rule { standard_min, summer }
}

/// By the protocol's number.
const ZONES: [Rule; 46] = [
    rule(120, Summer::Egypt),         // Africa/Cairo
    rule(60, Summer::Never),          // Africa/Lagos
    rule(120, Summer::Never),         // Africa/Maputo
    rule(180, Summer::Never),         // Africa/Nairobi
    rule(-540, Summer::NorthAmerica), // America/Anchorage
    rule(-180, Summer::Never),        // America/Argentina/Buenos_Aires
    rule(-360, Summer::NorthAmerica), // America/Chicago
    rule(-420, Summer::NorthAmerica), // America/Denver
    rule(-240, Summer::NorthAmerica), // America/Halifax
    rule(-480, Summer::NorthAmerica), // America/Los_Angeles
    rule(-240, Summer::Never),        // America/Manaus
    rule(-360, Summer::Never),        // America/Mexico_City
    rule(-300, Summer::NorthAmerica), // America/New_York
    rule(-420, Summer::Never),        // America/Phoenix
    rule(-360, Summer::Never),        // America/Regina
    rule(-240, Summer::Chile),        // America/Santiago
    rule(-180, Summer::Never),        // America/Sao_Paulo
    rule(-210, Summer::NorthAmerica), // America/St_Johns
    rule(420, Summer::Never),         // Asia/Bangkok
    rule(240, Summer::Never),         // Asia/Dubai
    rule(480, Summer::Never),         // Asia/Hong_Kong
    rule(120, Summer::Israel),        // Asia/Jerusalem
    rule(300, Summer::Never),         // Asia/Karachi
    rule(345, Summer::Never),         // Asia/Kathmandu
    rule(330, Summer::Never),         // Asia/Kolkata
    rule(180, Summer::Never),         // Asia/Riyadh
    rule(540, Summer::Never),         // Asia/Seoul
    rule(480, Summer::Never),         // Asia/Shanghai
    rule(210, Summer::Never),         // Asia/Tehran
    rule(540, Summer::Never),         // Asia/Tokyo
    rule(390, Summer::Never),         // Asia/Yangon
    rule(570, Summer::Australia),     // Australia/Adelaide
    rule(600, Summer::Never),         // Australia/Brisbane
    rule(570, Summer::Never),         // Australia/Darwin
    rule(600, Summer::Australia),     // Australia/Hobart
    rule(480, Summer::Never),         // Australia/Perth
    rule(600, Summer::Australia),     // Australia/Sydney
    rule(60, Summer::Europe),         // Europe/Berlin
    rule(120, Summer::Europe),        // Europe/Helsinki
    rule(180, Summer::Never),         // Europe/Istanbul
    rule(0, Summer::Europe),          // Europe/London
    rule(180, Summer::Never),         // Europe/Moscow
    rule(720, Summer::NewZealand),    // Pacific/Auckland
    rule(600, Summer::Never),         // Pacific/Guam
    rule(-600, Summer::Never),        // Pacific/Honolulu
    rule(-660, Summer::Never),        // Pacific/Pago_Pago
];
