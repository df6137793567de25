//! The decision, step by step. Every step reads the boot record, and writes down what it is about to do first.

use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::{
    BootRecord, BootReport, Floor, Mailbox, Map, Outcome, Partition, Phase, Region, Request, Staging, reason,
};
use latchkey_image::{Authority, Image, Refusal, SecurityCounter};

use crate::check::{Accepted, check};
use crate::engine;
use crate::fault::Fault;
use crate::guards::{Careful, Guards};

mod moving;

/// How often one start turns to the other slot before it gives up.
const RESCUES: u8 = 2;

/// A start of the lock, from reset to the jump.
///
/// Owns the flash, so that nobody else writes while it decides.
#[derive(Debug)]
pub struct Boot<'a, F, G = Careful> {
    flash: F,
    map: &'a Map,
    authority: &'a Authority<'a>,
    buffer: &'a mut [u8],
    record: BootRecord,
    mailbox: Mailbox,
    rescues: u8,
    guards: core::marker::PhantomData<G>,
}

/// What to do after ACTIVE was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// ACTIVE holds another image now. Check it.
    Check,
    /// Nothing that verifies is left. Do not jump; say so and sleep.
    Halt,
}

/// An image in DFU that passed the whole check.
struct Waiting {
    id: latchkey_handoff::ImageId,
    pages: u16,
    counter: SecurityCounter,
    min_version: Option<latchkey_image::Version>,
}

impl<'a, F: NorFlash> Boot<'a, F> {
    /// Settles the small records and reads them. `buffer` is one page long.
    ///
    /// # Errors
    /// [`Fault`]: nothing can be decided; start over.
    pub fn start(
        flash: F,
        map: &'a Map,
        authority: &'a Authority<'a>,
        buffer: &'a mut [u8],
    ) -> Result<Self, Fault> {
        Self::start_with(flash, map, authority, buffer)
    }
}

impl<'a, F: NorFlash, G: Guards> Boot<'a, F, G> {
    /// [`Boot::start`] with chosen safeguards, for tests.
    ///
    /// # Errors
    /// [`Fault`]: nothing can be decided; start over.
    #[doc(hidden)]
    pub fn start_with(
        mut flash: F,
        map: &'a Map,
        authority: &'a Authority<'a>,
        buffer: &'a mut [u8],
    ) -> Result<Self, Fault> {
        let (_, record) = BootRecord::open(Region::new(&mut flash, map.record))?;
        let record = record.ok_or(Fault::UnknownRecord)?;
        let floor = Region::new(&mut flash, map.floor);
        let floor = if record == BootRecord::FACTORY {
            Floor::begin(floor)?
        } else {
            Floor::open(floor)?
        };
        floor.ok_or(Fault::NoFloor)?;
        let mailbox = match Mailbox::open(Region::new(&mut flash, map.mailbox)) {
            Ok((_, mailbox)) => mailbox,
            // Only an app gone wild uses the numbers up. What it asks for cannot be made durable: nothing.
            Err(latchkey_handoff::JournalError::Exhausted) => Mailbox::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            flash,
            map,
            authority,
            buffer,
            record,
            mailbox,
            rescues: 0,
            guards: core::marker::PhantomData,
        })
    }

    /// Does all that is due before ACTIVE is checked.
    ///
    /// # Errors
    /// [`Fault`]: start over; what was begun goes on.
    pub fn prepare(&mut self) -> Result<(), Fault> {
        self.finish_move()?;
        if G::CONFIRMED_FIRST {
            self.end_confirmed_trial()?;
            self.end_failed_trial()?;
        } else {
            self.end_failed_trial()?;
            self.end_confirmed_trial()?;
        }
        self.handle_request()
    }

    /// Turns to the other slot after [`check`] has refused ACTIVE.
    ///
    /// # Errors
    /// [`Fault`]: start over; what was begun goes on.
    pub fn refused(&mut self, why: Refusal) -> Result<Next, Fault> {
        self.rescues = self.rescues.saturating_add(1);
        if self.rescues > RESCUES {
            return Ok(Next::Halt);
        }
        let (held, outcome) = match self.record.phase {
            Phase::Trial { held } => (held, Outcome::Reverted),
            Phase::Steady { held } => (held, Outcome::Rescued),
            Phase::Installing(_) | Phase::Reverting(_) => return Err(Fault::OutOfOrder),
        };
        if held > 0 && self.held_verifies(held) {
            self.begin_return(held, outcome, why.code())?;
            return Ok(Next::Check);
        }
        let Ok(waiting) = self.waiting() else {
            return Ok(Next::Halt);
        };
        let report = BootReport {
            outcome: Outcome::Rescued,
            reason: why.code(),
            about: self.record.report.running,
            ..self.record.report
        };
        self.begin_install(&waiting, report)?;
        Ok(Next::Check)
    }

    /// Counts a trial start and names the image that is about to run. Nothing to count, no flash operation.
    ///
    /// # Errors
    /// [`Fault`]: start over; do not jump.
    pub fn commit(&mut self, accepted: Accepted) -> Result<(), Fault> {
        let mut record = self.record;
        record.report.running = Some(accepted.id());
        match record.phase {
            Phase::Trial { .. } => {
                if G::COUNT_STARTS {
                    record.report.starts_left = record.report.starts_left.saturating_sub(1);
                }
                if !G::FLOOR_WAITS {
                    self.raise_floor(accepted.counter())?;
                }
            }
            Phase::Steady { .. } => {
                // What the factory put in place needs nobody's word but the factory's.
                let first = self.record.report.running.is_none();
                if first || self.mailbox.confirmed == Some(accepted.id()) {
                    self.raise_floor(accepted.counter())?;
                }
            }
            Phase::Installing(_) | Phase::Reverting(_) => return Err(Fault::OutOfOrder),
        }
        if record == self.record {
            Ok(())
        } else {
            self.post(record)
        }
    }

    /// What the app will be told.
    pub const fn report(&self) -> &BootReport {
        &self.record.report
    }

    /// The flash, for the check of ACTIVE.
    pub fn flash(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Gives the flash back, for the check before the jump.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// A new image that runs and is confirmed is the one to run: the floor rises to it, the trial is over.
    fn end_confirmed_trial(&mut self) -> Result<(), Fault> {
        let Phase::Trial { held } = self.record.phase else {
            return Ok(());
        };
        if !self.confirmed() {
            return Ok(());
        }
        let Ok(accepted) = check(&mut self.flash, self.map, self.authority) else {
            // The check that every start makes will refuse it as well, and turn to the other slot.
            return Ok(());
        };
        if self.mailbox.confirmed != Some(accepted.id()) {
            return Ok(());
        }
        let record = BootRecord {
            phase: Phase::Steady { held },
            report: BootReport {
                outcome: Outcome::Steady,
                reason: reason::NONE,
                about: Some(accepted.id()),
                starts_left: 0,
                ..self.record.report
            },
        };
        // In this order: a cut in between finds the trial still on, and the confirmation still there.
        self.raise_floor(accepted.counter())?;
        self.happened(record)
    }

    /// A new image that used its starts up without confirming itself makes way for the old one, if that is there.
    fn end_failed_trial(&mut self) -> Result<(), Fault> {
        let Phase::Trial { held } = self.record.phase else {
            return Ok(());
        };
        if self.record.report.starts_left > 0 || (G::CONFIRMED_FIRST && self.confirmed()) {
            return Ok(());
        }
        if !G::CHECK_BEFORE_RETURN || self.held_verifies(held) {
            return self.begin_return(held, Outcome::Reverted, reason::NOT_CONFIRMED);
        }
        self.happened(BootRecord {
            phase: Phase::Steady { held: 0 },
            report: BootReport {
                outcome: Outcome::Steady,
                reason: reason::NOTHING_TO_RETURN_TO,
                about: self.record.report.running,
                ..self.record.report
            },
        })
    }

    /// Whether the app that ran last has confirmed itself.
    fn confirmed(&self) -> bool {
        self.mailbox.confirmed.is_some() && self.mailbox.confirmed == self.record.report.running
    }

    /// Grants or refuses what the app asks for. Only between trials: during one, DFU holds the way back.
    fn handle_request(&mut self) -> Result<(), Fault> {
        let (Staging::Request(request), Phase::Steady { .. }) = (self.mailbox.staging, self.record.phase)
        else {
            return Ok(());
        };
        if G::HANDLE_ONCE && self.record.report.handled == Some(request.serial) {
            return Ok(());
        }
        let report = BootReport {
            about: Some(request.image),
            handled: Some(request.serial),
            ..self.record.report
        };
        match self.granted(request) {
            Ok(waiting) => self.begin_install(
                &waiting,
                BootReport {
                    outcome: Outcome::Trial,
                    reason: reason::NONE,
                    ..report
                },
            ),
            Err(reason) => self.happened(BootRecord {
                phase: self.record.phase,
                report: BootReport {
                    outcome: Outcome::Refused,
                    reason,
                    ..report
                },
            }),
        }
    }

    /// The image asked for, when it may be installed; else the code of the reason why not.
    fn granted(&mut self, request: Request) -> Result<Waiting, u16> {
        if self.record.report.running == Some(request.image) {
            return Err(reason::ALREADY_RUNNING);
        }
        if !G::CHECK_BEFORE_INSTALL {
            return self.unchecked().map_err(|refusal| refusal.code());
        }
        let waiting = self.waiting().map_err(|refusal| refusal.code())?;
        if waiting.id != request.image {
            return Err(reason::OTHER_IMAGE);
        }
        let mut active = Region::new(&mut self.flash, self.map.active);
        let Ok(running) = Image::parse(&mut active) else {
            // Then anything that verifies is better.
            return Ok(waiting);
        };
        // The floor says so as well, once it has risen to what runs. That it did so in this very start may have
        // been skipped; this may not, then.
        if waiting.counter < running.security_counter() {
            return Err(reason::OLDER_THAN_RUNNING);
        }
        match waiting.min_version {
            Some(lowest) if running.version() < lowest => Err(reason::TOO_BIG_A_STEP),
            Some(_) | None => Ok(waiting),
        }
    }

    /// The image at the start of DFU, when it passes the whole check.
    fn waiting(&mut self) -> Result<Waiting, Refusal> {
        let floor = self.floor()?;
        let part = Partition::new(self.map.dfu.offset, self.map.active.size);
        let mut slot = Region::new(&mut self.flash, part);
        let image = self.authority.verify(Image::parse(&mut slot)?, floor)?;
        Ok(Waiting {
            id: image.digest().into(),
            pages: pages::<F>(image.total_size()),
            counter: image.security_counter(),
            min_version: image.min_version(),
        })
    }

    /// [`Self::waiting`] as a bootloader would be that trusts whoever asks.
    fn unchecked(&mut self) -> Result<Waiting, Refusal> {
        let part = Partition::new(self.map.dfu.offset, self.map.active.size);
        let mut slot = Region::new(&mut self.flash, part);
        let image = Image::parse(&mut slot)?;
        Ok(Waiting {
            id: image.digest().into(),
            pages: pages::<F>(image.total_size()),
            counter: image.security_counter(),
            min_version: None,
        })
    }

    /// Whether the old image lies whole in DFU, one page up, in a window of `held` pages.
    fn held_verifies(&mut self, held: u16) -> bool {
        let page = F::ERASE_SIZE as u32;
        let size = page.saturating_mul(held.into());
        let part = Partition::new(self.map.dfu.offset.saturating_add(page), size);
        let (Ok(floor), true) = (self.floor(), size < self.map.dfu.size) else {
            return false;
        };
        let mut slot = Region::new(&mut self.flash, part);
        Image::parse(&mut slot).is_ok_and(|image| self.authority.verify(image, floor).is_ok())
    }

    fn floor(&mut self) -> Result<SecurityCounter, Refusal> {
        match Floor::read(&mut Region::new(&mut self.flash, self.map.floor)) {
            Ok(Some(floor)) => Ok(floor),
            Ok(None) | Err(_) => Err(Refusal::FlashUnreadable),
        }
    }

    fn raise_floor(&mut self, to: SecurityCounter) -> Result<(), Fault> {
        if self.floor().is_ok_and(|floor| floor >= to) {
            return Ok(());
        }
        let floor = Floor::open(Region::new(&mut self.flash, self.map.floor))?;
        Ok(floor.ok_or(Fault::NoFloor)?.raise(to)?)
    }

    /// Writes `record` down as something that happened, for the app to tell.
    fn happened(&mut self, mut record: BootRecord) -> Result<(), Fault> {
        record.report.event = self.record.report.event.wrapping_add(1);
        self.post(record)
    }

    fn post(&mut self, record: BootRecord) -> Result<(), Fault> {
        let (mut journal, _) = BootRecord::open(Region::new(&mut self.flash, self.map.record))?;
        record.post(&mut journal)?;
        self.record = record;
        Ok(())
    }
}

/// Pages that `bytes` fill; the image's parser has bounded them by the slot.
fn pages<F: NorFlash>(bytes: u32) -> u16 {
    let page = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX);
    u16::try_from(bytes.checked_div(page).map_or(0, |whole| {
        whole.saturating_add(u32::from(!bytes.is_multiple_of(page)))
    }))
    .unwrap_or(u16::MAX)
}
