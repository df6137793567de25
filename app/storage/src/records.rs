//! Keyed records in a ring of pages: each key's value is its old or its new one at any power cut, and whatever
//! is no key's value any more is overwritten.
//!
//! The crate's header has the rules; this module carries them out. It lends the flash from its owner for each
//! call, since the log lies on the same one.

use core::marker::PhantomData;

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::error::StorageError;
use crate::guards::Guards;
use crate::index::{Index, IndexFull, Spot};
use crate::page::{self, Head};
use crate::record::{self, Sight, Subject};
use crate::{Key, VALUE_MAX};

mod settle;

/// The fewest pages that work: the oldest, the newest, and one to come.
pub(crate) const PAGES_MIN: u32 = 3;
/// The last page's number: it still has one after it.
const SEQUENCE_MAX: u32 = u32::MAX - 1;

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Records<G> {
    /// Pages of the ring.
    pages: u32,
    /// Pages of the whole storage: starting anew erases those of the log too.
    all_pages: u32,
    /// Length of a page, in bytes.
    size: u32,
    /// The newest page.
    head: Head,
    /// Where in it the next record goes.
    end: u32,
    /// What the records that count take on flash, in bytes.
    live: u32,
    index: Index,
    /// An operation has failed: what flash holds has to be read again before the next one.
    stale: bool,
    guards: PhantomData<G>,
}

impl<G: Guards> Records<G> {
    /// The records on the first `pages` of the `all_pages` of `flash`; settles what a power cut has left.
    pub(crate) fn open<F: NorFlash>(
        flash: &mut F,
        pages: u32,
        all_pages: u32,
    ) -> Result<Self, StorageError<F::Error>> {
        let mut records = Self::unread(F::ERASE_SIZE as u32, pages, all_pages);
        records.settle(flash)?;
        Ok(records)
    }

    /// Gives up whatever the flash holds, and begins anew.
    pub(crate) fn format<F: NorFlash>(
        flash: &mut F,
        pages: u32,
        all_pages: u32,
    ) -> Result<Self, StorageError<F::Error>> {
        let mut records = Self::unread(F::ERASE_SIZE as u32, pages, all_pages);
        // With a number above every page that may still count, so that a cut on the way cannot bring one back. There
        // is none above the last, which only a forger writes.
        match records.find_newest(flash)? {
            Some(newest) if newest.sequence < SEQUENCE_MAX => {
                records.head = newest;
                records.restart(flash)?;
            }
            Some(_) | None => {
                for page in 0..all_pages {
                    records.erase(flash, page.saturating_mul(records.size))?;
                }
                records.start(flash, 0)?;
            }
        }
        Ok(records)
    }

    fn unread(size: u32, pages: u32, all_pages: u32) -> Self {
        Self {
            pages,
            all_pages,
            size,
            head: Head::new(0, 0, None),
            end: 0,
            live: 0,
            index: Index::default(),
            stale: true,
            guards: PhantomData,
        }
    }

    /// The longest value that one page of a flash with pages of `size` bytes can take beside others.
    fn longest(&self) -> usize {
        let third = self.room().saturating_div(3).saturating_sub(record::OVERHEAD);
        (third as usize & !3).min(VALUE_MAX)
    }

    /// What a page can hold, in bytes.
    fn room(&self) -> u32 {
        self.size.saturating_sub(page::LENGTH)
    }

    /// What all records may take: as much as can be moved from page to page until one of them has room for
    /// the longest record.
    fn budget(&self) -> u32 {
        let longest = record::size(self.longest() as u16);
        let page = self.room().saturating_sub(longest);
        page.saturating_mul(self.pages.saturating_sub(1))
    }

    /// The keys from `first` on, ascending.
    pub(crate) fn keys_from(&self, first: Key) -> impl Iterator<Item = Key> + '_ {
        self.index.keys_from(first)
    }

    /// Length of the value of `key`, in bytes.
    pub(crate) fn length<F: NorFlash>(
        &mut self,
        flash: &mut F,
        key: Key,
    ) -> Result<Option<usize>, StorageError<F::Error>> {
        self.refresh(flash)?;
        Ok(self.index.get(key).map(|spot| usize::from(spot.length)))
    }

    /// Reads the value of `key` into `value`, which is as long as it.
    pub(crate) fn read<F: NorFlash>(
        &mut self,
        flash: &mut F,
        key: Key,
        value: &mut [u8],
    ) -> Result<(), StorageError<F::Error>> {
        let Some(spot) = self.index.get(key) else {
            return Ok(());
        };
        let subject = Subject {
            key,
            length: Some(spot.length),
        };
        if record::read_value(flash, spot.offset(), subject, value)? {
            Ok(())
        } else {
            Err(StorageError::Damaged)
        }
    }

    /// Makes `value` the value of `key`.
    pub(crate) fn put<F: NorFlash>(
        &mut self,
        flash: &mut F,
        key: Key,
        value: &[u8],
    ) -> Result<(), StorageError<F::Error>> {
        if value.len() > self.longest() {
            return Err(StorageError::TooLong);
        }
        self.refresh(flash)?;
        let length = value.len() as u16;
        let old = self.index.get(key);
        let freed = old.map_or(0, |old| record::size(old.length));
        let live = self
            .live
            .saturating_sub(freed)
            .saturating_add(record::size(length));
        if live > self.budget() || (old.is_none() && self.index.is_full()) {
            return Err(StorageError::Full);
        }
        let subject = Subject {
            key,
            length: Some(length),
        };
        let offset = self.append(flash, subject, value)?;
        let spot = Spot::new(offset, length).ok_or(StorageError::Geometry)?;
        self.index.set(key, spot).map_err(of_index)?;
        self.live = live;
        self.stale = false;
        Ok(())
    }

    /// Removes the value of `key`, if it has one.
    pub(crate) fn remove<F: NorFlash>(
        &mut self,
        flash: &mut F,
        key: Key,
    ) -> Result<(), StorageError<F::Error>> {
        self.refresh(flash)?;
        if self.index.get(key).is_none() {
            return Ok(());
        }
        self.append(flash, Subject { key, length: None }, &[])?;
        if let Some(old) = self.index.remove(key) {
            self.live = self.live.saturating_sub(record::size(old.length));
        }
        self.stale = false;
        Ok(())
    }

    /// Removes everything, that on the pages of others included.
    pub(crate) fn clear<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        self.refresh(flash)?;
        self.restart(flash)
    }

    /// Before anything is written outside of this ring: if the newest page erased everything outside of itself, its
    /// word for having done so may be torn, and must not have it done again.
    pub(crate) fn settle_start<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        self.refresh(flash)?;
        if self.head.oldest == self.head.sequence && G::SETTLE_START {
            Head::write_done(flash, self.base(self.head.sequence))?;
        }
        Ok(())
    }

    /// Reads everything again if the last operation has failed.
    pub(crate) fn refresh<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        if self.stale { self.settle(flash) } else { Ok(()) }
    }

    // Writing.

    /// Writes a record and overwrites the one that it takes the place of. The caller updates the index.
    fn append<F: NorFlash>(
        &mut self,
        flash: &mut F,
        subject: Subject,
        value: &[u8],
    ) -> Result<u32, StorageError<F::Error>> {
        self.make_room(flash, subject.size())?;
        self.stale = true;
        let old = self.index.get(subject.key);
        let offset = self.base(self.head.sequence).saturating_add(self.end);
        let marker = record::marker(self.head.sequence, self.end);
        if G::SEAL_LAST {
            record::write_data(flash, offset, marker, subject, value)?;
        }
        if old.is_some() {
            record::write_seal(flash, offset, subject)?;
        } else {
            record::write_seal_and_done(flash, offset, subject)?;
        }
        if !G::SEAL_LAST {
            record::write_data(flash, offset, marker, subject, value)?;
        }
        if let Some(old) = old {
            if G::WIPE {
                record::wipe(flash, old.offset(), old.length)?;
            }
            record::write_done(flash, offset, subject)?;
        }
        self.end = self.end.saturating_add(subject.size());
        Ok(offset)
    }

    /// Goes on to the next page until a record of `size` bytes fits.
    fn make_room<F: NorFlash>(&mut self, flash: &mut F, size: u32) -> Result<(), StorageError<F::Error>> {
        // Once around, some page has had room: the budget sees to that.
        for _ in 0..=self.pages {
            if self.end.saturating_add(size) <= self.size {
                return Ok(());
            }
            self.turn(flash, None)?;
        }
        Err(StorageError::Full)
    }

    /// Goes on to the next page. Saves what counts of the oldest page there and erases that, so that there is
    /// always one page to come. From `void` on, the page before it is void.
    fn turn<F: NorFlash>(&mut self, flash: &mut F, void: Option<u32>) -> Result<(), StorageError<F::Error>> {
        self.stale = true;
        let sequence = self.next()?;
        let base = self.base(sequence);
        if !self.head.closed {
            self.close(flash)?;
        }
        let before = self.head;
        if !self.is_blank(flash, base, 0)? {
            self.erase(flash, base)?;
        }
        let full = before.count() >= self.pages.saturating_sub(1);
        let oldest = before.oldest.saturating_add(u32::from(full));
        self.head = Head::new(sequence, oldest, void);
        self.head.write_data(flash, base)?;
        self.end = page::LENGTH;
        if !G::SAVE_FIRST {
            Head::write_seal(flash, base)?;
        }
        if full {
            self.save(flash, before.oldest)?;
        }
        Head::write_seal(flash, base)?;
        self.finish_page(flash)?;
        self.stale = false;
        Ok(())
    }

    /// Copies the records that count from page `sequence` to the newest one.
    fn save<F: NorFlash>(&mut self, flash: &mut F, sequence: u32) -> Result<(), StorageError<F::Error>> {
        let base = self.base(sequence);
        let mut at = page::LENGTH;
        while let Sight::Record { subject, .. } = self.look(flash, sequence, at)? {
            let spot = Spot::new(base.saturating_add(at), subject.length.unwrap_or(0));
            if subject.length.is_some() && spot.is_some() && self.index.get(subject.key) == spot {
                let to = self.base(self.head.sequence).saturating_add(self.end);
                let marker = record::marker(self.head.sequence, self.end);
                record::copy(flash, base.saturating_add(at), to, marker, subject)?;
                let spot = Spot::new(to, subject.length.unwrap_or(0)).ok_or(StorageError::Geometry)?;
                self.index.set(subject.key, spot).map_err(of_index)?;
                self.end = self.end.saturating_add(subject.size());
            }
            at = at.saturating_add(subject.size());
        }
        Ok(())
    }

    /// Does what follows from the newest page's seal, and marks it done.
    fn finish_page<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        let Head {
            sequence,
            oldest,
            void,
            ..
        } = self.head;
        let base = self.base(sequence);
        if oldest == sequence {
            for page in 0..self.all_pages {
                let other = page.saturating_mul(self.size);
                if other != base {
                    self.erase(flash, other)?;
                }
            }
        } else {
            if let Some(void) = void
                && G::WIPE_TORN
            {
                let before = self.base(sequence.saturating_sub(1));
                let from = before.saturating_add(void);
                record::write_zeros(flash, from, before.saturating_add(self.size))?;
            }
            let full = self.head.count() >= self.pages.saturating_sub(1);
            if full && G::ERASE_SAVED {
                self.erase(flash, self.base(sequence.saturating_add(1)))?;
            }
        }
        Head::write_done(flash, base)?;
        self.head.done = true;
        Ok(())
    }

    /// Begins anew with the next page.
    fn restart<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        let next = self.next()?;
        self.stale = true;
        self.close(flash)?;
        self.start(flash, next)
    }

    /// Begins anew with page `sequence`: nothing before it counts.
    fn start<F: NorFlash>(&mut self, flash: &mut F, sequence: u32) -> Result<(), StorageError<F::Error>> {
        let base = self.base(sequence);
        self.erase(flash, base)?;
        self.head = Head::new(sequence, sequence, None);
        self.head.write_data(flash, base)?;
        Head::write_seal(flash, base)?;
        self.finish_page(flash)?;
        self.index.clear();
        (self.end, self.live, self.stale) = (page::LENGTH, 0, false);
        Ok(())
    }

    /// Closes the newest page: from now on the next one may be begun.
    fn close<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), F::Error> {
        if G::CLOSE_FIRST {
            Head::write_closed(flash, self.base(self.head.sequence))?;
            self.head.closed = true;
        }
        Ok(())
    }

    /// Erases what may have been begun or torn behind a closed page. A page that was begun may say of this one
    /// what is not so any more.
    fn erase_begun<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), F::Error> {
        let alone = self.head.oldest == self.head.sequence;
        let pages = if alone { self.pages.saturating_sub(1) } else { 1 };
        for after in 1..=pages {
            self.erase(flash, self.base(self.head.sequence.saturating_add(after)))?;
        }
        Ok(())
    }

    /// The next page's number.
    fn next<E>(&self) -> Result<u32, StorageError<E>> {
        let next = self.head.sequence.saturating_add(1);
        if next > SEQUENCE_MAX {
            return Err(StorageError::Exhausted);
        }
        Ok(next)
    }

    // Places.

    fn look<F: ReadNorFlash>(&self, flash: &mut F, sequence: u32, at: u32) -> Result<Sight, F::Error> {
        record::look(flash, (sequence, self.base(sequence), self.size), at)
    }

    /// Where page `sequence` begins.
    fn base(&self, sequence: u32) -> u32 {
        let page = sequence.checked_rem(self.pages).unwrap_or(0);
        page.saturating_mul(self.size)
    }

    fn erase<F: NorFlash>(&self, flash: &mut F, base: u32) -> Result<(), F::Error> {
        flash.erase(base, base.saturating_add(self.size))
    }

    /// Whether the page at `base` reads blank, from `from` on.
    fn is_blank<F: ReadNorFlash>(&self, flash: &mut F, base: u32, from: u32) -> Result<bool, F::Error> {
        let mut buffer = [0; 64];
        let mut at = from;
        while at < self.size {
            let length = (self.size.saturating_sub(at) as usize).min(buffer.len());
            let bytes = buffer.get_mut(..length).unwrap_or_default();
            flash.read(base.saturating_add(at), bytes)?;
            if bytes.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
            at = at.saturating_add(length as u32);
        }
        Ok(true)
    }
}

/// Flash holds more records than this version can know of: a later one wrote it.
fn of_index<E>(IndexFull: IndexFull) -> StorageError<E> {
    StorageError::Full
}
