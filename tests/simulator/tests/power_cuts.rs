//! Cut power at every flash operation of every story, and again at every operation of each recovery.

use latchkey_boot::guards::Careful;
use latchkey_simulator::geometry::Geometry;
use latchkey_simulator::histories::{self, ALL_STORIES};
use latchkey_simulator::nor::{Cut, Moment};
use latchkey_simulator::random::Random;
use latchkey_simulator::samples::Release;
use latchkey_simulator::story::{Kind, Story};
use latchkey_simulator::world::{Pause, World};

/// At least as many histories as the test run has to live.
const HISTORIES: u64 = 100_000;
const SEED: u64 = 1;

#[test]
fn the_old_or_the_new_image_runs_whole_after_any_two_cuts() {
    let tally = histories::run::<Careful>(HISTORIES, SEED).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{tally:?}");
    assert!(tally.histories >= HISTORIES, "only {} histories", tally.histories);
    assert!(tally.stories >= ALL_STORIES, "only {} stories", tally.stories);
    // Once, and once more after each cut: a record that may be torn is settled in place.
    assert!(
        tally.programs <= 3,
        "a word was programmed {} times",
        tally.programs
    );
}

/// Far more starts than the engine's page has words and the journals have slots.
const DYING_STARTS: u64 = 150;

#[test]
fn a_battery_that_dies_soon_after_every_start_bricks_nothing() {
    let release = Release::default();
    for (kind, seed) in [(Kind::Confirmed, 1), (Kind::Crashes, 2)] {
        for operation in 0..14 {
            for moment in [Moment::Before, Moment::Inside, Moment::After] {
                let mut random = Random::of(seed, &[operation]);
                let story = Story::new(kind, Geometry::Small, &release, &mut random);
                let start = World::<256>::new(&story, &release, &mut random).unwrap();
                let mut uncut = start.clone();
                assert_eq!(uncut.live::<Careful>(None, random.clone()), Ok(Pause::Rest));
                // In the middle of the story pages are on the move.
                let half = Cut {
                    operation: uncut.operations().1.div_ceil(2),
                    moment,
                };
                let mut world = start;
                assert_eq!(world.live::<Careful>(Some(half), random.clone()), Ok(Pause::Cut));
                let cut = Some(Cut { operation, moment });
                for start in 0..DYING_STARTS {
                    let noise = Random::of(seed, &[operation, start]);
                    world
                        .live::<Careful>(cut, noise)
                        .unwrap_or_else(|broken| panic!("{broken:?} at {cut:?}, start {start}"));
                }
                let end = world
                    .live::<Careful>(None, random)
                    .map_err(|broken| (cut, broken));
                assert_eq!(end, Ok(Pause::Rest));
            }
        }
    }
}
