//! The watchdog. Once started, nothing but a reset stops it: not the app, not sleep.

use nrf_pac::WDT;
use nrf_pac::wdt::regs::{Config, Rr, Rren};

/// What the counter runs at, in hertz.
const CLOCK_HZ: u32 = 32_768;
/// Counts while the core sleeps, pauses while a debugger holds it.
const RUN_IN_SLEEP: Config = Config(1);
const FIRST_RELOAD: Rren = Rren(1);
/// The word that feeds it.
const FEED: Rr = Rr(0x6e52_4635);

/// The running watchdog.
pub struct Watchdog(());

impl Watchdog {
    /// Starts counting: without [`Self::feed`], the chip resets after `seconds` (0 counts as 1).
    ///
    /// Does nothing when it runs already: a reset by software leaves it running with its old period.
    #[must_use]
    pub fn start(seconds: u16) -> Self {
        let mut watchdog = Self(());
        if WDT.runstatus().read().0 & 1 == 0 {
            let ticks = CLOCK_HZ.saturating_mul(seconds.max(1).into()).saturating_sub(1);
            WDT.crv().write_value(ticks);
            WDT.rren().write_value(FIRST_RELOAD);
            WDT.config().write_value(RUN_IN_SLEEP);
            WDT.tasks_start().write_value(1);
        }
        watchdog.feed();
        watchdog
    }

    /// The watchdog that the bootloader started, for the app to feed.
    #[must_use]
    pub fn running() -> Self {
        Self(())
    }

    /// Starts the count again from the full period.
    pub fn feed(&mut self) {
        WDT.rr(0).write_value(FEED);
    }
}
