//! A file or buffer, seen as flash: what tools, servers and tests parse images from.

use core::fmt;

use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind, ReadNorFlash};

/// Bytes in memory as a read-only flash of exactly their length.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    /// Offset 0 is the first byte.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }
}

/// A read that does not lie inside the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("read beyond the end of the bytes")
    }
}

impl core::error::Error for OutOfBounds {}

impl NorFlashError for OutOfBounds {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl ErrorType for Bytes<'_> {
    type Error = OutOfBounds;
}

impl ReadNorFlash for Bytes<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = usize::try_from(offset).map_err(|_| OutOfBounds)?;
        let source = self.0.get(from..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(source.ok_or(OutOfBounds)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}
