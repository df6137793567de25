//! The activity log: what an entry is, how it lies on flash, and which entries a query gets.
//!
//! Entries lie in a ring on flash; the oldest go first. On the wire an entry's index is its number in the ring plus
//! one, since a query that begins at 0 means "from the first". Knows no client and no clock.

mod query;

use latchkey_protocol::message::{LogEntry, LogEvent};
use latchkey_protocol::value::{AuthorizationId, LogIndex, Name};

use crate::clock::UnixTime;
use crate::store::form;
use crate::store::record::record;

pub use query::Query;

/// One entry. An array, since its place in the ring is short; what a newer version appends is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, in seconds since 1970; a lower bound while the lock did not know the time.
    time: u32,
    /// By whose authorization; 0 when by nobody's.
    who: u32,
    /// Its name then.
    name: Name<32>,
    /// What happened.
    event: LogEvent,
}

record! {
    Entry as Array from Entry::new(UnixTime(0), NOBODY, Name::EMPTY, LogEvent::Logging(false));
    required {
        0 => time: form::Unsigned,
        1 => who: form::Unsigned,
        2 => name: form::Text,
        3 => event: form::Wire,
    }
    optional {}
}

/// Nobody's authorization.
pub const NOBODY: AuthorizationId = AuthorizationId(0);

impl Entry {
    /// An entry about something that just happened.
    #[must_use]
    pub fn new(time: UnixTime, who: AuthorizationId, name: Name<32>, event: LogEvent) -> Self {
        Self {
            time: time.0,
            who: who.0,
            name,
            event,
        }
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> UnixTime {
        UnixTime(self.time)
    }

    /// The entry as a client reads it. `number` is its number in the ring.
    #[must_use]
    pub fn message(&self, number: u32) -> LogEntry {
        LogEntry {
            index: LogIndex(number.saturating_add(1)),
            time: self.time().date(),
            authorization: AuthorizationId(self.who),
            name: self.name,
            event: self.event,
        }
    }
}

/// A name with a suffix behind it, as far as both fit; a character is not cut in two.
#[must_use]
pub fn with_suffix(name: &Name<32>, suffix: &str) -> Name<32> {
    let mut text: heapless::String<32> = heapless::String::new();
    for character in name.as_str().chars().chain(suffix.chars()) {
        if text.push(character).is_err() {
            break;
        }
    }
    Name::new(&text).unwrap_or(*name)
}

#[cfg(test)]
mod tests;
