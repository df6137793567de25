//! The rollback floor: the lowest security counter that may run. It never falls.
//!
//! Only the bootloader writes it, and only to the counter of an image that it has verified and the app has
//! confirmed. An unreadable floor is an error and no floor: the lock then stays where it is.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use latchkey_image::SecurityCounter;

use crate::fields::{Reader, Writer};
use crate::journal::{Body, Journal, JournalError, newest};

const LAYOUT: u8 = 1;

/// The floor and the pages it is kept in.
#[derive(Debug)]
pub struct Floor<F> {
    journal: Journal<F>,
    value: SecurityCounter,
}

impl<F: NorFlash> Floor<F> {
    /// Opens the floor's two pages and settles them. A lock that never raised it has floor 0.
    ///
    /// # Errors
    /// When the flash fails, is not two pages, or holds a floor of another layout.
    pub fn open(flash: F) -> Result<Self, JournalError<F::Error>> {
        let journal = Journal::open(flash)?;
        let value = decode(journal.newest()).ok_or(JournalError::Geometry)?;
        Ok(Self { journal, value })
    }

    /// The lowest counter that may run.
    pub const fn value(&self) -> SecurityCounter {
        self.value
    }

    /// Raises the floor to `to`. A lower number, or the same, changes nothing and costs no flash operation.
    ///
    /// # Errors
    /// When the flash fails; the floor is then the old or the new one.
    pub fn raise(&mut self, to: SecurityCounter) -> Result<(), JournalError<F::Error>> {
        if to > self.value {
            self.journal.append(&encode(to))?;
            self.value = to;
        }
        Ok(())
    }
}

impl Floor<()> {
    /// Reads a floor that is settled, without writing. `None` when it is of a layout that this code does
    /// not know: nothing may be installed or run on that.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn read<F: ReadNorFlash>(flash: &mut F) -> Result<Option<SecurityCounter>, F::Error> {
        Ok(decode(newest(flash)?.as_ref()))
    }
}

fn encode(value: SecurityCounter) -> Body {
    Writer::new().put([LAYOUT]).put(value.0.to_le_bytes()).finish()
}

fn decode(body: Option<&Body>) -> Option<SecurityCounter> {
    let Some(body) = body else {
        return Some(SecurityCounter(0));
    };
    let mut fields = Reader::new(body);
    let layout = fields.u8()?;
    let value = SecurityCounter(fields.u32()?);
    (layout == LAYOUT).then_some(value)
}
