//! The lock app's tasks: the state machines of `latchkey-lock`, wired to what a board offers.
//!
//! [`start::begin`] makes a lock of what is stored; [`Keeper`] is that lock, shared by the tasks: [`radio`] talks
//! with clients, [`motor`] turns the bolt, [`update`] keeps the image new where
//! there is a network, `phone` takes one from a phone, [`trial`] confirms one, [`watch`] feeds the watchdog while every
//! task is alive; `http` is the way to the update server. This crate knows no registers: a board brings [`Board`],
//! [`Senses`], a [`motor::Bridge`], a Bluetooth controller and, if it has a network, an [`Uplink`]. It keeps the
//! invariants that everything awaited ends by the time the state machines set, and that nothing is awaited while
//! anything shared is borrowed.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod board;
#[cfg(feature = "network")]
mod exchange;
#[cfg(feature = "network")]
pub mod http;
mod keeper;
pub mod motor;
mod phone;
pub mod radio;
pub mod start;
mod store;
pub mod trial;
mod trust;
pub mod update;
pub mod watch;

pub use board::{Board, Part, Senses, SharedFlash, Sink, Uplink};
pub use keeper::Keeper;
