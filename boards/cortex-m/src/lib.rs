//! The Cortex-M4 of both boards, as the boot chain uses it: ways to stop.
//!
//! One of the few rooms with `unsafe` code; each block says what it relies on. Knows no flash layout, no image
//! format and no board.
#![no_std]
#![allow(
    unsafe_code,
    reason = "a board port: registers and memory are reached by address"
)]

pub mod stop;
