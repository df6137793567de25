//! Places to strike in the long parts of a boot: hashing, curve arithmetic, copying.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::elf::Program;
use crate::machine::{FlashFolder, Machine, board, end};
use crate::strike::Ends;
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

/// The arithmetic instructions that a refused boot executes, and how often.
///
/// # Errors
/// When QEMU cannot be used.
pub fn executed(bootloader: &Path, program: &Program, flash: &[u8]) -> Result<BTreeMap<u32, u32>> {
    let sleep = Ends::of(program, 0)?.refused();
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
    let executed = follow(log, program, sleep);
    end(&mut qemu);
    executed
}

fn follow(log: impl BufRead, program: &Program, sleep: u32) -> Result<BTreeMap<u32, u32>> {
    let mut blocks: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut block = None;
    let mut executed = BTreeMap::new();
    for line in log.lines() {
        let line = line?;
        if let Some(address) = crate::count::disassembled(&line) {
            let start = *block.get_or_insert(address);
            let known = blocks.entry(start).or_default();
            if start == address {
                known.clear();
            }
            known.push(address);
        } else if let Some(address) = crate::count::executed(&line) {
            block = None;
            if address == sleep {
                return Ok(executed);
            }
            if program
                .at(address)
                .is_some_and(|function| is_arithmetic(&function.name))
            {
                for address in blocks
                    .get(&address)
                    .context("QEMU executes what it never translated")?
                {
                    *executed.entry(*address).or_default() += 1;
                }
            }
        }
    }
    anyhow::bail!("the board stopped before the bootloader refused")
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
