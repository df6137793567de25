//! One run of embassy-boot's engine over windows of the slots.
//!
//! Everything the engine would assert is checked here first, so that no wrong size ends in a panic.

use core::cell::{Cell, RefCell};

use embassy_boot::{BootError, BootLoader, BootLoaderConfig, State};
use embedded_storage::nor_flash::{NorFlash, NorFlashErrorKind};
use latchkey_handoff::{Map, Moves, Partition};

use crate::fault::Fault;
use crate::guards::Guards;
use crate::marks::{self, Direction, Marks};
use crate::shared::Shared;
use crate::window::Window;

/// A move that is recorded, and where its marks go.
pub(crate) struct Run<'r> {
    pub(crate) map: &'r Map,
    pub(crate) direction: Direction,
    pub(crate) moves: Moves,
    /// Word of the engine's page for the next mark.
    pub(crate) next: u16,
    /// A cut came before this run: its first page may be torn.
    pub(crate) resumed: bool,
}

/// Copies in a move of `pages` pages.
pub(crate) const fn copies(pages: u16) -> u16 {
    pages.saturating_mul(2)
}

/// Words of the engine's page.
pub(crate) const fn words(map: &Map) -> u32 {
    map.engine.size / marks::MARK
}

/// Moves what is not moved yet.
///
/// # Errors
/// [`Fault::Geometry`] when sizes do not fit, [`Fault::Flash`] when the flash fails; the recorded move goes on at
/// the next start.
pub(crate) fn run<F: NorFlash, G: Guards>(
    flash: &mut F,
    run: &Run<'_>,
    buffer: &mut [u8],
) -> Result<(), Fault> {
    let (active, dfu) = windows::<F>(run, buffer.len()).ok_or(Fault::Geometry)?;
    let Moves { progress, .. } = run.moves;
    let total = u32::from(copies(run.moves.pages));
    let settled_below = match run.direction {
        // Pages of the new image were written whole and have just been verified.
        Direction::Install => u32::from(run.moves.image_pages).saturating_mul(F::ERASE_SIZE as u32),
        Direction::Return => 0,
    };
    let suspect = Cell::new(run.resumed && G::REWRITE_FIRST);
    let flash = RefCell::new(flash);
    let engine = Shared::new(&flash, run.map.engine);
    let mut loader = BootLoader::new(BootLoaderConfig {
        active: Window::new(Shared::new(&flash, active), &suspect, active.size),
        dfu: Window::new(Shared::new(&flash, dfu), &suspect, settled_below),
        state: Marks::new(
            engine,
            run.direction,
            total,
            progress.copies.into(),
            run.next.into(),
        ),
    });
    match loader.prepare_boot(buffer) {
        Ok(State::Swap) => Ok(()),
        Ok(State::Boot | State::Revert | State::DfuDetach) | Err(BootError::BadMagic) => Err(Fault::Engine),
        Err(BootError::Flash(NorFlashErrorKind::OutOfBounds | NorFlashErrorKind::NotAligned)) => {
            Err(Fault::Geometry)
        }
        Err(BootError::Flash(_)) => Err(Fault::Flash),
    }
}

/// The windows of ACTIVE and DFU, when everything fits that the engine takes for granted.
fn windows<F: NorFlash>(run: &Run<'_>, buffer: usize) -> Option<(Partition, Partition)> {
    let page = u32::try_from(F::ERASE_SIZE).ok()?;
    let pages = u32::from(run.moves.pages);
    let (active, dfu) = (run.map.active, run.map.dfu);
    let used = pages.checked_mul(page)?;
    let left = u32::from(copies(run.moves.pages)).checked_sub(run.moves.progress.copies.into())?;
    let fits = buffer == F::ERASE_SIZE
        && pages > 0
        && used <= active.size
        && used.checked_add(page)? <= dfu.size
        && u32::from(run.next).checked_add(left)? <= words(run.map);
    fits.then_some((
        Partition::new(active.offset, used),
        Partition::new(dfu.offset, used.checked_add(page)?),
    ))
}
