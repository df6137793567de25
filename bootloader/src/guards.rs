//! The safeguards by name, so that tests can leave out one at a time.
//!
//! A bootloader has all of them: [`Careful`] is the only implementation there is outside of tests, because
//! nobody can name the seal without the feature `sabotage`. Each constant says what happens without it; the
//! simulator plants exactly that bug and has to notice.

#[cfg(all(feature = "sabotage", target_os = "none"))]
compile_error!("the feature `sabotage` is for tests on a host and never for a board");

/// Which safeguards are in place. Every one is, unless a test says otherwise.
pub trait Guards: seal::Sealed {
    /// Verify a requested image before anything moves. Without: a flipped image is swapped in.
    const CHECK_BEFORE_INSTALL: bool = true;
    /// Verify the old image before returning to it. Without: a torn download replaces a working image.
    const CHECK_BEFORE_RETURN: bool = true;
    /// Go on after a cut with marks that were never touched. Without: a torn mark that reads done now and
    /// not done later has a page copied over its own backup.
    const FRESH_MARKS: bool = true;
    /// Rewrite the first page after a cut, even if it reads as wanted. Without: a torn page that merely reads
    /// right stays.
    const REWRITE_FIRST: bool = true;
    /// Keep a move's window until it ends. Without: it is measured again on images that are half moved.
    const KEEP_WINDOW: bool = true;
    /// Leave the engine alone once all is moved. Without: the engine takes its second call for an image that
    /// did not confirm itself, and reverts one that never ran.
    const FINISHED_IS_FINISHED: bool = true;
    /// Look at confirmations before used-up starts. Without: an image confirmed in its last start is reverted.
    const CONFIRMED_FIRST: bool = true;
    /// Raise the floor for confirmed images only. Without: it locks out the image to return to.
    const FLOOR_WAITS: bool = true;
    /// Count a start before the jump. Without: an image that always crashes never goes away.
    const COUNT_STARTS: bool = true;
    /// Handle each request once. Without: a reverted image is installed again, for ever.
    const HANDLE_ONCE: bool = true;
    /// Write down what is to move before moving it. Without: a cut leaves half-moved images and nobody knows.
    const RECORD_FIRST: bool = true;
    /// Starts that a new image gets. With 1: two cuts revert an image that never ran.
    const STARTS: u8 = crate::TRIAL_STARTS;
}

/// Every safeguard in place.
#[derive(Clone, Copy, Debug)]
pub struct Careful;

impl seal::Sealed for Careful {}
impl Guards for Careful {}

#[cfg(not(feature = "sabotage"))]
mod seal {
    /// Public in form only: nobody outside can name it, so nobody outside can implement `Guards`.
    pub trait Sealed {}
}

/// What keeps others from implementing [`Guards`], open for tests.
#[cfg(feature = "sabotage")]
pub mod seal {
    /// Implemented for every set of [`Guards`](super::Guards).
    pub trait Sealed {}
}
