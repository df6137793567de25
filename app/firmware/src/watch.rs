//! Feeds the watchdog, but only while every task shows that it is alive.

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Instant, Timer};

/// How often a task shows that it is alive.
const BEAT: Duration = Duration::from_secs(1);
/// A task that has not for so long counts as hanging, in seconds.
const PATIENCE_S: u32 = 4;

/// One task's sign of life.
pub struct Pulse {
    /// When it was last seen, in seconds since the start.
    seen_s: AtomicU32,
}

impl Pulse {
    /// A task that is about to start.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seen_s: AtomicU32::new(0),
        }
    }

    /// Shows that the task is alive.
    pub fn beat(&self) {
        self.seen_s.store(now_s(), Ordering::Relaxed);
    }

    /// Waits for `what`, alive all the while. Only for what ends by itself: a future with a deadline, or one
    /// that ends with the outside world.
    pub async fn during<T>(&self, what: impl Future<Output = T>) -> T {
        let mut what = pin!(what);
        loop {
            self.beat();
            if let Either::First(done) = select(&mut what, Timer::after(BEAT)).await {
                return done;
            }
        }
    }

    fn is_alive(&self, now_s: u32) -> bool {
        now_s.saturating_sub(self.seen_s.load(Ordering::Relaxed)) <= PATIENCE_S
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls `feed` as long as all tasks are alive. When one is not, it goes on looking: a task that only took
/// long comes back before the watchdog's own patience ends.
pub async fn guard(pulses: &[&Pulse], mut feed: impl FnMut()) -> ! {
    loop {
        if all_alive(pulses, now_s()) {
            feed();
        }
        Timer::after(BEAT).await;
    }
}

fn all_alive(pulses: &[&Pulse], now_s: u32) -> bool {
    pulses.iter().all(|pulse| pulse.is_alive(now_s))
}

fn now_s() -> u32 {
    u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(seen_s: u32) -> Pulse {
        let pulse = Pulse::new();
        pulse.seen_s.store(seen_s, Ordering::Relaxed);
        pulse
    }

    #[test]
    fn one_task_that_hangs_is_enough_to_let_the_watchdog_starve() {
        let (lively, hanging) = (seen(100), seen(95));
        assert!(all_alive(&[&lively], 104));
        assert!(!all_alive(&[&lively, &hanging], 100));
        assert!(!all_alive(&[&lively], 105));
        assert!(
            !all_alive(&[&Pulse::new()], 100),
            "a task that never began counts as hanging"
        );
    }

    #[test]
    fn a_task_is_alive_while_it_waits() {
        let pulse = seen(0);
        let done = embassy_futures::block_on(pulse.during(async { 7 }));
        assert_eq!(done, 7);
        assert!(pulse.is_alive(now_s()));
    }
}
