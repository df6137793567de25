//! The owner's side: what a phone, a command or a web page says to a lock and how it takes the answers.
//!
//! [`session`] is one connection with one lock: it pairs, or it asks with the [`credentials`] of an earlier pairing.
//! [`request`] is everything that can be asked, with what comes back; [`error`] is everything that can go wrong, with
//! what is left afterwards and what to do.
//!
//! [`clock`] says when a lock's clock is to be set.
//! [`invitation`] is how credentials are passed on to somebody who was not at the lock.
//!
//! [`release`] looks at an image before a lock is bothered with it; [`smp`] is how an image gets there;
//! [`update`] is all of that in a row, from the question what runs to the lock's word that the new image does.
//!
//! This crate knows no radio, no clock, no random numbers, no place to store anything and no allocator; they come in
//! with the events. It keeps the invariants that a lock, or who plays one, costs a session no more than a bounded wait
//! and a few kilobytes; that nothing counts as done unless the lock said so under the shared key; and that a key
//! is never printed.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod clock;
mod conversation;
pub mod credentials;
pub mod error;
pub mod invitation;
mod moment;
pub mod release;
pub mod request;
pub mod session;
pub mod smp;
pub mod update;

pub use credentials::Credentials;
pub use error::Failure;
pub use invitation::Invitation;
pub use moment::{Moment, RANDOM_LENGTH};
pub use request::Request;
pub use session::Session;
