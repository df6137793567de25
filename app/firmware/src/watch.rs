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

    fn is_alive(&self) -> bool {
        now_s().saturating_sub(self.seen_s.load(Ordering::Relaxed)) <= PATIENCE_S
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
        if pulses.iter().all(|pulse| pulse.is_alive()) {
            feed();
        }
        Timer::after(BEAT).await;
    }
}

fn now_s() -> u32 {
    u32::try_from(Instant::now().as_secs()).unwrap_or(u32::MAX)
}
