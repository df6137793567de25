//! The lock app's tasks: the state machines of `latchkey-lock`, wired to what a board offers.
//!
//! [`lock::run`] is the lock; [`watch`] feeds the watchdog while every task is alive; `http` is the way to
//! the update server. This crate knows no registers: a board brings [`Board`] and, if it has a network, an
//! [`Uplink`]. It keeps the invariant that everything awaited ends by the time the update client set.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod board;
#[cfg(feature = "network")]
mod exchange;
#[cfg(feature = "network")]
pub mod http;
pub mod lock;
pub mod radio;
mod start;
mod store;
mod trust;
pub mod watch;

pub use board::{Board, Sink, Uplink};
