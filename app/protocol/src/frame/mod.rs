//! One message as bytes on a characteristic: [`plain`] for pairing, [`sealed`] for everything after it.

pub mod plain;
pub mod sealed;

use core::fmt;

use crate::value::ErrorCode;

/// Why bytes are no frame. Nothing was taken from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Too short or too long for any frame, or not as long as it says.
    Length,
    /// The checksum does not fit.
    Checksum,
    /// The box does not open: sealed with another key, or changed on the way.
    Box,
    /// The authorization inside the box is not the one in front of it.
    Authorization,
}

impl FrameError {
    /// What a lock answers.
    #[must_use]
    pub const fn error_code(self) -> ErrorCode {
        match self {
            Self::Length => ErrorCode::BadLength,
            Self::Checksum => ErrorCode::BadCrc,
            Self::Box | Self::Authorization => ErrorCode::NotAuthorized,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "a message has an impossible length and was dropped",
            Self::Checksum => "a message arrived damaged and was dropped; send it again",
            Self::Box => "a sealed message does not open with this key and was dropped; pair again",
            Self::Authorization => "a sealed message carries another authorization inside and was dropped",
        })
    }
}

impl core::error::Error for FrameError {}
