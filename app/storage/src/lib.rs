//! What the lock keeps on flash: keyed records (settings, keys, authorizations, keypad codes) and a log.
//!
//! [`Storage`] promises, at a power cut at any flash operation and again at any operation of the recovery:
//!
//! - What was acknowledged is there, whole. A call that was cut off has happened or not, whole; the first
//!   [`Storage::open`] after it decides, and every later one says the same.
//! - A value that was removed or replaced cannot be read from the chip any more, wherever it has been: neither
//!   from its own place nor from a page it was once moved from. Nor can a part of one that was never finished.
//! - Log entries keep their numbers and their order; with a full log the oldest page of them goes.
//! - Every page wears alike.
//!
//! It knows nothing of what it keeps: values are bytes. It needs no allocator and no clock. In RAM it keeps where
//! each record lies, 2.4 kilobytes for [`RECORDS_MAX`] of them, and takes about a kilobyte of stack while it writes,
//! wiped afterwards. Opening reads the first and last words of every record once, a second time after a cut, and the
//! log's pages from their ends. A call goes on by one page now and then, which takes an erase; only a storage that is
//! nearly full may have to go around its pages, and never more than once.
//!
//! # What may happen to flash
//!
//! A cut comes before, inside or after any write or erase. Words are programmed in ascending order; a torn word
//! reads as any value that clearing some of the bits to be cleared gives, a torn page as any mix, and differently
//! at each read until it is programmed or erased to the end. Programming never sets a bit. No word is programmed
//! more than twice between erases, and once more after each cut.
//!
//! # How records survive that
//!
//! The flash is a ring of pages for records, then a ring of pages for the log. A page of records:
//!
//! ```text
//! |       first words 28 (see `page`)           | record | record | ... | blank |
//! | sequence oldest void CRC | seal done closed |
//!
//! record, in words:
//! | marker | key, length | value ... | CRC-32 | seal | done |
//! ```
//!
//! Nothing is decided on a word that may be torn. Each step writes what makes it safe to be interrupted before
//! what it is about:
//!
//! 1. **A record** is written after the newest one: its data, then its seal. From then on it counts. Then the value
//!    that it takes the place of is overwritten with zeros, then it is marked done. A removal is a record without
//!    value. So at most the newest record is not done, and opening does the rest of it once more: seal, zeros, done.
//! 2. **A record without a seal** may be torn anywhere, so its page is left: the next page says from where on the
//!    one before it is void, and that part is overwritten with zeros before the next page is done.
//! 3. **The next page** was erased when the newest one was done. First the newest page is closed; whoever finds it
//!    closed erases the next one, because it may have been begun. Then: first words, copies of what still counts on
//!    the oldest page, seal. From then on the page counts. Then the oldest page is erased, and the new one done.
//! 4. **Everything is removed** by a next page that names itself the oldest, and erases all others. That it is done
//!    is programmed again before the first log entry, lest a torn mark have the entry erased at a later start.
//!
//! The marker of a record follows from its place, so that a torn one is made whole by the next record written there.
//! Records are found by marker and length, which are never written again, so that a torn wipe hides nothing.
//!
//! A page always has room for what counts on the oldest one, and one page is always to come: a battery that dies at
//! every start uses nothing up.
//!
//! The log is a [`Ring`](latchkey_handoff::Ring), by the rules of the small records that bootloader and app share.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod error;
pub mod guards;
mod index;
mod log;
mod page;
mod record;
mod records;

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::{Partition, layout};
use zeroize::Zeroize;

pub use error::StorageError;
use guards::{Careful, Guards};
use log::Log;
use records::{PAGES_MIN, Records};

/// The longest value, in bytes.
pub const VALUE_MAX: usize = 1024;
/// The longest log entry, in bytes.
pub const ENTRY_MAX: usize = 55;
/// The most records.
pub const RECORDS_MAX: usize = 384;

/// A record's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u16);

/// How the flash is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pages for records, from the first page on; three at least.
    pub records: u32,
    /// Pages for the log, behind them; two at least.
    pub log: u32,
}

impl Layout {
    /// The lock's: all of its storage. At least 1,045 log entries of any length, and 54 kilobytes of records,
    /// each with 20 bytes of its own.
    pub const LOCK: Self = Self { records: 19, log: 20 };

    const fn pages(self) -> u32 {
        self.records.saturating_add(self.log)
    }
}

const _: () = assert!(
    Layout::LOCK.pages().saturating_mul(layout::PAGE) == layout::STORAGE.size,
    "the lock's layout fills its storage"
);

/// See the crate's header.
#[derive(Debug)]
pub struct Storage<F, G = Careful> {
    flash: F,
    records: Records<G>,
    log: Log,
}

impl<F: NorFlash> Storage<F> {
    /// Opens the storage that fills `flash`, and settles what a power cut has left. That costs no flash operation
    /// when the last call returned. A blank flash becomes an empty storage.
    ///
    /// # Errors
    /// [`StorageError::Foreign`] and [`StorageError::Incomplete`] when this is no storage, or none any more;
    /// nothing was changed then, and [`Storage::format`] gives it up. Else when the flash fails or has another
    /// shape.
    pub fn open(flash: F, layout: Layout) -> Result<Self, StorageError<F::Error>> {
        Self::open_guarded(flash, layout)
    }

    /// Gives up whatever `flash` holds, and makes an empty storage of it. Nothing can be read of it any more.
    ///
    /// # Errors
    /// When the flash fails or has another shape. Format it again then.
    pub fn format(flash: F, layout: Layout) -> Result<Self, StorageError<F::Error>> {
        Self::format_guarded(flash, layout)
    }
}

impl<F: NorFlash, G: Guards> Storage<F, G> {
    /// [`Storage::open`] with these guards.
    ///
    /// # Errors
    /// As there.
    pub fn open_guarded(mut flash: F, layout: Layout) -> Result<Self, StorageError<F::Error>> {
        check_shape(&flash, layout)?;
        let records = Records::open(&mut flash, layout.records, layout.pages())?;
        let log = Log::open(&mut flash, log_part::<F>(layout))?;
        Ok(Self { flash, records, log })
    }

    /// [`Storage::format`] with these guards.
    ///
    /// # Errors
    /// As there.
    pub fn format_guarded(mut flash: F, layout: Layout) -> Result<Self, StorageError<F::Error>> {
        check_shape(&flash, layout)?;
        let records = Records::format(&mut flash, layout.records, layout.pages())?;
        let log = Log::open(&mut flash, log_part::<F>(layout))?;
        Ok(Self { flash, records, log })
    }

    /// The value of `key`, in the beginning of `buffer`; [`VALUE_MAX`] bytes always suffice.
    ///
    /// # Errors
    /// When the buffer is too short, the value damaged, or the flash fails.
    pub fn get<'b>(
        &mut self,
        key: Key,
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>, StorageError<F::Error>> {
        let Some(length) = self.records.length(&mut self.flash, key)? else {
            return Ok(None);
        };
        let value = buffer
            .get_mut(..length)
            .ok_or(StorageError::Buffer { needed: length })?;
        if let Err(error) = self.records.read(&mut self.flash, key, value) {
            value.zeroize();
            return Err(error);
        }
        Ok(Some(value))
    }

    /// Makes `value` the value of `key`. Once this returns, every later start reads it, and the value before it
    /// cannot be read from the chip any more.
    ///
    /// # Errors
    /// When the value is too long, the storage full (nothing was changed then) or the flash fails.
    pub fn put(&mut self, key: Key, value: &[u8]) -> Result<(), StorageError<F::Error>> {
        self.records.put(&mut self.flash, key, value)
    }

    /// Removes the value of `key`, if it has one. Once this returns, neither it nor any value before it can be read
    /// from the chip any more. Works in a full storage too.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn remove(&mut self, key: Key) -> Result<(), StorageError<F::Error>> {
        self.records.remove(&mut self.flash, key)
    }

    /// The keys that have a value, ascending. After a failure of the flash they may be one call behind until the next.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.keys_from(Key(0))
    }

    /// The keys from `first` on that have a value, ascending: to go on with a list later.
    pub fn keys_from(&self, first: Key) -> impl Iterator<Item = Key> + '_ {
        self.records.keys_from(first)
    }

    /// Writes a log entry of at most [`ENTRY_MAX`] bytes; gives its number. Numbers ascend by one from 0. Once
    /// this returns, every later start finds it, until newer ones have taken its place.
    ///
    /// # Errors
    /// When the entry is too long or the flash fails.
    pub fn append(&mut self, entry: &[u8]) -> Result<u32, StorageError<F::Error>> {
        if self.entries().is_empty() {
            self.records.settle_start(&mut self.flash)?;
        }
        self.log.append(&mut self.flash, entry)
    }

    /// The log entry of this number; none when it is gone or not there yet.
    ///
    /// # Errors
    /// When the entry is damaged or the flash fails.
    pub fn entry<'b>(
        &mut self,
        number: u32,
        buffer: &'b mut [u8; ENTRY_MAX],
    ) -> Result<Option<&'b [u8]>, StorageError<F::Error>> {
        if !self.entries().contains(&number) {
            return Ok(None);
        }
        self.log.read(&mut self.flash, number, buffer).map(Some)
    }

    /// The numbers of the log entries that are there. After a failure of the flash they may be one call behind until
    /// the next.
    #[must_use]
    pub fn entries(&self) -> Range<u32> {
        self.log.entries()
    }

    /// The number of the oldest log entry.
    #[must_use]
    pub fn oldest(&self) -> Option<u32> {
        let entries = self.entries();
        (!entries.is_empty()).then_some(entries.start)
    }

    /// The number of the newest log entry.
    #[must_use]
    pub fn newest(&self) -> Option<u32> {
        self.entries().next_back()
    }

    /// Removes every record and every log entry, at once or not at all. Once this returns, nothing of them can be
    /// read from the chip any more. The log begins at 0 again.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn clear(&mut self) -> Result<(), StorageError<F::Error>> {
        self.records.clear(&mut self.flash)?;
        self.log = Log::open(&mut self.flash, self.log.part())?;
        Ok(())
    }

    /// Gives the flash back.
    pub fn into_inner(self) -> F {
        self.flash
    }
}

/// Whether the flash can be what the layout asks for.
fn check_shape<F: NorFlash>(flash: &F, layout: Layout) -> Result<(), StorageError<F::Error>> {
    let (page, pages) = (F::ERASE_SIZE, layout.pages() as usize);
    let fits = flash.capacity() == page.saturating_mul(pages)
        && layout.records >= PAGES_MIN
        // A spot counts words in 16 bits.
        && page.saturating_mul(layout.records as usize) <= 4 * (1 << 16)
        // A marker counts an offset in 15 bits.
        && (128..=1 << 15).contains(&page)
        && page.is_multiple_of(64)
        && 4_usize.is_multiple_of(F::WRITE_SIZE)
        && 4_usize.is_multiple_of(F::READ_SIZE);
    if fits { Ok(()) } else { Err(StorageError::Geometry) }
}

fn log_part<F: NorFlash>(layout: Layout) -> Partition {
    let page = F::ERASE_SIZE as u32;
    Partition::new(
        layout.records.saturating_mul(page),
        layout.log.saturating_mul(page),
    )
}
