//! What a lock and its update server say to each other: check-ins, reports, directives, receipts.
//!
//! Every message that decides something is [`Sealed`]: CBOR, signed with Ed25519 for one purpose. The lock
//! signs with its device key, the server answers with the director key and repeats the lock's fresh nonce,
//! so an answer seen once is worth nothing the second time and no clock is needed.
//!
//! This crate knows no transport, no clock and no storage, and allocates nothing. It keeps the invariant
//! that a message's content is only ever reached through the key it was signed with
//! (the one exception, [`Sealed::claimed_sender`], says so in its name).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod codec;
mod envelope;
mod message;
#[cfg(test)]
mod tests;

pub use envelope::{DIRECTOR_KEY_LENGTH, Malformed, OpenError, PublicKey, SealError, Sealed, seal};
pub use message::{
    Action, BootOutcome, BootReport, CheckIn, DeviceId, Directive, Enrolment, Event, FromDevice, Hold,
    Install, Nonce, Problem, ProblemCode, Purpose, Receipt, Report, Running,
};

/// The longest sealed message either side sends or accepts, in bytes.
pub const MAX_SEALED: usize = 512;
