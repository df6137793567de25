//! A window of memory that is no Rust object: flash, as the processor sees it.
//!
//! Every access is volatile and inside the window; what lies outside is neither read nor written. So the
//! flash drivers need no `unsafe` but the one that says where their window is.

/// Bytes in a word.
const WORD: u32 = 4;

/// A window of memory, given by address.
pub struct Window {
    base: u32,
    size: u32,
}

impl Window {
    /// The window of `size` bytes at `base`, both multiples of a word.
    ///
    /// # Safety
    /// As long as this value lives, the window is memory that can be read, that no Rust reference refers to for
    /// writing, and in whose place nothing breaks when it is written where and when the owner's driver does.
    #[must_use]
    pub const unsafe fn new(base: u32, size: u32) -> Self {
        assert!(base.is_multiple_of(WORD) && size.is_multiple_of(WORD));
        Self { base, size }
    }

    /// Reads from `offset` on; nothing when the range leaves the window. Four words at a time where they are
    /// aligned, since images are hashed through here.
    pub fn read(&self, offset: u32, bytes: &mut [u8]) {
        let inside = u32::try_from(bytes.len())
            .ok()
            .and_then(|length| offset.checked_add(length));
        if inside.is_none_or(|end| end > self.size) {
            return;
        }
        let mut address = self.base.wrapping_add(offset);
        let whole = if address.is_multiple_of(WORD) {
            bytes.len()
        } else {
            0
        };
        let (aligned, unaligned) = bytes.split_at_mut(whole);
        let (blocks, last) = aligned.as_chunks_mut();
        for block in blocks {
            *block = load_four(address).to_le_bytes();
            address = address.wrapping_add(4 * WORD);
        }
        for byte in last.iter_mut().chain(unaligned) {
            let word = load(address & !(WORD - 1)).to_ne_bytes();
            *byte = word.get((address % WORD) as usize).copied().unwrap_or_default();
            address = address.wrapping_add(1);
        }
    }

    /// The word at `offset`, rounded down to a word's boundary; 0 outside the window.
    #[must_use]
    pub fn load(&self, offset: u32) -> u32 {
        self.address(offset).map_or(0, load)
    }

    /// Stores a word at `offset`, rounded down to a word's boundary; nowhere when that is outside the window.
    pub fn store(&mut self, offset: u32, word: u32) {
        let Some(address) = self.address(offset) else {
            return;
        };
        // SAFETY: inside the window and aligned; `new`'s caller vouches for the window, which is borrowed for
        // writing.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address as usize).write_volatile(word) }
    }

    fn address(&self, offset: u32) -> Option<u32> {
        let aligned = offset & !(WORD - 1);
        (aligned < self.size).then(|| self.base.wrapping_add(aligned))
    }
}

/// `address` is aligned and lies in the window of the method that calls this.
#[inline(always)]
fn load(address: u32) -> u32 {
    // SAFETY: as above; `Window::new`'s caller vouches for the window.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

/// Four words. As one value, so that they are stored without a loop around each.
#[inline(always)]
fn load_four(address: u32) -> u128 {
    let word = |number: u32| u128::from(load(address.wrapping_add(number.wrapping_mul(WORD))));
    word(0) | word(1) << 32 | word(2) << 64 | word(3) << 96
}
