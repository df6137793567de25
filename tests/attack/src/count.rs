//! Instructions the bootloader takes, counted on the binary as it ships.
//!
//! Adding up the lengths of the blocks that are executed gives the exact number, the same every time.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::elf::Program;
use crate::trace::Trace;

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
    let mut trace = Trace::start(bootloader, flash)?;
    let mut counts = Counts::default();
    // Where the first check was called from, while it runs.
    let mut caller = None;
    let mut previous = None;
    let mut checked = false;
    loop {
        let block = trace.next_block()?;
        let address = *block.first().context("an empty block")?;
        if address == entry {
            ensure!(checked, "the bootloader jumps without a check");
            return Ok(counts);
        }
        let length = block.len() as u64;
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
