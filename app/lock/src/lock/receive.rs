//! What connections write: pieces become frames, frames become requests, and a request passes every check here
//! before anything acts on it, in this order:
//!
//! 1. it opens with the key of the authorization it names;
//! 2. it can be read;
//! 3. the authorization is switched on, may act from where it is, and at this time;
//! 4. its nonce, if it has one, is the one that this authorization got last on this connection, never used before;
//! 5. its PIN, if it has one, is right. Only here does a try count.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::frame::FrameError;
use latchkey_protocol::frame::sealed::Sealed;
use latchkey_protocol::message::{Command, ErrorReport, FromClient, PairingFromLock, Unreadable};
use latchkey_protocol::pairing::lock::{Answer, Application, Unstored};
use latchkey_protocol::reassembly::{Kind, Reassembly};
use latchkey_protocol::value::{AuthorizationType, ErrorCode};
use latchkey_protocol::wire::PinWidth;
use latchkey_storage::Storage;

use super::links::{Item, Link, Reply, Session};
use super::{Characteristic, LinkId, Lock, Moment};
use crate::access::{Authorization, Authorizations, NotAdded, same_key};
use crate::store::StoreFailed;
use crate::window::NotOpened;

impl From<StoreFailed> for ErrorCode {
    /// Nothing happened, and the protocol has no word for why.
    fn from(_: StoreFailed) -> Self {
        Self::Unknown
    }
}

impl From<NotOpened> for ErrorCode {
    fn from(why: NotOpened) -> Self {
        why.error_code()
    }
}

impl Lock {
    pub(super) fn received<F: NorFlash>(
        &mut self,
        id: LinkId,
        on: Characteristic,
        bytes: &[u8],
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) {
        let Some(link) = self.links.get(id).filter(|link| !link.closing) else {
            return;
        };
        link.heard(moment.now_ms);
        if !link.has_room() {
            link.closing = true;
            return;
        }
        match on {
            Characteristic::Pairing => self.on_pairing(id, bytes, moment, storage),
            Characteristic::UserData => self.on_user_data(id, bytes, moment, storage),
            // Nothing is ever asked for here.
            Characteristic::Keyturner => link.push(plain_error(ErrorCode::NotAuthorized)),
        }
    }

    fn on_pairing<F: NorFlash>(
        &mut self,
        id: LinkId,
        bytes: &[u8],
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) {
        let may_pair = self.state.may_pair(moment.now_ms);
        let waiting = self.state.new_pairing(storage);
        let (Some(link), Some(fresh)) = (self.links.get(id), moment.fresh()) else {
            return;
        };
        let sealed = core::mem::take(&mut link.pairing_sealed);
        let before = core::mem::replace(&mut link.pairing, waiting);
        if !may_pair {
            link.plain = Reassembly::new(Kind::Plain);
            let command = bytes.first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes));
            link.push(pairing_error(ErrorCode::NotPairing, Command(command)));
            return;
        }
        let (after, answer) = match link.plain.push(bytes) {
            Ok(Some(frame)) if sealed => before.receive_sealed(frame),
            Ok(Some(frame)) => before.receive(frame, fresh),
            Ok(None) => {
                (link.pairing, link.pairing_sealed) = (before, sealed);
                return;
            }
            Err(error) => {
                link.plain = Reassembly::new(Kind::Plain);
                let error = FrameError::from(error).error_code();
                link.push(pairing_error(error, Command(0)));
                return;
            }
        };
        link.pairing = after;
        self.pairing_answer(id, answer, moment, storage);
    }

    fn pairing_answer<F: NorFlash>(
        &mut self,
        id: LinkId,
        answer: Answer,
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) {
        let answer = match answer {
            Answer::Decide(application) => self.decide(id, application, moment, storage),
            Answer::Say(_) | Answer::SaySealed(_) | Answer::Store(_) => answer,
        };
        let answer = match answer {
            Answer::Store(unstored) => self.pair(id, unstored, moment.now_ms, storage),
            Answer::Say(_) | Answer::SaySealed(_) | Answer::Decide(_) => answer,
        };
        let Some(link) = self.links.get(id) else { return };
        // In the 5th generation, what follows this message comes sealed.
        link.pairing_sealed = matches!(answer, Answer::Say(PairingFromLock::AuthorizationInfo(_)));
        link.plain = Reassembly::new(if link.pairing_sealed {
            Kind::Sealed
        } else {
            Kind::Plain
        });
        match answer {
            Answer::Say(message) => link.push(Item::Pairing(message)),
            Answer::SaySealed(grant) => link.push(Item::PairingSealed(grant)),
            // Answered above.
            Answer::Decide(_) | Answer::Store(_) => {}
        }
    }

    /// Whether this client comes in, and under which id.
    fn decide<F: NorFlash>(
        &mut self,
        id: LinkId,
        application: Application,
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) -> Answer {
        if let Some(pin) = application.pin()
            && let Err(wrong) = self.state.guard.check(storage, pin, moment.now_ms)
        {
            return application.refuse(wrong.pin_error());
        }
        if self.state.authorizations.len() >= Authorizations::MAX {
            return application.refuse(ErrorCode::MaxUser);
        }
        let next = self.state.next_authorization();
        let (Some(next), Some(fresh)) = (next, moment.fresh()) else {
            return application.refuse(ErrorCode::Unknown);
        };
        let (after, answer) = application.grant(next, self.state.kept.uuid, fresh);
        if let Some(link) = self.links.get(id) {
            link.pairing = after;
        }
        answer
    }

    /// Writes a new authorization down, in the place of one that the same client had. Then pairing is over for
    /// everybody.
    fn pair<F: NorFlash>(
        &mut self,
        id: LinkId,
        unstored: Unstored,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Answer {
        match self.store_paired(&unstored, now_ms, storage) {
            Ok(()) => {
                self.state.pairing_until_ms = None;
                if let Some(link) = self.links.get(id) {
                    link.proven = true;
                }
                unstored.stored()
            }
            Err(_) => unstored.failed(),
        }
    }

    fn store_paired<F: NorFlash>(
        &mut self,
        unstored: &Unstored,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<(), NotAdded> {
        let new = unstored.authorization();
        let key = same_key(&new.key);
        let mut record = Authorization::new(new.authorization, new.identity.kind, new.identity.name, key);
        record.app = new.identity.app;
        record.created = self.state.clock.now(now_ms).0;
        self.state.keep_authorization(storage, record.id)?;
        self.state.authorizations.add(storage, &record)?;
        // From here on it is paired. What the client held before opens nothing any more.
        while let Some(twin) = self.state.authorizations.twin(storage, &record)? {
            self.state.authorizations.remove(storage, twin)?;
            self.links.drop_sessions(twin, LinkId(u8::MAX));
        }
        Ok(())
    }

    fn on_user_data<F: NorFlash>(
        &mut self,
        id: LinkId,
        bytes: &[u8],
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) {
        let Some(link) = self.links.get(id) else { return };
        let width = self.state.identity.family.pin_width();
        match open(link, bytes, width, &self.state.authorizations, storage) {
            Ok(Some(opened)) => self.on_request(id, opened, moment, storage),
            Ok(None) => {}
            Err(error) => link.push(plain_error(error)),
        }
    }

    fn on_request<F: NorFlash>(
        &mut self,
        id: LinkId,
        opened: Opened,
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) {
        let Opened { by, command, request } = opened;
        let done = self
            .admit(id, &by, request, moment.now_ms, storage)
            .and_then(|request| self.execute(id, by, request, moment, storage));
        if let (Err(error), Some(link)) = (done, self.links.get(id)) {
            link.push(Item::Sealed(Reply::error(error, command)));
        }
    }

    /// Checks 2 to 5 of the module's header.
    fn admit<F: NorFlash>(
        &mut self,
        id: LinkId,
        by: &Authorization,
        request: Result<FromClient, ErrorCode>,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Result<FromClient, ErrorCode> {
        let link = self.links.get(id).ok_or(ErrorCode::Unknown)?;
        let request = request?;
        if !by.enabled {
            return Err(ErrorCode::Disabled);
        }
        if link.by_bridge && !by.remote_allowed {
            return Err(ErrorCode::RemoteNotAllowed);
        }
        if !by.is_in_time(self.state.local(now_ms)) {
            return Err(ErrorCode::TimeNotAllowed);
        }
        if let Some(nonce) = request.nonce() {
            let redeemed = link.challenge.redeem(by.id, nonce);
            redeemed.map_err(|stale| stale.error_code())?;
            link.proven = true;
        }
        if let Some(pin) = request.pin() {
            let checked = self.state.guard.check(storage, pin, now_ms);
            checked.map_err(|wrong| wrong.pin_error())?;
        }
        Ok(request)
    }
}

/// A sealed message that opened.
struct Opened {
    by: Authorization,
    command: Command,
    request: Result<FromClient, ErrorCode>,
}

/// Check 1 of the module's header. `None` while the message is not whole.
fn open<F: NorFlash>(
    link: &mut Link,
    bytes: &[u8],
    width: PinWidth,
    authorizations: &Authorizations,
    storage: &mut Storage<F>,
) -> Result<Option<Opened>, ErrorCode> {
    let pushed = link.sealed.push(bytes);
    let Some(frame) = pushed.map_err(|error| FrameError::from(error).error_code())? else {
        return Ok(None);
    };
    let sealed = Sealed::read(frame).map_err(FrameError::error_code)?;
    let by = authorizations
        .load(storage, sealed.claimed())?
        .ok_or(ErrorCode::NotAuthorized)?;
    let opened = match sealed.open(&by.key) {
        Ok(opened) => {
            let request = FromClient::read(opened.command, opened.payload, width);
            Ok((opened.command, request.map_err(Unreadable::error_code)))
        }
        // It is from whom it says, and damaged before it was sealed.
        Err(error @ (FrameError::Checksum | FrameError::Length)) => Ok((Command(0), Err(error.error_code()))),
        Err(error @ (FrameError::Box | FrameError::Authorization)) => Err(error.error_code()),
    };
    link.sealed.reset();
    let (command, request) = opened?;
    link.begin_session(Session {
        id: by.id,
        key: same_key(&by.key),
    });
    link.by_bridge |= by.kind == AuthorizationType::Bridge;
    Ok(Some(Opened { by, command, request }))
}

fn plain_error(error: ErrorCode) -> Item {
    Item::PlainError(ErrorReport {
        error: error.into(),
        command: Command(0),
    })
}

fn pairing_error(error: ErrorCode, command: Command) -> Item {
    let error = error.into();
    Item::Pairing(ErrorReport { error, command }.into())
}
