//! What the bootloader decides while the power stays on, and what it makes of hostile flash.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

use embedded_storage::nor_flash::NorFlash;
use latchkey_boot::{Boot, Fault, Next, check};
use latchkey_handoff::{
    BootRecord, BootReport, Floor, ImageId, Journal, Mailbox, Map, Moves, Outcome, Phase, Progress, Region,
    Request, Staging, reason,
};
use latchkey_image::{Refusal, SecurityCounter, Version};
use latchkey_simulator::geometry::{Geometry, flash_pages};
use latchkey_simulator::nor::Nor;
use latchkey_simulator::random::Random;
use latchkey_simulator::samples::{Release, Sample};

const GEOMETRY: Geometry = Geometry::Middle;
const PAGE: usize = 512;
const MAP: Map = GEOMETRY.map();

struct Lock {
    release: Release,
    flash: Nor<PAGE>,
}

impl Lock {
    /// A lock that runs `image`, with garbage everywhere else.
    fn running(release: Release, image: &Sample) -> Self {
        let mut flash = Nor::used(flash_pages(GEOMETRY.active()), Random::new(9));
        flash.put(MAP.active.offset as usize, &image.bytes);
        let mut lock = Self { release, flash };
        lock.start().unwrap();
        lock
    }

    /// From reset to the jump. `None`: halted.
    fn start(&mut self) -> Result<Option<ImageId>, Fault> {
        self.start_with(&mut [0; PAGE])
    }

    fn start_with(&mut self, buffer: &mut [u8]) -> Result<Option<ImageId>, Fault> {
        let authority = self.release.authority(&MAP);
        let mut boot = Boot::<_>::start(&mut self.flash, &MAP, &authority, buffer)?;
        boot.prepare()?;
        loop {
            match check(boot.flash(), &MAP, &authority) {
                Ok(accepted) => return boot.commit(accepted).map(|()| Some(accepted.id())),
                Err(refusal) => match boot.refused(refusal)? {
                    Next::Check => {}
                    Next::Halt => return Ok(None),
                },
            }
        }
    }

    fn wait(&mut self, bytes: &[u8]) {
        self.flash.put(MAP.dfu.offset as usize, bytes);
    }

    fn request(&mut self, serial: u32, image: ImageId) {
        let (mut journal, mut mailbox) = Mailbox::open(Region::new(&mut self.flash, MAP.mailbox)).unwrap();
        mailbox.staging = Staging::Request(Request { serial, image });
        mailbox.post(&mut journal).unwrap();
    }

    fn report(&mut self) -> BootReport {
        BootReport::read(&mut Region::new(&mut self.flash, MAP.record))
            .unwrap()
            .unwrap()
    }

    fn floor(&mut self) -> Option<SecurityCounter> {
        Floor::read(&mut Region::new(&mut self.flash, MAP.floor)).unwrap()
    }

    /// Requests what waits; says with which reason it is refused, and that nothing but the record was written.
    fn refused(&mut self, running: &Sample, image: ImageId) -> u16 {
        let serial = self.report().handled.map_or(1, |handled| handled + 1);
        self.request(serial, image);
        let erases = self.flash.work().erases;
        assert_eq!(self.start(), Ok(Some(running.id)));
        let report = self.report();
        assert_eq!((report.outcome, report.about), (Outcome::Refused, Some(image)));
        assert_eq!(report.handled, Some(serial));
        assert!(
            self.flash.work().erases <= erases + 1,
            "a turn of the record's pages at most"
        );
        self.flash.power_on(None, Random::new(0));
        assert_eq!(self.start(), Ok(Some(running.id)));
        assert_eq!(self.flash.work().operations, 0, "handled once");
        report.reason
    }
}

fn images() -> (Release, Sample, Sample) {
    let release = Release::default();
    let mut random = Random::new(3);
    let old = release.image(&MAP, 4, 300, &mut random);
    let new = release.image(&MAP, 5, 700, &mut random);
    (release, old, new)
}

#[test]
fn a_request_is_refused_by_name_and_handled_once() {
    let (release, old, new) = images();
    let mut lock = Lock::running(release, &old);

    lock.wait(&new.bytes);
    assert_eq!(lock.refused(&old, ImageId([7; 16])), reason::OTHER_IMAGE);
    lock.wait(&old.bytes);
    assert_eq!(lock.refused(&old, old.id), reason::ALREADY_RUNNING);

    let mut flipped = new.bytes.clone();
    flipped[0x210] ^= 1;
    lock.wait(&flipped);
    assert_eq!(lock.refused(&old, new.id), Refusal::DigestMismatch.code());

    let mut description = Release::description(new.counter);
    description.min_version = Some(Version {
        major: 1,
        ..Version::default()
    });
    let step = lock.release.signed(&description, &old.bytes[0x200..0x200 + 300]);
    lock.wait(&step.bytes);
    assert_eq!(lock.refused(&old, step.id), reason::TOO_BIG_A_STEP);

    lock.wait(&new.bytes);
    lock.request(77, new.id);
    assert_eq!(
        lock.start(),
        Ok(Some(new.id)),
        "and what is in order is installed"
    );
}

#[test]
fn what_is_older_than_the_running_image_is_refused_though_the_floor_has_not_risen_to_it() {
    let (release, old, new) = images();
    let mut lock = Lock::running(release, &old);
    // The floor is the old image's; the new one runs and never confirmed itself.
    lock.flash.put(MAP.active.offset as usize, &new.bytes);
    assert_eq!(lock.start(), Ok(Some(new.id)));
    assert_eq!(lock.floor(), Some(old.counter));
    lock.wait(&old.bytes);
    assert_eq!(lock.refused(&new, old.id), reason::OLDER_THAN_RUNNING);
}

#[test]
fn the_first_start_raises_the_floor_to_what_the_factory_put_in_place() {
    let (release, old, _) = images();
    let mut lock = Lock::running(release, &old);
    assert_eq!(lock.floor(), Some(old.counter));
}

#[test]
fn an_erased_floor_lets_nothing_boot() {
    let (release, old, _) = images();
    let mut lock = Lock::running(release, &old);
    let mut floor = Region::new(&mut lock.flash, MAP.floor);
    for page in 0..2 {
        floor.erase(page * PAGE as u32, (page + 1) * PAGE as u32).unwrap();
    }
    assert_eq!(lock.start(), Err(Fault::NoFloor));
    assert_eq!(lock.floor(), None, "and nobody begins a new one");
}

#[test]
fn lengths_that_no_slot_has_are_refused_and_never_a_panic() {
    let (release, old, new) = images();
    let mut lock = Lock::running(release, &old);
    for length in [
        u32::MAX,
        u32::MAX - 0x200,
        0x8000_0000,
        MAP.dfu.size,
        MAP.active.size,
    ] {
        let mut bytes = new.bytes.clone();
        bytes[0x0c..0x10].copy_from_slice(&length.to_le_bytes());
        lock.wait(&bytes);
        let code = lock.refused(&old, new.id);
        assert!((1..100).contains(&code), "length {length:#x} refused with {code}");
    }
}

#[test]
fn an_image_as_long_as_dfu_and_longer_than_active_is_refused() {
    let (release, old, _) = images();
    let room = MAP.dfu.size as usize - release.overhead(&MAP);
    let long = release.image(&MAP, 6, room, &mut Random::new(1));
    let mut lock = Lock::running(release, &old);
    lock.wait(&long.bytes);
    assert!((1..100).contains(&lock.refused(&old, long.id)));
}

#[test]
fn when_nothing_verifies_it_halts_without_writing() {
    let (release, old, _) = images();
    let mut lock = Lock::running(release, &old);
    lock.flash.rot(MAP.active.offset as usize + 0x210, 1);
    lock.flash.power_on(None, Random::new(0));
    assert_eq!(lock.start(), Ok(None));
    assert_eq!(lock.flash.work().operations, 0);
}

#[test]
fn a_page_that_the_buffer_does_not_fit_is_a_fault_before_anything_moves() {
    let (release, old, new) = images();
    let mut lock = Lock::running(release, &old);
    lock.wait(&new.bytes);
    lock.request(1, new.id);
    assert_eq!(lock.start_with(&mut [0; PAGE / 2]), Err(Fault::Geometry));
    assert!(lock.flash.holds(MAP.active.offset as usize, &old.bytes));
    assert_eq!(lock.start(), Ok(Some(new.id)), "the right bootloader goes on");
}

#[test]
fn a_record_of_another_bootloader_is_not_guessed_at() {
    let (release, old, _) = images();
    let mut lock = Lock::running(release, &old);
    let mut journal = Journal::open(Region::new(&mut lock.flash, MAP.record)).unwrap();
    journal.append(&[0xee; 52]).unwrap();
    assert_eq!(lock.start(), Err(Fault::UnknownRecord));
}

#[test]
fn a_record_of_moves_that_no_slot_has_is_a_fault_and_never_a_panic() {
    let (release, old, _) = images();
    let mut lock = Lock::running(release, &old);
    for (pages, copies, marks) in [
        (0, 0, None),
        (7, 0, None),
        (u16::MAX, 0, None),
        (6, 13, Some(0)),
        (6, 0, Some(u16::MAX - 1)),
        (6, u16::MAX, Some(3)),
    ] {
        let moves = Moves {
            pages,
            image_pages: pages,
            progress: Progress { copies, marks },
        };
        for phase in [Phase::Installing(moves), Phase::Reverting(moves)] {
            let (mut journal, record) = BootRecord::open(Region::new(&mut lock.flash, MAP.record)).unwrap();
            let before = record.unwrap();
            BootRecord { phase, ..before }.post(&mut journal).unwrap();
            let _ = lock.start();
            assert!(
                lock.flash.holds(MAP.active.offset as usize, &old.bytes),
                "{phase:?}"
            );
            let (mut journal, _) = BootRecord::open(Region::new(&mut lock.flash, MAP.record)).unwrap();
            before.post(&mut journal).unwrap();
        }
    }
}

#[test]
fn whatever_an_app_leaves_in_mailbox_and_slot_the_old_image_boots() {
    let (release, old, new) = images();
    let clean = Lock::running(release, &old);
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let mut lock = Lock {
            release: Release::default(),
            flash: clean.flash.clone(),
        };
        let mut bytes = new.bytes.clone();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.word() as u8;
        }
        lock.wait(&bytes);
        let mut body = [0; 52];
        random.fill(&mut body);
        // Half of them well-formed, with a random serial and the right image.
        if random.below(2) == 0 {
            lock.request(random.word(), new.id);
        } else {
            let mut journal = Journal::open(Region::new(&mut lock.flash, MAP.mailbox)).unwrap();
            journal.append(&body).unwrap();
        }
        let mut garbage = vec![0; PAGE];
        random.fill(&mut garbage);
        let mut engine = Region::new(&mut lock.flash, MAP.engine);
        engine.erase(0, PAGE as u32).unwrap();
        engine.write(0, &garbage).unwrap();
        let runs = lock.start().unwrap();
        let whole = bytes == new.bytes && runs == Some(new.id);
        assert!(runs == Some(old.id) || whole, "seed {seed}: {runs:?}");
    }
}
