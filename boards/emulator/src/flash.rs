//! The emulated flash: 1 MB of file-backed memory that behaves like the nRF52840's NOR flash.
//!
//! The memory would take any write, so this driver keeps NOR's rules itself: erase by page to ones, program by
//! word and only from one to zero, stay in bounds, and leave protected pages alone. One word is programmed by
//! one store, so a machine killed at any moment leaves whole words.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use latchkey_board_cortex_m::window::Window;
use latchkey_handoff::layout::{self, ACTIVE, ENGINE, FLOOR, PAGE, WORD};

/// Where the processor sees the flash.
pub const BASE: u32 = 0x2100_0000;
/// Pages that only the bootloader writes: itself and the engine's state; floor, boot record and ACTIVE.
pub const PROTECTED: [Range<u32>; 2] = [0..ENGINE.end(), FLOOR.offset..ACTIVE.end()];

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Why the flash did not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// Not whole words, or not whole pages.
    NotAligned,
    /// Beyond the end.
    OutOfBounds,
    /// A page that is protected until the next reset.
    Protected,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::Protected => NorFlashErrorKind::Other,
        }
    }
}

impl From<NorFlashErrorKind> for FlashError {
    fn from(kind: NorFlashErrorKind) -> Self {
        if kind == NorFlashErrorKind::NotAligned {
            Self::NotAligned
        } else {
            Self::OutOfBounds
        }
    }
}

/// The flash. There is one.
pub struct Flash {
    window: Window,
    locked: bool,
}

impl Flash {
    /// The flash as the bootloader has it: every page may be written until [`Self::lock`].
    ///
    /// `None` when it has been taken before.
    #[must_use]
    pub fn take_unlocked() -> Option<Self> {
        take(false)
    }

    /// The flash as the app has it: [`PROTECTED`] pages refuse.
    ///
    /// `None` when it has been taken before.
    #[must_use]
    pub fn take() -> Option<Self> {
        take(true)
    }

    /// Refuses every change to [`PROTECTED`] pages from now on.
    pub fn lock(&mut self) {
        self.locked = true;
    }

    fn check_protection(&self, range: &Range<u32>) -> Result<(), FlashError> {
        let touched = |page: &Range<u32>| range.start < page.end && page.start < range.end;
        if self.locked && PROTECTED.iter().any(touched) {
            Err(FlashError::Protected)
        } else {
            Ok(())
        }
    }
}

fn take(locked: bool) -> Option<Flash> {
    // SAFETY: this machine has 16 MB of memory there; the program's constants may lie in it, but nothing that a
    // Rust program writes, and TAKEN sees to it that one driver owns it.
    let window = unsafe { Window::new(BASE, layout::FLASH) };
    (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Flash { window, locked })
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len())?;
        self.window.read(offset, bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        layout::FLASH as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to)?;
        self.check_protection(&(from..to))?;
        for offset in (from..to).step_by(WORD as usize) {
            self.window.store(offset, u32::MAX);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len())?;
        // Checked above: the length fits the flash.
        let end = offset.wrapping_add(bytes.len() as u32);
        self.check_protection(&(offset..end))?;
        for (offset, word) in (offset..end).step_by(WORD as usize).zip(bytes.chunks_exact(4)) {
            let mut new = [0; 4];
            new.copy_from_slice(word);
            self.window
                .store(offset, self.window.load(offset) & u32::from_ne_bytes(new));
        }
        Ok(())
    }
}
