//! One connection with one lock, from the owner's side: pairing, or one request after the other.
//!
//! [`Session::pair`] or [`Session::open`] begins it when the connection stands and the characteristics are subscribed
//! to; [`Session::ask`] makes a request. From then on [`Session::handle`] takes one event and gives one action, which
//! the caller does before the next event. [`Session::next_deadline`] says when it wants [`Event::Tick`].
//!
//! Waits are bounded: [`REPLY_MS`] for each answer, [`MOTION_MS`] while the lock moves, [`WHOLE_MS`] in all. So is what
//! a lock may say: one entry more than was asked for ends the session, and so does anything that does not open with
//! the shared key. Only a refusal under the shared key leaves a session usable.
//!
//! What this cannot know: the protocol's answers prove that the lock said them, not that it says them now. Somebody in
//! between who has recorded earlier sessions can play old answers; the lock's own state shows it.

mod pairing;

use latchkey_protocol::frame::sealed::{self, FRAME_MAX, FrameNonce, Sealed};
use latchkey_protocol::frame::{FrameError, plain};
use latchkey_protocol::gatt;
use latchkey_protocol::key::SecretKey;
use latchkey_protocol::message::{
    Challenge, ErrorReport, FromLock, KeyturnerStates, Message, Payload, RequestData,
};
use latchkey_protocol::pairing::client::{ClientPairing, Unstored, Way};
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::reassembly::{Kind, Reassembly};
use latchkey_protocol::value::AppId;
use latchkey_protocol::wire::{NoRoom, Rest};

use crate::conversation::Conversation;
use crate::credentials::Credentials;
use crate::error::{Effect, Error, Failure, NotAsked};
use crate::moment::Moment;
use crate::request::Request;

/// How long the lock may take for its next message, in milliseconds.
pub const REPLY_MS: u64 = 10_000;
/// How long it may take while it moves, in milliseconds.
pub const MOTION_MS: u64 = 60_000;
/// How long pairing or a request may take in all, in milliseconds.
pub const WHOLE_MS: u64 = 180_000;

/// Room for the longest message, in bytes.
pub type Frame = [u8; FRAME_MAX];

/// Where bytes go out and come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characteristic {
    /// Pairing.
    Pairing,
    /// In plain: what the lock says about messages that it cannot open.
    Keyturner,
    /// Sealed messages.
    UserData,
}

impl Characteristic {
    /// All that a client subscribes to, with indications.
    pub const ALL: [Self; 3] = [Self::Pairing, Self::Keyturner, Self::UserData];

    /// Its UUID on a lock of this family.
    #[must_use]
    pub const fn uuid(self, family: Family) -> u128 {
        match (self, family) {
            (Self::Pairing, Family::ToFourth) => gatt::PAIRING_DATA,
            (Self::Pairing, Family::Fifth) => gatt::PAIRING_DATA_FIFTH,
            (Self::Keyturner, _) => gatt::KEYTURNER_DATA,
            (Self::UserData, _) => gatt::KEYTURNER_USER_DATA,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The lock has indicated this. Pieces of a message may come one by one.
    Received {
        /// On which characteristic.
        on: Characteristic,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The credentials that [`Action::Store`] asked to be stored are.
    Stored,
    /// The connection is gone.
    Disconnected,
    /// The time of [`Session::next_deadline`] has come.
    Tick,
}

/// What to do now.
#[derive(Debug, PartialEq)]
pub enum Action<'a> {
    /// Nothing.
    Wait,
    /// Write this, as a request; when it does not fit one, as a long write.
    Write {
        /// To which characteristic.
        on: Characteristic,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Store [`Session::credentials`], then say [`Event::Stored`]. The lock hears that they are held only then.
    Store,
    /// This is new.
    Tell(News),
}

/// What a session has to tell. [`News::Paired`], [`News::Done`] and [`News::Failed`] end what was begun.
#[derive(Debug, PartialEq)]
pub enum News {
    /// The lock knows this client from now on.
    Paired,
    /// The lock does what it was asked to.
    Accepted,
    /// This is how lock and door are now, told on the way or unasked.
    States(KeyturnerStates),
    /// A part of the answer: how much there is, or one of what there is.
    Part(FromLock),
    /// All is done; this is the answer, where there is one.
    Done(Option<FromLock>),
    /// It came to nothing.
    Failed(Failure),
}

/// See the module's header.
pub struct Session {
    family: Family,
    app: AppId,
    state: State,
    credentials: Option<Credentials>,
    pairing: Reassembly,
    keyturner: Reassembly,
    user_data: Reassembly,
    reply_by_ms: u64,
    whole_by_ms: u64,
}

enum State {
    /// The lock says the next word of a pairing; `sealed` when it seals it.
    Pairing { pairing: ClientPairing, sealed: bool },
    /// The caller stores the credentials.
    Storing(Unstored),
    /// Nothing is going on.
    Idle,
    /// The lock makes a challenge for this request.
    Challenged(Request),
    /// The lock answers.
    Answering(Conversation),
    /// Nothing will go on any more.
    Over,
}

impl Session {
    /// Begins to pair on a fresh connection; gives what to do first.
    #[must_use]
    pub fn pair(
        way: Way,
        identity: Identity,
        secret: SecretKey,
        now_ms: u64,
        out: &mut Frame,
    ) -> (Self, Action<'_>) {
        let family = way.family();
        let (pairing, first) = ClientPairing::start(way, identity, secret);
        let state = State::Pairing {
            pairing,
            sealed: false,
        };
        let mut session = Self::new(family, identity.app, state, None);
        session.begin(now_ms);
        let action = session.say_plain(&first, out);
        (session, action)
    }

    /// Begins with the credentials of an earlier pairing.
    #[must_use]
    pub fn open(credentials: Credentials) -> Self {
        Self::new(
            credentials.family,
            credentials.app,
            State::Idle,
            Some(credentials),
        )
    }

    const fn new(family: Family, app: AppId, state: State, credentials: Option<Credentials>) -> Self {
        Self {
            family,
            app,
            state,
            credentials,
            pairing: Reassembly::new(Kind::Plain),
            keyturner: Reassembly::new(Kind::Plain),
            user_data: Reassembly::new(Kind::Sealed),
            reply_by_ms: u64::MAX,
            whole_by_ms: u64::MAX,
        }
    }

    /// Those of this session: given, or what [`Action::Store`] is about.
    #[must_use]
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Ends the session and gives its credentials back, for the next connection.
    #[must_use]
    pub fn into_credentials(self) -> Option<Credentials> {
        self.credentials
    }

    /// Goes on with the same credentials on a fresh connection.
    pub(crate) fn renew(&mut self) {
        if let Some(credentials) = self.credentials.take() {
            *self = Self::open(credentials);
        }
    }

    /// Whether a request can be made.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether the session has ended: disconnect, connect again and open another.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// When [`Event::Tick`] is wanted at the latest, on the clock of [`Moment`]; `None` while nothing goes on.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let by_ms = self.reply_by_ms.min(self.whole_by_ms);
        (by_ms < u64::MAX).then_some(by_ms)
    }

    /// Makes a request; gives what to do first.
    ///
    /// # Errors
    /// [`NotAsked`]; the request is gone, and nothing was sent.
    pub fn ask<'a>(
        &mut self,
        request: Request,
        moment: Moment,
        out: &'a mut Frame,
    ) -> Result<Action<'a>, NotAsked> {
        match self.state {
            State::Idle => {}
            State::Over => return Err(NotAsked::Over),
            State::Pairing { .. } | State::Storing(_) | State::Challenged(_) | State::Answering(_) => {
                return Err(NotAsked::Busy);
            }
        }
        if !request.has_pins_of(self.family.pin_width()) {
            return Err(NotAsked::PinWidth);
        }
        self.begin(moment.now_ms);
        let (nonce, _) = moment.split();
        Ok(match request {
            Request::Report(report) => {
                self.state = State::Answering(Conversation::new(report.shape()));
                self.say(&report.into_message(), nonce, out)
            }
            Request::Act(_) | Request::Administer(..) => {
                self.state = State::Challenged(request);
                let wanted = Challenge::COMMAND;
                self.say(&RequestData { wanted, extra: Rest }, nonce, out)
            }
        })
    }

    /// Takes in what happened; gives what to do. `out` is where a message is put together.
    pub fn handle<'a>(&mut self, event: Event<'_>, moment: Moment, out: &'a mut Frame) -> Action<'a> {
        let now_ms = moment.now_ms;
        match event {
            Event::Received { on, bytes } => match on {
                Characteristic::Pairing => self.on_pairing(bytes, moment, out),
                Characteristic::Keyturner => self.on_keyturner(bytes),
                Characteristic::UserData => self.on_user_data(bytes, moment, out),
            },
            Event::Stored => self.on_stored(moment, out),
            Event::Disconnected => self.fail(Error::Disconnected),
            Event::Tick if self.next_deadline().is_some_and(|by_ms| by_ms <= now_ms) => {
                self.fail(Error::Silence)
            }
            Event::Tick => Action::Wait,
        }
    }

    /// What is said in plain proves nothing, and a lock says here only that it does not understand.
    fn on_keyturner(&mut self, bytes: &[u8]) -> Action<'static> {
        let report = match self.keyturner.push(bytes) {
            Ok(None) => return Action::Wait,
            Ok(Some(frame)) => plain::read(frame).and_then(|frame| match frame.command {
                ErrorReport::COMMAND => {
                    ErrorReport::read(frame.payload, self.family.pin_width()).map_err(|_| FrameError::Length)
                }
                _ => Err(FrameError::Length),
            }),
            Err(error) => Err(error.into()),
        };
        match (&self.state, report) {
            // Nothing was said that this could be about.
            (State::Idle | State::Pairing { .. } | State::Storing(_) | State::Over, _) => Action::Wait,
            (State::Challenged(_) | State::Answering(_), Ok(report)) => {
                self.fail(Error::RefusedInPlain(report.error))
            }
            (State::Challenged(_) | State::Answering(_), Err(error)) => self.fail(error.into()),
        }
    }

    fn on_user_data<'a>(&mut self, bytes: &[u8], moment: Moment, out: &'a mut Frame) -> Action<'a> {
        if let State::Pairing { .. } | State::Storing(_) | State::Over = self.state {
            return Action::Wait;
        }
        match self.open_message(bytes) {
            Ok(None) => Action::Wait,
            Ok(Some(message)) => self.on_message(message, moment, out),
            Err(error) => self.fail(error),
        }
    }

    fn open_message(&mut self, bytes: &[u8]) -> Result<Option<FromLock>, Error> {
        let Some(credentials) = &self.credentials else {
            return Ok(None);
        };
        let Some(frame) = self.user_data.push(bytes).map_err(FrameError::from)? else {
            return Ok(None);
        };
        let opened = Sealed::read(frame)?.open(credentials.key())?;
        if opened.authorization != credentials.authorization {
            return Err(FrameError::Authorization.into());
        }
        let message = FromLock::read(opened.command, opened.payload, self.family.pin_width());
        self.user_data.reset();
        Ok(Some(message?))
    }

    fn on_message<'a>(&mut self, message: FromLock, moment: Moment, out: &'a mut Frame) -> Action<'a> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::Challenged(request) => self.on_challenge(request, message, moment, out),
            State::Answering(conversation) => self.on_answer(conversation, message, moment.now_ms),
            before @ (State::Idle | State::Pairing { .. } | State::Storing(_) | State::Over) => {
                self.state = before;
                if let FromLock::KeyturnerStates(states) = message {
                    return Action::Tell(News::States(states));
                }
                // Late words about something that has ended.
                Action::Wait
            }
        }
    }

    fn on_answer(
        &mut self,
        mut conversation: Conversation,
        message: FromLock,
        now_ms: u64,
    ) -> Action<'static> {
        let heard = conversation.hear(message);
        let wait_ms = if conversation.is_accepted() {
            MOTION_MS
        } else {
            REPLY_MS
        };
        self.reply_by_ms = now_ms.saturating_add(wait_ms);
        match heard {
            Ok(done @ News::Done(_)) => {
                self.state = State::Idle;
                self.rest();
                Action::Tell(done)
            }
            Ok(news) => {
                self.state = State::Answering(conversation);
                Action::Tell(news)
            }
            Err(error) => {
                self.state = State::Answering(conversation);
                self.fail(error)
            }
        }
    }

    fn on_challenge<'a>(
        &mut self,
        request: Request,
        message: FromLock,
        moment: Moment,
        out: &'a mut Frame,
    ) -> Action<'a> {
        let FromLock::Challenge(Challenge { nonce }) = message else {
            self.state = State::Challenged(request);
            return self.instead_of_challenge(message);
        };
        self.state = State::Answering(Conversation::new(request.shape()));
        self.reply_by_ms = moment.now_ms.saturating_add(REPLY_MS);
        let (frame_nonce, _) = moment.split();
        let message = request.into_message(self.app, nonce);
        self.say(&message, frame_nonce, out)
    }

    fn instead_of_challenge(&mut self, message: FromLock) -> Action<'static> {
        let command = message.command();
        if let FromLock::KeyturnerStates(states) = message {
            // Bounded by time: these do not put the reply off.
            return Action::Tell(News::States(states));
        }
        if let FromLock::ErrorReport(report) = message {
            return self.fail(Error::Refused(report.error));
        }
        self.fail(Error::OutOfStep(command))
    }

    fn begin(&mut self, now_ms: u64) {
        self.reply_by_ms = now_ms.saturating_add(REPLY_MS);
        self.whole_by_ms = now_ms.saturating_add(WHOLE_MS);
    }

    fn rest(&mut self) {
        self.reply_by_ms = u64::MAX;
        self.whole_by_ms = u64::MAX;
    }

    fn say_plain<'a>(&mut self, message: &dyn Payload, out: &'a mut Frame) -> Action<'a> {
        self.pairing = Reassembly::new(Kind::Plain);
        match plain::write(message, out) {
            Ok(length) => write(Characteristic::Pairing, out, length),
            Err(NoRoom) => self.end(FrameError::Length.into(), Effect::None),
        }
    }

    fn say<'a>(&mut self, message: &dyn Payload, nonce: FrameNonce, out: &'a mut Frame) -> Action<'a> {
        let sealed = match &self.credentials {
            Some(by) => sealed::seal(message, by.authorization, by.key(), nonce, out),
            None => Err(NoRoom),
        };
        match sealed {
            Ok(length) => write(Characteristic::UserData, out, length),
            Err(NoRoom) => self.end(FrameError::Length.into(), Effect::None),
        }
    }

    /// Ends what goes on, and the session too unless the lock itself said no.
    fn fail(&mut self, error: Error) -> Action<'static> {
        let refused = matches!(error, Error::Refused(_));
        let effect = match &self.state {
            State::Answering(talk) if talk.changes() && (!refused || talk.is_accepted()) => Effect::Unknown,
            State::Challenged(_) | State::Answering(_) => Effect::None,
            State::Pairing { sealed, .. } if *sealed || self.credentials.is_some() => Effect::Unknown,
            State::Pairing { .. } => Effect::None,
            // In the 5th generation the lock holds it already.
            State::Storing(_) => Effect::Unknown,
            // Nothing was begun, so nothing has failed.
            State::Idle | State::Over => {
                self.state = State::Over;
                return Action::Wait;
            }
        };
        let action = self.end(error, effect);
        if refused {
            self.state = State::Idle;
        }
        action
    }

    fn end(&mut self, error: Error, effect: Effect) -> Action<'static> {
        self.state = State::Over;
        self.rest();
        Action::Tell(News::Failed(Failure { error, effect }))
    }
}

fn write(on: Characteristic, out: &mut Frame, length: usize) -> Action<'_> {
    let bytes = out.get(..length).unwrap_or_default();
    Action::Write { on, bytes }
}
