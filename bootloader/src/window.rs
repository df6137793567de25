//! A slot as the engine sees it: as many pages as the images need, and writes that cost only what they change.
//!
//! The engine erases a page and then writes it whole. The erase is put off until the write comes; a page that
//! already reads as wanted is left alone, the blank words at a page's ends are not programmed. Two things
//! are never inferred from reading: that a page is erased, and that the first page written after a power cut
//! is whole (it may be the torn one, and may read differently next time).

use core::cell::Cell;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use latchkey_handoff::RegionError;

use crate::shared::Shared;

const BLANK: u8 = 0xff;
const CHUNK: usize = 64;

/// A slot under the engine.
pub(crate) struct Window<'e, F> {
    flash: Shared<'e, F>,
    /// The next page written may be torn, whatever it reads as.
    suspect: &'e Cell<bool>,
    /// Pages below this offset may be left alone when they read as wanted.
    settled_below: u32,
    /// Start of the page that the engine wants erased.
    erase_due: Option<u32>,
}

impl<'e, F: NorFlash> Window<'e, F> {
    pub(crate) const fn new(flash: Shared<'e, F>, suspect: &'e Cell<bool>, settled_below: u32) -> Self {
        Self {
            flash,
            suspect,
            settled_below,
            erase_due: None,
        }
    }

    fn holds(&self, offset: u32, bytes: &[u8]) -> Result<bool, RegionError<F::Error>> {
        let mut found = [0; CHUNK];
        let mut at = offset;
        for wanted in bytes.chunks(CHUNK) {
            let found = found.get_mut(..wanted.len()).ok_or(RegionError::OutOfBounds)?;
            self.flash.read(at, found)?;
            if found != wanted {
                return Ok(false);
            }
            at = at.saturating_add(CHUNK as u32);
        }
        Ok(true)
    }

    /// Programs a page that was just erased, without the blank words at its ends.
    fn program(&self, offset: u32, bytes: &[u8]) -> Result<(), RegionError<F::Error>> {
        let blank = |word: &&[u8]| word.iter().all(|byte| *byte == BLANK);
        let before = bytes.chunks(F::WRITE_SIZE).take_while(blank).count();
        let after = bytes.rchunks(F::WRITE_SIZE).take_while(blank).count();
        let start = before.saturating_mul(F::WRITE_SIZE);
        let end = bytes.len().saturating_sub(after.saturating_mul(F::WRITE_SIZE));
        match bytes.get(start..end) {
            Some(used) if !used.is_empty() => self.flash.write(offset.saturating_add(start as u32), used),
            Some(_) | None => Ok(()),
        }
    }
}

impl<F: NorFlash> ErrorType for Window<'_, F> {
    type Error = RegionError<F::Error>;
}

impl<F: NorFlash> ReadNorFlash for Window<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.flash.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.flash.size() as usize
    }
}

impl<F: NorFlash> NorFlash for Window<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        if to.checked_sub(from) != Some(F::ERASE_SIZE as u32) {
            return Err(RegionError::OutOfBounds);
        }
        self.erase_due = Some(from);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        // One page, the one erased just before: the engine's buffer is a page long.
        if self.erase_due.take() != Some(offset) || bytes.len() != F::ERASE_SIZE {
            return Err(RegionError::OutOfBounds);
        }
        let suspect = self.suspect.replace(false);
        if !suspect && offset < self.settled_below && self.holds(offset, bytes)? {
            return Ok(());
        }
        self.flash
            .erase(offset, offset.saturating_add(F::ERASE_SIZE as u32))?;
        self.program(offset, bytes)
    }
}
