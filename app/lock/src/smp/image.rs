//! The image group: what lies in the slots, uploads, the request to install, erasing. Every call that reaches flash
//! takes an [`Admitted`].
//!
//! An upload is known by what its first piece calls itself (`sha`) and its length. The same one goes on where it was,
//! in this start from memory and after a power cut from the last mark on flash; any other one starts over; one without
//! a name always does. A piece for another offset than the next one is not written: the answer tells which is.
//!
//! One client uploads at a time. It loses the slot to another one when its connection is gone or silent for
//! [`IDLE_MS`], not to the first who comes by.

use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::ImageId;
use latchkey_image::{Header, ImageDigest};
use latchkey_protocol::value::UpdateStage;

use super::answer::{Answer, Listed};
use super::body::{SetState, Upload};
use super::fault::{Fault, ImageFault, Management, Refused};
use super::{Around, Identity, Outcome, Served};
use crate::lock::LinkId;
use crate::reason::Reason;
use crate::slot::Source;
use crate::staging::{Expected, Held, Staging};
use crate::update::Hold;
use crate::window::{Admitted, Progress};

/// A client that uploads and is silent for so long may be passed by another one, in milliseconds.
const IDLE_MS: u64 = 10_000;
/// Length of a SHA-256 digest.
const SHA: usize = 32;
/// Length of an image's header, which the first piece must hold.
const IMAGE_HEADER: usize = latchkey_image::HEADER_LENGTH;

/// An upload under way in this start.
#[derive(Clone, Copy)]
struct Session {
    /// Whose it is; nobody's once that connection is gone.
    link: Option<LinkId>,
    /// What it is called, as far as names are kept.
    name: Option<ImageId>,
    /// The whole file's digest, where the client gave it.
    sha: Option<[u8; SHA]>,
    size: u32,
    offset: u32,
    heard_ms: u64,
}

impl Session {
    fn is_whole(&self) -> bool {
        self.offset == self.size
    }

    fn is_anothers(&self, link: LinkId, now_ms: u64) -> bool {
        let silent_ms = now_ms.saturating_sub(self.heard_ms);
        !self.is_whole() && silent_ms < IDLE_MS && self.link.is_some_and(|owner| owner != link)
    }

    fn progress(&self) -> Progress {
        Progress {
            stage: if self.is_whole() {
                UpdateStage::Received
            } else {
                UpdateStage::Receiving
            },
            received: self.offset,
            size: self.size,
        }
    }
}

/// The first piece of an upload, looked at.
struct First<'b> {
    name: Option<ImageId>,
    sha: Option<[u8; SHA]>,
    size: u32,
    data: &'b [u8],
}

/// See the module's header.
pub(super) struct Images<'p> {
    identity: Identity<'p>,
    staging: Staging,
    session: Option<Session>,
    requested: bool,
}

impl<'p> Images<'p> {
    pub(super) const fn new(identity: Identity<'p>) -> Self {
        let staging = Staging::new(identity.map);
        Self {
            identity,
            staging,
            session: None,
            requested: false,
        }
    }

    pub(super) fn disconnected(&mut self, link: LinkId) {
        if let Some(session) = &mut self.session
            && session.link == Some(link)
        {
            session.link = None;
        }
    }

    /// The window is closed: what has come stays on flash, and the slot is free unless an install was asked for.
    pub(super) fn end(&mut self, around: &mut Around<'_>) {
        self.session = None;
        around.slot.release(Source::Phone);
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.session.is_some() || self.requested
    }

    pub(super) fn is_requested(&self) -> bool {
        self.requested
    }

    /// Whether somebody else uploads right now.
    pub(super) fn belongs_to_another(&self, link: LinkId, now_ms: u64) -> bool {
        self.session
            .is_some_and(|session| session.is_anothers(link, now_ms))
    }

    // What lies in the slots.

    pub(super) fn list<'b, F: NorFlash>(&self, _: Admitted, flash: &mut F) -> Served<'b> {
        let held = self.staging.held(flash)?;
        let running = self.identity.running;
        let active = Listed {
            slot: 0,
            version: running.version,
            hash: running.image,
            pending: false,
            // No window opens on trial.
            confirmed: true,
            active: true,
        };
        let other = held.map(|held| Listed {
            slot: 1,
            version: held.version,
            hash: held.image,
            pending: held.requested,
            confirmed: false,
            active: false,
        });
        Ok((Answer::Images { active, other }, Outcome::Answered))
    }

    // Uploads.

    pub(super) fn upload<'b, F: NorFlash>(
        &mut self,
        link: LinkId,
        piece: &Upload<'_>,
        _: Admitted,
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        if self.belongs_to_another(link, around.now_ms) {
            let words = "another client is uploading; try again later";
            let busy = Fault::Management(Management::Busy);
            return Err(Refused::saying(busy, Reason::SlotTaken, words));
        }
        let offset = piece.offset.ok_or(Refused::image(
            ImageFault::InvalidOffset,
            "the piece has no offset",
        ))?;
        if piece.image.is_some_and(|image| image != 0) {
            return Err(Refused::image(
                ImageFault::InvalidSlot,
                "the lock has one image only",
            ));
        }
        let data = piece.data.unwrap_or_default();
        if offset == 0 {
            let first = self.first_piece(piece, data)?;
            return self.begin(link, &first, around, flash);
        }
        let Some(session) = self.session.filter(|session| session.link == Some(link)) else {
            // It has to say first what it goes on with.
            return Ok(at(0));
        };
        if offset != session.offset || data.is_empty() {
            self.heard(around);
            return Ok(at(session.offset));
        }
        self.write(session, data, around, flash)
    }

    /// Looks at a first piece: nothing that is no image, or too long for the slot, gets anywhere near flash.
    fn first_piece<'b>(&self, piece: &Upload<'_>, data: &'b [u8]) -> Result<First<'b>, Refused> {
        let size = piece.length.ok_or(Refused::image(
            ImageFault::InvalidLength,
            "the first piece does not say how long the image is",
        ))?;
        if size == 0 || size > self.identity.map.active.size {
            return Err(Refused::new(Fault::Image(ImageFault::TooLarge), Reason::TooLarge));
        }
        if data.len() > size as usize {
            return Err(Refused::image(
                ImageFault::Overrun,
                "more bytes than the image has",
            ));
        }
        let header = data.first_chunk::<IMAGE_HEADER>().ok_or(Refused::image(
            ImageFault::InvalidHeader,
            "the first piece must hold the image's header",
        ))?;
        let header = Header::parse(header).map_err(Refused::header)?;
        if piece.upgrade == Some(true) && !self.is_newer(&header) {
            return Err(Refused::new(
                Fault::Image(ImageFault::CurrentIsNewer),
                Reason::NotNewer,
            ));
        }
        let sha = piece.sha.unwrap_or_default();
        if sha.len() > SHA {
            return Err(Refused::image(
                ImageFault::InvalidHash,
                "a digest has at most 32 bytes",
            ));
        }
        Ok(First {
            name: (!sha.is_empty()).then(|| name(sha)),
            sha: sha.try_into().ok(),
            size,
            data,
        })
    }

    fn is_newer(&self, header: &Header) -> bool {
        let runs = self.identity.running.version;
        let comes = header.version;
        (comes.major, comes.minor, comes.revision) > (runs.major, runs.minor, runs.revision)
    }

    fn begin<'b, F: NorFlash>(
        &mut self,
        link: LinkId,
        first: &First<'_>,
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        if let Some(session) = &mut self.session
            && first.name.is_some()
            && session.name == first.name
            && session.size == first.size
        {
            session.link = Some(link);
            session.heard_ms = around.now_ms;
            let offset = session.offset;
            return Ok(at(offset));
        }
        around.slot.claim(Source::Phone)?;
        if !around.window.take_start() {
            let often = Fault::Management(Management::BadState);
            return Err(Refused::new(often, Reason::TooManyStarts));
        }
        // What was asked for before is written over.
        self.session = None;
        self.requested = false;
        around.slot.withdraw(Source::Phone);
        let offset = self.begin_in_slot(first, flash)?;
        around.slot.claim(Source::Phone)?;
        let session = Session {
            link: Some(link),
            name: first.name,
            sha: first.sha,
            size: first.size,
            offset,
            heard_ms: around.now_ms,
        };
        let (answer, outcome) = if offset == 0 {
            self.write(session, first.data, around, flash)?
        } else {
            self.keep(session, around, flash)?
        };
        let began = Outcome::Began {
            from: offset,
            size: first.size,
        };
        let outcome = if outcome == Outcome::Whole { outcome } else { began };
        Ok((answer, outcome))
    }

    fn begin_in_slot<F: NorFlash>(&mut self, first: &First<'_>, flash: &mut F) -> Result<u32, Refused> {
        if first.name.is_none() {
            self.staging.abandon(flash)?;
        }
        let id = first.name.unwrap_or(ImageId([0; 16]));
        Ok(self.staging.begin(flash, id, first.size)?)
    }

    /// Writes what comes next.
    fn write<'b, F: NorFlash>(
        &mut self,
        mut session: Session,
        data: &[u8],
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        let left = session.size.saturating_sub(session.offset) as usize;
        if data.len() > left {
            return Err(Refused::image(
                ImageFault::Overrun,
                "more bytes than the image has",
            ));
        }
        match self.staging.write(flash, data) {
            Ok(offset) => session.offset = offset,
            Err(error) => {
                // From where it can go on, the next first piece is told.
                self.session = None;
                return Err(error.into());
            }
        }
        session.heard_ms = around.now_ms;
        self.keep(session, around, flash)
    }

    /// Keeps an upload as far as it is. Looks at it once more when it is whole.
    fn keep<'b, F: NorFlash>(
        &mut self,
        session: Session,
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        self.session = Some(session);
        around.window.note(session.progress());
        if !session.is_whole() {
            return Ok(at(session.offset));
        }
        let matches = self.compare(&session, flash)?;
        let offset = session.offset;
        if matches == Some(false) {
            self.give_up(around, flash)?;
            around.window.refused_for(Reason::Checksum);
            let refused = Refused::new(Fault::Management(Management::Corrupt), Reason::Checksum);
            return Ok((Answer::Offset { offset, matches }, Outcome::Refused(refused)));
        }
        Ok((Answer::Offset { offset, matches }, Outcome::Whole))
    }

    /// Whether the slot holds what the client said that it sends; `None` when it did not say enough. Some clients give
    /// the file's digest, others the one that the image carries; of that, the proof will tell.
    fn compare<F: NorFlash>(&self, session: &Session, flash: &mut F) -> Result<Option<bool>, Refused> {
        let Some(sha) = session.sha else {
            return Ok(None);
        };
        if self.staging.checksum(flash)? == sha {
            return Ok(Some(true));
        }
        let held = self.staging.held(flash)?;
        let is_image = held.is_some_and(|held| held.image == ImageDigest(sha));
        Ok((!is_image).then_some(false))
    }

    fn heard(&mut self, around: &Around<'_>) {
        if let Some(session) = &mut self.session {
            session.heard_ms = around.now_ms;
        }
    }

    fn give_up<F: NorFlash>(&mut self, around: &mut Around<'_>, flash: &mut F) -> Result<(), Refused> {
        self.staging.abandon(flash)?;
        self.session = None;
        self.requested = false;
        around.slot.withdraw(Source::Phone);
        around.window.note(Progress::NOTHING);
        Ok(())
    }

    // The install.

    pub(super) fn set_state<'b, F: NorFlash>(
        &mut self,
        wish: &SetState<'_>,
        admitted: Admitted,
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        if wish.confirm == Some(true) {
            let words = "the lock confirms an image by itself, once it has tested it";
            return Err(Refused::image(ImageFault::ConfirmationDenied, words));
        }
        let hash = wish.hash.and_then(|hash| hash.try_into().ok());
        let image = hash.map(ImageDigest).ok_or(Refused::image(
            ImageFault::InvalidHash,
            "the request names no image",
        ))?;
        if image == self.identity.running.image {
            let words = "this image runs already";
            return Err(Refused::image(ImageFault::TestOfActiveDenied, words));
        }
        if !admitted.allows(image) {
            let denied = Fault::Management(Management::AccessDenied);
            return Err(Refused::new(denied, Reason::NotAllowed));
        }
        may_install(around)?;
        match self.staging.held(flash)? {
            Some(Held {
                image: held,
                requested,
                ..
            }) if held == image => {
                if !requested {
                    self.request(image, around, flash)?;
                }
            }
            Some(_) | None => {
                let words = "the slot does not hold this image, whole; upload it first";
                return Err(Refused::image(ImageFault::NoImage, words));
            }
        }
        let (answer, _) = self.list(admitted, flash)?;
        Ok((answer, Outcome::Requested(image)))
    }

    fn request<F: NorFlash>(
        &mut self,
        image: ImageDigest,
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Result<(), Refused> {
        around.slot.claim(Source::Phone)?;
        let nothing = Refused::image(ImageFault::NoImage, "no whole image is in the slot");
        if !self.staging.take_up(flash)? {
            return Err(nothing);
        }
        let expected = Expected {
            image,
            running: self.identity.running.version,
            floor: self.identity.floor,
        };
        match self.staging.prove(flash, &self.identity.authority, &expected) {
            Ok(proven) => self.staging.request(flash, proven)?,
            Err(unproven) => {
                // It was given up with the proof.
                self.session = None;
                around.slot.withdraw(Source::Phone);
                around.window.note(Progress::NOTHING);
                return Err(Refused::unproven(&unproven));
            }
        }
        self.requested = true;
        around.slot.asked(Source::Phone);
        let size = around.window.progress().size;
        around.window.note(Progress {
            stage: UpdateStage::Requested,
            received: size,
            size,
        });
        Ok(())
    }

    // Erasing.

    pub(super) fn erase<'b, F: NorFlash>(
        &mut self,
        link: LinkId,
        slot: Option<u32>,
        _: Admitted,
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        if slot.is_some_and(|slot| slot != 1) {
            let words = "only the slot for new images is ever erased";
            return Err(Refused::image(ImageFault::InvalidSlot, words));
        }
        if self.belongs_to_another(link, around.now_ms) {
            let busy = Fault::Management(Management::Busy);
            return Err(Refused::new(busy, Reason::SlotTaken));
        }
        around.slot.claim(Source::Phone)?;
        self.give_up(around, flash)?;
        Ok((Answer::Done, Outcome::Answered))
    }
}

/// The bytes so far, as an answer.
fn at<'b>(offset: u32) -> (Answer<'b>, Outcome) {
    let matches = None;
    (Answer::Offset { offset, matches }, Outcome::Answered)
}

/// What an upload calls itself, as the mailbox keeps it: the first bytes of its digest. A name, not a proof.
fn name(sha: &[u8]) -> ImageId {
    let mut id = [0; 16];
    id.iter_mut().zip(sha).for_each(|(to, from)| *to = *from);
    ImageId(id)
}

/// An owner stands before the lock and asks for it, so neither quiet hours nor the wish for no automatic updates count.
fn may_install(around: &Around<'_>) -> Result<(), Refused> {
    match around.conditions.hold() {
        Some(Hold::Battery) => Err(Refused::new(
            Fault::Management(Management::BadState),
            Reason::Battery,
        )),
        Some(Hold::Busy) => Err(Refused::new(Fault::Management(Management::Busy), Reason::Busy)),
        Some(Hold::QuietHours | Hold::Owner) | None => Ok(()),
    }
}
