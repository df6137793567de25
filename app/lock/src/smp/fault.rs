//! Why a request is refused: the protocol's own number, ours for reports, and a sentence.
//!
//! Version 2 tells an error of a group as `{"err": {"group", "rc"}}` and any other as `{"rc", "rsn"}`; version 1
//! knows only the latter. The sentence goes along as `rsn` wherever the form has room for it: tools show it to people.

use core::fmt;

use latchkey_image::Refusal;

use crate::reason::Reason;
use crate::slot::Taken;
use crate::staging::{StagingError, Unproven};

/// Errors that any command may end in. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Management {
    /// Something that has no number.
    Unknown = 1,
    /// The frame does not fit the buffer.
    NoMemory = 2,
    /// A value has no meaning.
    Invalid = 3,
    /// Not in this state of the lock.
    BadState = 6,
    /// The answer does not fit the buffer.
    AnswerTooLong = 7,
    /// No such command here.
    NotSupported = 8,
    /// The image failed its check.
    Corrupt = 9,
    /// Something else is under way.
    Busy = 10,
    /// Not allowed now, or never.
    AccessDenied = 11,
    /// A version of the protocol that is not known here.
    TooNew = 13,
}

/// Errors of the image group. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ImageFault {
    /// No image is there, whole.
    NoImage = 3,
    /// The flash cannot be read.
    FlashRead = 11,
    /// The flash does not take what is written.
    FlashWrite = 12,
    /// There is no such slot.
    InvalidSlot = 14,
    /// The offset is missing.
    InvalidOffset = 20,
    /// The length is missing.
    InvalidLength = 21,
    /// The first piece holds no whole header of an image, or one of a form that is not allowed.
    InvalidHeader = 22,
    /// The first piece is no image.
    InvalidMagic = 23,
    /// The digest has no meaning.
    InvalidHash = 24,
    /// What runs is not older.
    CurrentIsNewer = 27,
    /// The image does not fit the slot.
    TooLarge = 30,
    /// More bytes than the image has.
    Overrun = 31,
    /// Nobody outside confirms an image.
    ConfirmationDenied = 32,
    /// What runs needs no test.
    TestOfActiveDenied = 33,
}

impl ImageFault {
    /// What comes closest where version 1 of the protocol is spoken.
    fn management(self) -> Management {
        match self {
            Self::NoImage | Self::CurrentIsNewer => Management::BadState,
            Self::FlashRead | Self::FlashWrite => Management::Unknown,
            Self::InvalidSlot
            | Self::InvalidOffset
            | Self::InvalidLength
            | Self::InvalidHeader
            | Self::InvalidMagic
            | Self::InvalidHash
            | Self::TooLarge
            | Self::Overrun => Management::Invalid,
            Self::ConfirmationDenied | Self::TestOfActiveDenied => Management::AccessDenied,
        }
    }
}

/// Which error of the protocol it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One that any command may end in.
    Management(Management),
    /// One of the image group.
    Image(ImageFault),
}

impl Fault {
    /// As a number that any command may end in.
    #[must_use]
    pub fn management(self) -> Management {
        match self {
            Self::Management(fault) => fault,
            Self::Image(fault) => fault.management(),
        }
    }
}

/// A request was refused. Nothing was changed but what its reason says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the client is told.
    pub fault: Fault,
    /// The number for reports.
    pub code: u16,
    /// What happened and what to do.
    pub words: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)
    }
}

impl core::error::Error for Refused {}

impl Refused {
    /// For one of the lock app's own reasons.
    pub(super) const fn new(fault: Fault, reason: Reason) -> Self {
        Self::saying(fault, reason, reason.sentence())
    }

    /// The same, in other words.
    pub(super) const fn saying(fault: Fault, reason: Reason, words: &'static str) -> Self {
        Self {
            fault,
            code: reason as u16,
            words,
        }
    }

    pub(super) const fn image(fault: ImageFault, words: &'static str) -> Self {
        Self::saying(Fault::Image(fault), Reason::BadRequest, words)
    }

    pub(super) const fn request(fault: Management, words: &'static str) -> Self {
        Self::saying(Fault::Management(fault), Reason::BadRequest, words)
    }

    /// The first piece of an upload is no image's beginning.
    pub(super) fn header(refusal: Refusal) -> Self {
        let is_none = matches!(refusal, Refusal::NotAnImage | Refusal::Empty);
        let fault = if is_none {
            ImageFault::InvalidMagic
        } else {
            ImageFault::InvalidHeader
        };
        Self::by_code(Fault::Image(fault), refusal.code())
    }

    pub(super) fn unproven(unproven: &Unproven) -> Self {
        Self::by_code(Fault::Management(Management::Corrupt), unproven.code())
    }

    fn by_code(fault: Fault, code: u16) -> Self {
        let words = Refusal::describe(code).or_else(|| Reason::describe(code));
        Self {
            fault,
            code,
            words: words.unwrap_or("the image was refused"),
        }
    }
}

impl From<StagingError> for Refused {
    fn from(error: StagingError) -> Self {
        match error {
            StagingError::OnTrial => Self::new(Fault::Management(Management::BadState), Reason::OnTrial),
            StagingError::Size => Self::new(Fault::Image(ImageFault::TooLarge), Reason::TooLarge),
            StagingError::TooLong => Self::image(ImageFault::Overrun, "more bytes than the image has"),
            StagingError::NotReady => Self::image(ImageFault::NoImage, "no whole image is in the slot"),
            StagingError::Flash => Self::new(Fault::Image(ImageFault::FlashWrite), Reason::Flash),
        }
    }
}

impl From<Taken> for Refused {
    fn from(taken: Taken) -> Self {
        Self::saying(
            Fault::Management(Management::Busy),
            Reason::SlotTaken,
            taken.words(),
        )
    }
}
