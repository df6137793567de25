//! A window of a flash chip. Whoever holds it can neither read nor change anything outside it.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

use crate::layout::Partition;

/// The part of flash `F` that a [`Partition`] names; offsets count from its start.
#[derive(Debug)]
pub struct Region<F> {
    flash: F,
    part: Partition,
}

/// Why a [`Region`] did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError<E> {
    /// The range leaves the window. Nothing was done.
    OutOfBounds,
    /// The chip's own error.
    Flash(E),
}

impl<E: NorFlashError> NorFlashError for RegionError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::Flash(error) => error.kind(),
        }
    }
}

impl<F> Region<F> {
    /// The window `part` of `flash`.
    pub const fn new(flash: F, part: Partition) -> Self {
        Self { flash, part }
    }

    /// Where in the flash `length` bytes from `offset` on lie, if they lie in the window.
    fn place<E>(&self, offset: u32, length: usize) -> Result<u32, RegionError<E>> {
        let length = u32::try_from(length).map_err(|_| RegionError::OutOfBounds)?;
        match offset.checked_add(length) {
            Some(end) if end <= self.part.size => self
                .part
                .offset
                .checked_add(offset)
                .ok_or(RegionError::OutOfBounds),
            Some(_) | None => Err(RegionError::OutOfBounds),
        }
    }
}

impl<F: ErrorType> ErrorType for Region<F> {
    type Error = RegionError<F::Error>;
}

impl<F: ReadNorFlash> ReadNorFlash for Region<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let at = self.place(offset, bytes.len())?;
        self.flash.read(at, bytes).map_err(RegionError::Flash)
    }

    fn capacity(&self) -> usize {
        self.part.size as usize
    }
}

impl<F: NorFlash> NorFlash for Region<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        let length = to.checked_sub(from).ok_or(RegionError::OutOfBounds)?;
        let at = self.place(from, length as usize)?;
        self.flash
            .erase(at, at.saturating_add(length))
            .map_err(RegionError::Flash)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let at = self.place(offset, bytes.len())?;
        self.flash.write(at, bytes).map_err(RegionError::Flash)
    }
}
