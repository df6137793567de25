//! Frames: a [`Header`], then one CBOR map. Cut into pieces on the way out, put together on the way in.

use latchkey_protocol::gatt::{ATT_OVERHEAD, MTU_MAX};
pub use latchkey_protocol::smp::HEADER;
use latchkey_protocol::smp::Header;

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
/// SMP version 2 calls itself 1.
const SECOND: u8 = 1;

/// The header of a request whose body has yet to be written.
pub(super) const fn request(operation: u8, group: u16, command: u8, sequence: u8) -> Header {
    Header {
        version: SECOND,
        operation,
        length: 0,
        group,
        sequence,
        command,
    }
}

/// Whether these bytes begin the answer to it; gives the length of the whole frame.
fn answer(asked: &Header, bytes: &[u8; HEADER]) -> Result<usize, Error> {
    let told = Header::read(bytes);
    if told.version > SECOND {
        return Err(Error::TooNew);
    }
    let due = Header {
        version: told.version,
        operation: asked.operation | 1,
        length: told.length,
        ..*asked
    };
    if told != due {
        return Err(Error::OtherAnswer);
    }
    let total = told.total();
    if total > ANSWER_MAX {
        return Err(Error::TooLong { bytes: total });
    }
    Ok(total)
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

    pub(super) fn put(&mut self, head: &Header, request: &Request<'_>) {
        let body = self.bytes.get_mut(HEADER..).unwrap_or_default();
        // Requests are made to fit; one that did not would be refused by the lock for its empty body.
        let length = request::write(request, body).unwrap_or(0);
        let head = Header {
            length: u16::try_from(length).unwrap_or(u16::MAX),
            ..*head
        };
        let head = head.write();
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
    pub(super) fn push(&mut self, piece: &[u8], head: &Header) -> Result<Option<&[u8]>, Error> {
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
        let total = answer(head, begun)?;
        if filled > total {
            return Err(Error::Surplus);
        }
        if filled < total {
            return Ok(None);
        }
        Ok(self.bytes.get(HEADER..total))
    }
}
