//! The boot record: what the bootloader is in the middle of, and what it last did.
//!
//! One record is the whole of it. The bootloader alone writes it. Which image moves where, how many starts
//! are left and which request was handled are read from here and never from the engine's own page, so a
//! start after a power cut goes on with exactly what was begun.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::fields::{Reader, Writer};
use crate::id::ImageId;
use crate::journal::{Body, Journal, JournalError, newest};
use crate::reason;

const LAYOUT: u8 = 1;

/// What the bootloader knows across starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootRecord {
    /// What it is in the middle of.
    pub phase: Phase,
    /// What it tells the app.
    pub report: BootReport,
}

/// What the bootloader is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing. The image in ACTIVE is to run.
    Steady {
        /// Pages of the window in which an older image may still lie in DFU, one page up; 0 when none does.
        held: u16,
    },
    /// DFU moves into ACTIVE, ACTIVE into DFU one page up.
    Installing(Moves),
    /// A new image is in ACTIVE and has [`BootReport::starts_left`] starts to confirm itself.
    Trial {
        /// Pages of the window in which the old image lies in DFU, one page up.
        held: u16,
    },
    /// DFU, from one page up, moves back into ACTIVE; ACTIVE into DFU.
    Reverting(Moves),
}

/// A move of pages between the slots. The same after every power cut until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// Pages of ACTIVE that take part, at least one. One more of DFU does.
    pub pages: u16,
    /// Pages that the image moving out of DFU fills, at most `pages`.
    pub image_pages: u16,
    /// How far it is known to be.
    pub progress: Progress,
}

/// How far a move is known to be, and where in the engine's page its next steps are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Copies done for certain. A move of *n* pages is 2*n* copies.
    pub copies: u16,
    /// Word of the engine's page that marks the next copy; `None` while that page is still to be erased.
    pub marks: Option<u16>,
}

/// What the bootloader tells the app: the newest thing that happened. An idle start changes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootReport {
    /// Counts the things that happened, so that the app knows which it has passed on already.
    /// Wraps around; compare for being different.
    pub event: u16,
    /// How the running image came to run.
    pub outcome: Outcome,
    /// Why: a code of `latchkey_image::Refusal` or of [`reason`]; [`reason::NONE`] when nothing went wrong.
    pub reason: u16,
    /// The image that `outcome` and `reason` are about.
    pub about: Option<ImageId>,
    /// The image that runs.
    pub running: Option<ImageId>,
    /// Starts that a trial image has left after this one.
    pub starts_left: u8,
    /// The request that was handled last. Ask anew with another number.
    pub handled: Option<u32>,
}

/// How the running image came to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It is the one to run: confirmed, or there from the start.
    Steady = 0,
    /// It is new and has yet to confirm itself.
    Trial = 1,
    /// A new image did not confirm itself in its starts, or did not verify after the move: this is the old one.
    Reverted = 2,
    /// An install was asked for and refused before anything was moved.
    Refused = 3,
    /// The image in place did not verify any more; this is the other slot's.
    Rescued = 4,
}

impl BootReport {
    /// Reads the report from the boot record's pages, without writing. `None` before the first start, or when
    /// a bootloader of another layout wrote it.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn read<F: ReadNorFlash>(flash: &mut F) -> Result<Option<Self>, F::Error> {
        let body = newest(flash)?;
        Ok(body
            .as_ref()
            .and_then(BootRecord::decode)
            .map(|record| record.report))
    }
}

impl BootRecord {
    /// The record of a lock whose bootloader never ran before.
    pub const FACTORY: Self = Self {
        phase: Phase::Steady { held: 0 },
        report: BootReport {
            event: 0,
            outcome: Outcome::Steady,
            reason: reason::NONE,
            about: None,
            running: None,
            starts_left: 0,
            handled: None,
        },
    };

    /// Opens the record's two pages and settles them. `None`: a record of a layout that this code does not
    /// know; what it was in the middle of cannot be told.
    ///
    /// # Errors
    /// When the flash fails or is not two pages.
    #[expect(clippy::type_complexity, reason = "a journal and what it says, once")]
    pub fn open<F: NorFlash>(flash: F) -> Result<(Journal<F>, Option<Self>), JournalError<F::Error>> {
        let journal = Journal::open(flash)?;
        let record = match journal.newest() {
            None => Some(Self::FACTORY),
            Some(body) => Self::decode(body),
        };
        Ok((journal, record))
    }

    /// Makes this the record.
    ///
    /// # Errors
    /// When the flash fails; the record is then the old or this one.
    pub fn post<F: NorFlash>(&self, journal: &mut Journal<F>) -> Result<(), JournalError<F::Error>> {
        journal.append(&self.encode())
    }

    fn encode(&self) -> Body {
        let report = &self.report;
        let (tag, pages, moves) = match self.phase {
            Phase::Steady { held } => (0, held, None),
            Phase::Installing(moves) => (1, moves.pages, Some(moves)),
            Phase::Trial { held } => (2, held, None),
            Phase::Reverting(moves) => (3, moves.pages, Some(moves)),
        };
        let (image_pages, copies, marks) = moves.map_or((0, 0, u16::MAX), |moves| {
            let marks = moves.progress.marks.unwrap_or(u16::MAX);
            (moves.image_pages, moves.progress.copies, marks)
        });
        let flags = [
            report.about.is_some(),
            report.running.is_some(),
            report.handled.is_some(),
        ];
        let [about, running, handled] = flags.map(u8::from);
        Writer::new()
            .put([LAYOUT, tag << 4 | report.outcome as u8])
            .put([about | running << 1 | handled << 2, report.starts_left])
            .put(pages.to_le_bytes())
            .put(image_pages.to_le_bytes())
            .put(copies.to_le_bytes())
            .put(marks.to_le_bytes())
            .put(report.event.to_le_bytes())
            .put(report.reason.to_le_bytes())
            .put(report.handled.unwrap_or(0).to_le_bytes())
            .put(report.about.map_or([0; 16], |id| id.0))
            .put(report.running.map_or([0; 16], |id| id.0))
            .finish()
    }

    fn decode(body: &Body) -> Option<Self> {
        let mut fields = Reader::new(body);
        let [layout, tag, flags, starts_left] = fields.bytes()?;
        let (pages, image_pages) = (fields.u16()?, fields.u16()?);
        let (copies, marks) = (fields.u16()?, fields.u16()?);
        let (event, reason, handled) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let (about, running) = (ImageId(fields.bytes()?), ImageId(fields.bytes()?));
        let moves = Moves {
            pages,
            image_pages,
            progress: Progress {
                copies,
                marks: (marks != u16::MAX).then_some(marks),
            },
        };
        let phase = match tag >> 4 {
            0 => Phase::Steady { held: pages },
            1 => Phase::Installing(moves),
            2 => Phase::Trial { held: pages },
            3 => Phase::Reverting(moves),
            _ => return None,
        };
        let outcome = match tag & 0xf {
            0 => Outcome::Steady,
            1 => Outcome::Trial,
            2 => Outcome::Reverted,
            3 => Outcome::Refused,
            4 => Outcome::Rescued,
            _ => return None,
        };
        let report = BootReport {
            event,
            outcome,
            reason,
            about: (flags & 1 != 0).then_some(about),
            running: (flags & 2 != 0).then_some(running),
            starts_left,
            handled: (flags & 4 != 0).then_some(handled),
        };
        (layout == LAYOUT).then_some(Self { phase, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_and_report_comes_back() {
        let moves = |marks| Moves {
            pages: 0x0102,
            image_pages: 0x0304,
            progress: Progress {
                copies: 0x0506,
                marks,
            },
        };
        let phases = [
            Phase::Steady { held: 0x0708 },
            Phase::Installing(moves(None)),
            Phase::Installing(moves(Some(0))),
            Phase::Trial { held: 65 },
            Phase::Reverting(moves(Some(0x090a))),
        ];
        let outcomes = [
            Outcome::Steady,
            Outcome::Trial,
            Outcome::Reverted,
            Outcome::Refused,
            Outcome::Rescued,
        ];
        for phase in phases {
            for outcome in outcomes {
                for (about, running, handled) in [
                    (None, None, None),
                    (Some(ImageId([1; 16])), None, Some(0)),
                    (None, Some(ImageId([0xff; 16])), Some(u32::MAX)),
                ] {
                    let report = BootReport {
                        event: 0x0b0c,
                        outcome,
                        reason: 0x0d0e,
                        about,
                        running,
                        starts_left: 2,
                        handled,
                    };
                    let record = BootRecord { phase, report };
                    assert_eq!(BootRecord::decode(&record.encode()), Some(record));
                }
            }
        }
    }

    #[test]
    fn a_record_of_another_layout_is_not_guessed_at() {
        assert_eq!(BootRecord::decode(&[0; 52]), None);
        assert_eq!(BootRecord::decode(&[0xff; 52]), None);
    }
}
