//! A lock that lives a story: bootloader and app take turns until nothing happens any more or power goes.
//!
//! Bootloader core, updater, journals and image checks are the real ones. What the app would know from RAM is
//! lost with the power; what the world outside knows ([`Facts`]) is not.

use embedded_storage::nor_flash::NorFlash;
use latchkey_boot::guards::Guards;
use latchkey_boot::{Boot, Next, check, check_with};
use latchkey_handoff::{
    BootRecord, BootReport, Floor, ImageId, Mailbox, Map, Outcome, Phase, Region, Request, Staging as Use,
};
use latchkey_image::{Authority, SecurityCounter, Version};
use latchkey_lock::self_test::{Check, Passed, SelfTest, Verdict};
use latchkey_lock::staging::{Expected, Staging};

use crate::geometry::flash_pages;
use crate::nor::{Cut, Nor};
use crate::oracle::{self, Facts, Violation};
use crate::random::Random;
use crate::samples::Release;
use crate::story::{App, Kind, Story};

/// Starts after which a lock that still has something to do is called restless.
const MOST_STARTS: usize = 24;

/// A lock and what is known of it.
#[derive(Clone, Debug)]
pub struct World<'s, const P: usize> {
    story: &'s Story,
    release: &'s Release,
    map: Map,
    /// The lock's flash.
    pub flash: Nor<P>,
    facts: Facts,
    /// Operations of the newest life up to the end of its first start and of the app's first turn.
    recovery: u64,
    /// What comes before the story: where it ends is not the story's end.
    prelude: bool,
}

/// Why a life paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The power is gone.
    Cut,
    /// Nothing happens any more.
    Rest,
}

/// What the app does next.
enum Then {
    Restart,
    Rest,
}

/// What stopped the app in the middle of its work: the power, or else a broken promise.
struct Stopped(String);

impl<E: std::fmt::Debug> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self(format!("{error:?}"))
    }
}

impl<'s, const P: usize> World<'s, P> {
    /// A lock that has been in use: the first image runs, the journals stand anywhere, DFU and the rest are full of
    /// old things.
    ///
    /// # Errors
    /// When even this breaks a rule.
    pub fn new(story: &'s Story, release: &'s Release, random: &mut Random) -> Result<Self, Violation> {
        let map = story.geometry.map();
        let mut flash = Nor::used(flash_pages(story.geometry.active()), random.clone());
        flash.put(map.active.offset as usize, &story.samples[0].bytes);
        let mut world = Self {
            story,
            release,
            map,
            flash,
            facts: Facts::default(),
            recovery: 0,
            prelude: false,
        };
        world
            .use_up(random)
            .map_err(|()| Violation("flash works while power is on".into()))?;
        match story.kind {
            Kind::Rotten => world.install_and_rot(random)?,
            Kind::RottenFresh => {
                let dfu = map.dfu.offset as usize;
                world.flash.put(dfu, &story.samples[1].bytes);
                world.rot();
            }
            Kind::Confirmed
            | Kind::ConfirmedLate
            | Kind::BackToBack
            | Kind::Crashes
            | Kind::Vandal
            | Kind::Flipped
            | Kind::Older => {}
        }
        Ok(world)
    }

    /// Turns the journals over a while.
    fn use_up(&mut self, random: &mut Random) -> Result<(), ()> {
        let SecurityCounter(counter) = self.story.samples[0].counter;
        let slots = 2 * P as u64 / 64;
        let floor = Floor::begin(Region::new(&mut self.flash, self.map.floor)).map_err(drop)?;
        let mut floor = floor.ok_or(())?;
        for value in 1..=counter {
            floor.raise(SecurityCounter(value)).map_err(drop)?;
        }
        let (mut journal, _) = Mailbox::open(Region::new(&mut self.flash, self.map.mailbox)).map_err(drop)?;
        for _ in 0..random.below(slots) {
            Mailbox::default().post(&mut journal).map_err(drop)?;
        }
        let (mut journal, _) =
            BootRecord::open(Region::new(&mut self.flash, self.map.record)).map_err(drop)?;
        let mut record = BootRecord::FACTORY;
        record.phase = Phase::Steady {
            held: random.below(u64::from(self.story.geometry.active()) + 1) as u16,
        };
        for _ in 0..random.below(slots) {
            record.post(&mut journal).map_err(drop)?;
        }
        self.facts.floor = counter;
        Ok(())
    }

    /// The second image was installed and confirmed, then ACTIVE is damaged.
    fn install_and_rot(&mut self, random: &mut Random) -> Result<(), Violation> {
        self.flash.power_on(None, random.clone());
        let mut buffer = [0; P];
        self.boot::<latchkey_boot::guards::Careful>(&mut buffer)?;
        self.install(1).map_err(|Stopped(why)| Violation(why))?;
        self.prelude = true;
        self.live::<latchkey_boot::guards::Careful>(None, random.clone())?;
        self.prelude = false;
        self.rot();
        Ok(())
    }

    fn rot(&mut self) {
        self.flash.rot(self.map.active.offset as usize + 0x200 + 8, 1);
        self.facts.rotten = true;
    }

    /// Lives on until power goes or nothing happens any more.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn live<G: Guards>(&mut self, cut: Option<Cut>, random: Random) -> Result<Pause, Violation> {
        self.flash.power_on(cut, random);
        let mut buffer = [0; P];
        for _ in 0..MOST_STARTS {
            let before = self.flash.work().operations;
            let Some(image) = self.boot::<G>(&mut buffer)? else {
                return Ok(self.lost_power());
            };
            let quiet = self.flash.work().operations == before;
            let turn = self.app(image);
            if before == 0 {
                self.recovery = self.flash.work().operations;
            }
            match turn {
                Err(_) if self.flash.is_off() => return Ok(self.lost_power()),
                Err(Stopped(why)) => return Err(Violation(format!("the app was stopped by {why}"))),
                Ok(Then::Rest) if quiet => {
                    if !self.prelude {
                        oracle::at_end(self.story, &mut self.flash, &self.facts)?;
                    }
                    return Ok(Pause::Rest);
                }
                Ok(Then::Rest | Then::Restart) => {}
            }
        }
        Err(Violation(format!("still restless after {MOST_STARTS} starts")))
    }

    /// Operations of the newest life: of its first start and the app's turn after it, and in all.
    #[must_use]
    pub fn operations(&self) -> (u64, u64) {
        let all = self.flash.work().operations;
        (self.recovery.min(all), all)
    }

    fn lost_power(&mut self) -> Pause {
        self.facts.cuts = self.facts.cuts.saturating_add(1);
        Pause::Cut
    }

    /// A start, as a board's binary does it. Gives the image that runs; none when power goes before.
    fn boot<G: Guards>(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Violation> {
        let authority = self.release.authority(&self.map);
        let decided = decide::<P, G>(&mut self.flash, &self.map, &authority, buffer);
        if self.flash.is_off() {
            return Ok(None);
        }
        let id = decided?;
        let operations = self.flash.work().operations;
        let jumped = check_with(&mut self.flash, &self.map, &authority, |image| {
            ImageId::from(image.digest())
        });
        if jumped != Ok(id) || self.flash.work().operations != operations {
            return Err(Violation(format!(
                "the second check finds {jumped:?} and not {id}"
            )));
        }
        oracle::at_jump(self.story, &mut self.flash, &mut self.facts).map(Some)
    }

    /// The app's turn.
    fn app(&mut self, image: usize) -> Result<Then, Stopped> {
        match self.story.apps[image] {
            App::Idle => Ok(Then::Rest),
            App::Crash => Ok(Then::Restart),
            App::Install(next) if self.was_tried(next)? => Ok(Then::Rest),
            App::Install(next) => self.install(next),
            App::Force(next) if self.was_tried(next)? => Ok(Then::Rest),
            App::Force(next) => self.force(next),
            App::Vandal => self.vandalise(),
            App::Confirm(start, next) => self.confirm(image, start, next),
        }
    }

    fn report(&mut self) -> Result<BootReport, Stopped> {
        BootReport::read(&mut Region::new(&mut self.flash, self.map.record))
            .ok()
            .flatten()
            .ok_or_else(|| "no boot report".into())
    }

    fn was_tried(&mut self, next: usize) -> Result<bool, Stopped> {
        let report = self.report()?;
        let ended = matches!(report.outcome, Outcome::Refused | Outcome::Reverted);
        Ok(ended && report.about == Some(self.story.samples[next].id))
    }

    /// The updater downloads, proves and requests an image.
    fn install(&mut self, next: usize) -> Result<Then, Stopped> {
        let authority = self.release.authority(&self.map);
        let sample = &self.story.samples[next];
        let mut staging = Staging::new(self.map);
        let from = staging.begin(&mut self.flash, sample.id, sample.bytes.len() as u32)?;
        for chunk in sample.bytes[from as usize..].chunks(P) {
            staging.write(&mut self.flash, chunk)?;
        }
        let expected = Expected {
            image: sample.digest,
            running: Version::default(),
            floor: SecurityCounter(self.facts.floor),
        };
        let proven = staging.prove(&mut self.flash, &authority, &expected)?;
        self.facts.before = next - 1;
        staging.request(&mut self.flash, proven)?;
        Ok(Then::Restart)
    }

    /// An app that was taken over writes what it likes and requests it.
    fn force(&mut self, next: usize) -> Result<Then, Stopped> {
        let sample = &self.story.samples[next];
        let handled = self.report()?.handled.unwrap_or(0);
        let mut dfu = Region::new(&mut self.flash, self.map.dfu);
        for (page, chunk) in (0_u32..).zip(sample.bytes.chunks(P)) {
            let from = page * P as u32;
            let mut bytes = [0xff; P];
            bytes[..chunk.len()].copy_from_slice(chunk);
            dfu.erase(from, from + P as u32)?;
            dfu.write(from, &bytes)?;
        }
        let (mut journal, mut mailbox) = Mailbox::open(Region::new(&mut self.flash, self.map.mailbox))?;
        mailbox.staging = Use::Request(Request {
            serial: handled.wrapping_add(1),
            image: sample.id,
        });
        mailbox.post(&mut journal)?;
        Ok(Then::Restart)
    }

    fn vandalise(&mut self) -> Result<Then, Stopped> {
        if self.report()?.outcome != Outcome::Trial {
            return Ok(Then::Rest);
        }
        self.facts.vandalised = true;
        let mut dfu = Region::new(&mut self.flash, self.map.dfu);
        for page in 0..=self.story.geometry.active() {
            dfu.erase(page * P as u32, (page + 1) * P as u32)?;
        }
        Ok(Then::Restart)
    }

    fn confirm(&mut self, image: usize, start: u8, next: Option<usize>) -> Result<Then, Stopped> {
        if self.facts.ran[image] < start && self.facts.confirming != Some(image) {
            return Ok(Then::Restart);
        }
        self.facts.confirming = Some(image);
        Staging::new(self.map).confirm(&mut self.flash, self.story.samples[image].id, passed()?)?;
        self.facts.confirmed = Some(image);
        match next {
            Some(next) => self.install(next),
            // The floor rises at the next start.
            None if self.report()?.outcome != Outcome::Steady => Ok(Then::Restart),
            None => Ok(Then::Rest),
        }
    }
}

/// From reset to the commit.
fn decide<const P: usize, G: Guards>(
    flash: &mut Nor<P>,
    map: &Map,
    authority: &Authority<'_>,
    buffer: &mut [u8],
) -> Result<ImageId, Violation> {
    let fault = |fault| Violation(format!("the bootloader gave up: {fault:?}"));
    let mut boot = Boot::<_, G>::start_with(flash, map, authority, buffer).map_err(fault)?;
    boot.prepare().map_err(fault)?;
    loop {
        match check(boot.flash(), map, authority) {
            Ok(accepted) => {
                boot.commit(accepted).map_err(fault)?;
                return Ok(accepted.id());
            }
            Err(refusal) => match boot.refused(refusal).map_err(fault)? {
                Next::Check => {}
                Next::Halt => return Err(Violation(format!("halted: {refusal:?}"))),
            },
        }
    }
}

/// Leave to confirm, from the real self-test.
fn passed() -> Result<Passed, Stopped> {
    let mut test = SelfTest::until(10);
    for check in Check::ALL {
        if let Verdict::Passed(passed) = test.observe(check, true, 0) {
            return Ok(passed);
        }
    }
    Err(Stopped("every check passed, and the self-test did not".into()))
}
