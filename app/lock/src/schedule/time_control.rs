//! Time control: actions at set times of set days.
//!
//! Local time is followed minute by minute. A minute is acted upon when the clock first reaches or passes it, so a
//! time that daylight saving skips acts when the skip is over, and one that comes twice acts the first time.

use core::ops::RangeInclusive;

use heapless::Vec;
use latchkey_protocol::value::{LockAction, TimeControlId, TimeOfDay, Weekdays};

use crate::clock::{Local, weekday};
use crate::store::form::{self, Form};
use crate::store::record::{In, Out, Record as _, record};

/// Minutes in a day.
const DAY_MIN: u32 = 24 * 60;
/// How far a jump of the clock is made up for, in minutes: more than any daylight saving skips.
const CATCH_UP_MIN: u32 = 125;

/// One line of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name on this lock.
    pub id: TimeControlId,
    /// Whether it acts.
    pub enabled: bool,
    /// On which days.
    pub weekdays: Weekdays,
    /// At what time.
    pub time: TimeOfDay,
    /// What it does.
    pub action: LockAction,
}

record! {
    Entry as Array from Entry {
        id: TimeControlId(0),
        enabled: false,
        weekdays: Weekdays::EVERY,
        time: TimeOfDay { hour: 0, minute: 0 },
        action: LockAction::Lock,
    };
    required {
        0 => id: form::Wire,
        1 => enabled: form::Flag,
        2 => weekdays: form::Wire,
        3 => time: form::Wire,
        4 => action: form::Wire,
    }
    optional {}
}

impl Entry {
    fn acts_within(&self, minutes: &RangeInclusive<u32>) -> bool {
        let Some(of_day) = self.time.minutes().filter(|_| self.enabled) else {
            return false;
        };
        // The range spans at most two midnights.
        let first_day = minutes.start() / DAY_MIN;
        (first_day..=minutes.end() / DAY_MIN).any(|day| {
            let at = day.saturating_mul(DAY_MIN).saturating_add(of_day.into());
            minutes.contains(&at) && self.weekdays.contains(weekday(day))
        })
    }
}

/// There is no room for one more entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// The schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    entries: Vec<Entry, { Self::MAX }>,
}

record! {
    Entries as Map from Entries::default();
    required {
        0 => entries: List,
    }
    optional {}
}

impl Entries {
    /// Entries at most.
    pub const MAX: usize = 32;

    /// The entries, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry under its own name.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn push(&mut self, entry: Entry) -> Result<(), NoRoom> {
        self.entries.push(entry).map_err(|_| NoRoom)
    }

    /// A name that no entry has; `None` when there is no room.
    #[must_use]
    pub fn free_id(&self) -> Option<TimeControlId> {
        let free = |id: &TimeControlId| self.entries.iter().all(|entry| entry.id != *id);
        let id = (1..=u8::MAX).map(TimeControlId).find(free)?;
        (!self.entries.is_full()).then_some(id)
    }

    /// Puts a new entry in the place of the one with its name. Whether there was one.
    pub fn replace(&mut self, new: Entry) -> bool {
        let old = self.entries.iter_mut().find(|entry| entry.id == new.id);
        old.map(|entry| *entry = new).is_some()
    }

    /// Removes an entry. Whether there was one.
    pub fn remove(&mut self, id: TimeControlId) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        self.entries.len() < before
    }

    /// What to do in these minutes, in the order of the entries.
    pub fn due(&self, minutes: RangeInclusive<u32>) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.acts_within(&minutes))
    }

    /// Minutes until one of the entries may act, the running one included.
    #[must_use]
    pub fn next_in_min(&self, local: Local) -> Option<u32> {
        let active = self.entries.iter().filter(|entry| entry.enabled);
        active
            .filter_map(|entry| entry.time.minutes())
            .map(|of_day| minutes_until(of_day, local.minute()))
            .min()
    }
}

/// Entries one behind the other. One that only a newer version understands is passed over.
struct List;

impl Form<Vec<Entry, { Entries::MAX }>> for List {
    fn write(entries: &Vec<Entry, { Entries::MAX }>, out: &mut Out<'_>) -> Option<()> {
        out.array(u64::try_from(entries.len()).ok()?).ok()?;
        entries.iter().try_for_each(|entry| entry.write(out))
    }

    fn read(bytes: &mut In<'_>) -> Option<Vec<Entry, { Entries::MAX }>> {
        let mut entries = Vec::new();
        for _ in 0..bytes.array().ok()?? {
            let before = bytes.position();
            match Entry::read(bytes) {
                Some(entry) => entries.push(entry).ok()?,
                None => {
                    bytes.set_position(before);
                    bytes.skip().ok()?;
                }
            }
        }
        Some(entries)
    }
}

/// Minutes from `now` until this minute of the day, the running one included: from 1 to a whole day.
#[must_use]
pub fn minutes_until(of_day: u16, now: u16) -> u32 {
    let apart = DAY_MIN.saturating_add(of_day.into()).saturating_sub(now.into()) % DAY_MIN;
    if apart == 0 { DAY_MIN } else { apart }
}

/// Which minutes of local time are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes {
    last: Option<u32>,
}

impl Minutes {
    /// The clock was set or the zone changed: what it jumped over is not made up for.
    pub fn reset(&mut self) {
        self.last = None;
    }

    /// The minutes that began since the last call, if any; the first call only looks.
    pub fn advance(&mut self, local: Local) -> Option<RangeInclusive<u32>> {
        let now = local.minutes();
        let Some(last) = self.last else {
            self.last = Some(now);
            return None;
        };
        // Behind what was seen: the hour that comes twice. Wait for it to be over.
        if now <= last {
            return None;
        }
        self.last = Some(now);
        let from = last.saturating_add(1).max(now.saturating_sub(CATCH_UP_MIN));
        Some(from..=now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "an overflow in a test fails the test"
    )]

    use super::*;
    use crate::clock::{UnixTime, Zone};
    use latchkey_protocol::value::{DateTime, DaylightSaving, TimeZoneId, Weekday};
    use proptest::prelude::*;

    const BERLIN: Zone = Zone {
        id: TimeZoneId::EuropeBerlin,
        offset_min: 0,
        saving: DaylightSaving::Off,
    };

    fn entry(hour: u8, minute: u8, days: &[Weekday]) -> Entry {
        Entry {
            id: TimeControlId(1),
            enabled: true,
            weekdays: Weekdays::new(days),
            time: TimeOfDay { hour, minute },
            action: LockAction::Lock,
        }
    }

    /// How often the entries act from this midnight UTC on, looking every `step_s` seconds for `hours`.
    fn acts(entry: Entry, month: u8, day: u8, hours: u32, step_s: u32) -> usize {
        let mut entries = Entries::default();
        entries.push(entry).unwrap();
        let midnight = UnixTime::of(DateTime {
            year: 2026,
            month,
            day,
            ..DateTime::UNSET
        });
        let (start, mut minutes) = (midnight.unwrap(), Minutes::default());
        (0..hours * 3_600 / step_s)
            .filter_map(|step| minutes.advance(BERLIN.local(start.plus(step * step_s))))
            .map(|minutes| entries.due(minutes).count())
            .sum()
    }

    #[test]
    fn each_entry_acts_on_its_days_once() {
        for step_s in [1, 7, 60, 95, 600] {
            assert_eq!(acts(entry(7, 30, &[]), 6, 1, 7 * 24, step_s), 7);
            assert_eq!(acts(entry(7, 30, &[Weekday::Friday]), 6, 1, 7 * 24, step_s), 1);
            let off = Entry {
                enabled: false,
                ..entry(7, 30, &[])
            };
            assert_eq!(acts(off, 6, 1, 24, step_s), 0);
            assert_eq!(acts(entry(0, 0, &[]), 6, 1, 48, step_s), 2);
        }
    }

    #[test]
    fn a_time_that_daylight_saving_skips_is_not_lost() {
        // On 2026-03-29 Berlin goes from 02:00 to 03:00.
        assert_eq!(acts(entry(2, 30, &[Weekday::Sunday]), 3, 29, 12, 60), 1);
    }

    #[test]
    fn a_time_that_comes_twice_acts_once() {
        // On 2026-10-25, a Sunday, Berlin goes from 03:00 to 02:00.
        for minute in [0, 30, 59] {
            assert_eq!(acts(entry(2, minute, &[Weekday::Sunday]), 10, 24, 36, 60), 1);
        }
    }

    #[test]
    fn a_clock_that_was_set_makes_up_for_nothing() {
        let mut minutes = Minutes::default();
        let at = |time: u32| BERLIN.local(UnixTime(1_780_000_000 + time));
        assert_eq!(minutes.advance(at(0)), None);
        minutes.reset();
        assert_eq!(minutes.advance(at(90 * 60)), None);
        // And a lock that slept for weeks does not act for all of them.
        let far = minutes.advance(at(90 * 60 + 40 * 24 * 3_600)).unwrap();
        assert_eq!(far.count(), 126);
    }

    #[test]
    fn entries_are_named_and_bounded() {
        let mut entries = Entries::default();
        for _ in 0..Entries::MAX {
            let id = entries.free_id().unwrap();
            entries
                .push(Entry {
                    id,
                    ..entry(1, 0, &[])
                })
                .unwrap();
        }
        assert_eq!(entries.free_id(), None);
        assert_eq!(entries.push(entry(1, 0, &[])), Err(NoRoom));
        assert!(entries.remove(TimeControlId(7)) && !entries.remove(TimeControlId(7)));
        assert_eq!(entries.free_id(), Some(TimeControlId(7)));
        assert!(!entries.replace(Entry {
            id: TimeControlId(7),
            ..entry(2, 0, &[])
        }));
        assert!(entries.replace(entry(2, 0, &[])));
    }

    proptest! {
        #[test]
        fn looking_when_told_misses_nothing(hour in 0..24_u8, minute in 0..60_u8, now in 0..1_440_u16) {
            let of_day = entry(hour, minute, &[]).time.minutes().unwrap();
            let wait = minutes_until(of_day, now);
            prop_assert_eq!((u32::from(now) + wait) % DAY_MIN, u32::from(of_day));
            prop_assert!((1..=DAY_MIN).contains(&wait));
        }
    }
}
