//! Dates, times and when something is allowed, as they stand on the wire.
//!
//! A date out of a message is seven bytes that anybody may have written, so a [`DateTime`] holds any seven bytes;
//! clients send all zeros for "not set". Whoever acts on one asks [`DateTime::to_unix`], the one place that
//! knows which of them are moments. Rules of daylight saving are not known here.

use time::{Date, Month, OffsetDateTime, Time};

use crate::wire::{Field, Reader, Writer};

/// Seven bytes: a date and a time of day, in UTC where the message does not say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// Such as 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl DateTime {
    /// All zeros: not set.
    pub const UNSET: Self = Self {
        year: 0,
        month: 0,
        day: 0,
        hour: 0,
        minute: 0,
        second: 0,
    };

    /// Seconds since 1970-01-01 00:00:00 UTC. `None` when these numbers are no moment of the calendar, or one
    /// before 1970.
    #[must_use]
    pub fn to_unix(self) -> Option<u64> {
        let month = Month::try_from(self.month).ok()?;
        let date = Date::from_calendar_date(i32::from(self.year), month, self.day).ok()?;
        let time = Time::from_hms(self.hour, self.minute, self.second).ok()?;
        u64::try_from(date.with_time(time).assume_utc().unix_timestamp()).ok()
    }

    /// The date and time so many seconds after 1970-01-01 00:00:00 UTC. `None` after the year 9999.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
        let (hour, minute, second) = moment.to_hms();
        Some(Self {
            year: u16::try_from(moment.year()).ok()?,
            month: moment.month().into(),
            day: moment.day(),
            hour,
            minute,
            second,
        })
    }
}

impl Field for DateTime {
    const MAX: usize = 7;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.year);
        out.bytes(&[self.month, self.day, self.hour, self.minute, self.second]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let year = from.field()?;
        let [month, day, hour, minute, second] = *from.bytes()?;
        Some(Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        })
    }
}

/// Two bytes: a time of day, local.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl TimeOfDay {
    /// Minutes since midnight; `None` when no clock shows this.
    #[must_use]
    pub fn minutes(self) -> Option<u16> {
        let time = Time::from_hms(self.hour, self.minute, 0).ok()?;
        u16::from(time.hour())
            .checked_mul(60)?
            .checked_add(u16::from(time.minute()))
    }
}

impl Field for TimeOfDay {
    const MAX: usize = 2;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&[self.hour, self.minute]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let [hour, minute] = *from.bytes()?;
        Some(Self { hour, minute })
    }
}

/// A day of the week; its value is its bit in [`Weekdays`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Weekday {
    /// Monday.
    Monday = 1 << 6,
    /// Tuesday.
    Tuesday = 1 << 5,
    /// Wednesday.
    Wednesday = 1 << 4,
    /// Thursday.
    Thursday = 1 << 3,
    /// Friday.
    Friday = 1 << 2,
    /// Saturday.
    Saturday = 1 << 1,
    /// Sunday.
    Sunday = 1,
}

impl Weekday {
    /// Every day, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];
}

/// Days of the week, as a mask. None at all means every day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day, as clients write it.
    pub const EVERY: Self = Self(0);

    const BITS: u8 = 0x7F;

    /// These days.
    #[must_use]
    pub fn new(days: &[Weekday]) -> Self {
        Self(days.iter().fold(0, |mask, day| mask | *day as u8))
    }

    /// A mask; `None` when its highest bit is set.
    #[must_use]
    pub const fn from_mask(mask: u8) -> Option<Self> {
        if mask & !Self::BITS == 0 {
            Some(Self(mask))
        } else {
            None
        }
    }

    /// The mask.
    #[must_use]
    pub const fn mask(self) -> u8 {
        self.0
    }

    /// Whether this day is one of them.
    #[must_use]
    pub const fn contains(self, day: Weekday) -> bool {
        self.0 == 0 || self.0 & day as u8 != 0
    }
}

impl Field for Weekdays {
    const MAX: usize = 1;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let value = Self::from_mask(from.field()?);
        from.known(value, "weekday mask")
    }
}

/// When an authorization or a keypad code may be used. Dates and times are local; what of it is all zeros sets
/// no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// Not before.
    pub from: DateTime,
    /// Not after.
    pub until: DateTime,
    /// Only on these days.
    pub weekdays: Weekdays,
    /// On those days not before.
    pub daily_from: TimeOfDay,
    /// On those days not after.
    pub daily_until: TimeOfDay,
}

impl Field for TimeLimits {
    const MAX: usize = 19;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.from);
        out.field(&self.until);
        out.field(&self.weekdays);
        out.field(&self.daily_from);
        out.field(&self.daily_until);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            from: from.field()?,
            until: from.field()?,
            weekdays: from.field()?,
            daily_from: from.field()?,
            daily_until: from.field()?,
        })
    }
}

/// Limits that may not be there at all: a flag, and behind it the limits only when it is set.
impl Field for Option<TimeLimits> {
    const MAX: usize = 20;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.is_some());
        if let Some(limits) = self {
            out.field(limits);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        if from.field()? {
            return from.field().map(Some);
        }
        Some(None)
    }
}
