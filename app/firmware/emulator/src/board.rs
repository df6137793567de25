//! The emulated board as the lock's tasks see it, and the arguments its host gives it.

use core::cell::{Cell, RefCell};
use core::fmt::{self, Write as _};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use latchkey_board_emulator::host::{self, ARGUMENTS_MAX};
use latchkey_board_emulator::{Console, Flash, Retained, stop};
use latchkey_firmware::{Board, SharedFlash};
use latchkey_image::Hardware;
use latchkey_lock::lock::BatteryLevel;
use latchkey_lock::update::Pace;

use crate::bolt::SPEED_DEG_S;

/// The board's devices.
pub(crate) struct Emulator {
    flash: SharedFlash<Flash>,
    random: RefCell<ChaCha20Rng>,
    battery_percent: Cell<u8>,
    retained: RefCell<Retained>,
}

/// What four fresh cells give, and what they give when they are empty, in millivolts.
const FULL_MV: u16 = 6_200;
const EMPTY_MV: u16 = 4_200;

impl Emulator {
    /// Takes the devices; seeds the generator from the host, since this machine has nothing random. Only this
    /// board's programs have a host to ask.
    pub(crate) fn take(battery_percent: u8) -> Result<Self, &'static str> {
        let seed = host::seed().map_err(|_| "the host gives no seed")?;
        let flash = Flash::take().ok_or("the flash is taken")?;
        Ok(Self {
            flash: SharedFlash::new(RefCell::new(flash)),
            random: RefCell::new(ChaCha20Rng::from_seed(seed)),
            battery_percent: Cell::new(battery_percent.min(100)),
            retained: RefCell::new(Retained::take().ok_or("the retained memory is taken")?),
        })
    }

    /// For the network stack's port numbers and the like.
    pub(crate) fn random_u64(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// Other batteries.
    pub(crate) fn set_battery(&self, percent: u8) {
        self.battery_percent.set(percent.min(100));
    }
}

impl Board for Emulator {
    type Flash = Flash;
    const NETWORK: bool = true;

    fn hardware(&self) -> Hardware {
        Hardware::EMULATOR
    }

    fn flash(&self) -> &SharedFlash<Flash> {
        &self.flash
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        // The console drops what nobody takes; it never fails.
        let _ = writeln!(Console::new(), "latchkey: {line}");
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.borrow_mut().fill_bytes(bytes);
    }

    fn battery(&self) -> BatteryLevel {
        let percent = self.battery_percent.get();
        let above = u32::from(FULL_MV.saturating_sub(EMPTY_MV)).saturating_mul(percent.into());
        let above = above.checked_div(100).and_then(|above| u16::try_from(above).ok());
        BatteryLevel {
            percent,
            millivolts: EMPTY_MV.saturating_add(above.unwrap_or(0)),
            charging: false,
            celsius: 20,
        }
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

/// What the host says on the command line: `server=URL interval=SECONDS battery=PERCENT radio motor=DEGREES`.
pub(crate) struct Arguments {
    text: [u8; ARGUMENTS_MAX],
    length: usize,
}

impl Arguments {
    pub(crate) fn from_host() -> Result<Self, &'static str> {
        let mut text = [0; ARGUMENTS_MAX];
        let length = host::arguments(&mut text)
            .map_err(|_| "the host gives no arguments")?
            .len();
        Ok(Self { text, length })
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let text = self.text.get(..self.length).unwrap_or_default();
        let text = core::str::from_utf8(text).unwrap_or_default();
        text.split_ascii_whitespace()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.words()
            .find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn server(&self) -> Option<&str> {
        self.value("server")
    }

    pub(crate) fn battery_percent(&self) -> u8 {
        self.value("battery")
            .and_then(|value| value.parse().ok())
            .unwrap_or(100)
    }

    /// Whether a Bluetooth controller is connected.
    pub(crate) fn has_radio(&self) -> bool {
        self.words().any(|word| word == "radio")
    }

    /// How fast the motor turns, in degrees a second.
    pub(crate) fn motor_deg_s(&self) -> u32 {
        self.value("motor")
            .and_then(|value| value.parse().ok())
            .unwrap_or(SPEED_DEG_S)
    }

    /// `interval` is the longest wait of a lock in the laboratory, and a tenth of it the shortest.
    pub(crate) fn pace(&self) -> Pace {
        match self.value("interval").and_then(|value| value.parse::<u64>().ok()) {
            Some(seconds) => Pace {
                least_ms: seconds.saturating_mul(100),
                most_ms: seconds.saturating_mul(1000),
            },
            None => Pace::FIELD,
        }
    }
}
