//! What a lock and its clients (phone, keypad, fob, bridge) say to each other over Bluetooth: the published
//! Nuki Smart Lock API 2.1, with what its vendor's own client (nuki-cli, API 2.3) adds to it.
//!
//! [`value`] has the words of the language: actions, states, times, names, codes; [`message`] the sentences;
//! [`wire`] how both stand as bytes. [`frame`] is one message on a characteristic, plain or sealed with a
//! [`key`]; [`reassembly`] makes frames of what a characteristic gets in pieces. [`pairing`] is how two sides come
//! to share a key, [`challenge`] what makes a command good for once. [`reason`] is why a lock refuses an image. [`gatt`] and [`advertising`] are how they
//! find each other. [`smp`] heads what brings an image.
//!
//! This crate knows no radio, no flash, no clock, no random numbers and no allocator; they come in as bytes and
//! events. It keeps the invariants that one message has one definition, whichever side uses it; that bytes from
//! outside end in a value or in a named error; and that a secret is a type of its own which no log line can show.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod advertising;
pub mod challenge;
mod crc;
pub mod frame;
pub mod gatt;
pub mod key;
pub mod message;
pub mod pairing;
pub mod reason;
pub mod reassembly;
pub mod smp;
pub mod value;
pub mod wire;
