//! The web app's Rust half as a page holds it, without a browser: steps and JSON on one side, the real lock over flash
//! in memory on the other.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod conversation;
mod images;
mod install;
mod page;

#[allow(
    dead_code,
    clippy::wildcard_enum_match_arm,
    reason = "shared with the tests of the phone's session, which need all of it"
)]
#[path = "../../../tests/session/bench.rs"]
mod bench;
#[allow(
    dead_code,
    clippy::wildcard_enum_match_arm,
    reason = "shared with the tests of the phone's update, which need all of it"
)]
#[path = "../../../tests/update/house.rs"]
mod house;
