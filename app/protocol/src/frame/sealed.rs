//! Sealed frames:
//!
//! ```text
//! in clear   nonce 24 | authorization u32 | length u16
//! the box    Poly1305 tag 16 | XSalsa20 ( authorization u32 | command u16 | payload | checksum u16 )
//! ```
//!
//! `length` counts the box. The nonce is random, fresh for every frame in either direction: it is a value that
//! sealing consumes. What is in clear is not authenticated by itself; the authorization is, because it is
//! repeated in the box and compared.
//!
//! ```
//! # use latchkey_protocol::frame::sealed::{FRAME_MAX, FrameNonce, seal};
//! # use latchkey_protocol::{key::SharedKey, message::StatusReport, value::{AuthorizationId, Status}};
//! # let (key, mut out) = (SharedKey::from_bytes(&mut [1; 32]), [0; FRAME_MAX]);
//! # let message = StatusReport { status: Status::Complete };
//! # let random = || [2; 24];
//! let nonce = FrameNonce::from_random(random());
//! let length = seal(&message, AuthorizationId(5), &key, nonce, &mut out);
//! # assert_eq!(length, Ok(55));
//! ```
//!
//! The second frame with the same nonce does not compile:
//!
//! ```compile_fail
//! # use latchkey_protocol::frame::sealed::{FRAME_MAX, FrameNonce, seal};
//! # use latchkey_protocol::{key::SharedKey, message::StatusReport, value::{AuthorizationId, Status}};
//! # let (key, mut out) = (SharedKey::from_bytes(&mut [1; 32]), [0; FRAME_MAX]);
//! # let message = StatusReport { status: Status::Complete };
//! # let random = || [2; 24];
//! let nonce = FrameNonce::from_random(random());
//! let length = seal(&message, AuthorizationId(5), &key, nonce, &mut out);
//! let length = seal(&message, AuthorizationId(5), &key, nonce, &mut out);
//! ```

use super::{FrameError, plain};
use crate::crc;
use crate::key::{SharedKey, TAG_LENGTH};
use crate::message::{Command, PAYLOAD_MAX, Payload};
use crate::value::AuthorizationId;
use crate::wire::{Field, NoRoom, Writer};

/// Length of the part in clear, in bytes.
pub const HEADER_LENGTH: usize = 30;

/// The least that a box holds, in bytes.
pub const BOX_MIN: usize = TAG_LENGTH
    .saturating_add(AuthorizationId::MAX)
    .saturating_add(plain::OVERHEAD);

/// Bytes around the payload.
pub const OVERHEAD: usize = HEADER_LENGTH.saturating_add(BOX_MIN);

/// The longest sealed frame, in bytes.
pub const FRAME_MAX: usize = PAYLOAD_MAX.saturating_add(OVERHEAD);

/// Length of a frame's nonce, in bytes.
pub const NONCE_LENGTH: usize = 24;

/// Random bytes for one frame: no `Clone` and no `Copy`, so that one is not used for two.
pub struct FrameNonce([u8; NONCE_LENGTH]);

impl FrameNonce {
    /// Takes bytes from a cryptographic random number generator, fresh ones every time.
    #[must_use]
    pub const fn from_random(bytes: [u8; NONCE_LENGTH]) -> Self {
        Self(bytes)
    }
}

/// Seals a message into `out`; gives the frame's length.
///
/// # Errors
/// [`NoRoom`]; [`FRAME_MAX`] bytes always suffice. Then `out` holds nothing that may be sent.
pub fn seal(
    message: &dyn Payload,
    authorization: AuthorizationId,
    key: &SharedKey,
    nonce: FrameNonce,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    let (header, sealed) = out.split_first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
    let (tag, inner) = sealed.split_first_chunk_mut::<TAG_LENGTH>().ok_or(NoRoom)?;
    let inner_length = write_inner(message, authorization, inner)?;
    let inner = inner.get_mut(..inner_length).ok_or(NoRoom)?;
    *tag = key.seal(&nonce.0, inner).ok_or(NoRoom)?;
    let box_length = inner_length.saturating_add(TAG_LENGTH);

    let mut clear = Writer::new(header);
    clear.bytes(&nonce.0);
    clear.field(&authorization);
    clear.field(&u16::try_from(box_length).map_err(|_| NoRoom)?);
    clear.finish().map(|length| length.saturating_add(box_length))
}

fn write_inner(
    message: &dyn Payload,
    authorization: AuthorizationId,
    inner: &mut [u8],
) -> Result<usize, NoRoom> {
    let mut fields = Writer::new(inner);
    fields.field(&authorization);
    fields.field(&message.command());
    message.write(&mut fields);
    let length = fields.finish()?;
    let (content, end) = inner.split_at_mut_checked(length).ok_or(NoRoom)?;
    *end.first_chunk_mut().ok_or(NoRoom)? = crc::over(content);
    Ok(length.saturating_add(crc::LENGTH))
}

/// A frame whose box is still closed.
pub struct Sealed<'a> {
    nonce: [u8; NONCE_LENGTH],
    claimed: AuthorizationId,
    tag: [u8; TAG_LENGTH],
    inner: &'a mut [u8],
}

/// What was in the box.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Whose it is: the same in front of the box and inside.
    pub authorization: AuthorizationId,
    /// Which message.
    pub command: Command,
    /// Its fields. May hold secrets; the buffer it lies in is to be wiped.
    pub payload: &'a [u8],
}

/// How long the frame is that begins with this header.
///
/// # Errors
/// [`FrameError::Length`] when it announces what no message of the protocol takes.
pub fn frame_length(header: &[u8; HEADER_LENGTH]) -> Result<usize, FrameError> {
    let [.., low, high] = *header;
    let length = HEADER_LENGTH.saturating_add(usize::from(u16::from_le_bytes([low, high])));
    if (OVERHEAD..=FRAME_MAX).contains(&length) {
        Ok(length)
    } else {
        Err(FrameError::Length)
    }
}

impl<'a> Sealed<'a> {
    /// Takes a whole frame apart, without believing any of it.
    ///
    /// # Errors
    /// [`FrameError::Length`] when it is not exactly as long as it says.
    pub fn read(frame: &'a mut [u8]) -> Result<Self, FrameError> {
        let total = frame.len();
        let (header, sealed) = frame.split_first_chunk_mut().ok_or(FrameError::Length)?;
        if frame_length(header)? != total {
            return Err(FrameError::Length);
        }
        let (tag, inner) = sealed.split_first_chunk_mut().ok_or(FrameError::Length)?;
        let (nonce, rest) = header.split_first_chunk().ok_or(FrameError::Length)?;
        let claimed = rest.first_chunk().ok_or(FrameError::Length)?;
        Ok(Self {
            nonce: *nonce,
            claimed: AuthorizationId(u32::from_le_bytes(*claimed)),
            tag: *tag,
            inner,
        })
    }

    /// Whose it says to be: good for finding a key, for nothing else.
    #[must_use]
    pub const fn claimed(&self) -> AuthorizationId {
        self.claimed
    }

    /// Opens the box.
    ///
    /// # Errors
    /// [`FrameError`]; after [`FrameError::Box`] the frame's bytes are as they were.
    pub fn open(self, key: &SharedKey) -> Result<Opened<'a>, FrameError> {
        key.open(&self.nonce, self.inner, &self.tag)
            .map_err(|_| FrameError::Box)?;
        let inner: &'a [u8] = self.inner;
        let content = crc::checked(inner).ok_or(FrameError::Checksum)?;
        let (authorization, rest) = content.split_first_chunk().ok_or(FrameError::Length)?;
        let (command, payload) = rest.split_first_chunk().ok_or(FrameError::Length)?;
        if u32::from_le_bytes(*authorization) != self.claimed.0 {
            return Err(FrameError::Authorization);
        }
        Ok(Opened {
            authorization: self.claimed,
            command: Command(u16::from_le_bytes(*command)),
            payload,
        })
    }
}
