//! What can go wrong with SMP, in words that say what happened, what is left and what to do.

use core::fmt;

use heapless::String;

const IMAGE_GROUP: u16 = 1;

/// What the lock says of a refusal: as much of it as a person reads, without what a terminal would act upon.
pub type Words = String<96>;

/// A request that came to nothing. What is on the lock's flash stays there, and an upload goes on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The lock says no. The connection can be used on.
    Refused(Refused),
    /// The lock's buffer is too small for the beginning of an image.
    BufferTooSmall {
        /// The lock's buffer.
        bytes: u32,
    },
    /// The answer is in a version of the protocol that is not known here.
    TooNew,
    /// What came is no answer to what was asked.
    OtherAnswer,
    /// The answer says that it is longer than any answer is.
    TooLong {
        /// So long.
        bytes: usize,
    },
    /// Bytes came behind the answer's end.
    Surplus,
    /// The answer is no map as this command has it.
    Malformed,
    /// The lock says that it has bytes which were never sent.
    Beyond {
        /// What it says.
        offset: u32,
        /// What was sent.
        sent: u32,
    },
    /// The upload does not get on: the lock goes back or stays where it is.
    Stuck {
        /// Where.
        offset: u32,
    },
    /// What arrived is not what was sent.
    Mismatch,
    /// The lock did not answer in time.
    Silence,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// By number.
    pub fault: Fault,
    /// In the lock's words; empty when it gives none.
    pub words: Words,
}

/// Which error of the protocol it is. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One that any command may end in.
    Management(u32),
    /// One of a group's own.
    Group {
        /// Which group; 1 is that of images.
        group: u16,
        /// Which error.
        code: u32,
    },
}

impl Fault {
    /// Something else is under way: another client uploads, or the network has the slot.
    pub const BUSY: Self = Self::Management(10);
    /// Not allowed: no update window is open, or it is for another image.
    pub const ACCESS_DENIED: Self = Self::Management(11);
    /// The image failed its check.
    pub const CORRUPT: Self = Self::Management(9);

    /// What the number means; `None` when it has no meaning here.
    #[must_use]
    pub const fn describe(self) -> Option<&'static str> {
        Some(match self {
            Self::Management(2) => "the request does not fit the lock's buffer",
            Self::Management(3) => "the request has no meaning",
            Self::Management(4) => "the lock took too long",
            Self::Management(5) => "there is no such thing",
            Self::Management(6) => "not in this state of the lock",
            Self::Management(7) => "the answer does not fit the lock's buffer",
            Self::Management(8) => "the lock has no such command",
            Self::Management(9) => "the image failed the lock's check",
            Self::Management(10) => "something else is under way",
            Self::Management(11) => "not allowed now",
            Self::Management(12 | 13) => "the lock speaks another version of the protocol",
            Self::Group { group, code } if group == IMAGE_GROUP => return image(code),
            Self::Management(_) | Self::Group { .. } => return None,
        })
    }
}

const fn image(code: u32) -> Option<&'static str> {
    Some(match code {
        3 => "the lock holds no such image, whole",
        11 => "the lock's flash cannot be read",
        12 => "the lock's flash does not take what is written",
        14 => "the lock has no such slot",
        20 => "the offset is missing",
        21 => "the length is missing",
        22 => "the image's header is not one that the lock takes",
        23 => "this is no image",
        24 => "the digest has no meaning",
        27 => "what runs is not older",
        30 => "the image does not fit the lock",
        31 => "more bytes than the image has",
        32 => "nobody outside confirms an image",
        33 => "this image runs already",
        _ => return None,
    })
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.words.is_empty(), self.fault.describe(), self.fault) {
            (false, _, _) => f.write_str(&self.words),
            (true, Some(words), _) => f.write_str(words),
            (true, None, Fault::Management(code)) => {
                write!(
                    f,
                    "the lock refuses for reason {code}, which this version does not know"
                )
            }
            (true, None, Fault::Group { group, code }) => write!(
                f,
                "the lock refuses for reason {code} of group {group}, which this version does not know"
            ),
        }
    }
}

impl core::error::Error for Refused {}

impl Error {
    /// Whether the connection, not the lock, may be why: a piece that came twice, late or not at all. A new connection
    /// begins with nothing on its way.
    pub(crate) const fn may_be_the_connection(&self) -> bool {
        matches!(self, Self::OtherAnswer | Self::Surplus | Self::Malformed)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(refused) => return refused.fmt(f),
            Self::BufferTooSmall { bytes } => {
                return write!(
                    f,
                    "the lock's buffer of {bytes} bytes is too small to take an image"
                );
            }
            Self::TooLong { bytes } => {
                return write!(
                    f,
                    "the lock announces an answer of {bytes} bytes; do not trust it"
                );
            }
            Self::Beyond { offset, sent } => {
                return write!(
                    f,
                    "the lock says that it has {offset} bytes, and {sent} were sent; do not trust it"
                );
            }
            Self::Stuck { offset } => {
                return write!(
                    f,
                    "the upload does not get beyond byte {offset}; connect and try again"
                );
            }
            Self::TooNew => "the lock answers in a newer version of SMP; update this program",
            Self::OtherAnswer => "the lock answers something that was not asked; connect again",
            Self::Surplus => "more bytes came than the lock's answer has; connect again",
            Self::Malformed => "the lock's answer cannot be read; connect again",
            Self::Mismatch => "what arrived is not what was sent; send it again",
            Self::Silence => "the lock does not answer; go nearer and connect again",
        })
    }
}

impl core::error::Error for Error {}

/// The beginning of a text, without control characters.
pub(super) fn printable(text: &str) -> Words {
    let mut words = Words::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if words.push(character).is_err() {
            break;
        }
    }
    words
}
