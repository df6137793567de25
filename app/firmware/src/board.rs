//! What the lock app needs: of its board, and of the network, if there is one.

use core::fmt;

use embedded_storage::nor_flash::NorFlash;
use latchkey_image::{Hardware, ImageDigest};
use latchkey_lock::update::{Conditions, Failure, Head};

/// A board, as the lock app sees it.
pub trait Board {
    /// The flash chip, laid out as `latchkey_handoff::layout` says.
    type Flash: NorFlash;

    /// Which hardware this is.
    fn hardware(&self) -> Hardware;
    /// The flash chip.
    fn flash(&mut self) -> &mut Self::Flash;
    /// Prints a line on the console.
    fn print(&mut self, line: fmt::Arguments<'_>);
    /// Fills `bytes` from a cryptographic random number generator.
    fn random(&mut self, bytes: &mut [u8]);
    /// What an install waits for.
    fn conditions(&mut self) -> Conditions;
    /// Restarts the lock.
    fn restart(&mut self) -> !;
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
