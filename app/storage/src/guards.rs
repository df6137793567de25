//! The safeguards by name, so that tests can leave out one at a time.
//!
//! A lock has all of them: [`Careful`] is the only implementation there is outside of tests, because nobody
//! can name the seal without the feature `sabotage`. Each constant says what happens without it; the simulator
//! plants exactly that bug and has to notice.

#[cfg(all(feature = "sabotage", target_os = "none"))]
compile_error!("the feature `sabotage` is for tests on a host and never for a board");

/// Which safeguards are in place. Every one is, unless a test says otherwise.
pub trait Guards: seal::Sealed {
    /// Write a record's data before its seal. Without: a torn record counts.
    const SEAL_LAST: bool = true;
    /// Program a seal again that may be torn. Without: a record that was there is gone at a later start.
    const RESEAL: bool = true;
    /// Overwrite the value that a record takes the place of. Without: removed keys stay readable.
    const WIPE: bool = true;
    /// Overwrite it again when a cut may have come between. Without: words that only read wiped come back.
    const FINISH_WIPES: bool = true;
    /// Overwrite what was begun and not finished. Without: parts of a key that nobody owns stay readable.
    const WIPE_TORN: bool = true;
    /// Leave a page in which something may be torn. Without: records are written over torn words.
    const LEAVE_TORN: bool = true;
    /// Close a page before the next one is begun. Without: a page that was begun twice takes the place of
    /// newer records.
    const CLOSE_FIRST: bool = true;
    /// Program again that a page is closed before acting on it. Without: a torn mark reads open later, when the
    /// page behind it is half erased.
    const SETTLE_CLOSED: bool = true;
    /// Seal a new page after what it saves from the oldest. Without: a cut between loses records.
    const SAVE_FIRST: bool = true;
    /// Settle that everything was removed before the log begins. Without: it is removed once more, with the log.
    const SETTLE_START: bool = true;
    /// Erase the oldest page once it is saved. Without: removed keys stay readable there.
    const ERASE_SAVED: bool = true;
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
