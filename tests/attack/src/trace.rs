//! What a boot executes, block by block, from QEMU's own log: each block of instructions when it is first met, and
//! its address whenever it runs. The same every time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context, Result, bail};

use crate::elf::Program;
use crate::machine::{FlashFolder, board, end};

/// A boot on its way.
pub(crate) struct Trace {
    qemu: Child,
    log: Lines<BufReader<ChildStdout>>,
    blocks: Blocks,
    /// Lives as long as QEMU does.
    _flash: FlashFolder,
}

impl Trace {
    /// Powers a board up.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub(crate) fn start(bootloader: &Path, flash: &[u8]) -> Result<Self> {
        let flash = FlashFolder::new(flash)?;
        let mut qemu = board(bootloader, &flash)
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
        let log = BufReader::new(qemu.stdout.take().context("QEMU has no output")?).lines();
        Ok(Self {
            qemu,
            log,
            blocks: Blocks::default(),
            _flash: flash,
        })
    }

    /// The addresses of the next block's instructions, as it is executed.
    ///
    /// # Errors
    /// When the board stopped.
    pub(crate) fn next_block(&mut self) -> Result<&[u32]> {
        for line in &mut self.log {
            if let Some(start) = self.blocks.read(&line?) {
                return self.blocks.get(start);
            }
        }
        bail!("the board stopped before the boot ended")
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        end(&mut self.qemu);
    }
}

/// The instructions of the lock app from the last byte of a command to the start of the motor, out of the log of a
/// running lock: from the last byte that came over the radio before the command's box was opened.
///
/// # Errors
/// The log has no such command in it, or cannot be read.
pub fn command_to_motor(log: &Path, app: &Path) -> Result<u64> {
    let program = Program::read(app)?;
    let byte = program.function("3hci7on_byte")?.start;
    let opened = program.function("6Sealed4open")?.start;
    let motor = program.function("7Physics5drive")?.start;
    let file = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
    let mut blocks = Blocks::default();
    let (mut since_byte, mut since_command) = (0_u64, None);
    for line in BufReader::new(file).lines() {
        let Some(start) = blocks.read(&line?) else {
            continue;
        };
        if start == byte {
            since_byte = 0;
        } else if start == opened {
            since_command = Some(since_byte);
        } else if start == motor
            && let Some(count) = since_command
        {
            return Ok(count);
        }
        let length = blocks.get(start)?.len() as u64;
        since_byte += length;
        since_command = since_command.map(|count| count + length);
    }
    bail!("no command in the log starts the motor")
}

/// The blocks met so far, by their first instruction.
#[derive(Default)]
struct Blocks {
    known: HashMap<u32, Vec<u32>>,
    /// The one that is being listed.
    listed: Option<u32>,
}

impl Blocks {
    /// Takes in a line; gives the start of the block that it says is executed.
    fn read(&mut self, line: &str) -> Option<u32> {
        if let Some(address) = disassembled(line) {
            let start = *self.listed.get_or_insert(address);
            let block = self.known.entry(start).or_default();
            if start == address {
                block.clear();
            }
            block.push(address);
            return None;
        }
        let start = executed(line)?;
        self.listed = None;
        Some(start)
    }

    fn get(&self, start: u32) -> Result<&[u32]> {
        let block = self.known.get(&start);
        Ok(block.context("QEMU executes what it never translated")?)
    }
}

/// `0x00000044:  f004 faee  bl       #0x4624`
fn disassembled(line: &str) -> Option<u32> {
    let (address, _) = line.strip_prefix("0x")?.split_once(':')?;
    u32::from_str_radix(address, 16).ok()
}

/// `Trace 0: 0x7fb970000100 [00800408/00000044/00000110/ff000200] Reset`
fn executed(line: &str) -> Option<u32> {
    let (_, rest) = line.strip_prefix("Trace ")?.split_once('/')?;
    u32::from_str_radix(rest.split('/').next()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_listed_once_and_executed_by_address() {
        let mut blocks = Blocks::default();
        let log = [
            "IN: Reset",
            "0x00000044:  f004 faee  bl       #0x4624",
            "",
            "Trace 0: 0x7fb970000100 [00800408/00000044/00000110/ff000200] Reset",
            "IN: main",
            "0x00004624:  b580       push     {r7, lr}",
            "0x00004626:  466f       mov      r7, sp",
            "Trace 0: 0x7fb970000240 [00800408/00004624/00000110/ff000200] main",
            "Trace 0: 0x7fb970000100 [00800408/00000044/00000110/ff000200] Reset",
        ];
        let executed: Vec<_> = log.iter().filter_map(|line| blocks.read(line)).collect();
        assert_eq!(executed, [0x44, 0x4624, 0x44]);
        assert_eq!(blocks.get(0x4624).unwrap(), [0x4624, 0x4626]);
        assert!(blocks.get(0x46).is_err());
    }
}
