//! Every story, with a power cut at every operation, and for each with a second one at every operation of the
//! recovery.
//!
//! A history is one life of one lock: a story, a first cut, a second cut, and on until nothing happens any more.
//! The first cut comes at every operation of the story, before, inside and after it. The recovery is the start
//! after it and the app's turn after that; the second cut comes at every operation of those and at some later ones,
//! at a moment that the seed chooses. The same seed gives the same histories.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_boot::guards::Guards;

use crate::geometry::Geometry;
use crate::nor::{Cut, Moment};
use crate::oracle::Violation;
use crate::random::Random;
use crate::samples::Release;
use crate::story::{Kind, Story};
use crate::world::{Pause, World};

/// Stories that have to be told for each kind to be told on each geometry.
pub const ALL_STORIES: u64 = (Geometry::ALL.len() * Kind::ALL.len()) as u64;

pub(crate) const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Inside, Moment::After];
/// Second cuts after the recovery, for each first one.
const LATER: u64 = 3;

/// The numbers of the stories of one kind, on each geometry, for ever.
pub fn stories_of(kind: Kind) -> impl Iterator<Item = u64> {
    (0..).filter(move |story| kind_of(*story) == kind)
}

fn kind_of(story: u64) -> Kind {
    Kind::ALL[(story / Geometry::ALL.len() as u64 % Kind::ALL.len() as u64) as usize]
}

/// What a run has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Histories lived.
    pub histories: u64,
    /// Stories told with every cut.
    pub stories: u64,
    /// The most often one word was programmed between two erases.
    pub programs: u8,
}

/// One history, by the numbers that give it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The run's seed.
    pub seed: u64,
    /// The number of the story.
    pub story: u64,
    /// The first cut.
    pub first: Option<Cut>,
    /// The second one, counted from the start after the first.
    pub second: Option<Cut>,
}

/// A history that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which history.
    pub history: History,
    /// What kind of story it is.
    pub kind: Kind,
    /// The promise.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let History { seed, story, .. } = self.history;
        write!(
            f,
            "{}: seed {seed}, story {story} ({:?})",
            self.violation.0, self.kind
        )?;
        for (name, cut) in [("first", self.history.first), ("second", self.history.second)] {
            if let Some(Cut { operation, moment }) = cut {
                write!(f, ", {name} cut at operation {operation}, {moment:?}")?;
            }
        }
        write!(
            f,
            "\nlive it again: cargo xtask simulate --part boot --seed {seed} --story {story}"
        )
    }
}

impl std::error::Error for Failure {}

/// Tells stories from `seed` until at least `histories` were lived and each kind was told on each geometry.
///
/// # Errors
/// A history that broke a promise.
pub fn run<G: Guards>(histories: u64, seed: u64) -> Result<Tally, Failure> {
    in_parallel(histories, ALL_STORIES, |story| tell::<G>(seed, story))
}

/// Tells stories by their numbers on every processor, until at least `histories` were lived and `stories` told.
pub(crate) fn in_parallel<E: Send>(
    histories: u64,
    stories: u64,
    tell: impl Fn(u64) -> Result<Tally, E> + Sync,
) -> Result<Tally, E> {
    let (next, lived) = (AtomicU64::new(0), AtomicU64::new(0));
    let result = Mutex::new(Ok(Tally::default()));
    let worker = || {
        loop {
            let story = next.fetch_add(1, Ordering::Relaxed);
            let enough = lived.load(Ordering::Relaxed) >= histories && story >= stories;
            let told = (!enough).then(|| tell(story));
            let Ok(mut result) = result.lock() else { return };
            match (told, result.as_mut()) {
                (None, _) | (_, Err(_)) => return,
                (Some(Err(failure)), Ok(_)) => {
                    *result = Err(failure);
                    return;
                }
                (Some(Ok(told)), Ok(tally)) => {
                    lived.fetch_add(told.histories, Ordering::Relaxed);
                    tally.histories += told.histories;
                    tally.stories += told.stories;
                    tally.programs = tally.programs.max(told.programs);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    result
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Tells the story of this number with every cut.
///
/// # Errors
/// A history that broke a promise.
pub fn tell<G: Guards>(seed: u64, number: u64) -> Result<Tally, Failure> {
    let geometries = Geometry::ALL.len() as u64;
    let kind = kind_of(number);
    let geometry = Geometry::ALL[(number % geometries) as usize];
    let release = Release::default();
    let mut random = Random::of(seed, &[number]);
    let story = Story::new(kind, geometry, &release, &mut random);
    let teller = Teller {
        story: &story,
        release: &release,
        seed,
        number,
    };
    match geometry {
        Geometry::Small => teller.tell::<256, G>(&mut random),
        Geometry::Middle => teller.tell::<512, G>(&mut random),
        Geometry::Large => teller.tell::<1024, G>(&mut random),
    }
}

struct Teller<'t> {
    story: &'t Story,
    release: &'t Release,
    seed: u64,
    number: u64,
}

impl Teller<'_> {
    fn tell<const P: usize, G: Guards>(&self, random: &mut Random) -> Result<Tally, Failure> {
        let start = self.history(None, None);
        let world = World::<P>::new(self.story, self.release, random).map_err(|v| self.failed(start, v))?;
        let mut tally = Tally {
            histories: 1,
            stories: 1,
            programs: 0,
        };
        let (_, operations) = self.live::<P, G>(&world, start, None)?.operations();
        for first in cuts(0..operations) {
            let history = self.history(Some(first), None);
            let cut = self.live::<P, G>(&world, history, Some(first))?;
            let healed = self.live::<P, G>(&cut, history, None)?;
            tally.histories += 1;
            for second in self.second_cuts(first, healed.operations()) {
                let history = self.history(Some(first), Some(second));
                let cut = self.live::<P, G>(&cut, history, Some(second))?;
                let healed = self.live::<P, G>(&cut, history, None)?;
                tally.histories += 1;
                tally.programs = tally.programs.max(healed.flash.work().programs);
            }
        }
        Ok(tally)
    }

    /// Lives on from `world` until `cut`, or to the end.
    fn live<'s, const P: usize, G: Guards>(
        &self,
        world: &World<'s, P>,
        history: History,
        cut: Option<Cut>,
    ) -> Result<World<'s, P>, Failure> {
        let mut world = world.clone();
        let numbers = [history.first, history.second, cut].map(|cut| cut.map_or(0, |cut| 1 + number(cut)));
        let random = Random::of(self.seed, &[&[self.number][..], &numbers].concat());
        match (world.live::<G>(cut, random), cut) {
            (Ok(Pause::Cut), Some(_)) | (Ok(Pause::Rest), _) => Ok(world),
            (Ok(Pause::Cut), None) => Err(self.failed(history, Violation("power went by itself".into()))),
            (Err(violation), _) => Err(self.failed(history, violation)),
        }
    }

    fn history(&self, first: Option<Cut>, second: Option<Cut>) -> History {
        History {
            seed: self.seed,
            story: self.number,
            first,
            second,
        }
    }

    fn failed(&self, history: History, violation: Violation) -> Failure {
        Failure {
            history,
            kind: self.story.kind,
            violation,
        }
    }

    fn second_cuts(&self, first: Cut, (recovery, all): (u64, u64)) -> Vec<Cut> {
        let mut random = Random::of(self.seed, &[self.number, number(first), 1]);
        let later: Vec<u64> = (0..LATER)
            .map(|_| recovery + random.below(all - recovery))
            .filter(|operation| *operation < all)
            .collect();
        (0..recovery)
            .chain(later)
            .map(|operation| Cut {
                operation,
                moment: MOMENTS[random.below(3) as usize],
            })
            .collect()
    }
}

pub(crate) fn cuts(operations: std::ops::Range<u64>) -> impl Iterator<Item = Cut> {
    operations.flat_map(|operation| MOMENTS.map(|moment| Cut { operation, moment }))
}

pub(crate) fn number(cut: Cut) -> u64 {
    let moment = match cut.moment {
        Moment::Before => 0,
        Moment::Inside => 1,
        Moment::After => 2,
    };
    cut.operation * 3 + moment
}
