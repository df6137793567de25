//! The log: entries with ascending numbers in a ring; with a full ring, the oldest page of them goes.
//!
//! Each entry is a slot of a [`Ring`], which knows how to stay whole. A slot's number is no entry's number: after
//! a cut the ring passes over what is torn, and writes its newest record once more behind it. So each slot says
//! which entry it holds, and of two slots with the same entry the later one counts.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::{Partition, Region, Ring};

use crate::ENTRY_MAX;
use crate::error::{StorageError, of_ring, of_window};

/// Number 4, length 1, entry.
const SLOT: usize = ENTRY_MAX + 5;
type Slot = [u8; SLOT];

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Log {
    part: Partition,
    ring: Ring<SLOT>,
    /// Number of the oldest entry.
    oldest: u32,
}

impl Log {
    /// Opens the log in `part` of `flash` and settles it.
    pub(crate) fn open<F: NorFlash>(flash: &mut F, part: Partition) -> Result<Self, StorageError<F::Error>> {
        let ring = Ring::open(&mut Region::new(&mut *flash, part)).map_err(of_ring)?;
        let mut log = Self {
            part,
            ring,
            oldest: 0,
        };
        log.find_oldest(flash)?;
        Ok(log)
    }

    /// Where on the flash it lies.
    pub(crate) fn part(&self) -> Partition {
        self.part
    }

    /// The numbers of the entries that are there.
    pub(crate) fn entries(&self) -> Range<u32> {
        let end = self
            .ring
            .newest()
            .map_or(0, |slot| number(slot).saturating_add(1));
        self.oldest..end
    }

    /// Writes an entry; gives its number.
    pub(crate) fn append<F: NorFlash>(
        &mut self,
        flash: &mut F,
        entry: &[u8],
    ) -> Result<u32, StorageError<F::Error>> {
        let mut region = Region::new(&mut *flash, self.part);
        self.ring.refresh(&mut region).map_err(of_ring)?;
        let end = self.entries().end;
        if end == u32::MAX {
            return Err(StorageError::Exhausted);
        }
        let slot = encode(end, entry).ok_or(StorageError::TooLong)?;
        let before = self.ring.sequences(&region).start;
        self.ring.append(&mut region, &slot).map_err(of_ring)?;
        if self.ring.sequences(&region).start != before {
            self.find_oldest(flash)?;
        }
        Ok(end)
    }

    /// Reads an entry that is among [`Log::entries`].
    pub(crate) fn read<'b, F: NorFlash>(
        &self,
        flash: &mut F,
        wanted: u32,
        entry: &'b mut [u8; ENTRY_MAX],
    ) -> Result<&'b [u8], StorageError<F::Error>> {
        let mut region = Region::new(flash, self.part);
        let sequences = self.ring.sequences(&region);
        let back = self.entries().end.saturating_sub(wanted);
        // Slots that hold no entry of their own can only have moved it down from here.
        let from = sequences.end.saturating_sub(back);
        for sequence in (sequences.start..=from).rev() {
            let Some(slot) = self.ring.read(&mut region, sequence).map_err(of_window)? else {
                continue;
            };
            if number(&slot) == wanted {
                return decode(&slot, entry).ok_or(StorageError::Damaged);
            }
            if number(&slot) < wanted {
                break;
            }
        }
        Err(StorageError::Damaged)
    }

    /// Finds out which is the oldest entry that is there.
    fn find_oldest<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        let mut region = Region::new(flash, self.part);
        let end = self.entries().end;
        self.oldest = end;
        for sequence in self.ring.sequences(&region) {
            if let Some(slot) = self.ring.read(&mut region, sequence).map_err(of_window)? {
                self.oldest = number(&slot).min(end);
                break;
            }
        }
        Ok(())
    }
}

fn encode(number: u32, entry: &[u8]) -> Option<Slot> {
    let mut slot = [0; SLOT];
    let (first, rest) = slot.split_first_chunk_mut::<4>()?;
    *first = number.to_le_bytes();
    let (length, space) = rest.split_first_mut()?;
    *length = u8::try_from(entry.len()).ok()?;
    space.get_mut(..entry.len())?.copy_from_slice(entry);
    Some(slot)
}

fn number(slot: &Slot) -> u32 {
    slot.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn decode<'b>(slot: &Slot, entry: &'b mut [u8; ENTRY_MAX]) -> Option<&'b [u8]> {
    let (length, bytes) = slot.get(4..)?.split_first()?;
    entry.copy_from_slice(bytes);
    entry.get(..usize::from(*length))
}
