//! The update client: asks the server what to do, fetches what it may, has it proven and asks the bootloader
//! for it, and tells the server what became of it.
//!
//! [`Client`] is a state machine. The caller carries out one [`Action`] at a time and tells what came of it as
//! an [`Event`]; time, random numbers and the lock's conditions come with each event as a [`Moment`]. It knows
//! no sockets and no flash. What it promises, whatever the server or the network does:
//!
//! - only a directive that opens with the director's key and repeats this device's name and the nonce of the
//!   latest check-in is acted upon, and only until the server's time to call again;
//! - only the bytes asked for go into flash, never more than the directive's size;
//! - an install is asked for after the proof, in conditions that allow it, and never by an image on trial;
//! - every wait ends: each action has a time by which it must be over, and each failure a longer wait;
//! - a report is sent until the director's receipt for it comes, across power cuts. Nothing unsigned ends it.

mod backoff;
mod client;
mod http;
mod note;

#[cfg(test)]
mod tests;

pub use backoff::Pace;
pub use client::Client;
pub use http::{ContentRange, Head, Unfit, content_length};
pub use note::{Failure, Hold, Note, describe};

use latchkey_directive::{BootReport, PublicKey, Running};
use latchkey_image::{ImageDigest, SecurityCounter, Uuid};

use crate::DeviceKey;

/// What is the same from start to start.
pub struct Identity<'k> {
    /// The lock's own key.
    pub key: &'k DeviceKey,
    /// Whose directives and receipts count.
    pub director: PublicKey,
    /// Who made the lock.
    pub vendor: Uuid,
    /// Which hardware it is.
    pub class: Uuid,
    /// Length of the DFU slot's part that an image may take, in bytes.
    pub slot: u32,
    /// Bounds on waiting.
    pub pace: Pace,
}

/// What this start is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The image that runs.
    pub running: Running,
    /// Images below this counter do not boot here.
    pub floor: SecurityCounter,
    /// What the bootloader said about this start.
    pub boot: BootReport,
}

/// Random bytes that each [`Moment`] brings: sixteen for a nonce, four for jitter.
pub const RANDOM_LENGTH: usize = 20;

/// When an event happened, and how the lock was then.
#[derive(Clone, Copy)]
pub struct Moment {
    /// Milliseconds since the start, never going back.
    pub now_ms: u64,
    /// Fresh from a cryptographic random number generator for every event.
    pub random: [u8; RANDOM_LENGTH],
    /// How the lock is.
    pub conditions: Conditions,
}

/// What an install waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Battery charge.
    pub battery_percent: u8,
    /// Somebody is locking, unlocking or otherwise dealing with the lock.
    pub busy: bool,
    /// It is a time at which the owner wants the lock left alone.
    pub quiet_hours: bool,
    /// The owner wants no automatic updates.
    pub opted_out: bool,
}

/// Below this charge no install begins: the swap must not run the battery down.
pub const BATTERY_FLOOR_PERCENT: u8 = 30;

impl Conditions {
    /// What speaks against an install now.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        if self.battery_percent < BATTERY_FLOOR_PERCENT {
            Some(Hold::Battery)
        } else if self.busy {
            Some(Hold::Busy)
        } else if self.quiet_hours {
            Some(Hold::QuietHours)
        } else if self.opted_out {
            Some(Hold::Owner)
        } else {
            None
        }
    }
}

/// What the caller is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wait for [`Event::Network`], [`Event::Confirmed`] or a change of conditions ([`Event::Tick`]).
    Wait,
    /// Send [`Client::outgoing`] by POST to this path; then [`Event::Answer`].
    Post(&'static str),
    /// Begin this download, or take it up where it ended; then [`Event::Staged`].
    Open {
        /// Which image.
        image: ImageDigest,
        /// Its length in bytes.
        size: u32,
    },
    /// Ask for the image's bytes from this offset to its end; then [`Event::Head`].
    Fetch {
        /// Which image.
        image: ImageDigest,
        /// First byte wanted.
        from: u32,
    },
    /// Read on in the download's body; then [`Event::Body`] or [`Event::BodyEnd`].
    Read,
    /// Write the bytes just read into the slot; then [`Event::Staged`].
    Stage,
    /// Have the whole image checked; then [`Event::Proven`] or [`Event::Refused`].
    Prove {
        /// The image it must be.
        image: ImageDigest,
    },
    /// Ask the bootloader to install what was proven; then [`Event::Requested`].
    Request,
    /// Restart the lock.
    Restart,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The time of the last step has come, or conditions changed.
    Tick,
    /// The network came or went. When it goes, what is under way still ends in [`Event::Failed`].
    Network {
        /// Whether the server can be tried.
        up: bool,
    },
    /// The server answered a [`Action::Post`].
    Answer {
        /// HTTP status.
        status: u16,
        /// The body, at most [`latchkey_directive::MAX_SEALED`] bytes; longer ones are [`Failure::TooLong`].
        body: &'a [u8],
    },
    /// The server answered a [`Action::Fetch`].
    Head(Head),
    /// So many bytes of the body were read.
    Body {
        /// How many.
        length: usize,
    },
    /// The body ended.
    BodyEnd,
    /// The slot holds the image up to here.
    Staged {
        /// Bytes from the image's start.
        offset: u32,
    },
    /// The slot holds the image, whole and proven.
    Proven,
    /// The image, or writing it, was refused. The download is gone.
    Refused {
        /// A frozen refusal code.
        reason: u16,
    },
    /// The bootloader has been asked.
    Requested,
    /// The running image passed its self-test and is confirmed.
    Confirmed,
    /// What was to be done could not be.
    Failed(Failure),
}

/// What to do, and by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// [`Client::settings`] changed: store them first. When that fails, do not act; tell
    /// [`Failure::Settings`].
    pub save: bool,
    /// Lines for the log, in this order.
    pub notes: [Option<Note>; 2],
    /// What to do.
    pub action: Action,
    /// By when, on the clock of [`Moment`]: then [`Action::Wait`] ends in [`Event::Tick`] and everything else
    /// is cut off with [`Failure::Timeout`]. `None` only while there is nothing to do without the network.
    pub until_ms: Option<u64>,
}
