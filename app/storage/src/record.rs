//! One record as it lies on flash.
//!
//! ```text
//! | marker 4 | key 2 | length 2 | value, padded to words | CRC-32 4 | seal 4 | done 4 |
//! ```
//!
//! The marker follows from the record's place alone, so that one that a cut has torn is settled by the next
//! record that is written there. The length's top bit marks a removal, which has no value. The checksum covers
//! key, length and value, not the place: a record that is copied to another page stays as good or as damaged as
//! it was. Wiping programs zeros over value, checksum and seal; marker, key and length are never touched again,
//! so that the records behind a wiped one are found whatever its words read as.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use zeroize::Zeroizing;

use crate::{Key, VALUE_MAX};

pub(crate) const SEAL: [u8; 4] = *b"LKsl";
pub(crate) const DONE: [u8; 4] = *b"LKdn";
pub(crate) const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// What a record takes beside its value, in bytes.
pub(crate) const OVERHEAD: u32 = 20;
/// Where its value begins.
const VALUE_AT: u32 = 8;
/// Seal and done.
const TAIL: u32 = 8;
/// The longest record, in bytes.
const LONGEST: usize = VALUE_MAX + OVERHEAD as usize;
const REMOVAL: u16 = 0x8000;
const ZEROS: [u8; 256] = [0; 256];

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) key: Key,
    /// Length of the value in bytes; none for a removal.
    pub(crate) length: Option<u16>,
}

impl Subject {
    /// Length of the record on flash, in bytes.
    pub(crate) fn size(self) -> u32 {
        size(self.length.unwrap_or(0))
    }

    fn word(self) -> [u8; 4] {
        let [a, b] = self.key.0.to_le_bytes();
        let [c, d] = self.length.unwrap_or(REMOVAL).to_le_bytes();
        [a, b, c, d]
    }

    fn parse([a, b, c, d]: [u8; 4]) -> Self {
        let length = u16::from_le_bytes([c, d]);
        Self {
            key: Key(u16::from_le_bytes([a, b])),
            length: (length != REMOVAL).then_some(length),
        }
    }
}

/// Length on flash of a record with a value of `length` bytes, in bytes.
pub(crate) fn size(length: u16) -> u32 {
    u32::from(length).next_multiple_of(4).saturating_add(OVERHEAD)
}

/// What the word says that begins a record at this place.
pub(crate) fn marker(sequence: u32, at: u32) -> [u8; 4] {
    // Neither blank nor zero: an offset in a page is a small multiple of 4.
    ((sequence << 16) | 0x8000 | (at & 0x7fff)).to_le_bytes()
}

/// What was found where a record may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// No record. A marker may be torn here.
    End,
    /// A record was begun, and what it is about cannot be told.
    Begun,
    /// A record of which everything up to its seal can be told.
    Record {
        subject: Subject,
        sealed: bool,
        done: bool,
    },
}

/// Looks at offset `at` of the page `sequence`, which begins at `base` and is `size` bytes long. Each word once.
pub(crate) fn look<F: ReadNorFlash>(
    flash: &mut F,
    (sequence, base, size): (u32, u32, u32),
    at: u32,
) -> Result<Sight, F::Error> {
    let mut first = [0; VALUE_AT as usize];
    if at.saturating_add(OVERHEAD) > size {
        return Ok(Sight::End);
    }
    flash.read(base.saturating_add(at), &mut first)?;
    if word(&first, 0) != Some(marker(sequence, at)) {
        return Ok(Sight::End);
    }
    let subject = Subject::parse(word(&first, 4).unwrap_or_default());
    let end = at.saturating_add(subject.size());
    if usize::from(subject.length.unwrap_or(0)) > VALUE_MAX || end > size {
        return Ok(Sight::Begun);
    }
    let mut last = [0; TAIL as usize];
    flash.read(base.saturating_add(end).saturating_sub(TAIL), &mut last)?;
    Ok(Sight::Record {
        subject,
        sealed: word(&last, 0) == Some(SEAL),
        done: word(&last, 4) == Some(DONE),
    })
}

/// Writes a record up to its seal.
pub(crate) fn write_data<F: NorFlash>(
    flash: &mut F,
    offset: u32,
    marker: [u8; 4],
    subject: Subject,
    value: &[u8],
) -> Result<(), F::Error> {
    let mut buffer = Zeroizing::new([0; LONGEST]);
    let length = subject.size().saturating_sub(TAIL) as usize;
    let data = buffer.get_mut(..length).unwrap_or_default();
    if let Some((first, rest)) = data.split_first_chunk_mut::<4>()
        && let Some((covered, checksum)) = rest.split_last_chunk_mut::<4>()
    {
        *first = marker;
        if let Some((about, space)) = covered.split_first_chunk_mut::<4>() {
            *about = subject.word();
            space
                .iter_mut()
                .zip(value)
                .for_each(|(space, byte)| *space = *byte);
        }
        *checksum = CHECKSUM.checksum(covered).to_le_bytes();
    }
    flash.write(offset, data)
}

/// Copies a whole record to `to`, where its marker is another. It is sealed and done there.
pub(crate) fn copy<F: NorFlash>(
    flash: &mut F,
    from: u32,
    to: u32,
    marker: [u8; 4],
    subject: Subject,
) -> Result<(), F::Error> {
    let mut buffer = Zeroizing::new([0; LONGEST]);
    let record = buffer.get_mut(..subject.size() as usize).unwrap_or_default();
    flash.read(from, record)?;
    if let Some(first) = record.first_chunk_mut::<4>() {
        *first = marker;
    }
    if let Some(last) = record.last_chunk_mut::<4>() {
        *last = DONE;
    }
    flash.write(to, record)
}

/// Seals the record at `offset`.
pub(crate) fn write_seal<F: NorFlash>(flash: &mut F, offset: u32, subject: Subject) -> Result<(), F::Error> {
    flash.write(tail(offset, subject), &SEAL)
}

/// Marks that everything is done that follows from the record at `offset`.
pub(crate) fn write_done<F: NorFlash>(flash: &mut F, offset: u32, subject: Subject) -> Result<(), F::Error> {
    flash.write(tail(offset, subject).saturating_add(4), &DONE)
}

/// Both at once, for a record that nothing follows from.
pub(crate) fn write_seal_and_done<F: NorFlash>(
    flash: &mut F,
    offset: u32,
    subject: Subject,
) -> Result<(), F::Error> {
    let mut both = [0; TAIL as usize];
    both.iter_mut()
        .zip(SEAL.into_iter().chain(DONE))
        .for_each(|(space, byte)| *space = byte);
    flash.write(tail(offset, subject), &both)
}

/// Programs zeros over value, checksum and seal of the record at `offset`.
pub(crate) fn wipe<F: NorFlash>(flash: &mut F, offset: u32, length: u16) -> Result<(), F::Error> {
    let end = offset.saturating_add(size(length)).saturating_sub(4);
    write_zeros(flash, offset.saturating_add(VALUE_AT), end)
}

/// Programs zeros from `from` up to `to`.
pub(crate) fn write_zeros<F: NorFlash>(flash: &mut F, from: u32, to: u32) -> Result<(), F::Error> {
    let mut at = from;
    while at < to {
        let length = (to.saturating_sub(at) as usize).min(ZEROS.len());
        flash.write(at, ZEROS.get(..length).unwrap_or_default())?;
        at = at.saturating_add(length as u32);
    }
    Ok(())
}

/// Reads the value of the record at `offset` into the beginning of `value`, which is as long as it. Whether it
/// matches its checksum.
pub(crate) fn read_value<F: ReadNorFlash>(
    flash: &mut F,
    offset: u32,
    subject: Subject,
    value: &mut [u8],
) -> Result<bool, F::Error> {
    let mut digest = CHECKSUM.digest();
    digest.update(&subject.word());
    let at = offset.saturating_add(VALUE_AT);
    let whole = value.len() & !3;
    let mut at_end = at.saturating_add(whole as u32);
    let (words, rest) = value.split_at_mut_checked(whole).unwrap_or_default();
    flash.read(at, words)?;
    digest.update(words);
    if !rest.is_empty() {
        let mut last = Zeroizing::new([0; 4]);
        flash.read(at_end, &mut *last)?;
        at_end = at_end.saturating_add(4);
        digest.update(&*last);
        rest.iter_mut()
            .zip(last.iter())
            .for_each(|(space, byte)| *space = *byte);
    }
    let mut checksum = [0; 4];
    flash.read(at_end, &mut checksum)?;
    Ok(digest.finalize().to_le_bytes() == checksum)
}

/// The word at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn tail(offset: u32, subject: Subject) -> u32 {
    offset.saturating_add(subject.size()).saturating_sub(TAIL)
}
