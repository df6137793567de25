//! Ways to stop that one skipped instruction does not turn into going on.
//!
//! An endless loop is one branch: skip it, and the processor runs into whatever the linker put behind. So each
//! way to stop ends in a row of undefined instructions longer than any glitch, and a fault from there resets.

use core::arch::asm;

/// Address of the register that resets, and the word that does it (key, and SYSRESETREQ).
const AIRCR: u32 = 0xE000_ED0C;
const AIRCR_RESET: u32 = 0x05FA_0004;

/// Resets the chip. What is in RAM is lost, flash stays.
#[inline(never)]
pub fn reset() -> ! {
    // SAFETY: writes one architectural register that exists on every Cortex-M and never returns; the undefined
    // instructions are reached only by a fault in the store or the branch, and trap.
    unsafe {
        asm!(
            "cpsid i",
            "dsb",
            "str {word}, [{register}]",
            "dsb",
            "2: str {word}, [{register}]",
            "b 2b",
            "udf #0xfd", "udf #0xfd", "udf #0xfd", "udf #0xfd",
            "udf #0xfd", "udf #0xfd", "udf #0xfd", "udf #0xfd",
            register = in(reg) AIRCR,
            word = in(reg) AIRCR_RESET,
            options(noreturn),
        )
    }
}

/// Sleeps for good, interrupts masked, at the lowest power that the core can reach by itself. Only a reset or
/// a power cycle ends it.
#[inline(never)]
pub fn sleep() -> ! {
    // SAFETY: masks interrupts and waits for one; touches no memory and never returns. The undefined
    // instructions are reached only by a fault in the branch, and trap.
    unsafe {
        asm!(
            "cpsid i",
            "dsb",
            "2: wfi",
            "b 2b",
            "b 2b",
            "udf #0xfe",
            "udf #0xfe",
            "udf #0xfe",
            "udf #0xfe",
            "udf #0xfe",
            "udf #0xfe",
            "udf #0xfe",
            "udf #0xfe",
            options(noreturn),
        )
    }
}
