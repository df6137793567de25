//! What happens to a lock when the power stays on: the script that every cut then disturbs.

use latchkey_handoff::{Map, Outcome, reason};
use latchkey_image::{Refusal, SecurityCounter};

use crate::geometry::Geometry;
use crate::random::Random;
use crate::samples::{Release, Sample};

/// What an image does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// Nothing.
    Idle,
    /// Downloads, proves and requests this image, unless the boot report says that it was tried.
    Install(usize),
    /// Writes this image into DFU and requests it without looking at it: an app that was taken over.
    Force(usize),
    /// Confirms itself in its start of this number, and crashes before. Then installs an image, without a
    /// restart in between.
    Confirm(u8, Option<usize>),
    /// Crashes.
    Crash,
    /// Erases DFU, where the way back lies, and crashes, as long as it is on trial.
    Vandal,
}

/// What a lock has come to when nothing happens any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The image that runs.
    pub running: usize,
    /// What the boot report says.
    pub outcome: Outcome,
    /// Why.
    pub reason: u16,
    /// About which image.
    pub about: usize,
    /// The rollback floor.
    pub floor: SecurityCounter,
}

/// The kinds of stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An update that confirms itself at once.
    Confirmed,
    /// An update that confirms itself in its last start.
    ConfirmedLate,
    /// Two updates, the second one requested by the first before it was ever restarted.
    BackToBack,
    /// An update that crashes.
    Crashes,
    /// An update that destroys the way back and crashes.
    Vandal,
    /// A request for an image with a flipped bit.
    Flipped,
    /// A request for an image below the floor.
    Older,
    /// The confirmed image rots; the old one still lies in DFU.
    Rotten,
    /// The only image rots; a new one lies complete in DFU.
    RottenFresh,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Confirmed,
        Self::Crashes,
        Self::BackToBack,
        Self::ConfirmedLate,
        Self::Rotten,
        Self::Vandal,
        Self::Flipped,
        Self::RottenFresh,
        Self::Older,
    ];
}

/// A script, with the images it needs.
#[derive(Clone, Debug)]
pub struct Story {
    /// Which kind.
    pub kind: Kind,
    /// On which shape of flash.
    pub geometry: Geometry,
    /// The images. The first is in ACTIVE at the beginning.
    pub samples: Vec<Sample>,
    /// What each does.
    pub apps: Vec<App>,
    /// Where it ends.
    pub end: End,
}

impl Story {
    /// The story of this kind on this geometry; sizes and contents as `random` gives them.
    #[must_use]
    pub fn new(kind: Kind, geometry: Geometry, release: &Release, random: &mut Random) -> Self {
        let map = geometry.map();
        let base = 3 + (random.word() & 7);
        let apps = apps(kind);
        // A lock only turns back from a confirmed image to one that is not older.
        let step = u32::from(kind != Kind::Rotten);
        let mut samples: Vec<Sample> = (0..)
            .zip(&apps)
            .map(|(place, _)| sample(&map, release, base + place * step, random))
            .collect();
        match kind {
            Kind::Flipped => {
                let at = 0x200 + 8 + random.below(40) as usize;
                samples[1].bytes[at] ^= 1 << random.below(8);
            }
            Kind::Older => samples[1] = sample(&map, release, base - 1, random),
            Kind::Confirmed | Kind::Crashes if random.below(3) == 0 => {
                samples[1] = alike(&map, release, &samples[0], base + 1, random);
            }
            Kind::Confirmed
            | Kind::ConfirmedLate
            | Kind::BackToBack
            | Kind::Crashes
            | Kind::Vandal
            | Kind::Rotten
            | Kind::RottenFresh => {}
        }
        let end = end(kind, &samples);
        Self {
            kind,
            geometry,
            samples,
            apps,
            end,
        }
    }

    /// Where the story ends when the new image had too few starts to get to its confirmation.
    #[must_use]
    pub fn end_unconfirmed(&self) -> End {
        End {
            running: 0,
            outcome: Outcome::Reverted,
            reason: reason::NOT_CONFIRMED,
            about: 1,
            floor: self.samples[0].counter,
        }
    }
}

fn apps(kind: Kind) -> Vec<App> {
    match kind {
        Kind::Confirmed => vec![App::Install(1), App::Confirm(1, None)],
        Kind::ConfirmedLate => vec![App::Install(1), App::Confirm(3, None)],
        Kind::BackToBack => vec![App::Install(1), App::Confirm(1, Some(2)), App::Confirm(1, None)],
        Kind::Crashes => vec![App::Install(1), App::Crash],
        Kind::Vandal => vec![App::Install(1), App::Vandal],
        Kind::Flipped | Kind::Older => vec![App::Force(1), App::Crash],
        Kind::Rotten => vec![App::Idle, App::Confirm(1, None)],
        Kind::RottenFresh => vec![App::Idle, App::Confirm(1, None)],
    }
}

fn end(kind: Kind, samples: &[Sample]) -> End {
    let confirmed = |running: usize| End {
        running,
        outcome: Outcome::Steady,
        reason: reason::NONE,
        about: running,
        floor: samples[running].counter,
    };
    let stayed = |outcome, reason| End {
        running: 0,
        outcome,
        reason,
        about: 1,
        floor: samples[0].counter,
    };
    match kind {
        Kind::Confirmed | Kind::ConfirmedLate | Kind::RottenFresh => confirmed(1),
        Kind::BackToBack => confirmed(2),
        Kind::Crashes => stayed(Outcome::Reverted, reason::NOT_CONFIRMED),
        Kind::Flipped => stayed(Outcome::Refused, Refusal::DigestMismatch.code()),
        Kind::Older => {
            let (offered, floor) = (samples[1].counter, samples[0].counter);
            stayed(Outcome::Refused, Refusal::BelowFloor { offered, floor }.code())
        }
        Kind::Rotten => stayed(Outcome::Rescued, Refusal::DigestMismatch.code()),
        Kind::Vandal => End {
            running: 1,
            outcome: Outcome::Steady,
            reason: reason::NOTHING_TO_RETURN_TO,
            about: 1,
            floor: samples[0].counter,
        },
    }
}

/// An image of any length that fits.
fn sample(map: &Map, release: &Release, counter: u32, random: &mut Random) -> Sample {
    let room = map.active.size as usize - release.overhead(map);
    let payload = random.below(room as u64 + 1) as usize;
    release.image(map, counter, payload, random)
}

/// An image that shares most of its pages with `other`.
fn alike(map: &Map, release: &Release, other: &Sample, counter: u32, random: &mut Random) -> Sample {
    let length = other.bytes.len() - release.overhead(map);
    let mut payload = other.bytes[0x200..0x200 + length.max(8)].to_vec();
    if let Some(last) = payload.last_mut() {
        *last ^= 1 << random.below(8);
    }
    release.image_of(map, counter, payload)
}
