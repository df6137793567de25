//! Attacks on the built bootloader from outside: one glitch a boot, anywhere, must never boot a bad image.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test tool: overflow and wrong indices stop it, which is what is wanted"
)]

pub mod campaign;
pub mod chip;
pub mod count;
pub mod elf;
pub mod gate;
pub mod gdb;
pub mod image;
pub mod machine;
pub mod sample;
pub mod size;
pub mod strike;
pub mod trace;
pub mod walk;
