//! PIN, clock, calibration, restart.

use super::layout::messages;
use crate::value::{DateTime, Pin};

messages! {
    /// Sets a new security PIN.
    guarded SetSecurityPin = 0x0019 {
        /// The new one; as wide as the old.
        new_pin: Pin,
    }

    /// Asks whether the PIN is right.
    guarded VerifySecurityPin = 0x0020 {}

    /// Asks the lock to find its end positions.
    guarded RequestCalibration = 0x001A {}

    /// Asks the lock to start again.
    guarded RequestReboot = 0x001D {}

    /// Sets the lock's clock.
    guarded UpdateTime = 0x0021 {
        /// UTC. Not every seven bytes are a moment: ask [`DateTime::to_unix`].
        time: DateTime,
    }
}
