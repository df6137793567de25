//! How often and how long an update tries, and when it has had enough.

/// Connections one after the other that got nothing further.
pub const FRUITLESS_MOST: u8 = 12;
/// Connections in all.
pub const VISITS_MOST: u16 = 300;
/// How long a lock may take from the request to install until it runs the new image, in milliseconds.
pub const COMEBACK_MS: u64 = 300_000;
/// How long the new image may take to confirm itself, from when it was first seen, in milliseconds.
pub const TRIAL_MS: u64 = 120_000;

/// How long a lock that is to restart is left alone, in milliseconds.
pub(super) const RESTART_MS: u64 = 3_000;
/// How often a lock is asked again whether something has changed, in milliseconds.
pub(super) const POLL_MS: u64 = 2_000;
/// How long somebody else may have the lock before the owner is told so for good, in milliseconds: longer than a lock
/// keeps the slot for an upload whose connection is gone without its noticing. That may have been this one.
const BUSY_MS: u64 = 15_000;
/// The longest wait before connecting again, in milliseconds.
const BACK_OFF_MS: u64 = 15_000;
/// How often the window is opened.
const OPENINGS_MOST: u8 = 4;
/// Connections one after the other that are given up since what came over them was no answer, with nothing gained.
pub const GARBLED_MOST: u8 = 3;

/// How a wait for somebody else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It begins with this.
    Begun,
    /// It goes on.
    On,
    /// It was long enough.
    Over,
}

/// See the module's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    fruitless: u8,
    visits: u16,
    openings: u8,
    garbled: u8,
    /// Most bytes that the lock ever had.
    most: u32,
    busy_by_ms: Option<u64>,
    settled_by_ms: Option<u64>,
    /// The new image was seen to run.
    pub(super) seen: bool,
}

impl Patience {
    pub(super) const fn new() -> Self {
        Self {
            fruitless: 0,
            visits: 0,
            openings: 0,
            garbled: 0,
            most: 0,
            busy_by_ms: None,
            settled_by_ms: None,
            seen: false,
        }
    }

    /// The lock has so many bytes.
    pub(super) fn got_to(&mut self, offset: u32) {
        self.busy_by_ms = None;
        if offset > self.most {
            self.most = offset;
            self.fruitless = 0;
            self.garbled = 0;
        }
    }

    pub(super) const fn most(&self) -> u32 {
        self.most
    }

    /// One more connection is lost, or did not come about. How long to wait before the next; `None` to give up.
    pub(super) fn lost(&mut self) -> Option<u64> {
        self.fruitless = self.fruitless.saturating_add(1);
        self.visits = self.visits.saturating_add(1);
        // Once an install was asked for, time is the limit.
        let enough = self.settled_by_ms.is_none() && self.fruitless > FRUITLESS_MOST;
        if enough || self.visits > VISITS_MOST {
            return None;
        }
        let doublings = u32::from(self.fruitless.saturating_sub(1));
        let wait_ms = 1_000_u64.checked_shl(doublings).unwrap_or(BACK_OFF_MS);
        Some(wait_ms.clamp(1_000, BACK_OFF_MS))
    }

    /// An install was asked for.
    pub(super) fn install_asked(&mut self, now_ms: u64) {
        self.fruitless = 0;
        let by_ms = now_ms.saturating_add(COMEBACK_MS);
        self.settled_by_ms.get_or_insert(by_ms);
    }

    /// The new image runs on trial. Whether that is news.
    pub(super) fn on_trial(&mut self, now_ms: u64) -> bool {
        let news = !self.seen;
        if news {
            self.seen = true;
            self.settled_by_ms = Some(now_ms.saturating_add(TRIAL_MS));
        }
        news
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.settled_by_ms.is_some_and(|by_ms| by_ms <= now_ms)
    }

    /// Somebody else has the lock. How the wait for that is.
    pub(super) fn busy(&mut self, now_ms: u64) -> Wait {
        match self.busy_by_ms {
            None => {
                self.busy_by_ms = Some(now_ms.saturating_add(BUSY_MS));
                Wait::Begun
            }
            Some(by_ms) if now_ms < by_ms => Wait::On,
            Some(_) => Wait::Over,
        }
    }

    /// Whether the window may be opened once more; it counts.
    pub(super) fn open(&mut self) -> bool {
        self.openings = self.openings.saturating_add(1);
        self.openings <= OPENINGS_MOST
    }

    /// What came over this connection was no answer. Whether another connection is worth a try.
    pub(super) fn garbled(&mut self) -> bool {
        self.garbled = self.garbled.saturating_add(1);
        self.garbled <= GARBLED_MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_end() {
        let mut patience = Patience::new();
        let waits: Vec<_> = std::iter::from_fn(|| patience.lost()).collect();
        assert_eq!(waits.len(), usize::from(FRUITLESS_MOST));
        assert_eq!(&waits[..5], [1_000, 2_000, 4_000, 8_000, 15_000]);
        assert!(waits[5..].iter().all(|wait| *wait == BACK_OFF_MS));
    }

    #[test]
    fn only_bytes_that_were_never_there_before_renew_it_and_never_for_ever() {
        let mut patience = Patience::new();
        let mut visits = 0_u32;
        while patience.lost().is_some() {
            visits += 1;
            patience.got_to(visits);
        }
        assert_eq!(visits, u32::from(VISITS_MOST));
        let mut patience = Patience::new();
        patience.got_to(100);
        let waits = std::iter::from_fn(|| {
            patience.got_to(100);
            patience.lost()
        });
        assert_eq!(waits.count(), usize::from(FRUITLESS_MOST));
    }
}
