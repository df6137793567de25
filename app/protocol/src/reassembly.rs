//! Frames out of fragments. A characteristic's value may come in pieces as small as 20 bytes, and nothing on
//! the wire says where a piece belongs: whoever receives must know when a frame is whole.
//!
//! A sealed frame tells its length in its header. A plain one is whole when it is as long as its command's frame
//! is, or, for commands without a fixed length, when its checksum fits at the end of a piece.
//!
//! The buffer is as long as the longest frame and wiped before every new frame and on drop, since opened frames
//! hold secrets. How long to wait for the next piece is the caller's to decide.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crc;
use crate::frame::{FrameError, plain, sealed};
use crate::message::{
    AuthorizationAuthenticator, AuthorizationData, AuthorizationIdConfirmation, AuthorizationInfo, Challenge,
    Command, ErrorReport, GrantedAuthorization, Message, PublicKeyOffer, StatusReport,
};

/// The longest frame of either kind, in bytes.
pub const FRAME_MAX: usize = sealed::FRAME_MAX;

// Lengths of the payloads in plain frames that have one length only.
const FIXED: [(Command, usize); 9] = [
    fixed::<PublicKeyOffer>(),
    fixed::<Challenge>(),
    fixed::<AuthorizationAuthenticator>(),
    fixed::<AuthorizationData>(),
    fixed::<GrantedAuthorization>(),
    fixed::<AuthorizationIdConfirmation>(),
    fixed::<StatusReport>(),
    fixed::<ErrorReport>(),
    fixed::<AuthorizationInfo>(),
];

const fn fixed<M: Message>() -> (Command, usize) {
    (M::COMMAND, M::MAX)
}

/// What the frames on a characteristic look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain frames.
    Plain,
    /// Sealed frames.
    Sealed,
}

/// Why the pieces so far are no frame and will be none. They are forgotten; the next piece begins a new frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReassemblyError {
    /// They are longer than their frame, or than any frame.
    Overlong,
    /// The header announces a length that no frame has.
    ImpossibleLength,
}

impl fmt::Display for ReassemblyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlong => "more bytes came than the message has; all of it was dropped",
            Self::ImpossibleLength => "a message announces an impossible length and was dropped",
        })
    }
}

impl core::error::Error for ReassemblyError {}

impl From<ReassemblyError> for FrameError {
    fn from(_: ReassemblyError) -> Self {
        Self::Length
    }
}

/// Pieces of one characteristic on one connection.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Reassembly {
    buffer: [u8; FRAME_MAX],
    used: usize,
    #[zeroize(skip)]
    kind: Kind,
    // The last frame was handed out; the next piece begins a new one.
    whole: bool,
}

impl Reassembly {
    /// Begins with nothing.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            buffer: [0; FRAME_MAX],
            used: 0,
            kind,
            whole: false,
        }
    }

    /// Forgets and wipes what came so far.
    pub fn reset(&mut self) {
        self.zeroize();
    }

    /// Whether part of a frame has come and the rest has not.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.used > 0 && !self.whole
    }

    /// Takes the next piece; gives the frame when it is whole. Opening it may happen in place: it is wiped before
    /// the next one.
    ///
    /// # Errors
    /// [`ReassemblyError`].
    pub fn push(&mut self, piece: &[u8]) -> Result<Option<&mut [u8]>, ReassemblyError> {
        if self.whole {
            self.reset();
        }
        let judged = self.append(piece).and_then(|()| self.judge());
        match judged {
            Ok(true) => {
                self.whole = true;
                Ok(self.buffer.get_mut(..self.used))
            }
            Ok(false) => Ok(None),
            Err(error) => {
                self.reset();
                Err(error)
            }
        }
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), ReassemblyError> {
        let end = self.used.saturating_add(piece.len());
        self.buffer
            .get_mut(self.used..end)
            .ok_or(ReassemblyError::Overlong)?
            .copy_from_slice(piece);
        self.used = end;
        Ok(())
    }

    // Whether the frame is whole.
    fn judge(&self) -> Result<bool, ReassemblyError> {
        let bytes = self.buffer.get(..self.used).unwrap_or_default();
        let length = match self.kind {
            Kind::Plain => plain_length(bytes),
            Kind::Sealed => sealed_length(bytes)?,
        };
        match length {
            Some(length) if bytes.len() > length => Err(ReassemblyError::Overlong),
            Some(length) => Ok(bytes.len() == length),
            None => Ok(false),
        }
    }
}

fn sealed_length(bytes: &[u8]) -> Result<Option<usize>, ReassemblyError> {
    bytes
        .first_chunk()
        .map(sealed::frame_length)
        .transpose()
        .map_err(|_| ReassemblyError::ImpossibleLength)
}

fn plain_length(bytes: &[u8]) -> Option<usize> {
    let command = Command(u16::from_le_bytes(*bytes.first_chunk()?));
    match FIXED.iter().find(|(fixed, _)| *fixed == command) {
        Some((_, payload)) => Some(payload.saturating_add(plain::OVERHEAD)),
        None => (bytes.len() >= plain::OVERHEAD && crc::checked(bytes).is_some()).then_some(bytes.len()),
    }
}
