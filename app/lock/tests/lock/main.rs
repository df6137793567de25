//! The lock as its clients see it: a scripted client, made of the protocol's client side, pairs with the real state
//! machines over flash in memory and says everything that can be said, right and wrong.

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

mod attacks;
mod bench;
mod catalogue;
mod everyday;
mod guessing;
mod guest;
mod links;
mod people;
mod power_cuts;
mod restarts;
mod update_window;
