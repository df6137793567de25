//! Slots in a ring of pages: what a [`Journal`](super::Journal) and the lock app's activity log are made of.
//!
//! A ring is two or more pages of slots; record *s* lies in slot *s* mod slots of page (*s* / slots) mod pages.
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
/// Checksum and seal.
const CHECK_BEFORE_END: u32 = 8;
/// What the checksum of a record without body differs by.
const NOTHING: u32 = u32::from_le_bytes(*b"LKno");
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
    /// When the flash fails or is not two pages or more.
    pub fn open<F: NorFlash>(flash: &mut F) -> Result<Self, JournalError<F::Error>> {
        let geometry = Geometry::of::<BODY, F>(flash);
        let whole = geometry.size.saturating_mul(geometry.pages) as usize == flash.capacity();
        if geometry.pages < 2 || geometry.slots < 2 || !whole || !SEAL.len().is_multiple_of(F::WRITE_SIZE) {
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
        let geometry = Geometry::of::<BODY, F>(flash);
        if self.is_at_page(geometry) {
            self.begin_page_again(flash, geometry)?;
        }
        self.push(flash, Some(*body))
    }

    /// Reads the flash again if the last write has failed. Until then the newest record may be one too old.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn refresh<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), JournalError<F::Error>> {
        if self.stale { self.settle(flash) } else { Ok(()) }
    }

    /// The sequence numbers under which [`Ring::read`] may find a record. The first of each page is a copy of the
    /// one before it.
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
            .and_then(|record| record.body))
    }

    /// Writes a record, and begins the next page when that fills this one.
    fn push<F: NorFlash>(
        &mut self,
        flash: &mut F,
        body: Option<[u8; BODY]>,
    ) -> Result<(), JournalError<F::Error>> {
        let sequence = self.next.ok_or(JournalError::Exhausted)?;
        self.stale = true;
        let geometry = Geometry::of::<BODY, F>(flash);
        program(flash, geometry.offset(geometry.place(sequence)), sequence, body)?;
        self.newest = body;
        self.next = sequence.checked_add(1);
        if self.is_at_page(geometry) {
            self.begin_page(flash, geometry)?;
        }
        self.stale = false;
        Ok(())
    }

    /// Whether the next record would be the first of a page.
    fn is_at_page(&self, geometry: Geometry) -> bool {
        self.next.is_some_and(|next| geometry.place(next).slot == 0)
    }

    /// Erases the next page and begins it with the state as it is.
    fn begin_page<F: NorFlash>(
        &mut self,
        flash: &mut F,
        geometry: Geometry,
    ) -> Result<(), JournalError<F::Error>> {
        let sequence = self.next.ok_or(JournalError::Exhausted)?;
        let place = geometry.place(sequence);
        self.stale = true;
        geometry.erase(flash, place.page)?;
        program(flash, geometry.offset(place), sequence, self.newest)?;
        self.next = sequence.checked_add(1);
        self.stale = false;
        Ok(())
    }

    /// Begins a page that may have been begun before. Its first record must not read whole while the page is half
    /// erased, so its checksum goes first.
    fn begin_page_again<F: NorFlash>(
        &mut self,
        flash: &mut F,
        geometry: Geometry,
    ) -> Result<(), JournalError<F::Error>> {
        let sequence = self.next.ok_or(JournalError::Exhausted)?;
        let checksum = geometry.record.saturating_sub(CHECK_BEFORE_END);
        let at = geometry.offset(geometry.place(sequence)).saturating_add(checksum);
        flash.write(at, &[0; 4])?;
        self.begin_page(flash, geometry)
    }

    /// Reads what flash holds and makes it durable.
    fn settle<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), JournalError<F::Error>> {
        let geometry = Geometry::of::<BODY, F>(flash);
        let Some(Found { record, tail }) = scan::<BODY, F>(flash, geometry)? else {
            // Not even a page was begun; what may be torn in its first slot says the same.
            (self.newest, self.next, self.stale) = (None, Some(0), false);
            return Ok(());
        };
        let place = geometry.place(record.sequence);
        if !record.sealed {
            program(flash, geometry.offset(place), record.sequence, record.body)?;
        }
        let used = tail.saturating_sub(place.slot);
        self.next = record.sequence.checked_add(used);
        self.newest = record.body;
        self.stale = false;
        if !self.is_at_page(geometry) {
            return if used > 1 {
                self.push(flash, record.body)
            } else {
                Ok(())
            };
        }
        if used > 1 {
            self.settle_tail(flash, geometry)?;
        }
        self.begin_page_again(flash, geometry)
    }

    /// Makes sure that the last slot of a page shows that it was begun: else it may read blank at the next start,
    /// when the next page is half erased.
    fn settle_tail<F: NorFlash>(&self, flash: &mut F, geometry: Geometry) -> Result<(), F::Error> {
        let last = self.next.unwrap_or(u32::MAX).saturating_sub(1);
        // Whatever was begun there began with this very word.
        flash.write(geometry.offset(geometry.place(last)), &last.to_le_bytes())
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
    let found = scan::<BODY, F>(flash, geometry)?;
    Ok(found.and_then(|found| found.record.body))
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

    fn erase<F: NorFlash>(self, flash: &mut F, page: u32) -> Result<(), F::Error> {
        let from = page.saturating_mul(self.size);
        flash.erase(from, from.saturating_add(self.size))
    }
}

/// A record whose data are whole.
#[derive(Clone, Copy)]
struct Record<const BODY: usize> {
    sequence: u32,
    /// None in what a ring begins with, before there is any record.
    body: Option<[u8; BODY]>,
    sealed: bool,
}

/// The newest whole record and the slot after the last one of its page that does not read blank.
struct Found<const BODY: usize> {
    record: Record<BODY>,
    tail: u32,
}

/// Reads every page from its end down to its newest whole record. Each slot once.
fn scan<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    geometry: Geometry,
) -> Result<Option<Found<BODY>>, F::Error> {
    let mut newest = None::<Found<BODY>>;
    for page in 0..geometry.pages {
        if let Some(found) = scan_page::<BODY, F>(flash, geometry, page)?
            && newest
                .as_ref()
                .is_none_or(|newest| found.record.sequence > newest.record.sequence)
        {
            newest = Some(found);
        }
    }
    Ok(newest)
}

fn scan_page<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    geometry: Geometry,
    page: u32,
) -> Result<Option<Found<BODY>>, F::Error> {
    let mut tail = None;
    for slot in (0..geometry.slots).rev() {
        let (blank, record) = read::<BODY, F>(flash, geometry, Place { page, slot })?;
        if !blank && tail.is_none() {
            tail = Some(slot.saturating_add(1));
        }
        if let (Some(record), Some(tail)) = (record, tail) {
            return Ok(Some(Found { record, tail }));
        }
    }
    Ok(None)
}

/// Reads a slot: whether it is blank, and the record in it if that is whole.
fn read<const BODY: usize, F: ReadNorFlash>(
    flash: &mut F,
    geometry: Geometry,
    place: Place,
) -> Result<(bool, Option<Record<BODY>>), F::Error> {
    let mut buffer = [0; LONGEST + OVERHEAD];
    let bytes = buffer.get_mut(..geometry.record as usize).unwrap_or_default();
    flash.read(geometry.offset(place), bytes)?;
    if bytes.iter().all(|byte| *byte == BLANK) {
        return Ok((true, None));
    }
    let record = parse(bytes).filter(|record| geometry.holds(place, record.sequence));
    Ok((false, record))
}

fn parse<const BODY: usize>(bytes: &[u8]) -> Option<Record<BODY>> {
    let (covered, rest) = bytes.split_last_chunk::<8>()?;
    let (checksum, seal) = rest.split_first_chunk::<4>()?;
    let (sequence, body) = covered.split_first_chunk::<4>()?;
    let body = match CHECKSUM.checksum(covered) ^ u32::from_le_bytes(*checksum) {
        0 => Some(*body.first_chunk()?),
        NOTHING => None,
        _ => return None,
    };
    Some(Record {
        sequence: u32::from_le_bytes(*sequence),
        body,
        sealed: seal == SEAL,
    })
}

/// Writes a record: data first, then the seal.
pub(super) fn program<const BODY: usize, F: NorFlash>(
    flash: &mut F,
    offset: u32,
    sequence: u32,
    body: Option<[u8; BODY]>,
) -> Result<(), F::Error> {
    let mut buffer = [0; LONGEST + OVERHEAD];
    let length = BODY.saturating_add(OVERHEAD).saturating_sub(SEAL.len());
    let data = buffer.get_mut(..length).unwrap_or_default();
    if let Some((covered, checksum)) = data.split_last_chunk_mut::<4>() {
        if let Some((first, rest)) = covered.split_first_chunk_mut::<4>() {
            *first = sequence.to_le_bytes();
            if let Some(space) = rest.first_chunk_mut() {
                *space = body.unwrap_or([0; BODY]);
            }
        }
        let kind = if body.is_some() { 0 } else { NOTHING };
        *checksum = (CHECKSUM.checksum(covered) ^ kind).to_le_bytes();
    }
    flash.write(offset, data)?;
    flash.write(offset.saturating_add(length as u32), &SEAL)
}
