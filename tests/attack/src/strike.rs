//! One glitch, and what became of the boot and of the next one.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};
use latchkey_handoff::layout::{ACTIVE, DFU};

use crate::chip::Undisturbed;
use crate::elf::{Function, Program};
use crate::gdb::{PC, Registers, SP};
use crate::image;
use crate::machine::{FLASH, Machine};
use crate::walk::{Snapshot, guarded};

/// How long a boot may take before it is looked at more closely.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often that is done before the boot counts as hanging.
const LOOKS: u32 = 8;
/// The longest endless loop that is recognised, in instructions.
const LOOP: u32 = 40;
/// Fault status, and its bits for an instruction fetch that was not allowed or went nowhere.
const FAULT_STATUS: u32 = 0xE000_ED28;
const FETCH_FAILED: u32 = 0x0101;
/// Where in an exception's frame the interrupted address lies, in bytes.
const FRAME_PC: u32 = 24;

/// What a glitch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glitch {
    /// The processor goes on this many bytes further: one or two instructions are lost, or halves of them.
    Skip(u32),
    /// The processor sees every condition flag as its opposite.
    Flags,
}

impl Glitch {
    /// The glitches that make a difference at `address`: losing the next instruction, and the next two; with
    /// `halves`, also going on in the middle of one. Flags only where they decide.
    #[must_use]
    pub fn at(program: &Program, address: u32, in_it_block: bool, halves: bool) -> Vec<Self> {
        let one = program.length(address).unwrap_or(2);
        let two = one + program.length(address + one).unwrap_or(2);
        let mut skips = vec![one, two];
        if halves {
            skips.extend([2, 4, 6, 8]);
            skips.sort_unstable();
            skips.dedup();
        }
        let mut glitches: Vec<_> = skips.into_iter().map(Self::Skip).collect();
        if in_it_block || program.is_conditional(address) {
            glitches.push(Self::Flags);
        }
        glitches
    }

    fn strike(self, registers: &Registers, program: &Program) -> Registers {
        let mut struck = *registers;
        match self {
            Self::Skip(bytes) => {
                let to = registers.pc().wrapping_add(bytes);
                let mut at = registers.pc();
                while at < to {
                    at += program.length(at).unwrap_or(2);
                    struck.xpsr = advance_it(struck.xpsr);
                }
                struck.core[PC] = to;
            }
            Self::Flags => struck.xpsr ^= 0xf000_0000,
        }
        struck
    }
}

impl fmt::Display for Glitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(bytes) => write!(f, "skip {bytes} bytes"),
            Self::Flags => f.write_str("flags inverted"),
        }
    }
}

/// An instruction of an IT block that is skipped still counts in it.
fn advance_it(xpsr: u32) -> u32 {
    let state = (xpsr >> 25 & 0b11) | (xpsr >> 8 & 0b1111_1100);
    let next = if state & 0b111 == 0 {
        0
    } else {
        state & 0b1110_0000 | state << 1 & 0b1_1111
    };
    xpsr & !0x0600_fc00 | (next & 0b11) << 25 | (next & 0b1111_1100) << 8
}

/// What became of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The bad image's code ran.
    BadBoot,
    /// The bootloader refused, as it does undisturbed, and nothing boots.
    Refused,
    /// The good image beside the bad one ran.
    GoodBoot,
    /// The processor started over, or noticed a fault and would.
    Reset,
    /// It stands still, in an endless loop.
    Hung,
    /// Two faults at once: the core is locked up until a reset.
    LockedUp,
}

/// How often which outcome came.
pub type Tally = BTreeMap<Outcome, u64>;

/// The places where a boot can end.
pub struct Ends {
    bad: u32,
    good: u32,
    sleep: u32,
    reset: u32,
    start: u32,
    fault: u32,
}

impl Ends {
    /// Finds them.
    ///
    /// # Errors
    /// When the bootloader has no such places.
    pub fn of(program: &Program) -> Result<Self> {
        Ok(Self {
            bad: image::bad_entry(),
            good: image::good_entry(),
            sleep: program.function("4stop5sleep")?.start,
            reset: program.function("4stop5reset")?.start,
            start: program.named("Reset")?.start,
            fault: program.named("HardFault")?.start,
        })
    }

    /// Where a boot comes to that nobody disturbs.
    #[must_use]
    pub fn at(&self, undisturbed: Undisturbed) -> u32 {
        match undisturbed {
            Undisturbed::Sleeps => self.sleep,
            Undisturbed::RunsGood => self.good,
        }
    }

    /// Where a boot that nobody disturbs can end, were the bootloader without a rule.
    #[must_use]
    pub fn undisturbed(&self) -> [u32; 3] {
        [self.bad, self.good, self.sleep]
    }

    fn all(&self) -> [u32; 6] {
        [
            self.bad, self.good, self.sleep, self.reset, self.start, self.fault,
        ]
    }
}

/// The board, with a state that is put back after every glitch.
pub struct Target<'p> {
    /// The board.
    pub machine: Machine,
    program: &'p Program,
    ends: Ends,
    guarded: u32,
    /// What runs before `main`.
    start: Range<u32>,
}

impl<'p> Target<'p> {
    /// Takes a board.
    ///
    /// # Errors
    /// When the bootloader is another than this tool knows.
    pub fn new(machine: Machine, program: &'p Program, ends: Ends) -> Result<Self> {
        let guarded = guarded(program)?;
        let Function { start, end, .. } = *program.named("Reset")?;
        let mut target = Self {
            machine,
            program,
            ends,
            guarded,
            start: start..end,
        };
        target.set_breakpoints()?;
        Ok(target)
    }

    /// Once for all strikes: QEMU translates everything anew after each change.
    fn set_breakpoints(&mut self) -> Result<()> {
        for place in self.ends.all().into_iter().chain([self.guarded]) {
            self.machine.gdb.break_at(place)?;
        }
        Ok(())
    }

    /// Strikes at the instruction where `before` was taken, and lets the boot go on to its end; when it has changed
    /// the flash, the next boot too. `unguarded` is the
    /// number of instructions from reset to there, while memory protection is not on yet.
    ///
    /// # Errors
    /// When QEMU cannot be used any more.
    pub fn strike(&mut self, glitch: Glitch, before: &Snapshot, unguarded: Option<u32>) -> Result<Outcome> {
        self.return_to(before, unguarded)?;
        self.machine
            .gdb
            .set_registers(&glitch.strike(&before.registers, self.program))?;
        let outcome = self.see_it_out()?;
        if outcome == Outcome::Hung && self.start.contains(&self.machine.gdb.pc()?) {
            // It fills memory without end, flash as well: that is memory on this board. A chip faults at a store there
            // that its controller was not told of, and nothing has told it anything yet.
            return Ok(outcome);
        }
        // What a glitch leaves in flash may boot a bad image the next time, undisturbed.
        if outcome != Outcome::BadBoot && self.machine.flash()? != before.flash() {
            self.reset()?;
            self.machine.gdb.step()?;
            let next = self.see_it_out()?;
            return Ok(if next == Outcome::BadBoot { next } else { outcome });
        }
        Ok(outcome)
    }

    /// Runs to an end; when the core locks up, QEMU aborts and is replaced.
    fn see_it_out(&mut self) -> Result<Outcome> {
        match self.wait_for_end() {
            Ok(outcome) => Ok(outcome),
            Err(_) => {
                self.machine.replace()?;
                self.set_breakpoints()?;
                Ok(Outcome::LockedUp)
            }
        }
    }

    /// Makes the board what it was when `before` was taken: from reset, through the bootloader's own set-up of
    /// memory protection.
    ///
    /// # Errors
    /// When QEMU cannot be used any more.
    pub fn return_to(&mut self, before: &Snapshot, unguarded: Option<u32>) -> Result<()> {
        self.machine.set_flash(before.flash())?;
        self.reset()?;
        match unguarded {
            Some(steps) => {
                for _ in 0..steps {
                    self.machine.gdb.step()?;
                }
                ensure!(
                    self.machine.gdb.pc()? == before.registers.pc(),
                    "the boot is not the same twice"
                );
            }
            None => {
                let met = self.machine.gdb.run(PATIENCE * LOOKS)?;
                ensure!(
                    met && self.machine.gdb.pc()? == self.guarded,
                    "memory protection is not set up"
                );
                before.put_back(&mut self.machine)?;
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        /// Reset makes this register 0.
        const MARK: u32 = 0x5a5a_a5a5;
        self.machine.gdb.set_register(0, MARK)?;
        self.machine.gdb.monitor("system_reset")?;
        // QEMU resets in another thread, a moment later.
        while self.machine.gdb.registers()?.core[0] == MARK {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn wait_for_end(&mut self) -> Result<Outcome> {
        let mut looks = 0;
        let mut stopped = true;
        loop {
            let pc = self.machine.gdb.pc()?;
            if self.ends.all().contains(&pc) {
                return self.end();
            }
            // Memory protection was struck itself: the way from there on is the rest of the boot.
            if !stopped && (self.loops()? || looks == LOOKS) {
                return Ok(Outcome::Hung);
            }
            looks += 1;
            stopped = self.machine.gdb.run(PATIENCE)?;
        }
    }

    /// At one of the ends: which?
    fn end(&mut self) -> Result<Outcome> {
        let registers = self.machine.gdb.registers()?;
        let pc = registers.pc();
        if pc == self.ends.bad {
            return self.entered();
        }
        if pc == self.ends.good {
            return Ok(Outcome::GoodBoot);
        }
        if pc == self.ends.sleep {
            return Ok(Outcome::Refused);
        }
        if pc == self.ends.fault && self.app_code_ran(&registers)? {
            return Ok(Outcome::BadBoot);
        }
        Ok(Outcome::Reset)
    }

    /// About to execute the image's first instruction: a breakpoint stops before memory protection is asked, so
    /// only the next step tells whether it may.
    fn entered(&mut self) -> Result<Outcome> {
        self.machine.gdb.step()?;
        let executed = self.machine.gdb.pc()? == self.ends.bad + 2;
        Ok(if executed {
            Outcome::BadBoot
        } else {
            Outcome::Reset
        })
    }

    /// In a fault handler: whether the fault was an instruction of the image's that really was executed.
    fn app_code_ran(&mut self, registers: &Registers) -> Result<bool> {
        const SLOTS: Range<u32> = FLASH + ACTIVE.offset..FLASH + DFU.end();
        let frame = registers.core[SP].wrapping_add(FRAME_PC);
        if !(0x2000_0000..0x2003_fffc).contains(&frame) {
            return Ok(false);
        }
        let interrupted = self.machine.gdb.read_word(frame)?;
        let fetched = self.machine.gdb.read_word(FAULT_STATUS)? & FETCH_FAILED == 0;
        Ok(SLOTS.contains(&interrupted) && fetched)
    }

    /// Whether the processor comes back to exactly the same registers within a few hundred instructions.
    fn loops(&mut self) -> Result<bool> {
        let first = self.machine.gdb.registers()?;
        for _ in 0..LOOP {
            self.machine.gdb.step()?;
            let now = self.machine.gdb.registers()?;
            if now == first {
                return Ok(true);
            }
            if self.ends.all().contains(&now.pc()) {
                return Ok(false);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The IT state in an xPSR, as the architecture writes it: condition and mask.
    fn it(state: u32) -> u32 {
        (state & 0b11) << 25 | (state & 0b1111_1100) << 8
    }

    #[test]
    fn a_skipped_instruction_uses_up_its_place_in_the_it_block() {
        // itte ne: three instructions, the last one under the opposite condition.
        let start = it(0b0001_1010) | 0x4100_0000;
        let second = advance_it(start);
        let third = advance_it(second);
        assert_eq!(second, it(0b0001_0100) | 0x4100_0000);
        assert_eq!(third, it(0b0000_1000) | 0x4100_0000);
        assert_eq!(advance_it(third), 0x4100_0000);
        assert_eq!(
            advance_it(0x4100_0000),
            0x4100_0000,
            "outside of a block nothing changes"
        );
    }
}
