//! The first words of a page of records.
//!
//! ```text
//! | sequence 4 | oldest 4 | void 4 | CRC-32 4 | seal 4 | done 4 | closed 4 |
//! ```
//!
//! The first four words are written at once, before anything that the page saves from the oldest one; the seal
//! after that, and from then on the page counts; *done* when everything is done that follows from it; *closed*
//! right before the page after it is begun.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::record::{CHECKSUM, DONE, SEAL, word};

/// Length of a page's first words, in bytes. Records come after.
pub(crate) const LENGTH: u32 = 28;

const DATA: usize = 16;
const SEAL_AT: u32 = 16;
const DONE_AT: u32 = 20;
const CLOSED_AT: u32 = 24;
const CLOSED: [u8; 4] = *b"LKcl";
const NOTHING_VOID: u32 = u32::MAX;

/// What a page says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The page's number. It is its place: page *s* lies at *s* mod pages.
    pub(crate) sequence: u32,
    /// The oldest page that counts beside this one. Itself: everything before it is gone.
    pub(crate) oldest: u32,
    /// From which offset on the page before this one is void: something may be torn there.
    pub(crate) void: Option<u32>,
    pub(crate) done: bool,
    pub(crate) closed: bool,
}

impl Head {
    pub(crate) fn new(sequence: u32, oldest: u32, void: Option<u32>) -> Self {
        Self {
            sequence,
            oldest,
            void,
            done: false,
            closed: false,
        }
    }

    /// Pages that count, this one included.
    pub(crate) fn count(&self) -> u32 {
        self.sequence.saturating_sub(self.oldest).saturating_add(1)
    }

    /// Reads the page at `offset`, each word once. None when it is no page that counts.
    pub(crate) fn read<F: ReadNorFlash>(flash: &mut F, offset: u32) -> Result<Option<Self>, F::Error> {
        let mut bytes = [0; LENGTH as usize];
        flash.read(offset, &mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8; LENGTH as usize]) -> Option<Self> {
        let field = |at: usize| word(bytes, at);
        let covered = bytes.get(..12)?;
        let whole = CHECKSUM.checksum(covered).to_le_bytes() == field(12)?;
        let sealed = field(SEAL_AT as usize)? == SEAL;
        let void = u32::from_le_bytes(field(8)?);
        (whole && sealed).then_some(Self {
            sequence: u32::from_le_bytes(field(0)?),
            oldest: u32::from_le_bytes(field(4)?),
            void: (void != NOTHING_VOID).then_some(void),
            done: field(DONE_AT as usize)? == DONE,
            closed: field(CLOSED_AT as usize)? == CLOSED,
        })
    }

    /// Whether the page at `offset` is blank, or what is left when writing this head, or erasing it, was cut off: no
    /// bit is cleared that it does not clear.
    pub(crate) fn may_be_begun<F: ReadNorFlash>(&self, flash: &mut F, offset: u32) -> Result<bool, F::Error> {
        let mut bytes = [0; LENGTH as usize];
        flash.read(offset, &mut bytes)?;
        let whole = self.data().into_iter().chain(SEAL).chain([0xff; 8]);
        Ok(bytes.iter().zip(whole).all(|(byte, whole)| byte | whole == *byte))
    }

    pub(crate) fn write_data<F: NorFlash>(&self, flash: &mut F, offset: u32) -> Result<(), F::Error> {
        flash.write(offset, &self.data())
    }

    fn data(&self) -> [u8; DATA] {
        let mut bytes = [0; DATA];
        let void = self.void.unwrap_or(NOTHING_VOID);
        if let Some((covered, checksum)) = bytes.split_last_chunk_mut::<4>() {
            for (space, value) in covered.chunks_mut(4).zip([self.sequence, self.oldest, void]) {
                space.copy_from_slice(&value.to_le_bytes());
            }
            *checksum = CHECKSUM.checksum(covered).to_le_bytes();
        }
        bytes
    }

    pub(crate) fn write_seal<F: NorFlash>(flash: &mut F, offset: u32) -> Result<(), F::Error> {
        flash.write(offset.saturating_add(SEAL_AT), &SEAL)
    }

    pub(crate) fn write_done<F: NorFlash>(flash: &mut F, offset: u32) -> Result<(), F::Error> {
        flash.write(offset.saturating_add(DONE_AT), &DONE)
    }

    pub(crate) fn write_closed<F: NorFlash>(flash: &mut F, offset: u32) -> Result<(), F::Error> {
        flash.write(offset.saturating_add(CLOSED_AT), &CLOSED)
    }
}
