//! Small records in flash that are whole or absent at every power cut, and read the same at every start.
//!
//! A journal is two pages of 64-byte records; the newest record is the state, whole. The slots are those of a
//! [`Ring`], which can be longer and keeps the older records too.
//!
//! ```text
//! | sequence 4 | body 52 | CRC-32 over the first 56 bytes 4 | seal 4 |
//! ```
//!
//! The sequence number is the record's place: record *s* lies in slot *s* mod slots of page
//! (*s* / slots) mod pages, and a record that lies elsewhere is no record.
//!
//! A word or page that a cut has torn may read differently from one read to the next, so nothing may be
//! decided on one. Hence the order: data first, then the seal. Whoever sees a seal knows that the data were
//! programmed to the end, and data that were are believed whether the seal reads well or not.
//! [`Journal::open`] makes what it will answer durable before it answers: it programs a newest record without
//! a seal once more, which settles it, and seals it; and when anything was begun after the newest record,
//! it appends that once more, past everything that may be torn. Torn records are never repaired; a higher
//! sequence number outlives them. Every slot is read once for a decision: a second look may show something else.
//!
//! Whoever fills a page begins the next one at once: erases it, and writes the state as it is into its first slot.
//! So what a page begins with is never news: whether that record reads whole or torn, the state is the same. A full
//! page with nothing whole after it means that a cut came between; then the next page is begun again. Before it is
//! erased then, zeros go over its first checksum, so that no record reads whole on a page that is half erased; and
//! before that, the last slot of the full page is made sure of, so that it reads full at every start from then on.
//! A ring begins with a record that says that there is none.
//!
//! Opening costs no flash operation when the last writer finished. No word is programmed to two values between
//! erases, but for those zeros.

use embedded_storage::nor_flash::{NorFlash, NorFlashError, ReadNorFlash};

pub use ring::Ring;

mod ring;

/// Length of a record's body, in bytes.
pub const BODY: usize = 52;
/// Length of a record, in bytes.
pub const RECORD: usize = BODY + ring::OVERHEAD;
/// What a record says.
pub type Body = [u8; BODY];

const PAGES: u32 = 2;

/// Why a journal could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError<E> {
    /// The flash failed. The state is the old or the new one, whole; open the journal again.
    Flash(E),
    /// The sequence numbers are used up. Nothing was written. Erase both pages to start again.
    Exhausted,
    /// The part of flash has not the right number of pages, or cannot hold words of four bytes. A wrong flash map.
    Geometry,
}

impl<E: NorFlashError> From<E> for JournalError<E> {
    fn from(error: E) -> Self {
        Self::Flash(error)
    }
}

/// The writing side of a journal.
#[derive(Debug)]
pub struct Journal<F> {
    flash: F,
    ring: Ring<BODY>,
}

impl<F: NorFlash> Journal<F> {
    /// Opens the journal that fills `flash`, and settles what a power cut has left.
    ///
    /// # Errors
    /// When the flash fails or is not two pages.
    pub fn open(mut flash: F) -> Result<Self, JournalError<F::Error>> {
        if flash.capacity() != F::ERASE_SIZE.saturating_mul(PAGES as usize) {
            return Err(JournalError::Geometry);
        }
        let ring = Ring::open(&mut flash)?;
        Ok(Self { flash, ring })
    }

    /// The state: the body of the newest record, none before the first.
    pub const fn newest(&self) -> Option<&Body> {
        self.ring.newest()
    }

    /// Makes `body` the state. Once this returns, every later start reads it.
    ///
    /// # Errors
    /// When the flash fails (the state is then the old or the new one) or the sequence numbers are used up.
    pub fn append(&mut self, body: &Body) -> Result<(), JournalError<F::Error>> {
        self.ring.append(&mut self.flash, body)
    }
}

/// The state of a journal that someone else writes and has settled (the bootloader has, before the app runs).
///
/// # Errors
/// When the flash fails.
pub fn newest<F: ReadNorFlash>(flash: &mut F) -> Result<Option<Body>, F::Error> {
    ring::newest(flash, PAGES)
}

#[cfg(test)]
mod tests;
