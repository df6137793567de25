//! The emulated board as the lock's tasks see it, and the arguments its host gives it.

use core::fmt::{self, Write as _};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use latchkey_board_emulator::host::{self, ARGUMENTS_MAX};
use latchkey_board_emulator::{Console, Flash, stop};
use latchkey_firmware::Board;
use latchkey_image::Hardware;
use latchkey_lock::update::{Conditions, Pace};

/// The board's devices.
pub(crate) struct Emulator {
    flash: Flash,
    console: Console,
    random: ChaCha20Rng,
    battery_percent: u8,
}

impl Emulator {
    /// Takes the devices; seeds the generator from the host, since this machine has nothing random. Only this
    /// board's programs have a host to ask.
    pub(crate) fn take(battery_percent: u8) -> Result<Self, &'static str> {
        let seed = host::seed().map_err(|_| "the host gives no seed")?;
        Ok(Self {
            flash: Flash::take().ok_or("the flash is taken")?,
            console: Console::new(),
            random: ChaCha20Rng::from_seed(seed),
            battery_percent,
        })
    }

    /// For the network stack's port numbers and the like.
    pub(crate) fn random_u64(&mut self) -> u64 {
        self.random.next_u64()
    }
}

impl Board for Emulator {
    type Flash = Flash;

    fn hardware(&self) -> Hardware {
        Hardware::EMULATOR
    }

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        // The console drops what nobody takes; it never fails.
        let _ = writeln!(self.console, "latchkey: {line}");
    }

    fn random(&mut self, bytes: &mut [u8]) {
        self.random.fill_bytes(bytes);
    }

    fn conditions(&mut self) -> Conditions {
        Conditions {
            battery_percent: self.battery_percent,
            busy: false,
            quiet_hours: false,
        }
    }

    fn restart(&mut self) -> ! {
        stop::reset()
    }
}

/// What the host says on the command line: `server=URL interval=SECONDS battery=PERCENT`.
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

    fn value(&self, name: &str) -> Option<&str> {
        let text = core::str::from_utf8(self.text.get(..self.length)?).ok()?;
        text.split_ascii_whitespace()
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
