//! Small records in flash that are whole or absent at every power cut, and read the same at every start.
//!
//! A journal is two pages of 64-byte records; the newest record is the state, whole.
//!
//! ```text
//! | sequence 4 | body 52 | CRC-32 over the first 56 bytes 4 | seal 4 |
//! ```
//!
//! The sequence number is the record's place: record *s* lies in slot *s* mod slots of page
//! (*s* / slots) mod 2, and a record that lies elsewhere is no record. The page is erased right before its
//! slot 0 is written, every time; that it reads blank is never taken for being erased.
//!
//! A word or page that a cut has torn may read differently from one read to the next, so nothing may be
//! decided on one. Hence the order: data first, then the seal. Whoever sees a seal knows that the data were
//! programmed to the end, and data that were are believed whether the seal reads well or not.
//! [`Journal::open`] makes what it will answer durable before it answers: it programs a newest record without
//! a seal once more, which settles it, and seals it; and when anything was begun after the newest record,
//! it appends that once more, past everything that may be torn. Torn records are never repaired; a higher
//! sequence number outlives them. No page is erased before the newest record is settled in the other one.
//! Every slot is read once for a decision: a second look may show something else.
//!
//! Opening costs no flash operation when the last writer finished. No word is programmed to two values
//! between erases.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use embedded_storage::nor_flash::{NorFlash, NorFlashError, ReadNorFlash};

/// Length of a record's body, in bytes.
pub const BODY: usize = 52;
/// Length of a record, in bytes.
pub const RECORD: usize = 64;
/// What a record says.
pub type Body = [u8; BODY];

const DATA: usize = RECORD - SEAL.len();
const SEAL: [u8; 4] = *b"LKsl";
const BLANK: u8 = 0xff;
const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// Why a journal could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError<E> {
    /// The flash failed. The state is the old or the new one, whole; open the journal again.
    Flash(E),
    /// The sequence numbers are used up. Nothing was written. Erase both pages to start again.
    Exhausted,
    /// The part of flash is not two pages, or cannot hold words of four bytes. A wrong flash map.
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
    newest: Option<Body>,
    /// Sequence number of the next record; none when they are used up.
    next: Option<u32>,
    /// A write has failed: what flash holds has to be read again before the next one.
    stale: bool,
}

impl<F: NorFlash> Journal<F> {
    /// Opens the journal that fills `flash`, and settles what a power cut has left.
    ///
    /// # Errors
    /// When the flash fails or is not two pages.
    pub fn open(flash: F) -> Result<Self, JournalError<F::Error>> {
        if flash.capacity() != F::ERASE_SIZE.saturating_mul(2) || !SEAL.len().is_multiple_of(F::WRITE_SIZE) {
            return Err(JournalError::Geometry);
        }
        let mut journal = Self {
            flash,
            newest: None,
            next: None,
            stale: true,
        };
        journal.settle()?;
        Ok(journal)
    }

    /// The state: the body of the newest record, none before the first.
    pub const fn newest(&self) -> Option<&Body> {
        self.newest.as_ref()
    }

    /// Makes `body` the state. Once this returns, every later start reads it.
    ///
    /// # Errors
    /// When the flash fails (the state is then the old or the new one) or the sequence numbers are used up.
    pub fn append(&mut self, body: &Body) -> Result<(), JournalError<F::Error>> {
        if self.stale {
            self.settle()?;
        }
        self.push(body)
    }

    fn push(&mut self, body: &Body) -> Result<(), JournalError<F::Error>> {
        let sequence = self.next.ok_or(JournalError::Exhausted)?;
        self.stale = true;
        let place = Place::of(sequence, self.flash.capacity());
        if place.slot == 0 {
            self.erase(place.page)?;
        }
        self.program(place, sequence, body)?;
        self.newest = Some(*body);
        self.next = sequence.checked_add(1);
        self.stale = false;
        Ok(())
    }

    fn program(&mut self, place: Place, sequence: u32, body: &Body) -> Result<(), JournalError<F::Error>> {
        self.flash.write(place.offset, &seal_less(sequence, body))?;
        let seal = place.offset.saturating_add(DATA as u32);
        Ok(self.flash.write(seal, &SEAL)?)
    }

    /// Reads what flash holds and makes it durable.
    fn settle(&mut self) -> Result<(), JournalError<F::Error>> {
        let pages = [scan(&mut self.flash, 0)?, scan(&mut self.flash, 1)?];
        let Some(Found { record, tail, .. }) = newer(&pages) else {
            // A torn first record must not come to life later.
            for (number, page) in (0..).zip(&pages) {
                if page.first == Slot::Torn {
                    self.erase(number)?;
                }
            }
            (self.newest, self.next, self.stale) = (None, Some(0), false);
            return Ok(());
        };
        let place = Place::of(record.sequence, self.flash.capacity());
        if !record.sealed {
            self.program(place, record.sequence, &record.body)?;
        }
        let other = usize::from(place.page == 0);
        // The record that was to begin the other page may be torn there. It would be newer than anything
        // that can still be appended to this page, so it has to go.
        if pages.get(other).is_some_and(|page| page.first == Slot::Torn) {
            self.erase(1_u32.saturating_sub(place.page))?;
        }
        let used = tail.saturating_sub(place.slot);
        self.next = record.sequence.checked_add(used);
        self.newest = Some(record.body);
        self.stale = false;
        if used > 1 { self.push(&record.body) } else { Ok(()) }
    }

    fn erase(&mut self, page: u32) -> Result<(), JournalError<F::Error>> {
        let size = F::ERASE_SIZE as u32;
        let from = page.saturating_mul(size);
        Ok(self.flash.erase(from, from.saturating_add(size))?)
    }
}

/// The state of a journal that someone else writes and has settled (the bootloader has, before the app runs).
///
/// # Errors
/// When the flash fails.
pub fn newest<F: ReadNorFlash>(flash: &mut F) -> Result<Option<Body>, F::Error> {
    let pages = [scan(flash, 0)?, scan(flash, 1)?];
    Ok(newer(&pages).map(|found| found.record.body))
}

/// Where a record lies.
#[derive(Clone, Copy)]
struct Place {
    page: u32,
    slot: u32,
    offset: u32,
}

impl Place {
    fn of(sequence: u32, capacity: usize) -> Self {
        let slots = slots(capacity);
        let index = sequence.checked_rem(slots.saturating_mul(2)).unwrap_or(0);
        Self {
            page: index.checked_div(slots).unwrap_or(0),
            slot: index.checked_rem(slots).unwrap_or(0),
            offset: index.saturating_mul(RECORD as u32),
        }
    }
}

/// Records a page holds.
const fn slots(capacity: usize) -> u32 {
    (capacity / 2 / RECORD) as u32
}

/// A record whose data are whole.
#[derive(Clone, Copy)]
struct Record {
    sequence: u32,
    body: Body,
    sealed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Blank,
    Torn,
    Whole,
}

/// What a page holds.
struct Page {
    /// Its newest whole record and the slot after the last one that does not read blank.
    found: Option<Found>,
    /// What its first slot holds.
    first: Slot,
}

#[derive(Clone, Copy)]
struct Found {
    record: Record,
    tail: u32,
}

fn newer([a, b]: &[Page; 2]) -> Option<Found> {
    match (a.found, b.found) {
        (Some(a), Some(b)) if b.record.sequence > a.record.sequence => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

/// Reads a page from its end down to its newest whole record, and its first slot. Each slot once.
fn scan<F: ReadNorFlash>(flash: &mut F, page: u32) -> Result<Page, F::Error> {
    let slots = slots(flash.capacity());
    let start = page.saturating_mul(slots);
    let mut tail = None;
    let mut found = None;
    let mut first = None;
    for slot in (0..slots).rev() {
        let (kind, record) = read(flash, start.saturating_add(slot))?;
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
        None => read(flash, start)?.0,
    };
    Ok(Page { found, first })
}

/// Reads the slot `index`, counted through both pages.
fn read<F: ReadNorFlash>(flash: &mut F, index: u32) -> Result<(Slot, Option<Record>), F::Error> {
    let mut bytes = [0; RECORD];
    flash.read(index.saturating_mul(RECORD as u32), &mut bytes)?;
    if bytes.iter().all(|byte| *byte == BLANK) {
        return Ok((Slot::Blank, None));
    }
    let record = parse(&bytes).filter(|record| {
        record
            .sequence
            .checked_rem(slots(flash.capacity()).saturating_mul(2))
            == Some(index)
    });
    let kind = if record.is_some() { Slot::Whole } else { Slot::Torn };
    Ok((kind, record))
}

fn parse(bytes: &[u8; RECORD]) -> Option<Record> {
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

/// A record up to its seal.
fn seal_less(sequence: u32, body: &Body) -> [u8; DATA] {
    let mut data = [0; DATA];
    if let Some((covered, checksum)) = data.split_last_chunk_mut::<4>() {
        if let Some((first, rest)) = covered.split_first_chunk_mut::<4>() {
            *first = sequence.to_le_bytes();
            if let Some(space) = rest.first_chunk_mut() {
                *space = *body;
            }
        }
        *checksum = CHECKSUM.checksum(covered).to_le_bytes();
    }
    data
}

#[cfg(test)]
mod tests;
