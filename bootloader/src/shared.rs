//! One flash under the three that the engine wants. They are used one after the other, never at once.

use core::cell::RefCell;

use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::{Partition, Region, RegionError};

/// A window of a flash that others have windows of as well.
pub(crate) struct Shared<'e, F> {
    flash: &'e RefCell<F>,
    part: Partition,
}

impl<'e, F: NorFlash> Shared<'e, F> {
    pub(crate) const fn new(flash: &'e RefCell<F>, part: Partition) -> Self {
        Self { flash, part }
    }

    pub(crate) const fn size(&self) -> u32 {
        self.part.size
    }

    pub(crate) fn read(&self, offset: u32, bytes: &mut [u8]) -> Result<(), RegionError<F::Error>> {
        use embedded_storage::nor_flash::ReadNorFlash;
        let mut flash = self
            .flash
            .try_borrow_mut()
            .map_err(|_| RegionError::OutOfBounds)?;
        Region::new(&mut *flash, self.part).read(offset, bytes)
    }

    pub(crate) fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), RegionError<F::Error>> {
        let mut flash = self
            .flash
            .try_borrow_mut()
            .map_err(|_| RegionError::OutOfBounds)?;
        Region::new(&mut *flash, self.part).write(offset, bytes)
    }

    pub(crate) fn erase(&self, from: u32, to: u32) -> Result<(), RegionError<F::Error>> {
        let mut flash = self
            .flash
            .try_borrow_mut()
            .map_err(|_| RegionError::OutOfBounds)?;
        Region::new(&mut *flash, self.part).erase(from, to)
    }
}
