//! The emulated board: QEMU's `mps2-an386`, a Cortex-M4 at 25 MHz, as a lock with 1 MB of NOR flash.
//!
//! The only place that knows this machine's addresses. What exists only here (the host's random numbers and
//! command line, by semihosting) is in [`host`]; no other board can be built with it, since only this board's
//! programs depend on this crate.
#![no_std]
#![allow(
    unsafe_code,
    reason = "a board port: registers and memory are reached by address"
)]

pub mod console;
#[cfg(feature = "app")]
pub mod executor;
pub mod flash;
#[cfg(feature = "app")]
pub mod hci;
pub mod host;
#[cfg(feature = "app")]
mod interrupt;
#[cfg(feature = "app")]
pub mod net;
#[cfg(feature = "app")]
pub mod time;
#[cfg(feature = "app")]
pub mod trace;
mod uart;
pub mod watchdog;
#[cfg(feature = "app")]
pub mod world;

pub use console::Console;
pub use flash::Flash;
pub use latchkey_board_cortex_m::retained::Retained;
pub use latchkey_board_cortex_m::stop;
pub use watchdog::Watchdog;

/// What the processor and all timers run at, in hertz.
pub const CLOCK_HZ: u32 = 25_000_000;

mod register {
    //! One 32-bit device register.

    /// A register of a device that exists at this address on this machine.
    #[derive(Clone, Copy)]
    pub(crate) struct Register(u32);

    impl Register {
        /// Names a device register; every use is a constant in this crate, an address from the machine's map.
        pub(crate) const fn at(address: u32) -> Self {
            Self(address)
        }

        pub(crate) fn read(self) -> u32 {
            // SAFETY: the address is one of this crate's constants: a word-aligned device register that reads
            // without side effects on memory.
            unsafe { core::ptr::with_exposed_provenance::<u32>(self.0 as usize).read_volatile() }
        }

        pub(crate) fn write(self, value: u32) {
            // SAFETY: as above; none of the devices named in this crate writes memory by itself.
            unsafe { core::ptr::with_exposed_provenance_mut::<u32>(self.0 as usize).write_volatile(value) }
        }
    }
}
