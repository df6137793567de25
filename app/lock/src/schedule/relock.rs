//! When an unlocked lock locks itself again: after lock'n'go, by auto lock, at night.
//!
//! A door that is known to be open is never locked: the bolt would strike the frame. Then it locks a moment after
//! the door closed.

/// Why the lock locks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The time of a lock'n'go is over.
    LockNGo,
    /// Auto lock.
    AutoLock,
}

/// The door, as far as its sensor tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// There is no sensor, or it cannot tell.
    #[default]
    Unknown,
    /// Closed.
    Closed,
    /// Open.
    Open,
}

/// How long a door is given to fall shut, in milliseconds.
const SETTLE_MS: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    why: Why,
    at_ms: u64,
}

/// See the module's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relock {
    due: Option<Due>,
    door: Door,
}

impl Relock {
    /// Locks so many seconds from now.
    pub fn arm(&mut self, why: Why, after_s: u16, now_ms: u64) {
        self.due = Some(Due {
            why,
            at_ms: now_ms.saturating_add(u64::from(after_s).saturating_mul(1_000)),
        });
    }

    /// Locks no more by itself, because somebody moved the bolt.
    pub fn disarm(&mut self) {
        self.due = None;
    }

    /// Why the lock is about to lock itself, if it is.
    #[must_use]
    pub fn armed(&self) -> Option<Why> {
        self.due.map(|due| due.why)
    }

    /// Whole seconds left of a lock'n'go; 0 without one.
    #[must_use]
    pub fn lock_n_go_left_s(&self, now_ms: u64) -> u8 {
        let due = self.due.filter(|due| due.why == Why::LockNGo);
        let left_ms = due.map_or(0, |due| due.at_ms.saturating_sub(now_ms));
        u8::try_from(left_ms.div_ceil(1_000)).unwrap_or(u8::MAX)
    }

    /// The door sensor tells. With `at_once`, what is armed fires as soon as the door was opened and closed.
    pub fn door(&mut self, door: Door, at_once: bool, now_ms: u64) {
        let closed = self.door == Door::Open && door == Door::Closed;
        self.door = door;
        if let Some(due) = self.due.as_mut().filter(|_| closed) {
            let settled_ms = now_ms.saturating_add(SETTLE_MS);
            due.at_ms = if at_once {
                settled_ms
            } else {
                due.at_ms.max(settled_ms)
            };
        }
    }

    /// When [`Relock::tick`] wants to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let due = self.due.filter(|_| self.door != Door::Open);
        due.map(|due| due.at_ms)
    }

    /// Whether to lock now, and why. Says so once.
    pub fn tick(&mut self, now_ms: u64) -> Option<Why> {
        self.deadline().filter(|at_ms| *at_ms <= now_ms)?;
        self.due.take().map(|due| due.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_locks_once_after_the_time() {
        let mut relock = Relock::default();
        assert_eq!(relock.tick(0), None);
        relock.arm(Why::LockNGo, 20, 1_000);
        assert_eq!(relock.lock_n_go_left_s(1_500), 20);
        assert_eq!(relock.tick(20_999), None);
        assert_eq!(relock.tick(21_000), Some(Why::LockNGo));
        assert_eq!((relock.tick(99_000), relock.lock_n_go_left_s(99_000)), (None, 0));
    }

    #[test]
    fn an_open_door_is_not_locked() {
        let mut relock = Relock::default();
        relock.door(Door::Open, false, 0);
        relock.arm(Why::AutoLock, 10, 0);
        assert_eq!((relock.deadline(), relock.tick(60_000)), (None, None));
        relock.door(Door::Closed, false, 60_000);
        assert_eq!(relock.tick(61_999), None, "it may still swing");
        assert_eq!(relock.tick(62_000), Some(Why::AutoLock));
    }

    #[test]
    fn locking_at_once_waits_for_the_door_to_be_used() {
        let mut relock = Relock::default();
        relock.door(Door::Closed, true, 0);
        relock.arm(Why::AutoLock, 600, 0);
        relock.door(Door::Closed, true, 1_000);
        assert_eq!(relock.tick(5_000), None);
        relock.door(Door::Open, true, 6_000);
        relock.door(Door::Closed, true, 9_000);
        assert_eq!(relock.tick(11_000), Some(Why::AutoLock));
    }
}
