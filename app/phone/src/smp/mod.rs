//! The client's side of SMP, the management protocol of mcumgr: how an image gets to a lock.
//!
//! [`Client`] makes one [`Request`] at a time into a frame, cuts that into pieces to be written without response, and
//! takes the lock's notifications until they are an [`Answer`]. [`Upload`] says which piece of an image comes next.
//! Knows no radio and no clock; when a wait is over says [`Client::next_deadline`].
//!
//! Whoever is at the other end proves nothing here: an answer of another length, kind or number than was asked for ends
//! in a named [`Error`], and so does an upload that does not get on. Nothing that comes makes a buffer grow. What was
//! really installed, the lock says in a [`Session`](crate::Session).
//!
//! A frame has at most [`PIECES`] pieces, or fewer as [`Client::narrow`] says: nothing tells a client how many a lock can
//! hold that has no time right now. Bluetooth hosts on small chips hold a few, and drop what comes beyond.

mod answer;
mod error;
mod frame;
mod request;
mod upload;

use latchkey_protocol::gatt::ATT_OVERHEAD;
use latchkey_protocol::smp::Header;

pub use answer::{Answer, Image, Images, Offset, Parameters};
pub use error::{Error, Fault, Refused, Words};
pub use frame::{ANSWER_MAX, FRAME_MAX, HEADER, PIECE_MAX, PIECES};
pub use request::{Piece, Request, Start};
pub use upload::{Progress, Upload};

use frame::{Incoming, Outgoing};

/// How long the lock may take to answer, in milliseconds.
pub const REPLY_MS: u64 = 10_000;
/// How long it may take to check an image that it is to install, in milliseconds.
pub const CHECK_MS: u64 = 60_000;

/// Nothing was sent: the answer to the last request has not come, and its time is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// See the module's header. One for each connection.
pub struct Client {
    /// The longest piece, in bytes.
    piece: usize,
    /// The longest frame that the lock takes, in bytes.
    frame: usize,
    /// Pieces of a frame, at most.
    pieces: usize,
    sequence: u8,
    outgoing: Outgoing,
    incoming: Incoming,
    waiting: Option<Waiting>,
}

/// For which answer, and until when.
#[derive(Clone, Copy)]
struct Waiting {
    head: Header,
    by_ms: u64,
}

impl Client {
    /// For a fresh connection with this ATT MTU, in bytes.
    #[must_use]
    pub fn new(mtu: u16) -> Self {
        let piece = usize::from(mtu.saturating_sub(ATT_OVERHEAD)).clamp(1, PIECE_MAX);
        Self {
            piece,
            frame: piece,
            pieces: PIECES,
            sequence: 0,
            outgoing: Outgoing::new(),
            incoming: Incoming::new(),
            waiting: None,
        }
    }

    /// From the lock's next word on its parameters on, no frame has more pieces than this.
    pub fn narrow(&mut self, pieces: usize) {
        self.pieces = pieces.clamp(1, PIECES);
    }

    /// Makes a request. [`Self::next_piece`] then gives what to write.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn ask(&mut self, request: &Request<'_>, now_ms: u64) -> Result<(), Busy> {
        if self.waiting.is_some() {
            return Err(Busy);
        }
        self.sequence = self.sequence.wrapping_add(1);
        let head = request.head(self.sequence);
        self.outgoing.put(&head, request);
        self.incoming.clear();
        let patience_ms = match request {
            Request::Test(_) => CHECK_MS,
            Request::Echo(_)
            | Request::Parameters
            | Request::Images
            | Request::Upload(_)
            | Request::Erase
            | Request::Reset => REPLY_MS,
        };
        self.waiting = Some(Waiting {
            head,
            by_ms: now_ms.saturating_add(patience_ms),
        });
        Ok(())
    }

    /// The next bytes to write to the SMP characteristic, without response; `None` when the request is out.
    pub fn next_piece(&mut self) -> Option<&[u8]> {
        self.outgoing.take(self.piece)
    }

    /// Takes what the lock notified. The answer, once it is whole; notifications that nobody asked for are passed over.
    ///
    /// # Errors
    /// [`Error`]. After any but [`Error::Refused`], end the connection: whatever else comes is not to be understood.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Error> {
        let Some(waiting) = self.waiting else {
            return Ok(None);
        };
        let received = self.incoming.push(bytes, &waiting.head);
        let Some(body) = received.inspect_err(|_| self.waiting = None)? else {
            return Ok(None);
        };
        self.waiting = None;
        let answer = answer::read(body, &waiting.head)?;
        if let Answer::Parameters(parameters) = answer {
            self.adapt(parameters)?;
        }
        Ok(Some(answer))
    }

    /// Frames become as long as the lock takes them, in whole pieces.
    fn adapt(&mut self, parameters: Parameters) -> Result<(), Error> {
        let buffer = usize::try_from(parameters.buffer).unwrap_or(usize::MAX);
        let most = buffer.min(FRAME_MAX).min(self.piece.saturating_mul(self.pieces));
        let whole = most.saturating_sub(most.checked_rem(self.piece).unwrap_or(0));
        self.frame = if whole == 0 { most } else { whole };
        if self.room(true) < latchkey_image::HEADER_LENGTH {
            return Err(Error::BufferTooSmall {
                bytes: parameters.buffer,
            });
        }
        Ok(())
    }

    /// Bytes of an image that fit one frame; in the first of an upload there is less room.
    #[must_use]
    pub(crate) fn room(&self, first: bool) -> usize {
        self.frame
            .saturating_sub(HEADER)
            .saturating_sub(request::around(first))
    }

    /// Says that time has passed.
    ///
    /// # Errors
    /// [`Error::Silence`], when an answer should have come.
    pub fn tick(&mut self, now_ms: u64) -> Result<(), Error> {
        match self.waiting {
            Some(waiting) if waiting.by_ms <= now_ms => {
                self.waiting = None;
                Err(Error::Silence)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// When [`Self::tick`] is wanted at the latest; `None` while no answer is awaited.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.waiting.map(|waiting| waiting.by_ms)
    }
}
