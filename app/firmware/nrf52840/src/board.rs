//! The nRF52840 as the lock's tasks see it.

use core::cell::RefCell;
use core::fmt::{self, Write as _};

use embassy_nrf::mode::Blocking;
use embassy_nrf::rng::Rng;
use embassy_nrf::uarte::Uarte;
use heapless::String;
use latchkey_board_nrf52840::{Flash, stop};
use latchkey_firmware::{Board, SharedFlash};
use latchkey_image::Hardware;
use latchkey_lock::lock::BatteryLevel;

/// The longest line on the console, in bytes; longer ones are cut off.
const LINE_MAX: usize = 256;

/// The chip's devices.
pub(crate) struct Nrf52840 {
    flash: SharedFlash<Flash>,
    console: RefCell<Uarte<'static>>,
    random: RefCell<Rng<'static, Blocking>>,
}

impl Nrf52840 {
    pub(crate) fn new(flash: Flash, console: Uarte<'static>, random: Rng<'static, Blocking>) -> Self {
        random.set_bias_correction(true);
        Self {
            flash: SharedFlash::new(RefCell::new(flash)),
            console: RefCell::new(console),
            random: RefCell::new(random),
        }
    }
}

impl Board for Nrf52840 {
    type Flash = Flash;

    fn hardware(&self) -> Hardware {
        Hardware::NRF52840
    }

    fn flash(&self) -> &SharedFlash<Flash> {
        &self.flash
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        // The device reads from RAM only. A line that is cut off, or that nobody takes, is no reason to stop.
        let mut text = String::<LINE_MAX>::new();
        let _ = write!(text, "latchkey: {line}");
        let mut console = self.console.borrow_mut();
        let _ = console.blocking_write(text.as_bytes());
        let mut end = String::<2>::new();
        let _ = end.push_str("\r\n");
        let _ = console.blocking_write(end.as_bytes());
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.borrow_mut().blocking_fill_bytes(bytes);
    }

    /// The charge is not measured yet, so it counts as none: no install begins on a battery nobody knows.
    fn battery(&self) -> BatteryLevel {
        BatteryLevel {
            percent: 0,
            millivolts: 0,
            charging: false,
            celsius: 0,
        }
    }

    fn restart(&self) -> ! {
        stop::reset()
    }
}
