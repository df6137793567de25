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

/// The last record of a page.
#[derive(Clone, Copy)]
struct Last {
    at: u32,
    subject: Subject,
    sealed: bool,
    done: bool,
}

/// What reading a page has shown.
struct Walked {
    last: Option<Last>,
    /// Where the records end that were written to the end.
    end: u32,
    /// Something was begun there.
    torn: bool,
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
        // Above every page that may still count, so that a cut on the way cannot bring one back.
        match records.find_newest(flash)? {
            Some(newest) => {
                records.head = newest;
                records.restart(flash)?;
            }
            None => records.start(flash, 0)?,
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
        if !G::SEAL_LAST {
            record::write_seal(flash, offset, subject)?;
        }
        let marker = record::marker(self.head.sequence, self.end);
        record::write_data(flash, offset, marker, subject, value)?;
        if let Some(old) = old {
            record::write_seal(flash, offset, subject)?;
            if G::WIPE {
                record::wipe(flash, old.offset(), old.length)?;
            }
            record::write_done(flash, offset, subject)?;
        } else {
            record::write_seal_and_done(flash, offset, subject)?;
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
        if !self.is_blank(flash, base)? {
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

    // Settling.

    /// Reads what the flash holds and makes it durable.
    fn settle<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        self.stale = true;
        let Some(head) = self.find_newest(flash)? else {
            return self.settle_nothing(flash);
        };
        self.head = head;
        if head.closed || !head.done {
            // What is erased now may be torn at the next start, when the marks that say so, torn too, may read
            // otherwise. So one of them is made sure of first.
            self.close(flash)?;
        }
        if !head.done {
            Head::write_seal(flash, self.base(head.sequence))?;
            self.finish_page(flash)?;
        }
        let walked = self.read_all(flash)?;
        self.end = walked.end;
        if self.head.closed {
            self.erase_begun(flash)?;
        }
        if let Some(last) = walked.last
            && last.sealed
            && !last.done
        {
            self.finish_record(flash, last)?;
        }
        if (walked.torn && G::LEAVE_TORN) || self.head.closed {
            self.turn(flash, walked.torn.then_some(walked.end))?;
        }
        self.stale = false;
        Ok(())
    }

    /// A flash without a page that counts: it is blank, or someone else's.
    fn settle_nothing<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        for page in 0..self.all_pages {
            if !self.is_blank(flash, page.saturating_mul(self.size))? {
                return Err(StorageError::Foreign);
            }
        }
        self.start(flash, 0)
    }

    /// The newest page that counts.
    fn find_newest<F: NorFlash>(&self, flash: &mut F) -> Result<Option<Head>, StorageError<F::Error>> {
        let mut newest: Option<Head> = None;
        for page in 0..self.pages {
            let head = Head::read(flash, page.saturating_mul(self.size))?.filter(|head| {
                head.sequence.checked_rem(self.pages) == Some(page)
                    && head.oldest <= head.sequence
                    && head.count() < self.pages
                    && head.sequence <= SEQUENCE_MAX
                    && head
                        .void
                        .is_none_or(|void| void < self.size && void.is_multiple_of(4))
            });
            if let Some(head) = head
                && newest.is_none_or(|newest| head.sequence > newest.sequence)
            {
                newest = Some(head);
            }
        }
        Ok(newest)
    }

    /// Reads every page that counts, oldest first, and tells how the newest ends.
    fn read_all<F: NorFlash>(&mut self, flash: &mut F) -> Result<Walked, StorageError<F::Error>> {
        self.index.clear();
        self.live = 0;
        for sequence in self.head.oldest..self.head.sequence {
            let head = Head::read(flash, self.base(sequence))?;
            if head.is_none_or(|head| head.sequence != sequence) {
                return Err(StorageError::Incomplete);
            }
            self.read_page(flash, sequence)?;
        }
        let walked = self.read_page(flash, self.head.sequence)?;
        Ok(walked)
    }

    fn read_page<F: NorFlash>(
        &mut self,
        flash: &mut F,
        sequence: u32,
    ) -> Result<Walked, StorageError<F::Error>> {
        let mut walked = Walked {
            last: None,
            end: page::LENGTH,
            torn: false,
        };
        let mut at = page::LENGTH;
        loop {
            match self.look(flash, sequence, at)? {
                Sight::End => break,
                Sight::Begun => {
                    (walked.end, walked.torn) = (at, true);
                    return Ok(walked);
                }
                Sight::Record {
                    subject,
                    sealed,
                    done,
                } => {
                    if sealed {
                        self.note(subject, self.base(sequence).saturating_add(at))?;
                    }
                    walked.last = Some(Last {
                        at,
                        subject,
                        sealed,
                        done,
                    });
                    at = at.saturating_add(subject.size());
                }
            }
        }
        walked.end = at;
        // A record that was wiped has the one that wiped it behind it; an unsealed last one never counted.
        if let Some(last) = walked.last.filter(|last| !last.sealed) {
            (walked.end, walked.torn) = (last.at, true);
        }
        Ok(walked)
    }

    /// Takes a sealed record into the index.
    fn note<E>(&mut self, subject: Subject, offset: u32) -> Result<(), StorageError<E>> {
        let old = match subject.length {
            None => self.index.remove(subject.key),
            Some(length) => {
                self.live = self.live.saturating_add(record::size(length));
                let spot = Spot::new(offset, length).ok_or(StorageError::Geometry)?;
                self.index.set(subject.key, spot).map_err(of_index)?
            }
        };
        let freed = old.map_or(0, |old| record::size(old.length));
        self.live = self.live.saturating_sub(freed);
        Ok(())
    }

    /// Does once more what follows from the last record: its seal and what it wipes may be torn.
    fn finish_record<F: NorFlash>(
        &mut self,
        flash: &mut F,
        last: Last,
    ) -> Result<(), StorageError<F::Error>> {
        let offset = self.base(self.head.sequence).saturating_add(last.at);
        if G::RESEAL {
            record::write_seal(flash, offset, last.subject)?;
        }
        if G::FINISH_WIPES
            && let Some(old) = self.find_before(flash, last)?
        {
            record::wipe(flash, old.offset(), old.length)?;
        }
        Ok(record::write_done(flash, offset, last.subject)?)
    }

    /// The newest record of the same key before the last one, whether it reads wiped or not.
    fn find_before<F: NorFlash>(
        &self,
        flash: &mut F,
        last: Last,
    ) -> Result<Option<Spot>, StorageError<F::Error>> {
        let mut found = None;
        for sequence in self.head.oldest..=self.head.sequence {
            let mut at = page::LENGTH;
            while let Sight::Record { subject, .. } = self.look(flash, sequence, at)? {
                if sequence == self.head.sequence && at >= last.at {
                    break;
                }
                if subject.key == last.subject.key
                    && let Some(length) = subject.length
                {
                    found = Spot::new(self.base(sequence).saturating_add(at), length);
                }
                at = at.saturating_add(subject.size());
            }
        }
        Ok(found)
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

    fn is_blank<F: ReadNorFlash>(&self, flash: &mut F, base: u32) -> Result<bool, F::Error> {
        let mut bytes = [0; 64];
        for at in (0..self.size).step_by(bytes.len()) {
            flash.read(base.saturating_add(at), &mut bytes)?;
            if bytes.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Flash holds more records than this version can know of: a later one wrote it.
fn of_index<E>(IndexFull: IndexFull) -> StorageError<E> {
    StorageError::Full
}
