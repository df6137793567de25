//! The chip's flash through its controller (NVMC). A megabyte from address 0; pages of 4 KB, words of 4 bytes.
//!
//! This driver is the bootloader's, before anything else runs. In the lock app the radio needs the processor every few
//! milliseconds; there, flash is written by [`RadioFlash`](crate::radio_flash::RadioFlash).

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use latchkey_board_cortex_m::window::Window;
use latchkey_handoff::layout::{BOOTLOADER, FLASH, PAGE, WORD};
use nrf_pac::NVMC;
use nrf_pac::nvmc::regs::Config;
use nrf_pac::nvmc::vals::Wen;

/// Where the processor sees the flash.
pub const BASE: u32 = 0;

/// How often the controller is asked whether it is done: far more than the 85 ms that erasing a page takes.
const PATIENCE: u32 = 10_000_000;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Why the flash did not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// Not whole words, or not whole pages.
    NotAligned,
    /// Beyond the end.
    OutOfBounds,
    /// The bootloader itself.
    Protected,
    /// The controller does not get ready.
    Stuck,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::Protected | Self::Stuck => NorFlashErrorKind::Other,
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
pub struct Flash(Window);

impl Flash {
    /// The flash; every page but the bootloader's own may be written.
    ///
    /// `None` when it has been taken before.
    #[must_use]
    pub fn take_unlocked() -> Option<Self> {
        // SAFETY: the chip has its flash there; the bootloader's code and constants lie in it, but nothing that a
        // Rust program writes, and TAKEN sees to it that one driver owns it.
        let window = unsafe { Window::new(BASE, FLASH) };
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self(window))
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len())?;
        self.0.read(offset, bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        FLASH as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to)?;
        check_own(&(from..to))?;
        for page in (from..to).step_by(PAGE as usize) {
            configure(Wen::Een);
            NVMC.erasepage().write_value(BASE.wrapping_add(page));
            let done = wait();
            configure(Wen::Ren);
            done?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len())?;
        // Checked above: the length fits the flash.
        let end = offset.wrapping_add(bytes.len() as u32);
        check_own(&(offset..end))?;
        configure(Wen::Wen);
        let mut done = Ok(());
        for (offset, word) in (offset..end).step_by(WORD as usize).zip(bytes.chunks_exact(4)) {
            let mut new = [0; 4];
            new.copy_from_slice(word);
            self.0.store(offset, u32::from_ne_bytes(new));
            done = wait();
            if done.is_err() {
                break;
            }
        }
        configure(Wen::Ren);
        done
    }
}

/// The bootloader does not change itself, whatever it is told.
pub(crate) fn check_own(range: &Range<u32>) -> Result<(), FlashError> {
    if range.start < BOOTLOADER.end() {
        Err(FlashError::Protected)
    } else {
        Ok(())
    }
}

/// Sets what the controller lets through: reading, programming or erasing.
pub(crate) fn configure(mode: Wen) {
    NVMC.config().write_value(Config(u32::from(mode.to_bits())));
    // Not ready in time is found out by whoever changes something next.
    let _ = wait();
}

fn wait() -> Result<(), FlashError> {
    if (0..PATIENCE).any(|_| NVMC.ready().read().0 & 1 != 0) {
        Ok(())
    } else {
        Err(FlashError::Stuck)
    }
}
