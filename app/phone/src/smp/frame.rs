//! Frames: eight bytes of header, then one CBOR map. Cut into pieces on the way out, put together on the way in.
//!
//! ```text
//! 0  version (bits 3, 4), operation (bits 0 to 2)    4  u16 group
//! 1  flags, 0                                         6  sequence
//! 2  u16 length of the body                           7  command
//! ```
//!
//! Big endian. An answer repeats group, command and sequence; its operation is the request's plus one.

use latchkey_protocol::gatt::{ATT_OVERHEAD, MTU_MAX};

use super::error::Error;
use super::request::{self, Request};

/// Pieces of one frame, which are sent without waiting for an answer.
pub const PIECES: usize = 10;
/// The longest piece, in bytes: what fits the largest MTU that locks agree to.
pub const PIECE_MAX: usize = (MTU_MAX - ATT_OVERHEAD) as usize;
/// The longest frame that is sent, in bytes.
pub const FRAME_MAX: usize = PIECES * PIECE_MAX;
/// The longest answer that is taken, in bytes.
pub const ANSWER_MAX: usize = 512;
/// Length of the header, in bytes.
pub const HEADER: usize = 8;

const OPERATION: u8 = 0b111;
const VERSION_SHIFT: u32 = 3;
const VERSION: u8 = 0b11;
/// SMP version 2 calls itself 1.
const SECOND: u8 = 1;

/// A request, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) operation: u8,
    pub(super) group: u16,
    pub(super) command: u8,
    pub(super) sequence: u8,
}

impl Head {
    pub(super) const READ: u8 = 0;
    pub(super) const WRITE: u8 = 2;

    fn write(&self, length: u16) -> [u8; HEADER] {
        let [length_high, length_low] = length.to_be_bytes();
        let [group_high, group_low] = self.group.to_be_bytes();
        [
            (SECOND << VERSION_SHIFT) | self.operation,
            0,
            length_high,
            length_low,
            group_high,
            group_low,
            self.sequence,
            self.command,
        ]
    }

    /// Whether these bytes begin the answer to it; gives the length of the whole frame.
    fn answered_by(&self, bytes: &[u8; HEADER]) -> Result<usize, Error> {
        let [
            first,
            _,
            length_high,
            length_low,
            group_high,
            group_low,
            sequence,
            command,
        ] = *bytes;
        if (first >> VERSION_SHIFT) & VERSION > SECOND {
            return Err(Error::TooNew);
        }
        let answer = Self {
            operation: first & OPERATION,
            group: u16::from_be_bytes([group_high, group_low]),
            command,
            sequence,
        };
        let operation = self.operation | 1;
        if answer != (Self { operation, ..*self }) {
            return Err(Error::OtherAnswer);
        }
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let total = length.saturating_add(HEADER);
        if total > ANSWER_MAX {
            return Err(Error::TooLong { bytes: total });
        }
        Ok(total)
    }
}

/// The frame on its way out.
pub(super) struct Outgoing {
    bytes: [u8; FRAME_MAX],
    length: usize,
    sent: usize,
}

impl Outgoing {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; FRAME_MAX],
            length: 0,
            sent: 0,
        }
    }

    pub(super) fn put(&mut self, head: &Head, request: &Request<'_>) {
        let body = self.bytes.get_mut(HEADER..).unwrap_or_default();
        // Requests are made to fit; one that did not would be refused by the lock for its empty body.
        let length = request::write(request, body).unwrap_or(0);
        let short = u16::try_from(length).unwrap_or(u16::MAX);
        let head = head.write(short);
        self.bytes.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        self.length = length.saturating_add(HEADER);
        self.sent = 0;
    }

    pub(super) fn take(&mut self, most: usize) -> Option<&[u8]> {
        let from = self.sent;
        let to = from.saturating_add(most).min(self.length);
        self.sent = to;
        self.bytes.get(from..to).filter(|piece| !piece.is_empty())
    }
}

/// The answer on its way in.
pub(super) struct Incoming {
    bytes: [u8; ANSWER_MAX],
    filled: usize,
}

impl Incoming {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; ANSWER_MAX],
            filled: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Takes in a piece. The body, once the answer to `head` is whole.
    pub(super) fn push(&mut self, piece: &[u8], head: &Head) -> Result<Option<&[u8]>, Error> {
        let filled = self.filled.saturating_add(piece.len());
        let room = self
            .bytes
            .get_mut(self.filled..filled)
            .ok_or(Error::TooLong { bytes: filled })?;
        room.copy_from_slice(piece);
        self.filled = filled;
        let Some(begun) = self.bytes.get(..filled).and_then(|bytes| bytes.first_chunk()) else {
            return Ok(None);
        };
        let total = head.answered_by(begun)?;
        if filled > total {
            return Err(Error::Surplus);
        }
        if filled < total {
            return Ok(None);
        }
        Ok(self.bytes.get(HEADER..total))
    }
}
