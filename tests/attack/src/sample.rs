//! Places to strike in the long parts of a boot: hashing, curve arithmetic, copying.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::chip::Bad;
use crate::elf::Program;
use crate::machine::Machine;
use crate::strike::Ends;
use crate::trace::Trace;
use crate::walk::is_arithmetic;

/// At most this often an instruction is let pass before it is struck.
const MOST_HITS: u32 = 12;
const LIMIT: Duration = Duration::from_secs(60);

/// A small generator (SplitMix64): the same sample for the same seed, everywhere.
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % bound as u64).unwrap_or(0)
    }
}

/// The arithmetic instructions that a boot executes which nobody disturbs, and how often.
///
/// # Errors
/// When QEMU cannot be used.
pub fn executed(bootloader: &Path, program: &Program, bad: &Bad) -> Result<BTreeMap<u32, u32>> {
    let last = Ends::of(program)?.at(bad.undisturbed);
    let mut trace = Trace::start(bootloader, &bad.flash)?;
    let mut executed = BTreeMap::new();
    loop {
        let block = trace.next_block()?;
        let address = *block.first().context("an empty block")?;
        if address == last {
            return Ok(executed);
        }
        let function = program.at(address);
        if function.is_some_and(|function| is_arithmetic(&function.name)) {
            for address in block {
                *executed.entry(*address).or_default() += 1;
            }
        }
    }
}

/// Places in a random order: instruction, and which execution of it.
#[must_use]
pub fn some(
    program: &Program,
    executed: &BTreeMap<u32, u32>,
    count: usize,
    random: &mut Random,
) -> Vec<(u32, u32)> {
    let every = every(program, executed);
    (0..count.min(every.len()))
        .map(|_| {
            let (address, _) = every[random.below(every.len())];
            let times = executed.get(&address).copied().unwrap_or(1).min(MOST_HITS);
            (
                address,
                1 + u32::try_from(random.below(times as usize)).unwrap_or(0),
            )
        })
        .collect()
}

/// Every place once, at its first execution; beginnings and ends of functions, where the stack is handled, come
/// first.
#[must_use]
pub fn every(program: &Program, executed: &BTreeMap<u32, u32>) -> Vec<(u32, u32)> {
    let mut places: Vec<_> = executed.keys().map(|address| (*address, 1)).collect();
    places.sort_by_key(|(address, _)| {
        let edge = program.at(*address).map_or(0, |function| {
            (address - function.start).min(function.end.saturating_sub(*address))
        });
        (edge > 16, *address)
    });
    places
}

/// Runs a fresh board until it is about to execute `address` for the `hit`th time; `false` when it never does.
///
/// # Errors
/// When QEMU cannot be used.
pub fn run_to(machine: &mut Machine, address: u32, hit: u32) -> Result<bool> {
    machine.gdb.break_at(address)?;
    for _ in 0..hit {
        if !machine.gdb.run(LIMIT)? {
            return Ok(false);
        }
    }
    machine.gdb.unbreak(address)?;
    Ok(true)
}
