//! What a lock's flash means: a copy of the chip in memory, read through the project's own records.
//!
//! Reading settles records as the bootloader would, but in the copy only, so a running lock may be looked at.
//! Writing back is for attackers and for locks that are off.

use std::fmt;

use anyhow::{Context, Result};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use latchkey_handoff::{
    BootRecord, Floor, ImageId, Mailbox, Outcome, Partition, Phase, Region, Request, Staging, layout,
};
use latchkey_image::{Image, ImageDigest, SecurityCounter};

use crate::flash::{CHIP_BYTES, FlashFile};

/// The chip's bytes.
#[derive(Clone)]
pub struct Chip {
    bytes: Vec<u8>,
}

/// How far an update has come, by the lock's own records. In the order in which an update passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No update is under way.
    Idle,
    /// The app writes the new image into DFU.
    Download,
    /// The app has asked; the bootloader has not begun.
    Request,
    /// The bootloader moves pages.
    Swap,
    /// The new image is in place and has not confirmed itself.
    Trial,
    /// The new image has confirmed itself; the bootloader has not taken note.
    Confirm,
    /// The bootloader moves pages back.
    Revert,
}

impl Stage {
    /// The name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Download => "download",
            Self::Request => "request",
            Self::Swap => "swap",
            Self::Trial => "trial",
            Self::Confirm => "confirm",
            Self::Revert => "revert",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The lock's records, as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// What the app told the bootloader last.
    pub mailbox: Mailbox,
    /// What the bootloader is in the middle of, and what it told the app last.
    pub boot: BootRecord,
    /// The rollback floor.
    pub floor: SecurityCounter,
    /// Words marked in the move engine's page: one for each copied page, of two for every page that moves.
    pub marks: usize,
}

impl Records {
    /// How far an update has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let report = &self.boot.report;
        match self.boot.phase {
            Phase::Installing(_) => Stage::Swap,
            Phase::Reverting(_) => Stage::Revert,
            Phase::Trial { .. } if report.running.is_some() && self.mailbox.confirmed == report.running => {
                Stage::Confirm
            }
            Phase::Trial { .. } => Stage::Trial,
            Phase::Steady { .. } => match self.mailbox.staging {
                Staging::Download(_) => Stage::Download,
                Staging::Request(request) if report.handled != Some(request.serial) => Stage::Request,
                Staging::Request(_) | Staging::Nothing => Stage::Idle,
            },
        }
    }

    /// How far the pages of a swap have been copied, 0 to 1; `None` when none is under way.
    #[must_use]
    pub fn swapped(&self) -> Option<f64> {
        match self.boot.phase {
            Phase::Installing(moves) => {
                let marks = u32::try_from(self.marks).unwrap_or(u32::MAX);
                Some(f64::from(marks) / (2.0 * f64::from(moves.pages.max(1))))
            }
            Phase::Steady { .. } | Phase::Trial { .. } | Phase::Reverting(_) => None,
        }
    }

    /// Starts that the image on trial may still be given; `None` when none is on trial.
    #[must_use]
    pub fn trial_starts_left(&self) -> Option<u8> {
        match self.boot.phase {
            Phase::Trial { .. } => Some(self.boot.report.starts_left),
            Phase::Steady { .. } | Phase::Installing(_) | Phase::Reverting(_) => None,
        }
    }

    /// How the latest thing that happened ended, and why.
    #[must_use]
    pub fn outcome(&self) -> (Outcome, u16) {
        (self.boot.report.outcome, self.boot.report.reason)
    }
}

impl Chip {
    /// Copies the chip as it is now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(flash: &FlashFile) -> Result<Self> {
        Ok(Self {
            bytes: flash.read(0, CHIP_BYTES)?,
        })
    }

    /// Copies only the pages of records, which is quick enough to watch a running lock by.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_records(flash: &FlashFile) -> Result<Self> {
        let mut bytes = vec![0xff; layout::ACTIVE.offset as usize];
        let from = layout::ENGINE.offset as usize;
        let records = flash.read(layout::ENGINE.offset, bytes.len().saturating_sub(from))?;
        bytes.truncate(from);
        bytes.extend(records);
        Ok(Self { bytes })
    }

    /// Writes the whole copy back.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_back(&self, flash: &FlashFile) -> Result<()> {
        flash.write(0, &self.bytes)
    }

    /// The lock's records.
    ///
    /// # Errors
    /// They cannot be read: a page is torn just now, or of a layout that this program does not know.
    pub fn records(&self) -> Result<Records> {
        let mut chip = self.clone();
        let (_, mailbox) = Mailbox::open(chip.region(layout::MAILBOX)).map_err(unreadable("mailbox"))?;
        let (_, boot) = BootRecord::open(chip.region(layout::RECORD)).map_err(unreadable("boot record"))?;
        let floor = Floor::open(chip.region(layout::FLOOR)).map_err(unreadable("floor"))?;
        Ok(Records {
            mailbox,
            boot: boot.context("the boot record is of another layout")?,
            // A lock that never started has none yet.
            floor: floor.map_or(SecurityCounter(0), |floor| floor.value()),
            marks: self
                .part(layout::ENGINE)
                .chunks(4)
                .filter(|word| **word != [0xff; 4])
                .count(),
        })
    }

    /// The digest that the image in `slot` claims to have, when there is one.
    #[must_use]
    pub fn image(&mut self, slot: Partition) -> Option<ImageDigest> {
        let mut region = self.region(slot);
        Image::parse(&mut region).map(|image| image.digest()).ok()
    }

    /// The bytes of a part of the flash.
    #[must_use]
    pub fn part(&self, part: Partition) -> &[u8] {
        let range = part.offset as usize..part.end() as usize;
        self.bytes.get(range).unwrap_or_default()
    }

    /// Puts bytes anywhere, by no rule: a programmer on the chip's pins.
    ///
    /// # Errors
    /// They do not fit.
    pub fn put(&mut self, offset: u32, bytes: &[u8]) -> Result<()> {
        let from = offset as usize;
        let place = self.bytes.get_mut(from..from.saturating_add(bytes.len()));
        place.context("outside the chip")?.copy_from_slice(bytes);
        Ok(())
    }

    /// Erases a part of the flash.
    pub fn wipe(&mut self, part: Partition) {
        let place = self.bytes.get_mut(part.offset as usize..part.end() as usize);
        place.unwrap_or_default().fill(0xff);
    }

    /// Asks the bootloader to install what lies in DFU, as the app would and without the app's check.
    ///
    /// # Errors
    /// The records cannot be read or written.
    pub fn forge_request(&mut self, image: ImageDigest) -> Result<()> {
        let handled = self.records()?.boot.report.handled;
        let request = Request {
            serial: handled.map_or(1, |serial| serial.wrapping_add(1)),
            image: ImageId::from(image),
        };
        let (mut journal, mailbox) =
            Mailbox::open(self.region(layout::MAILBOX)).map_err(unreadable("mailbox"))?;
        let forged = Mailbox {
            staging: Staging::Request(request),
            ..mailbox
        };
        forged.post(&mut journal).map_err(unreadable("mailbox"))
    }

    /// Raises the floor, as the bootloader does for a confirmed image.
    ///
    /// # Errors
    /// The floor cannot be read or written.
    pub fn raise_floor(&mut self, to: SecurityCounter) -> Result<()> {
        let floor = Floor::begin(self.region(layout::FLOOR)).map_err(unreadable("floor"))?;
        let mut floor = floor.context("the floor is of another layout")?;
        floor.raise(to).map_err(unreadable("floor"))
    }

    fn region(&mut self, part: Partition) -> Region<&mut Self> {
        Region::new(self, part)
    }
}

fn unreadable<E: fmt::Debug>(what: &'static str) -> impl FnOnce(E) -> anyhow::Error {
    move |error| anyhow::anyhow!("the {what} cannot be used: {error:?}")
}

/// A place outside the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside;

impl NorFlashError for Outside {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl ErrorType for Chip {
    type Error = Outside;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Outside> {
        let from = offset as usize;
        let place = self.bytes.get(from..from.saturating_add(bytes.len()));
        bytes.copy_from_slice(place.ok_or(Outside)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Outside> {
        let place = self.bytes.get_mut(from as usize..to as usize);
        place.ok_or(Outside)?.fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Outside> {
        let from = offset as usize;
        let place = self.bytes.get_mut(from..from.saturating_add(bytes.len()));
        let place = place.ok_or(Outside)?.iter_mut();
        place.zip(bytes).for_each(|(old, new)| *old &= new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factory() -> Chip {
        Chip {
            bytes: vec![0xff; CHIP_BYTES],
        }
    }

    #[test]
    fn a_lock_from_the_factory_has_nothing_under_way() {
        let records = factory().records().unwrap();
        assert_eq!(
            (records.stage(), records.floor),
            (Stage::Idle, SecurityCounter(0))
        );
        assert_eq!(factory().image(layout::ACTIVE), None);
    }

    #[test]
    fn a_forged_request_reads_like_the_apps() {
        let mut chip = factory();
        chip.forge_request(ImageDigest([7; 32])).unwrap();
        let records = chip.records().unwrap();
        assert_eq!(records.stage(), Stage::Request);
        let Staging::Request(request) = records.mailbox.staging else {
            panic!("no request: {records:?}")
        };
        assert_eq!(request.image, ImageId([7; 16]));
        // Forging touches the mailbox and nothing else.
        let end = layout::MAILBOX.end() as usize;
        assert!(chip.bytes[end..].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn nothing_outside_the_chip_can_be_reached() {
        let mut chip = factory();
        let last = layout::FLASH - 1;
        assert!(chip.put(last, &[0]).is_ok());
        assert!(chip.put(last, &[0, 0]).is_err());
        assert_eq!(ReadNorFlash::read(&mut chip, last, &mut [0; 2]), Err(Outside));
    }
}
