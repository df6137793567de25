//! Frames: a [`Header`], then one CBOR map. Put together from the pieces that a connection carries, and cut into pieces
//! for the way back.
//!
//! A buffer holds one frame and never grows; a frame that says it is longer is answered once and passed over. Nothing in
//! a frame says where it begins, so a client that stops in the middle of one and begins anew is understood only because
//! pieces of one frame follow each other quickly ([`STALL_MS`]).

use latchkey_protocol::gatt::{ATT_OVERHEAD, MTU_MAX};
pub use latchkey_protocol::smp::HEADER;
pub(super) use latchkey_protocol::smp::Header;

/// The longest request, header included: what clients are told as `buf_size`. Ten full pieces at the largest MTU:
/// fewer than the Bluetooth host keeps for a connection, and enough that little is said besides the image.
pub const BUFFER: usize = 10 * (MTU_MAX - ATT_OVERHEAD) as usize;
/// The longest answer, header included. The longest there is lists two images.
pub const ANSWER: usize = 512;
/// After so long without a piece, the next one begins a new frame, in milliseconds.
pub(super) const STALL_MS: u64 = 1_000;

/// What a client wants, or is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
}

/// What is asked for; `None` when it is no request at all, and must not be answered.
pub(super) const fn operation(header: &Header) -> Option<Operation> {
    match header.operation {
        Header::READ => Some(Operation::Read),
        Header::WRITE => Some(Operation::Write),
        _ => None,
    }
}

/// Whether errors are told as version 1 has them: by `rc` alone.
pub(super) const fn is_first_version(header: &Header) -> bool {
    header.version == 0
}

/// Whether this version of the protocol is not known here.
pub(super) const fn is_too_new(header: &Header) -> bool {
    header.version > 1
}

/// The header of the answer, whose body has this length.
fn answer(request: &Header, length: u16) -> [u8; HEADER] {
    let answer = Header {
        version: request.version.min(1),
        operation: request.operation | 1,
        length,
        ..*request
    };
    answer.write()
}

/// A frame that is not acted upon, and answered as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFrame {
    /// It says that it is longer than [`BUFFER`].
    TooLong(Header),
    /// Bytes came behind its end.
    Surplus(Header),
}

/// The frame that is coming in.
pub(super) struct Inbox {
    bytes: [u8; BUFFER],
    filled: usize,
    /// Bytes of a frame that is passed over which have yet to come.
    skip: usize,
    heard_ms: u64,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; BUFFER],
            filled: 0,
            skip: 0,
            heard_ms: 0,
        }
    }

    /// Takes in a piece. The header once the frame is whole; [`Self::next`] is then to be called.
    pub(super) fn push(&mut self, piece: &[u8], now_ms: u64) -> Result<Option<Header>, BadFrame> {
        if now_ms.saturating_sub(self.heard_ms) > STALL_MS {
            self.clear();
        }
        self.heard_ms = now_ms;
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(piece.len());
            return Ok(None);
        }
        let came = self.filled.saturating_add(piece.len());
        let room = self.bytes.iter_mut().skip(self.filled);
        room.zip(piece).for_each(|(to, from)| *to = *from);
        self.filled = came.min(BUFFER);
        let Some(header) = self.header() else {
            return Ok(None);
        };
        let total = header.total();
        if total > BUFFER {
            self.clear();
            self.skip = total.saturating_sub(came);
            return Err(BadFrame::TooLong(header));
        }
        if came > total {
            self.clear();
            return Err(BadFrame::Surplus(header));
        }
        Ok((came == total).then_some(header))
    }

    fn header(&self) -> Option<Header> {
        let bytes = self.bytes.get(..self.filled)?.first_chunk()?;
        Some(Header::read(bytes))
    }

    /// The body of a whole frame.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(HEADER..self.filled).unwrap_or_default()
    }

    /// Makes room for the next frame; what is passed over is passed over to its end.
    pub(super) fn next(&mut self) {
        self.filled = 0;
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
        self.skip = 0;
    }
}

/// The frame that goes out.
pub(super) struct Outbox {
    bytes: [u8; ANSWER],
    length: usize,
    sent: usize,
    since_ms: u64,
}

impl Outbox {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; ANSWER],
            length: 0,
            sent: 0,
            since_ms: 0,
        }
    }

    /// Whether an answer waits, and its client has not been silent for so long that it is waited for in vain.
    pub(super) fn is_waiting(&self, now_ms: u64) -> bool {
        self.sent < self.length && now_ms.saturating_sub(self.since_ms) <= STALL_MS
    }

    /// Nobody is there any more to fetch it.
    pub(super) fn clear(&mut self) {
        self.sent = 0;
        self.length = 0;
    }

    /// Where an answer's body is written, for [`Self::put`].
    pub(super) fn body(&mut self) -> &mut [u8] {
        self.clear();
        self.bytes.get_mut(HEADER..).unwrap_or_default()
    }

    /// The body has been written, and is so long.
    pub(super) fn put(&mut self, request: &Header, length: usize, now_ms: u64) {
        let short = u16::try_from(length).unwrap_or(u16::MAX);
        let head = answer(request, short);
        self.bytes.iter_mut().zip(head).for_each(|(to, from)| *to = from);
        self.sent = 0;
        self.length = length.saturating_add(HEADER).min(ANSWER);
        self.since_ms = now_ms;
    }

    /// The next piece, at most as long as `out`; its length.
    pub(super) fn take(&mut self, out: &mut [u8]) -> Option<usize> {
        let rest = self.bytes.get(self.sent..self.length)?;
        let length = rest.len().min(out.len());
        if length == 0 {
            return None;
        }
        out.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.sent = self.sent.saturating_add(length);
        Some(length)
    }
}
