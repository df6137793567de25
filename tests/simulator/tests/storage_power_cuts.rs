//! Cut power at every flash operation of the lock's storage, and again at every operation of each recovery.

use latchkey_simulator::nor::{Cut, Moment};
use latchkey_simulator::random::Random;
use latchkey_simulator::storage::{self, model::Theme, planted::*, world::World};
use latchkey_storage::Layout;
use latchkey_storage::guards::{Careful, Guards};

/// At least as many histories as the test run has to live.
const HISTORIES: u64 = 60_000;
const SEED: u64 = 1;

#[test]
fn what_was_acknowledged_is_there_and_what_is_gone_cannot_be_read() {
    let tally = storage::run::<Careful>(HISTORIES, SEED).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{tally:?}");
    assert!(tally.histories >= HISTORIES, "only {} histories", tally.histories);
    assert!(tally.stories >= 12, "only {} stories", tally.stories);
}

/// Far more starts than the rings have pages.
const DYING_STARTS: u64 = 60;

#[test]
fn a_battery_that_dies_soon_after_every_start_uses_nothing_up() {
    for (operation, moment) in (0..24).flat_map(|operation| {
        [Moment::Before, Moment::Inside, Moment::After].map(|moment| (operation, moment))
    }) {
        let layout = Layout { records: 3, log: 2 };
        let mut random = Random::of(3, &[operation]);
        let mut world = World::<256>::new(layout, Theme::Both, random.clone());
        let before = world.calls(40, &mut random);
        world.live::<Careful>(&before, None, random.clone()).unwrap();
        let cut = Cut { operation, moment };
        for start in 0..DYING_STARTS {
            let calls = world.calls(3, &mut random);
            let noise = Random::of(operation, &[start]);
            world
                .live::<Careful>(&calls, Some(cut), noise)
                .unwrap_or_else(|broken| panic!("{broken:?} at {cut:?}, start {start}"));
        }
        let calls = world.calls(20, &mut random);
        let ended = world.live::<Careful>(&calls, None, random);
        ended.unwrap_or_else(|broken| panic!("{broken:?} after {cut:?}"));
    }
}

/// Stories until a bug counts as missed.
const STORIES: u64 = 600;

fn caught<G: Guards>() -> Option<storage::Failure> {
    (0..STORIES).find_map(|story| storage::tell::<G>(7, story).err())
}

macro_rules! caught {
    ($($test:ident: $bug:ty, $by:literal;)*) => {
        $(
            #[test]
            fn $test() {
                let failure = caught::<$bug>().expect("somebody notices");
                println!("{failure}");
                assert!(failure.violation.0.contains($by), "caught by another rule: {failure}");
            }
        )*
    };
}

caught! {
    a_seal_before_its_data_is_caught: SealsFirst, "";
    a_trusted_torn_seal_is_caught: TrustsTornSeals, "";
    values_that_are_not_wiped_are_caught: WipesNothing, "can be read";
    a_trusted_torn_wipe_is_caught: TrustsTornWipes, "can be read";
    fragments_left_behind_are_caught: LeavesFragments, "";
    records_over_torn_words_are_caught: WritesOverTorn, "";
    a_page_begun_unannounced_is_caught: BeginsUnannounced, "";
    a_trusted_torn_mark_is_caught: TrustsTornMarks, "";
    a_page_that_counts_too_early_is_caught: CountsTooEarly, "";
    a_log_begun_on_a_torn_mark_is_caught: BeginsLogUnsettled, "the log ends at";
    saved_pages_left_behind_are_caught: KeepsSavedPages, "";
}
