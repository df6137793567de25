//! Time that never goes back, and randomness: what every event of a session brings along. And the time of day.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use latchkey_phone::{Moment, RANDOM_LENGTH};

use crate::failure::{Failure, Kind, Outcome};

/// Counts from when it was made.
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long it is until then.
    pub(crate) fn until(&self, by_ms: u64) -> Duration {
        Duration::from_millis(by_ms.saturating_sub(self.now_ms()))
    }

    pub(crate) fn moment(&self) -> Outcome<Moment> {
        Ok(Moment::new(self.now_ms(), random::<RANDOM_LENGTH>()?))
    }
}

/// The time of day, in seconds since 1970; nothing where this computer's clock stands before.
pub(crate) fn unix_now() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs())
}

/// Random bytes that nobody else gets.
pub(crate) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(
            Kind::File,
            format!("the system gives no random numbers ({error}); nothing was done"),
        )
    })?;
    Ok(bytes)
}
