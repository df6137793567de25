//! Moments, with the browser's randomness.

use latchkey_phone::{Moment, RANDOM_LENGTH};

const NO_RANDOMNESS: &str = "the browser gives no random numbers; nothing was sent";

/// This moment on the page's clock, in milliseconds.
pub(crate) fn moment(now_ms: f64) -> Result<Moment, String> {
    Ok(Moment::new(whole_ms(now_ms), random::<RANDOM_LENGTH>()?))
}

/// Whole milliseconds; what is no time is the beginning of time.
pub(crate) fn whole_ms(now_ms: f64) -> u64 {
    // Saturates, and is 0 for what is no number.
    now_ms as u64
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NO_RANDOMNESS.to_owned())?;
    Ok(bytes)
}
