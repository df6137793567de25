//! `cargo xtask emulate`: the emulated lock on a flash file, its console in this terminal, until it is killed.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use latchkey_lab::{FlashFile, Machine};

use crate::command;
use crate::firmware::{self, Board};

/// Which lock to run, and what is around it.
#[derive(Args)]
pub(crate) struct Options {
    /// The lock's flash. A new file becomes a lock as it leaves the factory, with version 1.0.0 installed
    #[arg(long)]
    flash: PathBuf,
    /// Bluetooth controller to connect to, tcp-client:HOST:PORT
    #[arg(long, value_parser = hci_address)]
    hci: Option<String>,
    /// Update server, as this machine reaches it
    #[arg(long)]
    server: Option<String>,
    /// Seconds between check-ins when the server names none
    #[arg(long, default_value_t = 10)]
    check_in_s: u32,
    /// Battery charge the lock sees, in percent
    #[arg(long, default_value_t = 100)]
    battery_percent: u8,
}

/// Runs until killed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let build = firmware::Options::example(Board::Emulator, "1.0.0", 1);
    let built = firmware::build(&build)?;
    let flash = if options.flash.exists() {
        FlashFile::open(&options.flash)?
    } else {
        eprintln!(
            "{} is new: a lock as it leaves the factory",
            options.flash.display()
        );
        let image = std::fs::read(built.signed.context("an example build is signed")?)?;
        FlashFile::factory(&options.flash, latchkey_handoff::layout::ACTIVE.offset, &image)?
    };
    let machine = Machine {
        server: options.server.clone(),
        hci: options.hci.clone(),
        check_in_s: options.check_in_s,
        battery_percent: options.battery_percent,
        ..Machine::new(&built.bootloader, flash)
    };
    command::run(&mut machine.command()?)
}

/// `tcp-client:HOST:PORT`, as Bluetooth tools name a transport.
fn hci_address(text: &str) -> Result<String, String> {
    text.strip_prefix("tcp-client:")
        .filter(|address| address.contains(':'))
        .map(str::to_owned)
        .ok_or_else(|| "give the controller as tcp-client:HOST:PORT".to_owned())
}
