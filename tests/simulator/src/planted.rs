//! Bootloaders with one safeguard missing. Each is a bug that someone could make; the simulator has to catch it.

use latchkey_boot::guards::{Guards, seal::Sealed};

/// Makes a set of guards that lacks one.
macro_rules! planted {
    ($($(#[$doc:meta])* $name:ident { $guard:ident: $kind:ty = $value:expr })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Sealed for $name {}
            impl Guards for $name {
                const $guard: $kind = $value;
            }
        )*
    };
}

planted! {
    /// Moves what was requested without looking at it.
    TrustsRequests { CHECK_BEFORE_INSTALL: bool = false }
    /// Returns to whatever lies where the old image should.
    TrustsOldImage { CHECK_BEFORE_RETURN: bool = false }
    /// Goes on with marks that may be torn.
    TrustsTornMarks { FRESH_MARKS: bool = false }
    /// Leaves the first page after a cut alone when it reads right.
    TrustsTornPage { REWRITE_FIRST: bool = false }
    /// Measures the images anew in the middle of a move.
    MeasuresAnew { KEEP_WINDOW: bool = false }
    /// Calls the engine once more after the last page.
    CallsEngineTwice { FINISHED_IS_FINISHED: bool = false }
    /// Looks at used-up starts before confirmations.
    RevertsConfirmed { CONFIRMED_FIRST: bool = false }
    /// Raises the floor for an image that is on trial.
    RaisesFloorEarly { FLOOR_WAITS: bool = false }
    /// Counts no starts.
    NeverGivesUp { COUNT_STARTS: bool = false }
    /// Handles a request again after it was handled.
    InstallsForEver { HANDLE_ONCE: bool = false }
    /// Moves pages before it writes down that it does.
    MovesUnrecorded { RECORD_FIRST: bool = false }
    /// Gives a new image one start, as embassy-boot does.
    OneShot { STARTS: u8 = 1 }
}
