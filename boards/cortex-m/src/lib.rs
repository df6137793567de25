//! The Cortex-M4 of both boards, as the boot chain uses it: memory protection, the gate into the app, ways to
//! stop, flash as memory, and what outlives a reset.
//!
//! One of the few rooms with `unsafe` code; each block says what it relies on. Knows the flash map, but no boot
//! decision, no console and no chip.
#![no_std]
#![allow(
    unsafe_code,
    reason = "a board port: registers and memory are reached by address"
)]

pub mod gate;
pub mod mpu;
pub mod retained;
pub mod stop;
pub mod window;

/// What differs between the boards, for memory protection and the gate.
pub trait Board {
    /// Where the processor sees the flash's first byte. The bootloader executes from address 0 on every board.
    const FLASH: u32;
}
