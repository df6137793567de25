//! Plain frames: `command u16 | payload | checksum u16`, the checksum over everything before it.

use super::FrameError;
use crate::crc;
use crate::message::{Command, PAYLOAD_MAX, Payload};
use crate::wire::{NoRoom, Writer};

/// Bytes around the payload.
pub const OVERHEAD: usize = 4;

/// The longest plain frame, in bytes.
pub const FRAME_MAX: usize = PAYLOAD_MAX.saturating_add(OVERHEAD);

/// A frame that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Which message.
    pub command: Command,
    /// Its fields.
    pub payload: &'a [u8],
}

/// Writes a message's frame into `out`; gives its length.
///
/// # Errors
/// [`NoRoom`]; [`FRAME_MAX`] bytes always suffice.
pub fn write(message: &dyn Payload, out: &mut [u8]) -> Result<usize, NoRoom> {
    let mut fields = Writer::new(out);
    fields.field(&message.command());
    message.write(&mut fields);
    let length = fields.finish()?;
    let (content, end) = out.split_at_mut_checked(length).ok_or(NoRoom)?;
    let sum = end.first_chunk_mut::<{ crc::LENGTH }>().ok_or(NoRoom)?;
    *sum = crc::over(content);
    Ok(length.saturating_add(crc::LENGTH))
}

/// Checks a whole frame.
///
/// # Errors
/// [`FrameError::Length`], [`FrameError::Checksum`].
pub fn read(frame: &[u8]) -> Result<Plain<'_>, FrameError> {
    if frame.len() < OVERHEAD {
        return Err(FrameError::Length);
    }
    let content = crc::checked(frame).ok_or(FrameError::Checksum)?;
    let (command, payload) = content.split_first_chunk().ok_or(FrameError::Length)?;
    Ok(Plain {
        command: Command(u16::from_le_bytes(*command)),
        payload,
    })
}
