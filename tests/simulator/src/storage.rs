//! The lock's storage, with a power cut at every flash operation, and for each with a second one at every
//! operation of the recovery.
//!
//! A history is one life of one storage: it has been in use, some calls are cut off, the recovery and what comes
//! after it is cut off as well, and then the power stays on. After each history everything acknowledged is there,
//! whole, and nothing that is gone can be found on the chip. The same seed gives the same histories.

use std::fmt;

use latchkey_storage::Layout;
use latchkey_storage::guards::Guards;

use crate::histories::{MOMENTS, Tally, cuts, in_parallel, number};
use crate::nor::Cut;
use crate::random::Random;

pub mod model;
pub mod planted;
pub mod world;

use model::Theme;
pub use world::Violation;
use world::{Pause, World};

/// A history that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The run's seed.
    pub seed: u64,
    /// The number of the story.
    pub story: u64,
    /// The cuts that came.
    pub cuts: Vec<Cut>,
    /// The promise.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, story, .. } = self;
        write!(f, "{}: storage, seed {seed}, story {story}", self.violation.0)?;
        for Cut { operation, moment } in &self.cuts {
            write!(f, ", cut at operation {operation}, {moment:?}")?;
        }
        write!(
            f,
            "\nlive it again: cargo xtask simulate --part storage --seed {seed} --story {story}"
        )
    }
}

impl std::error::Error for Failure {}

/// Tells stories from `seed` until at least `histories` were lived and each shape of flash had its turn.
///
/// # Errors
/// A history that broke a promise.
pub fn run<G: Guards>(histories: u64, seed: u64) -> Result<Tally, Failure> {
    in_parallel(histories, 3 * SHAPES.len() as u64, |story| tell::<G>(seed, story))
}

/// Page size in bytes, and pages: as small as can be, and larger.
const SHAPES: [(usize, Layout); 6] = [
    (256, Layout { records: 3, log: 2 }),
    (256, Layout { records: 4, log: 3 }),
    (256, Layout { records: 5, log: 2 }),
    (512, Layout { records: 3, log: 2 }),
    (512, Layout { records: 4, log: 4 }),
    (1024, Layout { records: 3, log: 3 }),
];

/// Tells the story of this number with every cut.
///
/// # Errors
/// A history that broke a promise.
pub fn tell<G: Guards>(seed: u64, story: u64) -> Result<Tally, Failure> {
    let (page, layout) = SHAPES[(story / 3 % SHAPES.len() as u64) as usize];
    let teller = Teller { seed, story, layout };
    match page {
        256 => teller.tell::<256, G>(),
        512 => teller.tell::<512, G>(),
        _ => teller.tell::<1024, G>(),
    }
}

struct Teller {
    seed: u64,
    story: u64,
    layout: Layout,
}

/// Calls before the first cut can come, at most.
const BEFORE: u64 = 60;
/// Calls that the first cut comes into.
const CALLS: u64 = 4;
/// Calls after each recovery.
const LATER: u64 = 2;

impl Teller {
    fn tell<const P: usize, G: Guards>(&self) -> Result<Tally, Failure> {
        let mut random = Random::of(self.seed, &[self.story]);
        let theme = if self.story % 3 == 2 {
            Theme::Log
        } else {
            Theme::Both
        };
        let mut world = World::<P>::new(self.layout, theme, random.clone());
        // Every fourth story begins with what a flash holds that was never a storage.
        let before = if self.story % 4 == 3 {
            0
        } else {
            1 + random.below(BEFORE)
        };
        let before = world.calls(before, &mut random);
        if !before.is_empty() {
            self.live::<P, G>(&mut world, &before, &[], None)?;
        }
        let calls = world.calls(CALLS, &mut random);
        let later = world.calls(LATER, &mut random);
        let last = world.calls(LATER, &mut random);
        let mut uncut = world.clone();
        for call in &calls {
            self.live::<P, G>(&mut uncut, std::slice::from_ref(call), &[], None)?;
        }
        let mut uncut = world.clone();
        self.live::<P, G>(&mut uncut, &calls, &[], None)?;
        let mut tally = Tally {
            histories: 1,
            stories: 1,
            programs: 0,
        };
        for first in cuts(0..uncut.calls_took()) {
            let mut cut = world.clone();
            self.live::<P, G>(&mut cut, &calls, &[], Some(first))?;
            let mut healed = cut.clone();
            self.live::<P, G>(&mut healed, &later, &[first], None)?;
            tally.histories += 1;
            for operation in 0..healed.calls_took() {
                let moment = MOMENTS[random.below(3) as usize];
                let second = Cut { operation, moment };
                let mut again = cut.clone();
                self.live::<P, G>(&mut again, &later, &[first], Some(second))?;
                // And sometimes a third.
                let third = Cut {
                    operation: random.below(24),
                    moment: MOMENTS[random.below(3) as usize],
                };
                let mut cuts = vec![first, second];
                if random.below(2) == 0 {
                    cuts.push(third);
                    self.live::<P, G>(&mut again, &later, &[first, second], Some(third))?;
                }
                self.live::<P, G>(&mut again, &last, &cuts, None)?;
                tally.programs = tally.programs.max(again.flash.work().programs);
                tally.histories += 1;
            }
        }
        Ok(tally)
    }

    /// Lives on from `world` until `cut` or the end of `calls`.
    fn live<const P: usize, G: Guards>(
        &self,
        world: &mut World<P>,
        calls: &[model::Call],
        before: &[Cut],
        cut: Option<Cut>,
    ) -> Result<(), Failure> {
        let cuts: Vec<Cut> = before.iter().copied().chain(cut).collect();
        let numbers: Vec<u64> = [self.story, 7]
            .into_iter()
            .chain(cuts.iter().map(|cut| 1 + number(*cut)))
            .collect();
        let random = Random::of(self.seed, &numbers);
        match world.live::<G>(calls, cut, random) {
            Ok(Pause::Cut | Pause::Rest) => Ok(()),
            Err(violation) => Err(Failure {
                seed: self.seed,
                story: self.story,
                cuts,
                violation,
            }),
        }
    }
}
