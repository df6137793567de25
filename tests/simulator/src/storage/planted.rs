//! Storages with one safeguard missing. Each is a bug that someone could make; the simulator has to catch it.

use latchkey_storage::guards::{Guards, seal::Sealed};

/// Makes a set of guards that lacks one.
macro_rules! planted {
    ($($(#[$doc:meta])* $name:ident: $guard:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Sealed for $name {}
            impl Guards for $name {
                const $guard: bool = false;
            }
        )*
    };
}

planted! {
    /// Seals a record before its data are there.
    SealsFirst: SEAL_LAST;
    /// Takes a seal that reads well for one that stays.
    TrustsTornSeals: RESEAL;
    /// Leaves replaced and removed values where they are.
    WipesNothing: WIPE;
    /// Takes a value that reads wiped for one that stays wiped.
    TrustsTornWipes: FINISH_WIPES;
    /// Leaves what was begun and never finished.
    LeavesFragments: WIPE_TORN;
    /// Writes on behind what may be torn.
    WritesOverTorn: LEAVE_TORN;
    /// Begins a page before it says so.
    BeginsUnannounced: CLOSE_FIRST;
    /// Acts on a torn mark that reads closed.
    TrustsTornMarks: SETTLE_CLOSED;
    /// Lets a page count before the oldest is saved to it.
    CountsTooEarly: SAVE_FIRST;
    /// Begins the log without making sure that all before it is erased.
    BeginsLogUnsettled: SETTLE_START;
    /// Leaves saved pages as they are.
    KeepsSavedPages: ERASE_SAVED;
}
