//! Each bootloader with a safeguard missing is caught; the simulator is worth what it catches.

use latchkey_boot::guards::Guards;
use latchkey_simulator::histories::{self, Failure};
use latchkey_simulator::planted::*;
use latchkey_simulator::story::Kind;

/// Stories until a bug counts as missed.
const STORIES: usize = 12;

fn caught<G: Guards>(kind: Kind) -> Option<Failure> {
    histories::stories_of(kind)
        .take(STORIES)
        .find_map(|story| histories::tell::<G>(7, story).err())
}

macro_rules! caught {
    ($($test:ident: $bug:ty, $kind:ident, $by:literal;)*) => {
        $(
            #[test]
            fn $test() {
                let failure = caught::<$bug>(Kind::$kind).expect("somebody notices");
                println!("{failure}");
                assert!(failure.violation.0.contains($by), "caught by another rule: {failure}");
            }
        )*
    };
}

caught! {
    unchecked_requests_are_caught: TrustsRequests, Flipped, "reverted for";
    an_unchecked_old_image_is_caught: TrustsOldImage, Vandal, "rescued from nothing";
    torn_marks_are_caught: TrustsTornMarks, Crashes, "reverted for";
    a_torn_page_that_reads_right_is_caught: TrustsTornPage, Confirmed, "reverted for";
    a_window_measured_anew_is_caught: MeasuresAnew, Confirmed, "halted";
    a_second_call_of_the_engine_is_caught: CallsEngineTwice, Confirmed, "on trial";
    a_reverted_confirmation_is_caught: RevertsConfirmed, ConfirmedLate, "taken back";
    a_floor_that_locks_out_the_old_image_is_caught: RaisesFloorEarly, Crashes, "floor rose";
    a_trial_without_end_is_caught: NeverGivesUp, Crashes, "starts are counted";
    a_request_handled_for_ever_is_caught: InstallsForEver, Crashes, "";
    pages_moved_unrecorded_are_caught: MovesUnrecorded, Confirmed, "";
    a_single_start_is_caught: OneShot, Confirmed, "starts are counted";
}
