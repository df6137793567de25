//! What the lock does by itself, by the clock.

use super::layout::messages;
use crate::value::{LockAction, Reported, TimeControlId, TimeOfDay, Weekdays};

messages! {
    /// Makes an entry.
    guarded AddTimeControlEntry = 0x0039 {
        /// On these days.
        weekdays: Weekdays,
        /// At this time, local.
        time: TimeOfDay,
        /// Do this.
        action: LockAction,
    }

    /// The entry that was made.
    plain TimeControlEntryId = 0x003A {
        /// Its number.
        id: TimeControlId,
    }

    /// Takes an entry away.
    guarded RemoveTimeControlEntry = 0x003B {
        /// Its number.
        id: TimeControlId,
    }

    /// Asks for all entries.
    guarded RequestTimeControlEntries = 0x003C {}

    /// How many entries will follow.
    plain TimeControlEntryCount = 0x003D {
        /// So many.
        count: u8,
    }

    /// One entry.
    plain TimeControlEntry = 0x003E {
        /// Its number.
        id: TimeControlId,
        /// Whether it does anything.
        enabled: bool,
        /// On these days.
        weekdays: Weekdays,
        /// At this time, local.
        time: TimeOfDay,
        /// Do this.
        action: Reported<LockAction>,
    }

    /// Changes an entry.
    guarded UpdateTimeControlEntry = 0x003F {
        /// Its number.
        id: TimeControlId,
        /// Whether it does anything.
        enabled: bool,
        /// On these days.
        weekdays: Weekdays,
        /// At this time, local.
        time: TimeOfDay,
        /// Do this.
        action: LockAction,
    }
}
