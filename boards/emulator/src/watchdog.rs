//! The CMSDK watchdog: when nobody feeds it in time, the machine resets.
//!
//! It counts down twice: the first end raises the non-maskable interrupt, the second resets, so the period is
//! split in half. Software that means to can stop it (unlike the nRF52840's); its register lock keeps a stray
//! write from doing so.

use crate::CLOCK_HZ;
use crate::register::Register;

const LOAD: Register = Register::at(0x4000_8000);
const CONTROL: Register = Register::at(0x4000_8008);
const CLEAR: Register = Register::at(0x4000_800C);
const LOCK: Register = Register::at(0x4000_8C00);

const CONTROL_COUNT_AND_RESET: u32 = 0b11;
const UNLOCK: u32 = 0x1ACC_E551;

/// The running watchdog.
pub struct Watchdog(());

impl Watchdog {
    /// Starts counting: without [`Self::feed`], the machine resets after `seconds` (1 to 340; more counts as
    /// 340, 0 as 1).
    #[must_use]
    pub fn start(seconds: u16) -> Self {
        let half = (CLOCK_HZ / 2).saturating_mul(u32::from(seconds.max(1)));
        LOCK.write(UNLOCK);
        LOAD.write(half);
        CONTROL.write(CONTROL_COUNT_AND_RESET);
        LOCK.write(0);
        Self(())
    }

    /// The watchdog that the bootloader started, for the app to feed.
    #[must_use]
    pub fn running() -> Self {
        Self(())
    }

    /// Starts the count again from the full period.
    pub fn feed(&mut self) {
        LOCK.write(UNLOCK);
        CLEAR.write(1);
        LOCK.write(0);
    }
}
