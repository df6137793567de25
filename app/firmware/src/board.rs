//! What the lock app needs: of its board, and of the network, if there is one.

use core::cell::RefCell;
use core::fmt;

use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::layout::{FLASH, STORAGE};
use latchkey_image::{Hardware, ImageDigest};
use latchkey_lock::lock::{BatteryLevel, Event};
use latchkey_lock::update::{Failure, Head};

/// A flash chip that several parts of the app use, one operation at a time. For one thread.
pub type SharedFlash<F> = Mutex<NoopRawMutex, RefCell<F>>;
/// A part of a shared flash chip.
pub type Part<'f, F> = BlockingPartition<'f, NoopRawMutex, F>;

/// A board, as the lock app sees it. One value, shared by all tasks of one thread.
pub trait Board {
    /// The flash chip, laid out as `latchkey_handoff::layout` says.
    type Flash: NorFlash;
    /// Whether the board has a network, and so an update client that keeps settings.
    const NETWORK: bool;

    /// Which hardware this is.
    fn hardware(&self) -> Hardware;
    /// The flash chip.
    fn flash(&self) -> &SharedFlash<Self::Flash>;
    /// Prints a line on the console.
    fn print(&self, line: fmt::Arguments<'_>);
    /// Fills `bytes` from a cryptographic random number generator.
    fn random(&self, bytes: &mut [u8]);
    /// How the battery is.
    fn battery(&self) -> BatteryLevel;
    /// Keeps the time of day, in seconds since 1970, where a restart finds it and a loss of power does not.
    fn retain_time(&self, time_s: u32);
    /// The time of day that was kept last; `None` after a loss of power.
    fn retained_time(&self) -> Option<u32>;
    /// Restarts the lock.
    fn restart(&self) -> !;
}

/// What a board perceives of its surroundings: button, door, battery.
#[expect(
    async_fn_in_trait,
    reason = "no executor of ours moves futures between threads"
)]
pub trait Senses {
    /// What happens next.
    async fn next(&mut self) -> Event<'static>;
}

/// All of a board's flash.
pub(crate) fn whole<B: Board>(board: &B) -> Part<'_, B::Flash> {
    Part::new(board.flash(), 0, FLASH)
}

/// The app's storage.
pub(crate) fn storage<B: Board>(board: &B) -> Part<'_, B::Flash> {
    Part::new(board.flash(), STORAGE.offset, STORAGE.size)
}

/// The way to the update server. Its futures stay on the one thread that a lock has.
#[expect(
    async_fn_in_trait,
    reason = "no executor of ours moves futures between threads"
)]
pub trait Uplink {
    /// Whether the interface works and has a link.
    fn has_link(&self) -> bool;
    /// Whether the server can be tried.
    fn is_online(&self) -> bool;
    /// Ends when one of the two may have changed.
    async fn changed(&self);
    /// Sends a body; gives the answer's status and the length of its body in `answer`.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::TooLong`] when the body does not fit `answer`.
    async fn post(&mut self, path: &str, body: &[u8], answer: &mut [u8]) -> Result<(u16, usize), Failure>;
    /// Asks for an image's bytes from an offset on and hands head and body to `sink`. Ends when the body or
    /// the sink does.
    ///
    /// # Errors
    /// [`Failure`], also when a part did not come by the time `until_ms`, or the one the sink set.
    async fn fetch(
        &mut self,
        image: ImageDigest,
        from: u32,
        until_ms: u64,
        sink: &mut impl Sink,
    ) -> Result<(), Failure>;
}

/// Takes in a download. Each part is answered with the time by which the next must be there, in milliseconds
/// since the start; `None` ends the download.
pub trait Sink {
    /// The head came.
    fn head(&mut self, head: Head) -> Option<u64>;
    /// Bytes of the body came.
    fn body(&mut self, bytes: &[u8]) -> Option<u64>;
}
