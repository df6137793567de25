//! What can go wrong with the storage.

use core::fmt;

use embedded_storage::nor_flash::NorFlashError;
use latchkey_handoff::{JournalError, RegionError};

/// Why the storage did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError<E> {
    /// The buffer is shorter than the value. Nothing was read; bring one of `needed` bytes.
    Buffer {
        /// Length of the value, in bytes.
        needed: usize,
    },
    /// What was asked for does not match its checksum: flash has aged or was tampered with. Other records are
    /// not concerned. Put or remove it to go on.
    Damaged,
    /// The sequence numbers are used up, which takes longer than flash lives. Nothing was changed.
    Exhausted,
    /// The flash failed. What was being done is done or not done, whole; the next call finds out.
    Flash(E),
    /// The flash holds something, and it is no storage of this layout. Nothing was changed; formatting gives
    /// it up.
    Foreign,
    /// There is no room for this record next to the others. Nothing was changed; remove something.
    Full,
    /// The flash has not the pages or the words that the layout asks for. A wrong flash map.
    Geometry,
    /// Pages of the storage are missing or damaged. Nothing was changed; formatting gives it up.
    Incomplete,
    /// The value is longer than [`VALUE_MAX`](crate::VALUE_MAX), or the entry than
    /// [`ENTRY_MAX`](crate::ENTRY_MAX), or than a page of this flash can take. Nothing was changed.
    TooLong,
}

impl<E> StorageError<E> {
    fn sentence(&self) -> &'static str {
        match self {
            Self::Buffer { .. } => "the buffer is too short for the value",
            Self::Damaged => "the record or entry is damaged; write or remove it",
            Self::Exhausted => "the sequence numbers are used up",
            Self::Flash(_) => "the flash failed; the change is made whole or not at all",
            Self::Foreign => "the flash holds no storage; format it to start anew",
            Self::Full => "the storage is full; remove something",
            Self::Geometry => "the flash has another shape than the layout",
            Self::Incomplete => "pages of the storage are missing; format it to start anew",
            Self::TooLong => "the value is too long",
        }
    }
}

impl<E> fmt::Display for StorageError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl<E: fmt::Debug> core::error::Error for StorageError<E> {}

impl<E: NorFlashError> From<E> for StorageError<E> {
    fn from(error: E) -> Self {
        Self::Flash(error)
    }
}

/// The log is a ring in a window of the flash.
pub(crate) fn of_ring<E>(error: JournalError<RegionError<E>>) -> StorageError<E> {
    match error {
        JournalError::Flash(error) => of_window(error),
        JournalError::Exhausted => StorageError::Exhausted,
        JournalError::Geometry => StorageError::Geometry,
    }
}

pub(crate) fn of_window<E>(error: RegionError<E>) -> StorageError<E> {
    match error {
        RegionError::OutOfBounds => StorageError::Geometry,
        RegionError::Flash(error) => StorageError::Flash(error),
    }
}
