//! The rollback floor: the lowest security counter that may run. It never falls.
//!
//! Only the bootloader writes it, and only to the counter of an image that it has verified and the app has
//! confirmed. A lock writes its first floor in its first start; from then on an unreadable floor, or none, lets
//! nothing run: it cannot be told from one that somebody erased.

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
    /// Opens the floor's two pages and settles them. `None`: there is no floor, or one of a layout that this
    /// code does not know.
    ///
    /// # Errors
    /// When the flash fails or is not two pages.
    pub fn open(flash: F) -> Result<Option<Self>, JournalError<F::Error>> {
        let journal = Journal::open(flash)?;
        let value = journal.newest().and_then(decode);
        Ok(value.map(|value| Self { journal, value }))
    }

    /// [`Floor::open`] on a lock that starts for the first time: where there is none, the floor is 0 from now on.
    ///
    /// # Errors
    /// When the flash fails or is not two pages.
    pub fn begin(flash: F) -> Result<Option<Self>, JournalError<F::Error>> {
        let mut journal = Journal::open(flash)?;
        if journal.newest().is_none() {
            journal.append(&encode(SecurityCounter(0)))?;
        }
        let value = journal.newest().and_then(decode);
        Ok(value.map(|value| Self { journal, value }))
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
    /// Reads a floor that is settled, without writing. `None` when there is none, or one of a layout that this
    /// code does not know: nothing may be installed or run on that.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn read<F: ReadNorFlash>(flash: &mut F) -> Result<Option<SecurityCounter>, F::Error> {
        Ok(newest(flash)?.as_ref().and_then(decode))
    }
}

fn encode(value: SecurityCounter) -> Body {
    Writer::new().put([LAYOUT]).put(value.0.to_le_bytes()).finish()
}

fn decode(body: &Body) -> Option<SecurityCounter> {
    let mut fields = Reader::new(body);
    let layout = fields.u8()?;
    let value = SecurityCounter(fields.u32()?);
    (layout == LAYOUT).then_some(value)
}
