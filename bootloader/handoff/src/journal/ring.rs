//! Slots in a ring of pages: what a [`Journal`](super::Journal) and the lock app's activity log are made of.
//!
//! A ring is 2 to 64 pages of slots; record *s* lies in slot *s* mod slots of page (*s* / slots) mod pages.
//! It knows the newest record and finds older ones by their sequence number; the header of
//! [`journal`](super) says how records survive power cuts. The flash is lent to each call, so that a ring can
//! be a part of something larger.

use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use super::JournalError;

/// What a slot holds besides its body, in bytes: sequence, checksum, seal.
pub(super) const OVERHEAD: usize = 12;
/// The longest body, in bytes.
const LONGEST: usize = 60;
pub(super) const SEAL: [u8; 4] = *b"LKsl";
const BLANK: u8 = 0xff;
const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// Records with bodies of `BODY` bytes (whole words, at most 60 bytes) in a ring of pages.
#[derive(Debug)]
pub struct Ring<const BODY: usize> {
    newest: Option<[u8; BODY]>,
    /// Sequence number of the next record; none when they are used up.
    next: Option<u32>,
    /// A write has failed: what flash holds has to be read again before the next one.
    stale: bool,
}

impl<const BODY: usize> Ring<BODY> {
    /// Opens the ring that fills `flash`, and settles what a power cut has left.
    ///
    /// # Errors
    /// When the flash fails or is not 2 to 64 pages.
    pub fn open<F: NorFlash>(flash: &mut F) -> Result<Self, JournalError<F::Error>> {
        let geometry = Geometry::of::<BODY, F>(flash);
        let whole = geometry.size.saturating_mul(geometry.pages) as usize == flash.capacity();
        if !(2..=u64::BITS).contains(&geometry.pages) || !whole || !SEAL.len().is_multiple_of(F::WRITE_SIZE) {
            return Err(JournalError::Geometry);
        }
        let mut ring = Self {
            newest: None,
            next: None,
            stale: true,
        };
        ring.settle(flash)?;
        Ok(ring)
    }

    /// The body of the newest record, none before the first.
    #[must_use]
    pub const fn newest(&self) -> Option<&[u8; BODY]> {
        self.newest.as_ref()
    }

    /// Writes a record after the newest. Once this returns, every later start reads it.
    ///
    /// # Errors
    /// When the flash fails (the newest record is then the old or the new one) or the sequence numbers are used
    /// up.
    pub fn append<F: NorFlash>(
        &mut self,
        flash: &mut F,
        body: &[u8; BODY],
    ) -> Result<(), JournalError<F::Error>> {
        self.refresh(flash)?;
        self.push(flash, body)
    }

    /// Reads the flash again if the last write has failed. Until then the newest record may be one too old.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn refresh<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), JournalError<F::Error>> {
        if self.stale { self.settle(flash) } else { Ok(()) }
    }

    /// The sequence numbers under which [`Ring::read`] may find a record. The page that is erased next is left
    /// out as soon as its erase may have begun.
    pub fn sequences<F: NorFlash>(&self, flash: &F) -> Range<u32> {
        let Geometry { pages, slots, .. } = Geometry::of::<BODY, F>(flash);
        let end = self.next.unwrap_or(u32::MAX);
        let page = end.checked_div(slots).unwrap_or(0);
        page.saturating_sub(pages.saturating_sub(1)).saturating_mul(slots)..end
    }

    /// The body of record `sequence`. None when its slot holds no whole record of that number: that one was
    /// torn and passed over, or is gone.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn read<F: NorFlash>(&self, flash: &mut F, sequence: u32) -> Result<Option<[u8; BODY]>, F::Error> {
        let geometry = Geometry::of::<BODY, F>(flash);
        let (_, record) = read::<BODY, F>(flash, geometry, geometry.place(sequence))?;
        Ok(record
            .filter(|record| record.sequence == sequence)
            .map(|record| record.body))
    }

    fn push<F: NorFlash>(&mut self, flash: &mut F, body: &[u8; BODY]) -> Result<(), JournalError<F::Error>> {
        let sequence = self.next.ok_or(JournalError::Exhausted)?;
        self.stale = true;
        let geometry = Geometry::of::<BODY, F>(flash);
        let place = geometry.place(sequence);
        if place.slot == 0 {
            geometry.erase(flash, place.page)?;
        }
        program(flash, geometry.offset(place), sequence, body)?;
        self.newest = Some(*body);
        self.next = sequence.checked_add(1);
        self.stale = false;
        Ok(())
    }

    /// Reads what flash holds and makes it durable.
    fn settle<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), JournalError<F::Error>> {
        let geometry = Geometry::of::<BODY, F>(flash);
        let (found, torn) = scan::<BODY, F>(flash, geometry)?;
        let Some(Found { record, tail }) = found else {
            // A torn first record must not come to life later.
            for page in (0..geometry.pages).filter(|page| torn.contains(*page)) {
                geometry.erase(flash, page)?;
            }
            (self.newest, self.next, self.stale) = (None, Some(0), false);
            return Ok(());
        };
        let place = geometry.place(record.sequence);
        if !record.sealed {
            program(flash, geometry.offset(place), record.sequence, &record.body)?;
        }
        let following = geometry.following(place.page);
        // The record that was to begin the next page may be torn there. It would be newer than anything
        // that can still be appended to this page, so it has to go.
        if torn.contains(following) {
            geometry.erase(flash, following)?;
        }
        let used = tail.saturating_sub(place.slot);
        self.next = record.sequence.checked_add(used);
        self.newest = Some(record.body);
        self.stale = false;
        if used > 1 {
            self.push(flash, &record.body)
        } else {
            Ok(())
        }
    }
}

/// The newest record's body, of a ring of `pages` pages that someone else writes and has settled.
///
/// # Errors
/// When the flash fails.
pub(super) fn newest<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    pages: u32,
) -> Result<Option<[u8; BODY]>, F::Error> {
    let geometry = Geometry::new::<BODY>(flash.capacity(), pages);
    let (found, _) = scan::<BODY, F>(flash, geometry)?;
    Ok(found.map(|found| found.record.body))
}

/// The shape of a ring.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    pages: u32,
    /// Length of a page, in bytes.
    size: u32,
    /// Records a page holds.
    slots: u32,
    /// Length of a record, in bytes.
    record: u32,
}

/// Where a record lies.
#[derive(Clone, Copy)]
pub(super) struct Place {
    page: u32,
    slot: u32,
}

impl Geometry {
    pub(super) fn new<const BODY: usize>(capacity: usize, pages: u32) -> Self {
        let size = (capacity as u32).checked_div(pages).unwrap_or(0);
        let record = const {
            assert!(BODY.is_multiple_of(4) && BODY <= LONGEST, "no body of a ring");
            (BODY as u32).saturating_add(OVERHEAD as u32)
        };
        Self {
            pages,
            size,
            slots: size.checked_div(record).unwrap_or(0),
            record,
        }
    }

    fn of<const BODY: usize, F: NorFlash>(flash: &F) -> Self {
        let pages = flash.capacity().checked_div(F::ERASE_SIZE).unwrap_or(0);
        Self::new::<BODY>(flash.capacity(), pages as u32)
    }

    pub(super) fn place(self, sequence: u32) -> Place {
        let index = sequence
            .checked_rem(self.slots.saturating_mul(self.pages))
            .unwrap_or(0);
        Place {
            page: index.checked_div(self.slots).unwrap_or(0),
            slot: index.checked_rem(self.slots).unwrap_or(0),
        }
    }

    pub(super) fn offset(self, place: Place) -> u32 {
        let page = place.page.saturating_mul(self.size);
        page.saturating_add(place.slot.saturating_mul(self.record))
    }

    fn holds(self, place: Place, sequence: u32) -> bool {
        let own = self.place(sequence);
        (own.page, own.slot) == (place.page, place.slot)
    }

    fn following(self, page: u32) -> u32 {
        page.saturating_add(1).checked_rem(self.pages).unwrap_or(0)
    }

    fn erase<F: NorFlash>(self, flash: &mut F, page: u32) -> Result<(), F::Error> {
        let from = page.saturating_mul(self.size);
        flash.erase(from, from.saturating_add(self.size))
    }
}

/// A record whose data are whole.
#[derive(Clone, Copy)]
struct Record<const BODY: usize> {
    sequence: u32,
    body: [u8; BODY],
    sealed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Blank,
    Torn,
    Whole,
}

/// The newest whole record and the slot after the last one of its page that does not read blank.
struct Found<const BODY: usize> {
    record: Record<BODY>,
    tail: u32,
}

/// Pages whose first slot is torn.
struct Torn(u64);

impl Torn {
    fn contains(&self, page: u32) -> bool {
        self.0.checked_shr(page).unwrap_or(0) & 1 != 0
    }

    fn insert(&mut self, page: u32) {
        self.0 |= 1_u64.checked_shl(page).unwrap_or(0);
    }
}

/// Reads every page from its end down to its newest whole record, and its first slot. Each slot once.
fn scan<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    geometry: Geometry,
) -> Result<(Option<Found<BODY>>, Torn), F::Error> {
    let (mut newest, mut torn) = (None::<Found<BODY>>, Torn(0));
    for page in 0..geometry.pages {
        let (found, first) = scan_page(flash, geometry, page)?;
        if first == Slot::Torn {
            torn.insert(page);
        }
        if let Some(found) = found
            && newest
                .as_ref()
                .is_none_or(|newest| found.record.sequence > newest.record.sequence)
        {
            newest = Some(found);
        }
    }
    Ok((newest, torn))
}

fn scan_page<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    geometry: Geometry,
    page: u32,
) -> Result<(Option<Found<BODY>>, Slot), F::Error> {
    let mut tail = None;
    let mut found = None;
    let mut first = None;
    for slot in (0..geometry.slots).rev() {
        let (kind, record) = read::<BODY, F>(flash, geometry, Place { page, slot })?;
        if slot == 0 {
            first = Some(kind);
        }
        if kind != Slot::Blank && tail.is_none() {
            tail = Some(slot.saturating_add(1));
        }
        if let (Some(record), Some(tail)) = (record, tail) {
            found = Some(Found { record, tail });
            break;
        }
    }
    let first = match first {
        Some(first) => first,
        None => read::<BODY, F>(flash, geometry, Place { page, slot: 0 })?.0,
    };
    Ok((found, first))
}

fn read<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    geometry: Geometry,
    place: Place,
) -> Result<(Slot, Option<Record<BODY>>), F::Error> {
    let mut buffer = [0; LONGEST + OVERHEAD];
    let bytes = buffer.get_mut(..geometry.record as usize).unwrap_or_default();
    flash.read(geometry.offset(place), bytes)?;
    if bytes.iter().all(|byte| *byte == BLANK) {
        return Ok((Slot::Blank, None));
    }
    let record = parse(bytes).filter(|record| geometry.holds(place, record.sequence));
    let kind = if record.is_some() { Slot::Whole } else { Slot::Torn };
    Ok((kind, record))
}

fn parse<const BODY: usize>(bytes: &[u8]) -> Option<Record<BODY>> {
    let (covered, rest) = bytes.split_last_chunk::<8>()?;
    let (checksum, seal) = rest.split_first_chunk::<4>()?;
    if CHECKSUM.checksum(covered) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (sequence, body) = covered.split_first_chunk::<4>()?;
    Some(Record {
        sequence: u32::from_le_bytes(*sequence),
        body: *body.first_chunk()?,
        sealed: seal == SEAL,
    })
}

/// Writes a record: data first, then the seal.
pub(super) fn program<const BODY: usize, F: NorFlash>(
    flash: &mut F,
    offset: u32,
    sequence: u32,
    body: &[u8; BODY],
) -> Result<(), F::Error> {
    let mut buffer = [0; LONGEST + OVERHEAD];
    let length = BODY.saturating_add(OVERHEAD).saturating_sub(SEAL.len());
    let data = buffer.get_mut(..length).unwrap_or_default();
    if let Some((covered, checksum)) = data.split_last_chunk_mut::<4>() {
        if let Some((first, rest)) = covered.split_first_chunk_mut::<4>() {
            *first = sequence.to_le_bytes();
            if let Some(space) = rest.first_chunk_mut() {
                *space = *body;
            }
        }
        *checksum = CHECKSUM.checksum(covered).to_le_bytes();
    }
    flash.write(offset, data)?;
    flash.write(offset.saturating_add(length as u32), &SEAL)
}
