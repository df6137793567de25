//! Runs the lock app's tasks, and lets the processor sleep when there is nothing to do.
//!
//! `wfi` with interrupts masked, and a flag that a wake-up sets: a wake-up between the look at the flag and the
//! sleep ends the sleep at once. (QEMU spins on the `wfe` that the usual executor sleeps with.)

use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

static WOKEN: AtomicBool = AtomicBool::new(false);
static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();

// SAFETY: the symbol that embassy-executor calls to say that a task is to be run; defined once, with its type.
#[unsafe(export_name = "__pender")]
fn pender(_: *mut ()) {
    WOKEN.store(true, Ordering::Release);
}

/// Spawns the first tasks and runs for good.
///
/// Interrupts are enabled: the bootloader hands over with them masked.
///
/// # Panics
/// When called twice.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    let executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        // SAFETY: the only call to `poll`, and not from within a task.
        unsafe { executor.poll() };
        cortex_m::interrupt::disable();
        if !WOKEN.swap(false, Ordering::AcqRel) {
            cortex_m::asm::wfi();
        }
        // SAFETY: no critical section is open here; this is the executor's own loop.
        unsafe { cortex_m::interrupt::enable() };
    }
}
