//! One boot, taken apart instruction by instruction: where a glitch could strike, and the board's state there.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::elf::Program;
use crate::gdb::{LR, PC, Registers};
use crate::machine::Machine;

/// The part of RAM that the bootloader uses: its few variables, and its stack.
const VARIABLES: (u32, usize) = (0x2000_0000, 0x100);
const STACK: (u32, usize) = (0x2003_c000, 0x4000);
/// How long a piece of the boot may take that is not walked.
const LIMIT: Duration = Duration::from_secs(60);

/// A board's state at one instruction.
#[derive(Clone)]
pub struct Snapshot {
    /// The processor's registers.
    pub registers: Registers,
    variables: Vec<u8>,
    stack: Vec<u8>,
    flash: Vec<u8>,
}

impl Snapshot {
    /// Takes the board's state.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn take(machine: &mut Machine) -> Result<Self> {
        Ok(Self {
            registers: machine.gdb.registers()?,
            variables: machine.gdb.read(VARIABLES.0, VARIABLES.1)?,
            stack: machine.gdb.read(STACK.0, STACK.1)?,
            flash: machine.flash()?,
        })
    }

    /// Gives the board this state, but for its devices and memory protection.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn put_back(&self, machine: &mut Machine) -> Result<()> {
        machine.set_flash(&self.flash)?;
        machine.gdb.write(VARIABLES.0, &self.variables)?;
        machine.gdb.write(STACK.0, &self.stack)?;
        machine.gdb.set_registers(&self.registers)
    }

    /// What the flash held.
    #[must_use]
    pub fn flash(&self) -> &[u8] {
        &self.flash
    }
}

/// Walks a boot from its first instruction to `end`, and calls `strike` with the board standing at every
/// instruction of the decision: of code that is neither hashing, nor curve arithmetic, nor copying. `strike` gets
/// how many instructions were executed before, as long as memory protection was off; it must leave the board as
/// it was, and says whether to go on.
///
/// The walk begins at `from`, when that is given; `times` is how often the same instruction is struck, and the
/// same function walked through: further calls run in one go.
///
/// # Errors
/// When the boot does not end where it should.
pub fn walk(
    machine: &mut Machine,
    program: &Program,
    (from, end): (Option<u32>, u32),
    times: u32,
    mut strike: impl FnMut(&mut Machine, u32, Option<u32>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let guarded = guarded(program)?;
    let mut unguarded = Some(0_u32);
    if let Some(from) = from {
        run_over(machine, from)?;
        unguarded = None;
    }
    let mut struck: HashMap<u32, u32> = HashMap::new();
    let mut calls: HashMap<u32, u32> = HashMap::new();
    loop {
        let registers = machine.gdb.registers()?;
        let pc = registers.core[PC];
        if pc == end {
            return Ok(());
        }
        if pc == guarded {
            unguarded = None;
        }
        let function = program
            .at(pc)
            .with_context(|| format!("the boot runs away to {pc:#x}"))?;
        if pc == function.start {
            let calls = calls.entry(pc).or_default();
            *calls += 1;
            if is_arithmetic(&function.name) || *calls > times {
                run_over(machine, registers.core[LR] & !1)?;
                continue;
            }
        }
        let struck = struck.entry(pc).or_default();
        *struck += 1;
        if *struck <= times && strike(machine, pc, unguarded)?.is_break() {
            return Ok(());
        }
        machine.gdb.step()?;
        unguarded = unguarded.map(|steps| steps + 1);
    }
}

/// The function that runs as soon as memory protection is on; in the plain form there is none.
pub(crate) fn guarded(program: &Program) -> Result<u32> {
    let run = program
        .function("boot_cortex_m3run")
        .or_else(|_| program.function("5plain3run"))?;
    Ok(run.start)
}

/// Whether a function hashes, computes with curve points, or moves bytes: long, without a decision in it, and
/// struck by sampling.
#[must_use]
pub fn is_arithmetic(name: &str) -> bool {
    const ARITHMETIC: [&str; 6] = [
        "4sha2",
        "curve25519_dalek",
        "compiler_builtins",
        "__aeabi_",
        "6subtle",
        "ReadNorFlash",
    ];
    ARITHMETIC.iter().any(|part| name.contains(part))
}

fn run_over(machine: &mut Machine, back: u32) -> Result<()> {
    machine.gdb.break_at(back)?;
    let met = machine.gdb.run(LIMIT)?;
    let pc = machine.gdb.pc()?;
    machine.gdb.unbreak(back)?;
    ensure!(
        met && pc == back,
        "what should come to {back:#x} stopped at {pc:#x}"
    );
    Ok(())
}
