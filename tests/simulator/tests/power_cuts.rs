//! Cut power at every flash operation of every story, and again at every operation of each recovery.

use latchkey_boot::guards::Careful;
use latchkey_simulator::histories::{self, ALL_STORIES};

/// At least as many histories as the test run has to live.
const HISTORIES: u64 = 100_000;
const SEED: u64 = 1;

#[test]
fn the_old_or_the_new_image_runs_whole_after_any_two_cuts() {
    let tally = histories::run::<Careful>(HISTORIES, SEED).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{tally:?}");
    assert!(tally.histories >= HISTORIES, "only {} histories", tally.histories);
    assert!(tally.stories >= ALL_STORIES, "only {} stories", tally.stories);
    assert!(
        tally.programs <= 2,
        "a word was programmed {} times",
        tally.programs
    );
}
