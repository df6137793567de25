//! The nRF52840 as the lock's tasks see it, and which pin is what.
//!
//! | pin | what |
//! |---|---|
//! | P0.02 (AIN0) | battery, through a divider by four |
//! | P0.06, P0.08 | console: out, in (115,200 baud) |
//! | P0.11 | button at the lock, to ground |
//! | P0.13 | lamp at the lock, lit when low |
//! | P0.26, P0.27 | motor bridge, inputs of a DRV8833 or its like: towards locked, towards unlocked |
//! | P0.30, P0.31 | hall sensors at the spindle, in quadrature |
//! | P1.01 | reed contact at the frame, to ground while the door is closed |
//! | P1.10 | motor bridge awake, high |
//! | P1.11 | motor bridge's fault, low |

use core::cell::{Cell, RefCell};
use core::fmt::{self, Write as _};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};
use embassy_nrf::mode::Blocking;
use embassy_nrf::rng::Rng;
use embassy_nrf::uarte::Uarte;
use heapless::String;
use latchkey_board_nrf52840::radio_flash::RadioFlash;
use latchkey_board_nrf52840::{Retained, stop};
use latchkey_firmware::{Board, SharedFlash};
use latchkey_image::Hardware;
use latchkey_lock::lock::BatteryLevel;
use zeroize::Zeroizing;

/// The longest line on the console, in bytes; longer ones are cut off.
const LINE_MAX: usize = 256;

/// The chip's devices.
pub(crate) struct Nrf52840 {
    flash: SharedFlash<RadioFlash>,
    console: RefCell<Uarte<'static>>,
    random: RefCell<ChaCha20Rng>,
    battery: Cell<BatteryLevel>,
    retained: RefCell<Retained>,
}

impl Nrf52840 {
    /// The board. Its generator is seeded from the chip's, which belongs to the radio afterwards.
    pub(crate) fn new(
        flash: RadioFlash,
        console: Uarte<'static>,
        retained: Retained,
        random: &mut Rng<'static, Blocking>,
    ) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        random.set_bias_correction(true);
        random.blocking_fill_bytes(&mut *seed);
        Self {
            flash: SharedFlash::new(RefCell::new(flash)),
            console: RefCell::new(console),
            random: RefCell::new(ChaCha20Rng::from_seed(*seed)),
            // No install begins on a battery nobody knows.
            battery: Cell::new(BatteryLevel {
                percent: 0,
                millivolts: 0,
                charging: false,
                celsius: 0,
            }),
            retained: RefCell::new(retained),
        }
    }

    /// The battery was measured.
    pub(crate) fn set_battery(&self, level: BatteryLevel) {
        self.battery.set(level);
    }
}

impl Board for Nrf52840 {
    type Flash = RadioFlash;
    const NETWORK: bool = false;

    fn hardware(&self) -> Hardware {
        Hardware::NRF52840
    }

    fn flash(&self) -> &SharedFlash<RadioFlash> {
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
        self.random.borrow_mut().fill_bytes(bytes);
    }

    fn battery(&self) -> BatteryLevel {
        self.battery.get()
    }

    fn retain_time(&self, time_s: u32) {
        self.retained.borrow_mut().set(time_s);
    }

    fn retained_time(&self) -> Option<u32> {
        self.retained.borrow().get()
    }

    fn restart(&self) -> ! {
        stop::reset()
    }
}
