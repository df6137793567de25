//! Moves of pages, from the record that announces one to the record that ends it.
//!
//! A move is written down before its first page is touched and stays the same until its last page is in place.
//! After a power cut it goes on with marks that were never programmed: the last mark before the cut may read
//! set now and not set later, so what it reads as is taken once, written down, and never read again.

use latchkey_handoff::{Moves, Progress};

use super::*;
use crate::engine::{Run, copies, words};
use crate::marks::{Direction, count};

impl<F: NorFlash, G: Guards> Boot<'_, F, G> {
    /// Moves the image that waits in DFU into ACTIVE.
    pub(super) fn begin_install(&mut self, waiting: &Waiting, report: BootReport) -> Result<(), Fault> {
        let pages = waiting.pages.max(self.active_pages());
        self.begin(Phase::Installing(moves(pages, waiting.pages)), report)
    }

    /// Moves the old image, one page up in DFU, back into ACTIVE.
    pub(super) fn begin_return(&mut self, held: u16, outcome: Outcome, reason: u16) -> Result<(), Fault> {
        let known = self.record.report;
        let report = BootReport {
            outcome,
            reason,
            about: known.running.or(known.about),
            starts_left: 0,
            ..known
        };
        self.begin(Phase::Reverting(moves(held, held)), report)
    }

    fn begin(&mut self, phase: Phase, report: BootReport) -> Result<(), Fault> {
        let record = BootRecord { phase, report };
        if G::RECORD_FIRST {
            self.happened(record)?;
            return self.carry_out(false);
        }
        let before = self.record;
        self.record = record;
        self.carry_out(false)?;
        self.record.report.event = before.report.event.wrapping_add(1);
        self.post(self.record)
    }

    /// Finishes a move that a power cut has interrupted.
    pub(super) fn finish_move(&mut self) -> Result<(), Fault> {
        match self.record.phase {
            Phase::Installing(_) | Phase::Reverting(_) => self.carry_out(true),
            Phase::Steady { .. } | Phase::Trial { .. } => Ok(()),
        }
    }

    /// Moves what is left to move, and writes down that it is done.
    fn carry_out(&mut self, resumed: bool) -> Result<(), Fault> {
        let (direction, moves) = match self.record.phase {
            Phase::Installing(moves) => (Direction::Install, moves),
            Phase::Reverting(moves) => (Direction::Return, moves),
            Phase::Steady { .. } | Phase::Trial { .. } => return Ok(()),
        };
        let moves = if G::KEEP_WINDOW || !resumed {
            moves
        } else {
            let pages = self.active_pages().max(1);
            let image_pages = moves.image_pages.min(pages);
            Moves {
                pages,
                image_pages,
                ..moves
            }
        };
        let (moves, next) = self.place_marks(direction, moves)?;
        if moves.progress.copies < copies(moves.pages) || !G::FINISHED_IS_FINISHED {
            let run = Run {
                map: self.map,
                direction,
                moves,
                next,
                resumed,
            };
            engine::run::<_, G>(&mut self.flash, &run, self.buffer)?;
        }
        let mut record = self.record;
        record.report.running = None;
        record.phase = match direction {
            Direction::Install => {
                record.report.starts_left = G::STARTS;
                Phase::Trial { held: moves.pages }
            }
            Direction::Return => Phase::Steady { held: 0 },
        };
        self.post(record)
    }

    /// Finds out how far the move is, and a place for its next marks where nothing was ever programmed.
    fn place_marks(&mut self, direction: Direction, mut moves: Moves) -> Result<(Moves, u16), Fault> {
        let total = copies(moves.pages);
        if let Some(first) = moves.progress.marks {
            let left = total.saturating_sub(moves.progress.copies);
            let mut page = Region::new(&mut self.flash, self.map.engine);
            let set = count(&mut page, first.into(), left.into())?;
            let set = u16::try_from(set).unwrap_or(left);
            moves.progress.copies = moves.progress.copies.saturating_add(set);
            // The mark after the last set one may be torn: it is left behind.
            let next = first.saturating_add(set);
            if !G::FRESH_MARKS {
                return Ok((moves, next));
            }
            let next = next.saturating_add(1);
            let left = u32::from(left.saturating_sub(set));
            if u32::from(next).saturating_add(left) <= words(self.map) {
                moves.progress.marks = Some(next);
                self.post_progress(direction, moves)?;
                return Ok((moves, next));
            }
            // The page is full of marks of many cuts. What they said is written down, then it is erased.
            moves.progress.marks = None;
            self.post_progress(direction, moves)?;
        }
        let mut page = Region::new(&mut self.flash, self.map.engine);
        page.erase(0, self.map.engine.size)?;
        moves.progress.marks = Some(0);
        self.post_progress(direction, moves)?;
        Ok((moves, 0))
    }

    fn post_progress(&mut self, direction: Direction, moves: Moves) -> Result<(), Fault> {
        let phase = match direction {
            Direction::Install => Phase::Installing(moves),
            Direction::Return => Phase::Reverting(moves),
        };
        if !G::RECORD_FIRST {
            self.record.phase = phase;
            return Ok(());
        }
        self.post(BootRecord {
            phase,
            report: self.record.report,
        })
    }

    /// Pages of the image in ACTIVE, as it says itself; its parser has bounded them by the slot.
    fn active_pages(&mut self) -> u16 {
        let mut slot = Region::new(&mut self.flash, self.map.active);
        Image::parse(&mut slot).map_or(0, |image| pages::<F>(image.total_size()))
    }
}

/// A move that has not begun. Its marks go where the engine's page will have been erased.
const fn moves(pages: u16, image_pages: u16) -> Moves {
    Moves {
        pages,
        image_pages,
        progress: Progress {
            copies: 0,
            marks: None,
        },
    }
}
