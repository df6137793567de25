//! The protocol against its specification, its published vectors, another implementation, and its enemies.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

mod advertising;
mod bodies;
mod challenge;
mod draw;
mod golden;
mod hostile;
mod pairing;
mod published;
mod reassembly;
mod round_trip;
mod samples;
mod sealed;
mod sizes;
mod values;
mod vectors;
