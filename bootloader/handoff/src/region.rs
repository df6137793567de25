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

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixteen words, each reading as its own offset.
    struct Words;

    impl ErrorType for Words {
        type Error = NorFlashErrorKind;
    }

    impl ReadNorFlash for Words {
        const READ_SIZE: usize = 4;

        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
            bytes.copy_from_slice(&offset.to_le_bytes());
            Ok(())
        }

        fn capacity(&self) -> usize {
            64
        }
    }

    #[test]
    fn a_window_is_read_at_its_place_and_never_left() {
        let mut region = Region::new(Words, Partition::new(16, 16));
        let mut word = [0; 4];
        assert_eq!(region.capacity(), 16);
        assert_eq!(region.read(12, &mut word).map(|()| word), Ok([28, 0, 0, 0]));
        for offset in [13, 16, 48, u32::MAX - 3, u32::MAX] {
            assert_eq!(
                region.read(offset, &mut word),
                Err(RegionError::OutOfBounds),
                "{offset}"
            );
        }
    }

    #[test]
    fn a_window_that_lies_beyond_any_address_is_left_alone() {
        let mut region = Region::new(Words, Partition::new(u32::MAX, 16));
        assert_eq!(region.read(4, &mut [0; 4]), Err(RegionError::OutOfBounds));
    }
}
