//! The owner's session against the real lock: its state machines over flash in memory, every command, every error, and
//! locks that lie.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test that expects one answer takes every other one for wrong"
)]

mod bench;
mod body;
mod catalogue;
mod failures;
mod hostile;
mod pairing;
mod tour;
