//! One emulated lock over its whole life: its chip, whether it has power, and what it said so far.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use latchkey_handoff::layout;

use crate::{Builds, Chip, Console, Emulator, FlashFile, Machine, Records, SignedImage};

/// How often the chip is looked at while waiting for its records.
const GLANCE: Duration = Duration::from_micros(100);

/// A lock. Without power when made; its chip's file remains when this is dropped.
pub struct Lock {
    machine: Machine,
    running: Option<Emulator>,
    echo: Option<&'static str>,
}

impl Lock {
    /// A lock as it leaves the factory, with `image` in ACTIVE and its chip in the new file `chip`.
    ///
    /// # Errors
    /// The bootloader has not been built, or the file cannot be made.
    pub fn factory(builds: &Builds, chip: &Path, image: &SignedImage) -> Result<Self> {
        let flash = FlashFile::factory(chip, layout::ACTIVE.offset, &image.bytes)?;
        Ok(Self {
            machine: Machine::new(&builds.bootloader()?, flash),
            running: None,
            echo: None,
        })
    }

    /// The update server that the lock knows from its next start on; `None` for none.
    pub fn set_server(&mut self, url: Option<&str>) {
        self.machine.server = url.map(str::to_owned);
    }

    /// The Bluetooth controller that the lock has from its next start on, as `HOST:PORT`; `None` for no radio.
    pub fn set_radio(&mut self, address: Option<&str>) {
        self.machine.hci = address.map(str::to_owned);
    }

    /// The battery charge that the lock sees from its next start on, in percent.
    pub fn set_battery(&mut self, percent: u8) {
        self.machine.battery_percent = percent;
    }

    /// How fast its motor turns from its next start on, in degrees a second.
    pub fn set_motor(&mut self, degrees_per_second: u32) {
        self.machine.motor_deg_s = Some(degrees_per_second);
    }

    /// Where its instructions are written from its next start on, while [`Self::trace`] is on.
    pub fn set_trace(&mut self, file: &Path) {
        self.machine.trace = Some(file.to_owned());
    }

    /// Writes its instructions down from now on, or no longer.
    ///
    /// # Errors
    /// It has no power, or was not told where to.
    pub fn trace(&mut self, on: bool) -> Result<()> {
        let running = self.running.as_mut().context("the lock has no power")?;
        running.trace(on)
    }

    /// Prints what the lock prints too, each line after `prefix`, from its next start on.
    pub fn set_echo(&mut self, prefix: &'static str) {
        self.echo = Some(prefix);
    }

    /// Gives it power. It had none, or loses what it had.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn power_on(&mut self) -> Result<()> {
        self.cut_power();
        self.running = Some(self.machine.start(self.echo)?);
        Ok(())
    }

    /// Cuts the power, at once and whatever it is doing.
    pub fn cut_power(&mut self) {
        self.running = None;
    }

    /// What it prints since it has power.
    ///
    /// # Errors
    /// It has none.
    pub fn console(&mut self) -> Result<&mut Console> {
        let running = self.running.as_mut().context("the lock has no power")?;
        Ok(&mut running.console)
    }

    /// Types a line on its console: what happens at the door. The README says which lines it knows.
    ///
    /// # Errors
    /// It has no power.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let running = self.running.as_mut().context("the lock has no power")?;
        running.type_line(line)
    }

    /// Waits for a line; see [`Console::wait_for`].
    ///
    /// # Errors
    /// It does not come, or the lock has no power.
    pub fn wait_for(&mut self, wanted: &str, limit: Duration) -> Result<String> {
        Ok(self.console()?.wait_for(wanted, limit)?)
    }

    /// Its chip's file.
    #[must_use]
    pub fn flash(&self) -> &FlashFile {
        &self.machine.flash
    }

    /// A copy of its chip as it is now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn chip(&self) -> Result<Chip> {
        Chip::read(&self.machine.flash)
    }

    /// Its records as they are now. May fail while it writes them; ask again.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn records(&self) -> Result<Records> {
        Chip::read_records(&self.machine.flash)?.records()
    }

    /// Watches the chip until its records are as wanted: quicker than the console, and without asking the lock.
    ///
    /// # Errors
    /// `limit` passed; the message holds the records as they were then.
    pub fn wait_for_records(&self, wanted: impl Fn(&Records) -> bool, limit: Duration) -> Result<Records> {
        let start = Instant::now();
        loop {
            // While a record is being written the records may be unreadable for a moment.
            let records = self.records();
            match records {
                Ok(records) if wanted(&records) => return Ok(records),
                Ok(_) | Err(_) if start.elapsed() < limit => thread::sleep(GLANCE),
                Ok(records) => bail!("its records do not come to what was waited for: {records:#?}"),
                Err(error) => bail!("its records cannot be read: {error:#}"),
            }
        }
    }

    /// The device's name, which it prints at each start: 32 hex digits.
    ///
    /// # Errors
    /// It does not print it in time.
    pub fn identity(&mut self, limit: Duration) -> Result<String> {
        loop {
            let line = self.wait_for("latchkey: device ", limit)?;
            let name = line.split_whitespace().last().unwrap_or_default();
            // A new lock has another line about its device key before.
            if name.len() == 32 && name.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Ok(name.to_owned());
            }
        }
    }
}
