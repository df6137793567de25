//! What a lock does, as state machines: bytes and events in, bytes and actions out.
//!
//! [`lock`] is the lock as its owner and their guests know it: who may come in, what moves, what is written down. It
//! stands on [`access`] (authorizations, keypad codes, PIN), [`bolt`], [`clock`], [`schedule`], [`activity`],
//! [`config`] and [`button`]. [`update`] talks with the update server and decides when a new image is fetched, proven
//! and asked for; [`smp`] takes one from a phone while the owner holds the [`window`] open; [`staging`] writes it into
//! the DFU slot, which [`slot`] gives to one of the two; [`self_test`] decides when the running image may confirm
//! itself; [`settings`] is what the update client must still know after a power cut;
//! [`installed`] is what the owner is told of all that.
//!
//! This crate knows no network, no radio, no clock, no random numbers and no allocator; they come in with the events.
//! It keeps the invariants that a change is on flash before anybody hears that it was made, that an install is only
//! ever asked for with a [`staging::Proven`] image, and that nothing received from outside ends in a panic, an
//! unbounded wait or an unbounded write.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod access;
pub mod activity;
pub mod bolt;
pub mod button;
pub mod clock;
pub mod config;
pub mod installed;
mod key;
pub mod lock;
pub mod schedule;
pub mod self_test;
pub mod settings;
pub mod slot;
pub mod smp;
pub mod staging;
mod store;
pub mod update;
pub mod window;

pub use key::DeviceKey;
pub use latchkey_protocol::reason;
