//! Staging over a NOR flash that keeps the rules, and is cut at every operation.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use latchkey_handoff::{BootRecord, Phase};
use latchkey_image::build::{Description, SigningKey};
use latchkey_image::{PublicKey, Slot, TrustPolicy, Uuid};
use proptest::prelude::*;

use super::*;
use crate::self_test::{Check, SelfTest, Verdict};

const PAGE: u32 = 4096;
const MAP: Map = Map {
    engine: Partition::new(0, PAGE),
    mailbox: Partition::new(PAGE, 2 * PAGE),
    floor: Partition::new(3 * PAGE, 2 * PAGE),
    record: Partition::new(5 * PAGE, 2 * PAGE),
    active: Partition::new(7 * PAGE, 16 * PAGE),
    dfu: Partition::new(23 * PAGE, 17 * PAGE),
};
const SLOT: Slot = Slot {
    address: 0x1_0000,
    size: 16 * PAGE,
    ram: 0x2000_0000..0x2004_0000,
};
const VENDOR: Uuid = Uuid([1; 16]);
const CLASS: Uuid = Uuid([2; 16]);

/// Cut off. What was under way is half done.
#[derive(Debug, PartialEq, Eq)]
struct Cut;

impl NorFlashError for Cut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// Erased to ones by page; programming only clears bits. Panics when used against the rules.
#[derive(Clone)]
struct Nor {
    bytes: Vec<u8>,
    /// Operations until the power is cut.
    fuel: u32,
    used: u32,
    erased: Vec<u32>,
}

impl Nor {
    /// Used flash: nothing in it is blank but the small records.
    fn used() -> Self {
        let mut bytes: Vec<u8> = (0..40 * PAGE).map(|n| (n % 251) as u8).collect();
        bytes[..7 * PAGE as usize].fill(0xff);
        Self {
            bytes,
            fuel: u32::MAX,
            used: 0,
            erased: Vec::new(),
        }
    }

    /// How much of an operation over `length` bytes is done; an error when the power goes in it.
    fn spend(&mut self, length: usize) -> (usize, Result<(), Cut>) {
        self.used += 1;
        if self.used > self.fuel {
            (0, Err(Cut))
        } else if self.used == self.fuel {
            (length / 2, Err(Cut))
        } else {
            (length, Ok(()))
        }
    }

    fn power_on(&mut self) {
        self.fuel = u32::MAX;
    }
}

impl ErrorType for Nor {
    type Error = Cut;
}

impl ReadNorFlash for Nor {
    const READ_SIZE: usize = 4;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Cut> {
        assert!(
            offset.is_multiple_of(4) && bytes.len().is_multiple_of(4),
            "reads are whole words"
        );
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Nor {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Cut> {
        assert!(
            from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE),
            "whole pages"
        );
        let (done, result) = self.spend((to - from) as usize);
        self.bytes[from as usize..][..done].fill(0xff);
        self.erased.push(from);
        result
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Cut> {
        assert!(
            offset.is_multiple_of(4) && bytes.len().is_multiple_of(4),
            "whole words"
        );
        let (done, result) = self.spend(bytes.len());
        for (at, byte) in self.bytes[offset as usize..].iter_mut().zip(&bytes[..done]) {
            assert_eq!(*at & byte, *byte, "programming sets no bit");
            *at &= byte;
        }
        result
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn description() -> Description {
    Description {
        version: Version {
            major: 2,
            ..Version::default()
        },
        counter: SecurityCounter(5),
        vendor: VENDOR,
        class: CLASS,
        min_version: None,
        header_size: 0x200,
    }
}

fn signed(description: &Description, payload_length: usize) -> Vec<u8> {
    let mut payload: Vec<u8> = (0..payload_length).map(|n| (n % 241) as u8).collect();
    payload[..4].copy_from_slice(&0x2000_1000_u32.to_le_bytes());
    payload[4..8].copy_from_slice(&0x1_0221_u32.to_le_bytes());
    let image = description.build(&payload).unwrap().signed(&key(1)).unwrap();
    image.signed(&key(2)).unwrap().into_bytes()
}

fn digest_of(image: &[u8]) -> ImageDigest {
    latchkey_image::build::ImageFile::open(image.to_vec())
        .unwrap()
        .digest()
}

fn expected(image: &[u8]) -> Expected {
    Expected {
        image: digest_of(image),
        running: Version {
            major: 1,
            ..Version::default()
        },
        floor: SecurityCounter(4),
    }
}

/// Everything a download does, from wherever it stands.
fn stage(flash: &mut Nor, image: &[u8], id: ImageId, chunk: usize) -> Result<Staging, StagingError> {
    let mut staging = Staging::new(MAP);
    let from = staging.begin(flash, id, image.len() as u32)?;
    for bytes in image[from as usize..].chunks(chunk) {
        staging.write(flash, bytes)?;
    }
    Ok(staging)
}

fn prove(staging: &mut Staging, flash: &mut Nor, expected: &Expected) -> Result<Proven, Unproven> {
    let keys = [1, 2, 3].map(|seed| PublicKey::new(*key(seed).verifying_key().as_bytes()));
    let authority = Authority {
        policy: TrustPolicy::new(2, &keys).unwrap(),
        vendor: VENDOR,
        class: CLASS,
        slot: SLOT,
    };
    staging.prove(flash, &authority, expected)
}

fn mailbox(flash: &mut Nor) -> Mailbox {
    Mailbox::open(Region::new(flash, MAP.mailbox)).unwrap().1
}

fn id_of(image: &[u8]) -> ImageId {
    digest_of(image).into()
}

fn report(flash: &mut Nor, outcome: Outcome, running: ImageId) {
    let (mut journal, record) = BootRecord::open(Region::new(&mut *flash, MAP.record)).unwrap();
    let mut record = record.unwrap();
    record.phase = Phase::Steady { held: 0 };
    record.report.outcome = outcome;
    record.report.running = Some(running);
    record.report.handled = Some(41);
    record.post(&mut journal).unwrap();
}

fn passed() -> Passed {
    let mut test = SelfTest::until(10);
    for check in Check::ALL {
        if let Verdict::Passed(passed) = test.observe(check, true, 0) {
            return passed;
        }
    }
    panic!("the test passes when its checks do")
}

#[test]
fn an_image_in_chunks_of_any_size_arrives_is_proven_and_asked_for() {
    let image = signed(&description(), 13_001);
    for chunk in [1, 3, 4, 5, 1000, 4096, 5000, usize::MAX] {
        let mut flash = Nor::used();
        report(&mut flash, Outcome::Steady, ImageId([9; 16]));
        let mut staging = stage(&mut flash, &image, id_of(&image), chunk).unwrap();
        let slot = MAP.dfu.offset as usize;
        assert_eq!(flash.bytes[slot..][..image.len()], image, "chunks of {chunk}");
        let proven = prove(&mut staging, &mut flash, &expected(&image)).unwrap();
        staging.request(&mut flash, proven).unwrap();
        let request = Request {
            serial: 42,
            image: id_of(&image),
        };
        assert_eq!(mailbox(&mut flash).staging, Use::Request(request));
    }
}

#[test]
fn cut_at_every_operation_the_download_goes_on_and_ends_whole() {
    let image = signed(&description(), 30_000);
    let id = id_of(&image);
    let mut histories = 0;
    for fuel in 1.. {
        let mut flash = Nor::used();
        flash.fuel = fuel;
        if stage(&mut flash, &image, id, 512).is_ok() {
            break;
        }
        // Again, and cut again, soon after.
        flash.used = 0;
        flash.fuel = 1 + fuel % 13;
        let _ = stage(&mut flash, &image, id, 300);
        flash.power_on();
        let mut staging = stage(&mut flash, &image, id, 4096).unwrap();
        prove(&mut staging, &mut flash, &expected(&image)).unwrap();
        histories += 1;
    }
    assert!(histories > 60, "only {histories} cuts were tried");
}

#[test]
fn a_download_goes_on_behind_what_was_marked_and_erases_every_page_it_writes() {
    let image = signed(&description(), 50_000);
    let mut flash = Nor::used();
    let mut staging = Staging::new(MAP);
    assert_eq!(
        staging.begin(&mut flash, id_of(&image), image.len() as u32),
        Ok(0)
    );
    staging.write(&mut flash, &image[..30_000]).unwrap();
    // Pages 4 to 7 were written and not marked; page 4 now reads blank, as a torn erase may.
    flash.bytes[MAP.dfu.offset as usize..][4 * 4096..5 * 4096].fill(0xff);
    flash.erased.clear();
    let mut staging = Staging::new(MAP);
    assert_eq!(
        staging.begin(&mut flash, id_of(&image), image.len() as u32),
        Ok(4 * PAGE)
    );
    staging.write(&mut flash, &image[4 * 4096..]).unwrap();
    let pages: Vec<u32> = (4..13).map(|page| MAP.dfu.offset + page * PAGE).collect();
    assert_eq!(flash.erased, pages);
    prove(&mut staging, &mut flash, &expected(&image)).unwrap();
}

#[test]
fn another_image_or_another_length_starts_over() {
    let image = signed(&description(), 50_000);
    let mut flash = Nor::used();
    stage(&mut flash, &image, id_of(&image), 4096).unwrap();
    let size = image.len() as u32;
    let mut staging = Staging::new(MAP);
    assert_eq!(staging.begin(&mut flash, id_of(&image), size), Ok(size), "whole");
    assert_eq!(staging.begin(&mut flash, id_of(&image), size + 4), Ok(0));
    assert_eq!(staging.begin(&mut flash, ImageId([8; 16]), size), Ok(0));
    assert_eq!(staging.begin(&mut flash, id_of(&image), size), Ok(0), "gone");
}

#[test]
fn lengths_that_no_slot_has_are_refused_without_a_flash_operation() {
    let mut flash = Nor::used();
    let mut staging = Staging::new(MAP);
    for size in [0, MAP.active.size + 1, u32::MAX] {
        assert_eq!(
            staging.begin(&mut flash, ImageId([8; 16]), size),
            Err(StagingError::Size)
        );
    }
    assert_eq!(staging.write(&mut flash, &[0; 4]), Err(StagingError::NotReady));
    assert_eq!(flash.used, 0);
}

#[test]
fn more_than_the_image_has_is_not_written() {
    let mut flash = Nor::used();
    let mut staging = Staging::new(MAP);
    staging.begin(&mut flash, ImageId([8; 16]), 100).unwrap();
    staging.write(&mut flash, &[0; 60]).unwrap();
    let before = flash.used;
    assert_eq!(staging.write(&mut flash, &[0; 41]), Err(StagingError::TooLong));
    assert_eq!(flash.used, before);
    assert_eq!(staging.write(&mut flash, &[0; 40]), Ok(100));
}

#[test]
fn on_trial_the_slot_with_the_old_image_is_left_alone_until_confirmed() {
    let mut flash = Nor::used();
    let running = ImageId([9; 16]);
    report(&mut flash, Outcome::Trial, running);
    let mut staging = Staging::new(MAP);
    let before = flash.used;
    assert_eq!(
        staging.begin(&mut flash, ImageId([8; 16]), 100),
        Err(StagingError::OnTrial)
    );
    assert_eq!(flash.used, before);
    assert_eq!(staging.on_trial(&mut flash), Ok(true));
    staging.confirm(&mut flash, running, passed()).unwrap();
    assert_eq!(staging.on_trial(&mut flash), Ok(false));
    let before = flash.used;
    staging.confirm(&mut flash, running, passed()).unwrap();
    assert_eq!(flash.used, before, "confirmed once, written once");
    staging.begin(&mut flash, ImageId([8; 16]), 100).unwrap();
    assert_eq!(
        mailbox(&mut flash).confirmed,
        Some(running),
        "a download leaves it in place"
    );
}

/// Stages what is not to be installed; says why it is refused, and that nothing of it is left.
fn refused(image: &[u8], expected: &Expected) -> u16 {
    let mut flash = Nor::used();
    let id = ImageId::from(expected.image);
    let mut staging = stage(&mut flash, image, id, 4096).unwrap();
    let code = prove(&mut staging, &mut flash, expected).unwrap_err().code();
    assert_eq!(mailbox(&mut flash).staging, Use::Nothing, "given up");
    let again = Staging::new(MAP).begin(&mut flash, id, image.len() as u32);
    assert_eq!(again, Ok(0), "and begun anew");
    code
}

#[test]
fn what_is_not_as_signed_allowed_and_fitting_is_refused_and_given_up() {
    let image = signed(&description(), 20_000);
    let allowed = expected(&image);

    let mut flipped = image.clone();
    flipped[10_000] ^= 1;
    assert_eq!(refused(&flipped, &allowed), Refusal::DigestMismatch.code());

    let other = signed(&description(), 20_001);
    assert_eq!(refused(&other, &allowed), Reason::OtherImage.code());

    let mut longer = image.clone();
    longer.push(0);
    assert_eq!(refused(&longer, &allowed), Reason::OtherImage.code());

    let older = Expected {
        floor: SecurityCounter(6),
        ..allowed
    };
    let (offered, floor) = (SecurityCounter(5), SecurityCounter(6));
    assert_eq!(
        refused(&image, &older),
        Refusal::BelowFloor { offered, floor }.code()
    );

    let one_signer = description()
        .build(&[0; 100])
        .unwrap()
        .signed(&key(1))
        .unwrap()
        .into_bytes();
    let (have, need) = (1, 2);
    let too_few = Refusal::TooFewSigners { have, need };
    assert_eq!(refused(&one_signer, &expected(&one_signer)), too_few.code());

    let class = Uuid([3; 16]);
    let other_class = signed(
        &Description {
            class,
            ..description()
        },
        20_000,
    );
    assert_eq!(
        refused(&other_class, &expected(&other_class)),
        Refusal::OtherClass { class }.code()
    );

    let min_version = Some(Version {
        major: 1,
        minor: 1,
        ..Version::default()
    });
    let stepping = signed(
        &Description {
            min_version,
            ..description()
        },
        20_000,
    );
    assert_eq!(
        refused(&stepping, &expected(&stepping)),
        Reason::TooOldToUpgrade.code()
    );
}

#[test]
fn half_an_image_is_not_proven() {
    let image = signed(&description(), 20_000);
    let mut flash = Nor::used();
    let mut staging = Staging::new(MAP);
    staging
        .begin(&mut flash, id_of(&image), image.len() as u32)
        .unwrap();
    staging.write(&mut flash, &image[..19_999]).unwrap();
    assert!(prove(&mut staging, &mut flash, &expected(&image)).is_err());
    assert!(prove(&mut Staging::new(MAP), &mut flash, &expected(&image)).is_err());
}

#[test]
fn a_proof_is_worthless_once_the_slot_is_begun_anew() {
    let image = signed(&description(), 20_000);
    let mut flash = Nor::used();
    let mut staging = stage(&mut flash, &image, id_of(&image), 4096).unwrap();
    let proven = prove(&mut staging, &mut flash, &expected(&image)).unwrap();
    staging.begin(&mut flash, ImageId([8; 16]), 100).unwrap();
    assert_eq!(staging.request(&mut flash, proven), Err(StagingError::NotReady));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_cuts_and_chunks_end_in_the_whole_image(
        cuts in proptest::collection::vec((1_u32..120, 1_usize..9000), 0..6), chunk in 1_usize..9000,
    ) {
        let image = signed(&description(), 40_000);
        let mut flash = Nor::used();
        for (fuel, chunk) in cuts {
            (flash.used, flash.fuel) = (0, fuel);
            let _ = stage(&mut flash, &image, id_of(&image), chunk);
        }
        flash.power_on();
        let mut staging = stage(&mut flash, &image, id_of(&image), chunk).unwrap();
        prop_assert!(prove(&mut staging, &mut flash, &expected(&image)).is_ok());
    }
}
