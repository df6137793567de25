//! The engine's state page as the engine sees it. Only its progress marks exist.
//!
//! The engine finds the magic word for "swap" always, and its progress as far as the boot record and the marks
//! say. What it writes beside marks (its invalidation, erase and magic at the end of a revert) goes nowhere:
//! a torn erase there could make it swap again. Each mark is one word, programmed to zero after its
//! copy is done, in order, and never twice.

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use latchkey_handoff::RegionError;

use crate::shared::Shared;

/// Bytes of a mark.
pub(crate) const MARK: u32 = 4;
/// The engine's magic number and its validity word stand before its progress.
const BEFORE_PROGRESS: u32 = 2;
const SWAP_MAGIC: [u8; 4] = [0xf0; 4];
const BLANK: [u8; 4] = [0xff; 4];
const DONE: [u8; 4] = [0; 4];

/// Which way the pages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// DFU into ACTIVE, ACTIVE into DFU one page up.
    Install,
    /// Back again.
    Return,
}

/// The engine's state page.
pub(crate) struct Marks<'e, F> {
    page: Shared<'e, F>,
    /// Copies of one direction.
    total: u32,
    /// Copies that count as done before the first of this direction: all of the install's when returning.
    before: u32,
    /// Copies of this direction done.
    done: u32,
    /// Word of the page that marks the next copy.
    next: u32,
}

impl<'e, F: NorFlash> Marks<'e, F> {
    pub(crate) fn new(page: Shared<'e, F>, direction: Direction, total: u32, done: u32, next: u32) -> Self {
        let before = match direction {
            Direction::Install => 0,
            Direction::Return => total,
        };
        Self {
            page,
            total,
            before,
            done,
            next,
        }
    }
}

/// How many marks of `most` from word `first` on are set. What is not wholly set is not set.
pub(crate) fn count<F: ReadNorFlash>(page: &mut F, first: u32, most: u32) -> Result<u32, F::Error> {
    let mut word = BLANK;
    for set in 0..most {
        let offset = first.saturating_add(set).saturating_mul(MARK);
        page.read(offset, &mut word)?;
        if word != DONE {
            return Ok(set);
        }
    }
    Ok(most)
}

impl<F: NorFlash> ErrorType for Marks<'_, F> {
    type Error = RegionError<F::Error>;
}

impl<F: NorFlash> ReadNorFlash for Marks<'_, F> {
    const READ_SIZE: usize = MARK as usize;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let word = match (offset / MARK).checked_sub(BEFORE_PROGRESS) {
            None if offset < MARK => SWAP_MAGIC,
            Some(index) if index < self.before.saturating_add(self.done) => DONE,
            None | Some(_) => BLANK,
        };
        match <&mut [u8; 4]>::try_from(bytes) {
            Ok(bytes) => *bytes = word,
            Err(_) => return Err(RegionError::OutOfBounds),
        }
        Ok(())
    }

    /// Room for the marks of both directions, and a word more: the engine never counts the last one.
    fn capacity(&self) -> usize {
        let words = self.total.saturating_mul(2).saturating_add(BEFORE_PROGRESS + 2);
        words.saturating_mul(MARK) as usize
    }
}

impl<F: NorFlash> NorFlash for Marks<'_, F> {
    const WRITE_SIZE: usize = MARK as usize;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, _from: u32, _to: u32) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let Some(index) = (offset / MARK).checked_sub(BEFORE_PROGRESS) else {
            return Ok(());
        };
        if index != self.before.saturating_add(self.done) || bytes != DONE {
            return Err(RegionError::OutOfBounds);
        }
        self.page.write(self.next.saturating_mul(MARK), &DONE)?;
        self.done = self.done.saturating_add(1);
        self.next = self.next.saturating_add(1);
        Ok(())
    }
}
