//! What keeps the bootloader from deciding. Nothing boots then; the board says so, and starts over.

use embedded_storage::nor_flash::NorFlashError;
use latchkey_handoff::{JournalError, RegionError};

/// Why the bootloader cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The flash failed. What was begun goes on at the next start.
    Flash,
    /// The flash map, the page size and the buffer do not fit together. A wrong build.
    Geometry,
    /// A record's sequence numbers are used up. Service: erase its two pages.
    Exhausted,
    /// The boot record is of a layout that this bootloader does not know. Service: it was written by another
    /// bootloader, put that one back.
    UnknownRecord,
    /// The rollback floor is not where the first start has put it, or of a layout that this bootloader does not
    /// know: what may run cannot be told. Service: the lock has to be set up anew.
    NoFloor,
    /// The engine left pages unmoved. What was begun goes on at the next start.
    Engine,
    /// Asked to commit while pages are on the move. A wrong build: the steps were taken out of order.
    OutOfOrder,
}

impl Fault {
    /// One sentence for the console.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Flash => "flash failed; what was begun goes on at the next start",
            Self::Geometry => "flash map and page size do not fit; install the right bootloader",
            Self::Exhausted => "a record's sequence numbers are used up; erase its two pages",
            Self::UnknownRecord => "boot record of another bootloader; put that bootloader back",
            Self::NoFloor => "the rollback floor is gone; set the lock up anew",
            Self::Engine => "pages left unmoved; what was begun goes on at the next start",
            Self::OutOfOrder => "steps out of order; install the right bootloader",
        }
    }
}

impl<E> From<JournalError<E>> for Fault {
    fn from(error: JournalError<E>) -> Self {
        match error {
            JournalError::Flash(_) => Self::Flash,
            JournalError::Exhausted => Self::Exhausted,
            JournalError::Geometry => Self::Geometry,
        }
    }
}

impl<E: NorFlashError> From<RegionError<E>> for Fault {
    fn from(error: RegionError<E>) -> Self {
        match error {
            RegionError::Flash(_) => Self::Flash,
            RegionError::OutOfBounds => Self::Geometry,
        }
    }
}
