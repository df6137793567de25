//! The chip's flash while the radio is on: each operation waits for a gap between the radio's own moments, and a
//! page is erased in pieces that fit such gaps.
//!
//! Blocking, as the lock wants its flash. The radio's software asks for its housekeeping to be done by the same
//! thread meanwhile, so whoever waits here does it.

use core::future::{Future, poll_fn};
use core::pin::pin;

use embassy_futures::block_on;
use embassy_futures::select::{Either, select};
use embassy_nrf::Peri;
use embassy_nrf::peripherals::NVMC;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::waitqueue::GenericAtomicWaker;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash, check_erase, check_read, check_write};
use latchkey_handoff::layout::{FLASH, PAGE, WORD};
use nrf_mpsl::MultiprotocolServiceLayer;

use crate::flash::{FlashError, check_own};

/// The radio's housekeeping, to be woken when a wait for flash has taken its place.
static HOUSEKEEPING: GenericAtomicWaker<CriticalSectionRawMutex> =
    GenericAtomicWaker::new(CriticalSectionRawMutex::new());

/// Bytes that are copied before they are programmed: the radio's software reads whole words, from aligned places.
const BLOCK: usize = 256;

#[repr(align(4))]
struct Aligned([u8; BLOCK]);

/// Does the radio's housekeeping for good. Needs to run before the first flash operation that is not a read.
pub async fn keep_house(mpsl: &MultiprotocolServiceLayer<'static>) -> ! {
    let mut run = pin!(mpsl.run());
    poll_fn(|cx| {
        HOUSEKEEPING.register(cx.waker());
        run.as_mut().poll(cx)
    })
    .await
}

/// The flash, beside the radio. There is one.
pub struct RadioFlash {
    flash: nrf_mpsl::Flash<'static>,
    mpsl: &'static MultiprotocolServiceLayer<'static>,
}

impl RadioFlash {
    /// The flash; every page but the bootloader's own may be written, as far as the chip allows.
    #[must_use]
    pub fn new(mpsl: &'static MultiprotocolServiceLayer<'static>, controller: Peri<'static, NVMC>) -> Self {
        Self {
            flash: nrf_mpsl::Flash::take(mpsl, controller),
            mpsl,
        }
    }
}

/// Waits for a flash operation, and does the radio's housekeeping meanwhile.
fn wait(
    mpsl: &MultiprotocolServiceLayer<'static>,
    operation: impl Future<Output = Result<(), nrf_mpsl::FlashError>>,
) -> Result<(), FlashError> {
    let done = match block_on(select(operation, mpsl.run())) {
        Either::First(done) => done,
        Either::Second(never) => never,
    };
    // Its own waker was replaced by that of this wait.
    HOUSEKEEPING.wake();
    done.map_err(|error| match error {
        nrf_mpsl::FlashError::OutOfBounds => FlashError::OutOfBounds,
        nrf_mpsl::FlashError::Unaligned => FlashError::NotAligned,
        nrf_mpsl::FlashError::Mpsl(_) => FlashError::Stuck,
    })
}

impl ErrorType for RadioFlash {
    type Error = FlashError;
}

impl ReadNorFlash for RadioFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len())?;
        self.flash
            .read(offset, bytes)
            .map_err(|_| FlashError::OutOfBounds)
    }

    fn capacity(&self) -> usize {
        FLASH as usize
    }
}

impl NorFlash for RadioFlash {
    const WRITE_SIZE: usize = WORD as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to)?;
        check_own(&(from..to))?;
        wait(self.mpsl, self.flash.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len())?;
        // Checked above: the length fits the flash.
        let end = offset.wrapping_add(bytes.len() as u32);
        check_own(&(offset..end))?;
        for (offset, part) in (offset..end).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
            let mut block = Aligned([0; BLOCK]);
            let words = block.0.get_mut(..part.len()).unwrap_or_default();
            words.copy_from_slice(part);
            wait(self.mpsl, self.flash.write(offset, words))?;
        }
        Ok(())
    }
}
