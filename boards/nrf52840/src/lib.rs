//! The nRF52840, as bootloader and lock app use it: flash, watchdog, and what the chip itself can lock.
//!
//! Written from the data sheet and checked by the compiler and linker only: there is no emulator of this chip
//! here, so nothing in this crate has run.
#![no_std]
#![allow(unsafe_code, reason = "a board port: flash is read and programmed by address")]

pub mod flash;
pub mod protection;
#[cfg(feature = "app")]
pub mod radio_flash;
pub mod watchdog;

pub use flash::Flash;
pub use latchkey_board_cortex_m::retained::Retained;
pub use latchkey_board_cortex_m::stop;
pub use watchdog::Watchdog;
