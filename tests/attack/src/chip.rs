//! Chips that an attacker had in hand: bad images in place of the running one, or waiting to be installed.

use anyhow::{Context, Result, anyhow};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use latchkey_handoff::layout::{ACTIVE, DFU, FLOOR, MAILBOX, PAGE, Partition, RECORD};
use latchkey_handoff::{BootRecord, BootReport, Floor, ImageId, Mailbox, Outcome, Phase, Request, Staging};
use latchkey_image::build::{Description, ImageFile, SigningKey};
use latchkey_image::{Hardware, SecurityCounter};

use crate::image::{HEADER, bad_payload, description, good_payload, signed};
use crate::machine::FLASH_SIZE;

/// Payload of the images, in bytes: short, so that hashing is.
const SMALL: usize = 2048;

/// A chip whose bad image must not boot.
pub struct Bad {
    /// What is wrong with it.
    pub name: String,
    /// The chip.
    pub flash: Vec<u8>,
    /// What a boot does that nobody disturbs.
    pub undisturbed: Undisturbed,
}

/// How a boot ends that nobody disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undisturbed {
    /// Nothing boots.
    Sleeps,
    /// The good image runs.
    RunsGood,
}

/// A chip as it leaves the factory, with these bytes in ACTIVE.
#[must_use]
pub fn factory(active: &[u8]) -> Vec<u8> {
    let mut flash = vec![0xff; FLASH_SIZE];
    put(&mut flash, ACTIVE, active);
    flash
}

/// Every chip to attack. First the bad images in place of the running one, with no other beside it to fall back
/// to; then the same ones waiting to be installed beside a good one.
///
/// # Errors
/// When the images cannot be made.
pub fn bad_chips() -> Result<Vec<Bad>> {
    let good = newer()?;
    let images = bad_images()?;
    let mut chips = Vec::new();
    for image in &images {
        let mut flash = factory(&image.bytes);
        if image.floor > SecurityCounter(0) {
            raise_floor(&mut flash, image.floor)?;
            ran(&mut flash, image.id, Phase::Steady { held: 0 }, Outcome::Steady)?;
        }
        chips.push(Bad {
            name: image.name.into(),
            flash,
            undisturbed: Undisturbed::Sleeps,
        });
    }
    for image in &images {
        let mut flash = factory(good.as_bytes());
        raise_floor(&mut flash, image.floor)?;
        let running = good.digest().into();
        ran(&mut flash, running, Phase::Steady { held: 0 }, Outcome::Steady)?;
        request(&mut flash, image, Mailbox::default())?;
        chips.push(Bad {
            name: format!("waiting: {}", image.name),
            flash,
            undisturbed: Undisturbed::RunsGood,
        });
    }
    chips.push(overtaken()?);
    Ok(chips)
}

/// A newer image has confirmed itself, so this start raises the floor to it; and the one before it, rightly
/// signed, is asked for.
fn overtaken() -> Result<Bad> {
    let older = BadImage::new("older than what this very start confirms", &description(), "ab")?;
    let newer = newer()?;
    let running = ImageId::from(newer.digest());

    let mut flash = factory(newer.as_bytes());
    raise_floor(&mut flash, description().counter)?;
    ran(&mut flash, running, Phase::Trial { held: 0 }, Outcome::Trial)?;
    request(
        &mut flash,
        &older,
        Mailbox {
            confirmed: Some(running),
            ..Mailbox::default()
        },
    )?;
    Ok(Bad {
        name: format!("waiting: {}", older.name),
        flash,
        undisturbed: Undisturbed::RunsGood,
    })
}

/// A good image, newer than all the bad ones.
fn newer() -> Result<ImageFile> {
    let mut description = description();
    description.counter.0 += 1;
    signed(&description, &good_payload(SMALL), "ab")
}

/// An image with something wrong.
struct BadImage {
    name: &'static str,
    bytes: Vec<u8>,
    id: ImageId,
    /// Of the chip it is bad on.
    floor: SecurityCounter,
}

impl BadImage {
    fn new(name: &'static str, description: &Description, signers: &str) -> Result<Self> {
        let file = signed(description, &bad_payload(SMALL), signers)?;
        Ok(Self::of(name, file))
    }

    fn of(name: &'static str, file: ImageFile) -> Self {
        Self {
            name,
            id: file.digest().into(),
            bytes: file.into_bytes(),
            floor: SecurityCounter(0),
        }
    }
}

/// One for every reason that an attacker would want overlooked. The first one is attacked from its very first
/// instruction.
fn bad_images() -> Result<Vec<BadImage>> {
    let good = description();
    let mut other_class = good.clone();
    other_class.class = Hardware::NRF52840.class;
    let mut other_vendor = good.clone();
    other_vendor.vendor = other_class.class;

    let mut flipped = BadImage::new("flipped bit", &good, "ab")?;
    flipped.bytes[usize::from(HEADER) + SMALL - 1] ^= 1;
    let mut unknown = good
        .build(&bad_payload(SMALL))
        .map_err(|error| anyhow!("{error}"))?;
    for key in [SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32])] {
        unknown.sign(&key).map_err(|error| anyhow!("{error}"))?;
    }
    let mut old = BadImage::new("older than the floor", &good, "ab")?;
    old.floor.0 = good.counter.0 + 1;
    Ok(vec![
        resigned(&good)?,
        flipped,
        BadImage::of("unknown signers", unknown),
        BadImage::new("one signer of two", &good, "a")?,
        BadImage::new("other hardware class", &other_class, "ab")?,
        BadImage::new("other vendor", &other_vendor, "ab")?,
        old,
    ])
}

/// An image whose digest is right and whose signatures are another image's.
fn resigned(description: &Description) -> Result<BadImage> {
    /// Two key hashes and signatures with their heads.
    const SIGNATURES: usize = 2 * 104;
    let other = signed(description, &bad_payload(SMALL - 8), "ab")?.into_bytes();
    let mut image = BadImage::new("changed payload under old signatures", description, "ab")?;
    let start = image.bytes.len() - SIGNATURES;
    image.bytes[start..].copy_from_slice(&other[other.len() - SIGNATURES..]);
    Ok(image)
}

// What lies on the chip, written as its owners write it.

fn put(flash: &mut [u8], part: Partition, bytes: &[u8]) {
    let start = part.offset as usize;
    flash[start..start + bytes.len()].copy_from_slice(bytes);
}

fn pages(flash: &mut [u8], part: Partition) -> Pages<'_> {
    Pages(&mut flash[part.offset as usize..part.end() as usize])
}

fn raise_floor(flash: &mut [u8], to: SecurityCounter) -> Result<()> {
    let floor = Floor::begin(pages(flash, FLOOR)).map_err(|error| anyhow!("{error:?}"))?;
    let mut floor = floor.context("no floor")?;
    floor.raise(to).map_err(|error| anyhow!("{error:?}"))
}

/// The boot record after a start in which this image ran.
fn ran(flash: &mut [u8], image: ImageId, phase: Phase, outcome: Outcome) -> Result<()> {
    let record = BootRecord {
        phase,
        report: BootReport {
            outcome,
            running: Some(image),
            about: Some(image),
            starts_left: 2,
            ..BootRecord::FACTORY.report
        },
    };
    let (mut journal, _) = BootRecord::open(pages(flash, RECORD)).map_err(|error| anyhow!("{error:?}"))?;
    record.post(&mut journal).map_err(|error| anyhow!("{error:?}"))
}

/// Puts an image into DFU and asks for it.
fn request(flash: &mut [u8], image: &BadImage, mailbox: Mailbox) -> Result<()> {
    put(flash, DFU, &image.bytes);
    let asked = Mailbox {
        staging: Staging::Request(Request {
            serial: 1,
            image: image.id,
        }),
        ..mailbox
    };
    let (mut journal, _) = Mailbox::open(pages(flash, MAILBOX)).map_err(|error| anyhow!("{error:?}"))?;
    asked.post(&mut journal).map_err(|error| anyhow!("{error:?}"))
}

/// Flash in memory.
struct Pages<'m>(&'m mut [u8]);

impl ErrorType for Pages<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Pages<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        let from = offset as usize;
        bytes.copy_from_slice(&self.0[from..from + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Pages<'_> {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        for (to, from) in self.0[offset as usize..].iter_mut().zip(bytes) {
            *to &= from;
        }
        Ok(())
    }
}
