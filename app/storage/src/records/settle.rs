//! What a start finds, and how it is made durable before anything is answered.
//!
//! Each mark is read once. One that asks for an erase is programmed again before the erase: both may be torn next
//! time, and the erase must not be forgotten.

use embedded_storage::nor_flash::NorFlash;

use super::{Records, SEQUENCE_MAX, of_index};
use crate::error::StorageError;
use crate::guards::Guards;
use crate::index::Spot;
use crate::page::{self, Head};
use crate::record::{self, Sight, Subject};

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
    /// Reads what the flash holds and makes it durable.
    pub(super) fn settle<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        self.stale = true;
        let Some(head) = self.find_newest(flash)? else {
            return self.settle_nothing(flash);
        };
        self.head = head;
        if (head.closed && G::SETTLE_CLOSED) || !head.done {
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

    /// A flash without a page that counts: it is blank, or someone else's. What a cut has left of the very first page
    /// is as good as blank.
    fn settle_nothing<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StorageError<F::Error>> {
        for page in 0..self.all_pages {
            let base = page.saturating_mul(self.size);
            let begun = if page == 0 { page::LENGTH } else { 0 };
            if !self.is_blank(flash, base, begun)? {
                return Err(StorageError::Foreign);
            }
        }
        if !Head::new(0, 0, None).may_be_begun(flash, 0)? {
            return Err(StorageError::Foreign);
        }
        self.start(flash, 0)
    }

    /// The newest page that counts.
    pub(super) fn find_newest<F: NorFlash>(
        &self,
        flash: &mut F,
    ) -> Result<Option<Head>, StorageError<F::Error>> {
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
}
