//! SMP as a phone's tools speak it: frames of smpclient word for word, whole updates over flash in memory, everything
//! that goes wrong on the way, and everything that somebody in range may try.

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

mod anything;
mod attacks;
mod bench;
mod golden;
mod images;
mod interrupted;
mod updates;
