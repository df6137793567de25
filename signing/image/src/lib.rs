//! The signed firmware container: one place for every rule about what may run.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod identity;

pub use identity::{ImageDigest, SecurityCounter, Uuid, Version};
