//! Who called when: kept in memory, written once a second.
//!
//! A check-in that tells nothing new is not worth a disk sync of its own. Only its sequence number, time and
//! battery charge wait here; whatever a decision rests on is committed before the answer, together with the
//! sequence number. So what a crash can lose is this: a copy of the last second's check-ins would be
//! answered once more, with what the database already holds, for a nonce that nobody waits for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use latchkey_directive::DeviceId;

/// How long a written entry stays: longer than any request may take, so that no request that read the
/// database before the write can miss it afterwards. In milliseconds.
const KEPT_MS: i64 = 120_000;

/// A device's latest check-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its sequence number.
    pub sequence: i64,
    /// When it came, in milliseconds since 1970.
    pub at: i64,
    /// Battery charge in percent.
    pub battery_percent: u8,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    seen: Seen,
    written: bool,
}

/// The latest check-in of each device that called lately.
#[derive(Debug, Default)]
pub struct Presence(Mutex<HashMap<DeviceId, Entry>>);

/// The sequence number does not exceed the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed;

impl Presence {
    /// Takes a check-in's sequence number, once. `stored` is the highest one in the database.
    ///
    /// # Errors
    /// [`Replayed`] when it was taken before or is lower than one that was.
    pub fn admit(&self, device: DeviceId, seen: Seen, stored: i64) -> Result<(), Replayed> {
        let mut entries = self.entries();
        let known = entries.get(&device).map_or(-1, |entry| entry.seen.sequence);
        if seen.sequence <= known.max(stored) {
            return Err(Replayed);
        }
        entries.insert(device, Entry { seen, written: false });
        Ok(())
    }

    /// What has yet to be written.
    #[must_use]
    pub fn unwritten(&self) -> Vec<(DeviceId, Seen)> {
        let entries = self.entries();
        let unwritten = entries.iter().filter(|(_, entry)| !entry.written);
        unwritten.map(|(device, entry)| (*device, entry.seen)).collect()
    }

    /// Notes what has been written, and forgets what was written long ago.
    pub fn written(&self, batch: &[(DeviceId, Seen)], now: i64) {
        let mut entries = self.entries();
        for (device, seen) in batch {
            if let Some(entry) = entries.get_mut(device).filter(|entry| entry.seen == *seen) {
                entry.written = true;
            }
        }
        entries.retain(|_, entry| !entry.written || entry.seen.at > now.saturating_sub(KEPT_MS));
    }

    /// The latest check-in of a device, if it called lately.
    #[must_use]
    pub fn of(&self, device: DeviceId) -> Option<Seen> {
        self.entries().get(&device).map(|entry| entry.seen)
    }

    /// A panic elsewhere leaves the map as whole as it was: every change above is one insertion.
    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 16]);

    fn seen(sequence: i64, at: i64) -> Seen {
        Seen {
            sequence,
            at,
            battery_percent: 50,
        }
    }

    #[test]
    fn replayed_check_ins_are_refused_before_and_after_writing() {
        let presence = Presence::default();
        assert_eq!(presence.admit(DEVICE, seen(5, 0), 5), Err(Replayed));
        assert_eq!(presence.admit(DEVICE, seen(6, 0), 5), Ok(()));
        assert_eq!(presence.admit(DEVICE, seen(6, 0), 5), Err(Replayed));
        let batch = presence.unwritten();
        presence.written(&batch, 1);
        // A request that read the database before the write still has 5 in hand.
        assert_eq!(presence.admit(DEVICE, seen(6, 1), 5), Err(Replayed));
        assert_eq!(presence.admit(DEVICE, seen(7, 1), 5), Ok(()));
    }

    #[test]
    fn what_came_during_the_writing_is_written_next_time() {
        let presence = Presence::default();
        presence.admit(DEVICE, seen(1, 0), -1).unwrap();
        let batch = presence.unwritten();
        presence.admit(DEVICE, seen(2, 0), -1).unwrap();
        presence.written(&batch, KEPT_MS * 2);
        assert_eq!(presence.unwritten(), [(DEVICE, seen(2, 0))]);
    }

    #[test]
    fn what_was_written_long_ago_is_forgotten() {
        let presence = Presence::default();
        presence.admit(DEVICE, seen(1, 0), -1).unwrap();
        let batch = presence.unwritten();
        presence.written(&batch, 1);
        assert!(presence.of(DEVICE).is_some());
        presence.written(&[], KEPT_MS);
        assert_eq!(presence.of(DEVICE), None);
    }
}
