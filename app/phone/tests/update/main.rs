//! Updates by phone against the real lock: its state machines over flash in memory, a bootloader that does as it is told,
//! connections that break, and locks that lie.

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

mod any_answer;
mod flow;
mod house;
mod images;
mod interrupted;
mod release;
mod smp;

#[allow(
    dead_code,
    reason = "shared with the tests of the session, which need all of it"
)]
#[path = "../session/bench.rs"]
mod bench;
