//! Reads of any offset and length over a flash that only takes whole words.
//!
//! Knows nothing of the container. Keeps the invariant that the flash never sees an unaligned read or one
//! beyond its capacity, whatever the image says of itself.

use embedded_storage::nor_flash::ReadNorFlash;

use crate::Refusal;
use crate::protected::MAX_PROTECTED;

/// Flash words are at most this long, in bytes; offsets and lengths of every read are multiples of it, but for
/// the last read of a byte-wise source that ends in mid-word.
const WORD: u32 = 4;
/// The longest single value anyone reads, with room for a word's worth of misalignment at either end.
const WINDOW: usize = MAX_PROTECTED + 8;

/// Fills `out` from `at`.
///
/// # Errors
/// [`Refusal::FlashUnreadable`] when the flash says so, or when the range is not inside it.
pub(crate) fn read<F: ReadNorFlash>(flash: &mut F, at: u32, out: &mut [u8]) -> Result<(), Refusal> {
    const {
        assert!(
            F::READ_SIZE != 0 && 4 % F::READ_SIZE == 0,
            "flash words of 1, 2 or 4 bytes only"
        )
    };
    let mut window = [0; WINDOW];
    let lead = at % WORD;
    let start = at.checked_sub(lead);
    let wanted = u32::try_from(out.len())
        .ok()
        .and_then(|length| at.checked_add(length));
    let (Some(start), Some(wanted)) = (start, wanted) else {
        return Err(Refusal::FlashUnreadable);
    };
    let span = round_up(wanted, capacity(flash)).checked_sub(start);
    let window = span.and_then(|span| window.get_mut(..usize::try_from(span).ok()?));
    let window = window.ok_or(Refusal::FlashUnreadable)?;
    flash.read(start, window).map_err(|_| Refusal::FlashUnreadable)?;
    let value = usize::try_from(lead)
        .ok()
        .and_then(|lead| window.get(lead..)?.get(..out.len()));
    out.copy_from_slice(value.ok_or(Refusal::FlashUnreadable)?);
    Ok(())
}

/// The end of the word that `end` lies in, but never beyond the flash: a file may end in mid-word.
pub(crate) fn round_up(end: u32, capacity: u32) -> u32 {
    end.checked_next_multiple_of(WORD)
        .unwrap_or(capacity)
        .min(capacity)
}

/// The flash's size in bytes; what a 32-bit offset cannot reach does not count.
pub(crate) fn capacity<F: ReadNorFlash>(flash: &F) -> u32 {
    u32::try_from(flash.capacity()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;

    #[test]
    fn any_offset_and_length_reads_what_is_there() {
        let content: Vec<u8> = (0..41).collect();
        for at in 0..41_usize {
            for length in 0..=(41 - at) {
                let mut out = vec![0xee; length];
                let offset = u32::try_from(at).unwrap();
                read(&mut Bytes::new(&content), offset, &mut out).unwrap();
                assert_eq!(out, content[at..at + length]);
            }
        }
    }

    #[test]
    fn ranges_outside_are_refused() {
        let content = [0; 41];
        for (at, length) in [
            (41, 1),
            (40, 2),
            (0, 42),
            (u32::MAX, 1),
            (u32::MAX - 3, 8),
            (44, 0),
        ] {
            let mut out = vec![0; length];
            assert_eq!(
                read(&mut Bytes::new(&content), at, &mut out),
                Err(Refusal::FlashUnreadable),
                "{at} {length}"
            );
        }
    }
}
