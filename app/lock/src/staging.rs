//! Writes an image into the DFU slot and asks the bootloader for it: resumable at any power cut.
//!
//! Which image, how long, and how many pages are written for good stands in the [`Mailbox`], never anywhere
//! else. A page is erased by the same run that writes it: neither "blank" nor "done" is ever inferred from
//! reading, because a torn page may read as either. What a cut leaves behind the last mark is fetched again.
//!
//! Two proofs are values here. [`Proven`] comes only from the whole check of the slot's content, and only with
//! one is an install asked for; the bootloader checks again, its check is the law. [`Passed`] comes only from
//! the self-test, and only with one is the running image confirmed. While it is on trial the slot is left
//! alone: the image to return to lies there.
//!
//! ```
//! # use latchkey_lock::staging::{Proven, Staging, StagingError};
//! # use embedded_storage::nor_flash::NorFlash;
//! fn ask<F: NorFlash>(staging: &mut Staging, flash: &mut F, proven: Proven) -> Result<(), StagingError> {
//!     staging.request(flash, proven)
//! }
//! ```
//!
//! Asking twice with one proof, or with one made by hand, does not compile:
//!
//! ```compile_fail,E0382
//! # use latchkey_lock::staging::{Proven, Staging, StagingError};
//! # use embedded_storage::nor_flash::NorFlash;
//! fn ask<F: NorFlash>(staging: &mut Staging, flash: &mut F, proven: Proven) -> Result<(), StagingError> {
//!     staging.request(flash, proven)?;
//!     staging.request(flash, proven)
//! }
//! ```
//! ```compile_fail,E0451
//! # use latchkey_lock::staging::{Proven, Staging, StagingError};
//! # use latchkey_handoff::ImageId;
//! # use latchkey_image::ImageDigest;
//! # use embedded_storage::nor_flash::NorFlash;
//! fn ask<F: NorFlash>(staging: &mut Staging, flash: &mut F, image: ImageDigest) -> Result<(), StagingError> {
//!     let begun_as = ImageId::from(image);
//!     staging.request(flash, Proven { image, begun_as })
//! }
//! ```
//!
//! Blocking, over any NOR flash with words of up to four bytes. Knows no network and keeps no image in memory.

use core::fmt;

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use latchkey_handoff::{
    BootReport, Download, ImageId, Journal, Mailbox, Map, Outcome, Partition, Region, Request, Staging as Use,
};
use latchkey_image::{Authority, Image, ImageDigest, Refusal, SecurityCounter, Version};
use sha2::{Digest, Sha256};

use crate::reason::Reason;
use crate::self_test::Passed;

/// Pages written between two marks of progress: how much a power cut costs, against wear of the mailbox.
const MARK_EVERY: u16 = 4;
/// The longest flash word, in bytes.
const WORD: usize = 4;

/// The writer of the DFU slot.
pub struct Staging {
    map: Map,
    writing: Option<Writing>,
}

/// A download under way.
#[derive(Clone, Copy)]
struct Writing {
    image: ImageId,
    size: u32,
    /// Bytes taken in.
    offset: u32,
    /// Bytes taken in that do not fill a flash word yet.
    tail: [u8; WORD],
}

/// The slot held an image that passed the whole check. Nothing else makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Proven {
    image: ImageDigest,
    /// The name under which it was written.
    begun_as: ImageId,
}

impl Proven {
    /// Which image.
    #[must_use]
    pub fn image(&self) -> ImageDigest {
        self.image
    }
}

/// What the slot holds, whole, as it says of itself: not proven, unless it is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which image.
    pub image: ImageDigest,
    /// Its version.
    pub version: Version,
    /// Its install was asked for.
    pub requested: bool,
}

/// What a proven image must be, besides what [`Authority`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The image that was allowed.
    pub image: ImageDigest,
    /// What runs now: an image may name the lowest version that may upgrade to it.
    pub running: Version,
    /// The rollback floor.
    pub floor: SecurityCounter,
}

/// Why the slot was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagingError {
    /// The running image is on trial. Nothing was changed; confirm first.
    OnTrial,
    /// The image is longer than the slot, or has no length. Nothing was changed.
    Size,
    /// More bytes than the image has. Nothing of them was written.
    TooLong,
    /// No download was begun, or it is not whole. Nothing was changed; begin, or write the rest.
    NotReady,
    /// The flash failed. What is marked as written is; begin again to go on from there.
    Flash,
}

impl StagingError {
    /// The number for a report.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Size => Reason::TooLarge,
            Self::OnTrial | Self::TooLong | Self::NotReady | Self::Flash => Reason::Flash,
        }
    }
}

impl fmt::Display for StagingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnTrial => "the running image is on trial; confirm it before the slot is used",
            Self::Size => "the image does not fit the slot",
            Self::TooLong => "more bytes than the image has",
            Self::NotReady => "no whole image is in the slot",
            Self::Flash => "the flash failed",
        })
    }
}

impl core::error::Error for StagingError {}

/// Why an image in the slot was not proven. It is given up then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// By the rules for every image.
    Refused(Refusal),
    /// By the lock app's own.
    Reason(Reason),
}

impl Unproven {
    /// The number for a report.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Reason(reason) => reason.code(),
        }
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Reason(reason) => reason.fmt(f),
        }
    }
}

impl core::error::Error for Unproven {}

impl Staging {
    /// A writer for a chip laid out like this. Touches nothing.
    #[must_use]
    pub const fn new(map: Map) -> Self {
        Self { map, writing: None }
    }

    /// Begins to write an image of `size` bytes, or goes on when the mailbox says that this very one was being
    /// written. Gives the offset of the next byte to [`write`](Self::write); `size` when all is there.
    ///
    /// # Errors
    /// [`StagingError`]; see there for what remains.
    pub fn begin<F: NorFlash>(
        &mut self,
        flash: &mut F,
        image: ImageId,
        size: u32,
    ) -> Result<u32, StagingError> {
        self.writing = None;
        if size == 0 || size > self.map.active.size {
            return Err(StagingError::Size);
        }
        let report = self.report(flash)?;
        let (mut journal, mut mailbox) = self.mailbox(flash)?;
        if on_trial(report.as_ref(), &mailbox) {
            return Err(StagingError::OnTrial);
        }
        let pages_done = match mailbox.staging {
            Use::Download(known) if known.image == image && known.size == size => known.pages_done,
            Use::Nothing | Use::Download(_) | Use::Request(_) => {
                // Said before the first page is touched: from here on the slot holds nothing of use.
                mailbox.staging = Use::Download(Download {
                    image,
                    size,
                    pages_done: 0,
                });
                mailbox.post(&mut journal).map_err(|_| StagingError::Flash)?;
                0
            }
        };
        let offset = u32::from(pages_done).saturating_mul(page::<F>()).min(size);
        self.writing = Some(Writing {
            image,
            size,
            offset,
            tail: [0xff; WORD],
        });
        Ok(offset)
    }

    /// Takes in the next bytes of the image, any number of them; gives the offset of the byte after.
    ///
    /// # Errors
    /// [`StagingError`]; after an error of the flash [`begin`](Self::begin) says from where to go on.
    pub fn write<F: NorFlash>(&mut self, flash: &mut F, bytes: &[u8]) -> Result<u32, StagingError> {
        let mut writing = self.writing.take().ok_or(StagingError::NotReady)?;
        let rest = writing.size.saturating_sub(writing.offset);
        if u32::try_from(bytes.len()).map_or(true, |length| length > rest) {
            self.writing = Some(writing);
            return Err(StagingError::TooLong);
        }
        let mut bytes = bytes;
        while !bytes.is_empty() {
            bytes = self.write_some(flash, &mut writing, bytes)?;
        }
        let offset = writing.offset;
        self.writing = Some(writing);
        Ok(offset)
    }

    /// Writes as much as goes in one operation: to the end of a word begun, or whole words to the page's end.
    /// Gives the bytes that are left.
    fn write_some<'b, F: NorFlash>(
        &self,
        flash: &mut F,
        writing: &mut Writing,
        bytes: &'b [u8],
    ) -> Result<&'b [u8], StagingError> {
        const { assert!(F::WRITE_SIZE <= WORD && WORD.is_multiple_of(F::WRITE_SIZE)) }
        let mut dfu = Region::new(&mut *flash, self.map.dfu);
        let into_page = writing.offset.checked_rem(page::<F>()).unwrap_or(0);
        let to_page_end = page::<F>().saturating_sub(into_page);
        if into_page == 0 {
            dfu.erase(writing.offset, writing.offset.saturating_add(to_page_end))
                .map_err(|_| StagingError::Flash)?;
        }
        let begun = writing.offset as usize % WORD;
        let later = if begun == 0 && bytes.len() >= WORD {
            let most = bytes.len().min(to_page_end as usize);
            let (words, later) = split(bytes, most.saturating_sub(most % WORD))?;
            dfu.write(writing.offset, words)
                .map_err(|_| StagingError::Flash)?;
            later
        } else {
            let (now, later) = split(bytes, WORD.saturating_sub(begun).min(bytes.len()))?;
            let filled = writing.tail.iter_mut().skip(begun);
            filled.zip(now).for_each(|(to, from)| *to = *from);
            let full = begun.saturating_add(now.len()) == WORD;
            let last = writing.offset.saturating_add(now.len() as u32) == writing.size;
            if full || last {
                let word = writing.offset.saturating_sub(begun as u32);
                dfu.write(word, &writing.tail).map_err(|_| StagingError::Flash)?;
                writing.tail = [0xff; WORD];
            }
            later
        };
        let taken = bytes.len().saturating_sub(later.len());
        writing.offset = writing.offset.saturating_add(taken as u32);
        self.mark(flash, writing)?;
        Ok(later)
    }

    /// Notes in the mailbox how far the download is, when it is time to.
    fn mark<F: NorFlash>(&self, flash: &mut F, writing: &Writing) -> Result<(), StagingError> {
        let whole = writing.offset == writing.size;
        if !whole && !writing.offset.is_multiple_of(page::<F>()) {
            return Ok(());
        }
        let pages = writing.offset.div_ceil(page::<F>());
        let pages_done = u16::try_from(pages).map_err(|_| StagingError::Size)?;
        if !whole && !pages_done.is_multiple_of(MARK_EVERY) {
            return Ok(());
        }
        let (mut journal, mut mailbox) = self.mailbox(flash)?;
        mailbox.staging = Use::Download(Download {
            image: writing.image,
            size: writing.size,
            pages_done,
        });
        mailbox.post(&mut journal).map_err(|_| StagingError::Flash)
    }

    /// Checks what the slot holds, whole: by every rule for images, and that it is what was expected. An image
    /// that fails is given up; the next [`begin`](Self::begin) starts over.
    ///
    /// # Errors
    /// [`Unproven`] with the first rule broken.
    #[inline(never)]
    pub fn prove<F: NorFlash>(
        &mut self,
        flash: &mut F,
        authority: &Authority<'_>,
        expected: &Expected,
    ) -> Result<Proven, Unproven> {
        let proven = match self.writing.take() {
            Some(writing) if writing.offset == writing.size => {
                self.check(flash, authority, expected, &writing)
            }
            Some(_) | None => return Err(Unproven::Reason(StagingError::NotReady.reason())),
        };
        if proven.is_err() {
            // When this fails too, the image is checked and refused again after the next start.
            let _ = self.give_up(flash);
        }
        proven
    }

    fn check<F: NorFlash>(
        &self,
        flash: &mut F,
        authority: &Authority<'_>,
        expected: &Expected,
        writing: &Writing,
    ) -> Result<Proven, Unproven> {
        let mut dfu = self.slot(flash);
        let image = Image::parse(&mut dfu).map_err(Unproven::Refused)?;
        let image = authority
            .verify(image, expected.floor)
            .map_err(Unproven::Refused)?;
        if image.digest() != expected.image || image.total_size() != writing.size {
            return Err(Unproven::Reason(Reason::OtherImage));
        }
        if image.min_version().is_some_and(|least| expected.running < least) {
            return Err(Unproven::Reason(Reason::TooOldToUpgrade));
        }
        Ok(Proven {
            image: image.digest(),
            begun_as: writing.image,
        })
    }

    /// The SHA-256 of every byte that was written, read back from flash: whether the slot holds what was sent. Says
    /// nothing about who made it.
    ///
    /// # Errors
    /// [`StagingError::NotReady`] while it is not whole, or the flash's.
    pub fn checksum<F: NorFlash>(&self, flash: &mut F) -> Result<[u8; 32], StagingError> {
        let size = match self.writing {
            Some(writing) if writing.offset == writing.size => writing.size,
            Some(_) | None => return Err(StagingError::NotReady),
        };
        let mut dfu = self.slot(flash);
        let mut hash = Sha256::new();
        let mut at = 0;
        let mut block = [0; 256];
        while at < size {
            let left = (size.saturating_sub(at) as usize).min(block.len());
            // Whole words are read; what is behind the end is not hashed.
            let (words, _) = block
                .split_at_mut_checked(left.next_multiple_of(WORD))
                .ok_or(StagingError::Flash)?;
            dfu.read(at, words).map_err(|_| StagingError::Flash)?;
            hash.update(words.get(..left).unwrap_or_default());
            at = at.saturating_add(left as u32);
        }
        Ok(hash.finalize().into())
    }

    /// What the slot holds, if it is whole. Changes nothing, on flash or here.
    ///
    /// # Errors
    /// [`StagingError::Flash`].
    pub fn held<F: ReadNorFlash>(&self, flash: &mut F) -> Result<Option<Held>, StagingError> {
        let read = Mailbox::read(&mut Region::new(&mut *flash, self.map.mailbox));
        let requested = match read.map_err(|_| StagingError::Flash)?.staging {
            Use::Request(_) => true,
            Use::Download(download) if is_whole(&download) => false,
            Use::Download(_) | Use::Nothing => return Ok(None),
        };
        let mut dfu = self.slot(flash);
        Ok(Image::parse(&mut dfu).ok().map(|image| Held {
            image: image.digest(),
            version: image.version(),
            requested,
        }))
    }

    /// Takes up a download that is whole, whoever began it, so that it can be proven. `false` when there is none.
    ///
    /// # Errors
    /// [`StagingError::Flash`].
    pub fn take_up<F: NorFlash>(&mut self, flash: &mut F) -> Result<bool, StagingError> {
        let (_, mailbox) = self.mailbox(flash)?;
        self.writing = match mailbox.staging {
            Use::Download(whole) if is_whole(&whole) => Some(Writing {
                image: whole.image,
                size: whole.size,
                offset: whole.size,
                tail: [0xff; WORD],
            }),
            Use::Download(_) | Use::Request(_) | Use::Nothing => None,
        };
        Ok(self.writing.is_some())
    }

    /// Gives up what the slot holds, whole or not, and asks for no install of it any more. Nothing is erased: the
    /// next download does that page by page.
    ///
    /// # Errors
    /// [`StagingError::OnTrial`], [`StagingError::Flash`]; the slot is then as it was.
    pub fn abandon<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), StagingError> {
        let report = self.report(flash)?;
        let (_, mailbox) = self.mailbox(flash)?;
        if on_trial(report.as_ref(), &mailbox) {
            return Err(StagingError::OnTrial);
        }
        self.writing = None;
        if mailbox.staging == Use::Nothing {
            return Ok(());
        }
        self.give_up(flash)
    }

    /// Asks the bootloader to install the proven image at the next start.
    ///
    /// # Errors
    /// [`StagingError::NotReady`] when the slot has been begun anew since, or the flash's.
    pub fn request<F: NorFlash>(&mut self, flash: &mut F, proven: Proven) -> Result<(), StagingError> {
        let report = self.report(flash)?;
        let (mut journal, mut mailbox) = self.mailbox(flash)?;
        if !matches!(mailbox.staging, Use::Download(download) if download.image == proven.begun_as) {
            return Err(StagingError::NotReady);
        }
        let handled = report.and_then(|report| report.handled).unwrap_or(0);
        mailbox.staging = Use::Request(Request {
            serial: handled.wrapping_add(1),
            image: proven.image.into(),
        });
        mailbox.post(&mut journal).map_err(|_| StagingError::Flash)
    }

    /// Confirms the running image: it passed its self-test. The bootloader never takes it back from then on.
    ///
    /// # Errors
    /// [`StagingError::Flash`]; the image is then confirmed or still on trial.
    pub fn confirm<F: NorFlash>(
        &mut self,
        flash: &mut F,
        running: ImageId,
        _: Passed,
    ) -> Result<(), StagingError> {
        let (mut journal, mut mailbox) = self.mailbox(flash)?;
        if mailbox.confirmed == Some(running) {
            return Ok(());
        }
        mailbox.confirmed = Some(running);
        mailbox.post(&mut journal).map_err(|_| StagingError::Flash)
    }

    /// Whether the running image has yet to confirm itself.
    ///
    /// # Errors
    /// [`StagingError::Flash`].
    pub fn on_trial<F: NorFlash>(&self, flash: &mut F) -> Result<bool, StagingError> {
        let report = self.report(flash)?;
        let (_, mailbox) = self.mailbox(flash)?;
        Ok(on_trial(report.as_ref(), &mailbox))
    }

    fn give_up<F: NorFlash>(&self, flash: &mut F) -> Result<(), StagingError> {
        let (mut journal, mut mailbox) = self.mailbox(flash)?;
        mailbox.staging = Use::Nothing;
        mailbox.post(&mut journal).map_err(|_| StagingError::Flash)
    }

    /// The bootloader's view: an image may take as much of DFU as fits ACTIVE.
    fn slot<F>(&self, flash: F) -> Region<F> {
        Region::new(flash, Partition::new(self.map.dfu.offset, self.map.active.size))
    }

    fn mailbox<'f, F: NorFlash>(
        &self,
        flash: &'f mut F,
    ) -> Result<(Journal<Region<&'f mut F>>, Mailbox), StagingError> {
        Mailbox::open(Region::new(flash, self.map.mailbox)).map_err(|_| StagingError::Flash)
    }

    fn report<F: NorFlash>(&self, flash: &mut F) -> Result<Option<BootReport>, StagingError> {
        BootReport::read(&mut Region::new(flash, self.map.record)).map_err(|_| StagingError::Flash)
    }
}

/// Whether this start is a trial that has not been confirmed. Without a report there is no bootloader that
/// could have begun one.
fn on_trial(report: Option<&BootReport>, mailbox: &Mailbox) -> bool {
    report.is_some_and(|report| {
        report.outcome == Outcome::Trial && (report.running.is_none() || mailbox.confirmed != report.running)
    })
}

/// Pages are those of every chip that the small records are made for.
fn is_whole(download: &Download) -> bool {
    let done = u32::from(download.pages_done).saturating_mul(latchkey_handoff::layout::PAGE);
    done >= download.size
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), StagingError> {
    bytes.split_at_checked(at).ok_or(StagingError::TooLong)
}

/// Length of an erase page in bytes.
const fn page<F: NorFlash>() -> u32 {
    F::ERASE_SIZE as u32
}

#[cfg(test)]
mod tests;
