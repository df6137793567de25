//! Who called when: kept in memory, written once a second.
//!
//! A check-in is answered with what it told already on disk, or it tells nothing new and is left here to be written. A
//! check-in that is still being answered is neither, and is not written by anybody else: else its own record would find
//! its number in the database and take it for a copy.
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
    /// Battery charge in percent, where it told.
    pub battery_percent: Option<u8>,
    /// In which numbering: [`super::device::Device::numbering`].
    pub numbering: i64,
}

/// How far a check-in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is being answered, or its answer came to nothing.
    Answering,
    /// It is left to be written.
    Left,
    /// It is on disk.
    Written,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    seen: Seen,
    stage: Stage,
}

/// The latest check-in of each device that called lately.
#[derive(Debug, Default)]
pub struct Presence(Mutex<HashMap<DeviceId, Entry>>);

/// The sequence number does not exceed the last one, which is this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed(pub i64);

impl Presence {
    /// Takes a check-in's sequence number, once. `stored` is the highest one in the database. Of an earlier numbering
    /// nothing counts: it may have been set back by another instance.
    ///
    /// # Errors
    /// [`Replayed`] when it was taken before or is lower than one that was, or belongs to an earlier numbering.
    pub fn admit(&self, device: DeviceId, seen: Seen, stored: i64) -> Result<(), Replayed> {
        let mut entries = self.entries();
        let known = entries.get(&device).map(|entry| entry.seen);
        let last = match known {
            Some(known) if known.numbering == seen.numbering => known.sequence.max(stored),
            Some(_) | None => stored,
        };
        let is_over = known.is_some_and(|known| known.numbering > seen.numbering);
        if is_over || seen.sequence <= last {
            return Err(Replayed(last));
        }
        let stage = Stage::Answering;
        entries.insert(device, Entry { seen, stage });
        Ok(())
    }

    /// A check-in told nothing new: it is written with the others.
    pub fn leave(&self, device: DeviceId, seen: Seen) {
        self.move_to(Stage::Left, device, seen);
    }

    /// A check-in is on disk with what it told.
    pub fn recorded(&self, device: DeviceId, seen: Seen) {
        self.move_to(Stage::Written, device, seen);
    }

    /// Unless a later one has taken its place.
    fn move_to(&self, stage: Stage, device: DeviceId, seen: Seen) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(&device).filter(|entry| entry.seen == seen) {
            entry.stage = stage;
        }
    }

    /// What has yet to be written.
    #[must_use]
    pub fn unwritten(&self) -> Vec<(DeviceId, Seen)> {
        let entries = self.entries();
        let unwritten = entries.iter().filter(|(_, entry)| entry.stage == Stage::Left);
        unwritten.map(|(device, entry)| (*device, entry.seen)).collect()
    }

    /// Notes what has been written, and forgets what was written long ago.
    pub fn written(&self, batch: &[(DeviceId, Seen)], now: i64) {
        let mut entries = self.entries();
        for (device, seen) in batch {
            if let Some(entry) = entries.get_mut(device).filter(|entry| entry.seen == *seen) {
                entry.stage = Stage::Written;
            }
        }
        entries.retain(|_, entry| entry.stage == Stage::Left || entry.seen.at > now.saturating_sub(KEPT_MS));
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
            battery_percent: Some(50),
            numbering: 0,
        }
    }

    #[test]
    fn replayed_check_ins_are_refused_before_and_after_writing() {
        let presence = Presence::default();
        assert_eq!(presence.admit(DEVICE, seen(5, 0), 5), Err(Replayed(5)));
        assert_eq!(presence.admit(DEVICE, seen(6, 0), 5), Ok(()));
        assert_eq!(presence.admit(DEVICE, seen(6, 0), 5), Err(Replayed(6)));
        presence.leave(DEVICE, seen(6, 0));
        let batch = presence.unwritten();
        presence.written(&batch, 1);
        // A request that read the database before the write still has 5 in hand.
        assert_eq!(presence.admit(DEVICE, seen(6, 1), 5), Err(Replayed(6)));
        assert_eq!(presence.admit(DEVICE, seen(7, 1), 5), Ok(()));
    }

    #[test]
    fn what_came_during_the_writing_is_written_next_time() {
        let presence = Presence::default();
        presence.admit(DEVICE, seen(1, 0), -1).unwrap();
        presence.leave(DEVICE, seen(1, 0));
        let batch = presence.unwritten();
        presence.admit(DEVICE, seen(2, 0), -1).unwrap();
        presence.leave(DEVICE, seen(2, 0));
        presence.written(&batch, KEPT_MS * 2);
        assert_eq!(presence.unwritten(), [(DEVICE, seen(2, 0))]);
    }

    #[test]
    fn what_was_written_long_ago_is_forgotten() {
        let presence = Presence::default();
        presence.admit(DEVICE, seen(1, 0), -1).unwrap();
        presence.leave(DEVICE, seen(1, 0));
        let batch = presence.unwritten();
        presence.written(&batch, 1);
        assert_eq!(presence.entries().len(), 1);
        presence.written(&[], KEPT_MS);
        assert_eq!(presence.entries().len(), 0);
    }

    #[test]
    fn numbers_that_were_set_back_count_on_from_there_and_nothing_of_before_counts() {
        let presence = Presence::default();
        let anew = |sequence| Seen {
            numbering: 1,
            ..seen(sequence, 0)
        };
        presence.admit(DEVICE, seen(50, 0), -1).unwrap();
        presence.leave(DEVICE, seen(50, 0));
        assert_eq!(presence.admit(DEVICE, anew(7), 7), Err(Replayed(7)));
        assert_eq!(presence.admit(DEVICE, anew(8), 7), Ok(()));
        assert_eq!(presence.admit(DEVICE, anew(8), 7), Err(Replayed(8)));
        // A request that read the database before the numbers were set back.
        assert_eq!(presence.admit(DEVICE, seen(51, 0), 50), Err(Replayed(50)));
        assert_eq!(presence.unwritten(), []);
    }

    #[test]
    fn a_check_in_that_is_being_answered_is_not_written_by_anybody_else() {
        let presence = Presence::default();
        presence.admit(DEVICE, seen(1, 0), -1).unwrap();
        assert_eq!(presence.unwritten(), []);
        presence.recorded(DEVICE, seen(1, 0));
        assert_eq!(presence.unwritten(), []);
        presence.admit(DEVICE, seen(2, 0), 1).unwrap();
        presence.leave(DEVICE, seen(1, 0));
        assert_eq!(presence.unwritten(), [], "that one is over");
        presence.leave(DEVICE, seen(2, 0));
        assert_eq!(presence.unwritten(), [(DEVICE, seen(2, 0))]);
    }
}
