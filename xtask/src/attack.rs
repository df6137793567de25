//! `cargo xtask attack`: one glitch in a boot, anywhere, must never boot a bad image. On the built bootloader, from
//! outside.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use latchkey_attack::campaign::{self, Findings, Plan};
use latchkey_attack::elf::Program;
use latchkey_attack::{chip, gate};

use crate::firmware::{self, Board};
use crate::{setup, workspace};

/// How hard to attack.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Every instruction of every boot, on every bad chip, halves of instructions too: hours
    #[arg(long)]
    pub(crate) all: bool,
    /// Decides the samples
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Glitches in hashing and curve arithmetic. The decision's instructions are attacked all on one bad chip, and a
    /// share of them on each of the others, in any case
    #[arg(long, default_value_t = 400)]
    pub(crate) runs: usize,
}

/// Attacks the bootloader as it ships, and its plain form as a control.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::boards()?;
    setup::emulator()?;
    let bootloader = firmware::build_bootloader(
        &firmware::Options::example(Board::Emulator, "0.0.0", 0),
        &scratch(),
    )?;
    gate::inspect(&Program::read(&bootloader)?)?;
    println!("gate: loads both tokens, holds no address, fenced off, reached from the second check only");

    for bad in chip::bad_chips()? {
        ensure!(
            campaign::ends_in(&bootloader, &bad.flash, bad.undisturbed)?,
            "without any glitch, the chip \"{}\" does not end in {:?}",
            bad.name,
            bad.undisturbed
        );
    }

    control(options)?;
    let plan = plan(options, &bootloader);
    let findings = campaign::attack(&plan, |name, found| {
        println!(
            "{name}: {} glitches, {} bad boots",
            found.glitches(),
            found.bad_boots.len()
        );
    })?;
    report(&findings, options.seed);
    ensure!(findings.bad_boots.is_empty(), "one glitch boots a bad image");
    Ok(())
}

/// The plain form must fall, or the attack cannot find anything.
fn control(options: &Options) -> Result<()> {
    let plain = firmware::build_plain_bootloader(&scratch())?;
    let plan = Plan {
        until_bad_in: Some("5plain3run"),
        ..plan(options, &plain)
    };
    let findings = campaign::attack(&plan, |_, _| {})?;
    ensure!(
        !findings.bad_boots.is_empty(),
        "{} glitches did not boot a bad image through the plain form: the attack is blind",
        findings.glitches()
    );
    println!(
        "control: the plain form falls, after {} glitches",
        findings.glitches()
    );
    Ok(())
}

fn plan(options: &Options, bootloader: &Path) -> Plan {
    Plan {
        bootloader: bootloader.to_owned(),
        seed: options.seed,
        sampled: options.runs,
        everything: options.all,
        boards: std::thread::available_parallelism().map_or(1, usize::from),
        until_bad_in: None,
    }
}

fn report(findings: &Findings, seed: u64) {
    println!("decision:  {:?}", findings.decision);
    println!("elsewhere: {:?} (seed {seed})", findings.elsewhere);
    for bad in &findings.bad_boots {
        println!(
            "BAD BOOT: {} at {:#x} in {}, chip \"{}\"",
            bad.glitch, bad.address, bad.function, bad.chip
        );
    }
    println!(
        "{} glitches, {} bad boots",
        findings.glitches(),
        findings.bad_boots.len()
    );
}

fn scratch() -> PathBuf {
    workspace::scratch().join("attack")
}
