//! Instructions the bootloader takes, counted on the binary as it ships.
//!
//! QEMU logs every block of instructions when it first meets it, and the block's address whenever it executes it;
//! adding up gives the exact number, the same every time.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::elf::Program;
use crate::machine::{FlashFolder, board};

/// The function whose call is counted as one verification.
const VERIFICATION: &str = "check5first";
/// More than any start takes: an endless one ends here.
const MOST_INSTRUCTIONS: u64 = 1_000_000_000;

/// What a start costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions from the first one after reset up to the app's first.
    pub reset_to_jump: u64,
    /// Instructions of one whole check of ACTIVE.
    pub verify: u64,
    /// Instructions by function, as the linker names them.
    pub by_function: BTreeMap<String, u64>,
}

/// Counts a start of `flash`, which must hold an image that boots and whose first instruction is at `entry`.
///
/// # Errors
/// When it does not boot.
pub fn count(bootloader: &Path, flash: &[u8], entry: u32) -> Result<Counts> {
    let program = Program::read(bootloader)?;
    let check = program.function(VERIFICATION)?.start;
    let folder = FlashFolder::new(flash)?;
    let mut qemu = board(bootloader, &folder)
        .args([
            "-serial",
            "null",
            "-d",
            "in_asm,exec,nochain",
            "-D",
            "/dev/stdout",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start qemu-system-arm; `cargo xtask setup` installs it")?;
    let log = BufReader::new(qemu.stdout.take().context("QEMU has no output")?);
    let counted = follow(log, &program, check, entry);
    crate::machine::end(&mut qemu);
    counted
}

/// Reads the log until the app's first instruction.
fn follow(log: impl BufRead, program: &Program, check: u32, entry: u32) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut lengths: HashMap<u32, u64> = HashMap::new();
    let mut block = None;
    // Where the first check was called from, while it runs.
    let mut caller = None;
    let mut previous = None;
    let mut checked = false;
    for line in log.lines() {
        let line = line?;
        if let Some(address) = disassembled(&line) {
            let start = *block.get_or_insert(address);
            let length = lengths.entry(start).or_default();
            *length = if start == address { 1 } else { *length + 1 };
        } else if let Some(address) = executed(&line) {
            block = None;
            if address == entry {
                ensure!(checked, "the bootloader jumps without a check");
                return Ok(counts);
            }
            let length = *lengths
                .get(&address)
                .context("QEMU executes what it never translated")?;
            let function = program.at(address).map(|function| function.start);
            if address == check && caller.is_none() && !checked {
                caller = previous;
            } else if caller.is_some() && function == caller {
                (caller, checked) = (None, true);
            }
            counts.reset_to_jump += length;
            if caller.is_some() {
                counts.verify += length;
            }
            let name = program.at(address).map_or("?", |function| &function.name);
            match counts.by_function.get_mut(name) {
                Some(known) => *known += length,
                None => drop(counts.by_function.insert(name.to_owned(), length)),
            }
            previous = function;
            ensure!(
                counts.reset_to_jump < MOST_INSTRUCTIONS,
                "the image does not start"
            );
        }
    }
    bail!("the board stopped before the image started")
}

/// `0x00000044:  f004 faee  bl       #0x4624`
pub(crate) fn disassembled(line: &str) -> Option<u32> {
    let (address, _) = line.strip_prefix("0x")?.split_once(':')?;
    u32::from_str_radix(address, 16).ok()
}

/// `Trace 0: 0x7fb970000100 [00800408/00000044/00000110/ff000200] Reset`
pub(crate) fn executed(line: &str) -> Option<u32> {
    let (_, rest) = line.strip_prefix("Trace ")?.split_once('/')?;
    u32::from_str_radix(rest.split('/').next()?, 16).ok()
}
