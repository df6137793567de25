//! An owner in front of a lock: the project's own session on a phone on the virtual air.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use latchkey_phone::session::{Action, Characteristic, Event, Frame, News};
use latchkey_phone::{Credentials, Moment, RANDOM_LENGTH, Request, Session};
use latchkey_protocol::frame::sealed::FRAME_MAX;
use latchkey_protocol::key::SecretKey;
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::{AppId, AuthorizationType, Name};

use crate::Phone;

/// What the emulated lock is.
const FAMILY: Family = Family::ToFourth;

/// An owner, or whoever means to become one.
pub struct Owner {
    /// The phone.
    pub phone: Phone,
    pub(crate) lock: String,
    pub(crate) mtu: u16,
    pub(crate) session: Option<Session>,
    written: Vec<(Characteristic, Vec<u8>)>,
    start: Instant,
}

/// A characteristic as a phone knows it.
pub(crate) fn uuid(on: Characteristic) -> String {
    uuid_text(on.uuid(FAMILY))
}

/// A UUID as text.
pub(crate) fn uuid_text(uuid: u128) -> String {
    let digits = format!("{uuid:032x}");
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The public address of the lock with this name of eight hexadecimal digits.
#[must_use]
pub fn address(nuki_id: &str) -> String {
    let part = |from, to| nuki_id.get(from..to).unwrap_or_default();
    format!("54:D2:72:{}:{}:{}", part(2, 4), part(4, 6), part(6, 8))
}

impl Owner {
    /// An owner who will talk with the lock at this address, over this MTU.
    #[must_use]
    pub fn new(phone: Phone, lock: &str, mtu: u16) -> Self {
        Self {
            phone,
            lock: lock.to_owned(),
            mtu,
            session: None,
            written: Vec::new(),
            start: Instant::now(),
        }
    }

    /// Takes credentials, as somebody does who was invited.
    pub fn hold(&mut self, credentials: Credentials) {
        self.session = Some(Session::open(credentials));
    }

    /// Connects and subscribes; goes on with what an earlier pairing gave.
    ///
    /// # Errors
    /// The lock does not take the connection, or agrees on another MTU.
    pub fn connect(&mut self) -> Result<()> {
        let agreed = self.phone.connect(&self.lock, self.mtu)?;
        ensure!(agreed == self.mtu, "the lock agrees on MTU {agreed}");
        for on in Characteristic::ALL {
            self.phone.subscribe(&uuid(on))?;
        }
        let held = self.session.take().and_then(Session::into_credentials);
        self.session = held.map(Session::open);
        Ok(())
    }

    /// Disconnects.
    ///
    /// # Errors
    /// There is no connection.
    pub fn disconnect(&mut self) -> Result<()> {
        self.phone.disconnect()?;
        self.phone.wait_for_disconnection(Duration::from_secs(60))
    }

    /// Pairs as an app of this name; gives all that is told.
    ///
    /// # Errors
    /// The phone fails.
    pub fn pair(&mut self, name: &str) -> Result<Vec<News>> {
        let identity = Identity {
            kind: AuthorizationType::App,
            app: AppId(u32::from_le_bytes(random()?)),
            name: Name::new(name).context("the name is too long")?,
        };
        let secret = SecretKey::from_bytes(&mut random()?).context("no randomness")?;
        let mut out: Frame = [0; FRAME_MAX];
        let (mut session, action) = Session::pair(Way::ToFourth, identity, secret, self.now_ms(), &mut out);
        let news = self.run(&mut session, action);
        self.session = Some(session);
        news
    }

    /// Makes a request; gives all that is told until it has ended.
    ///
    /// # Errors
    /// Nothing can be asked now, or the phone fails.
    pub fn ask(&mut self, request: impl Into<Request>) -> Result<Vec<News>> {
        let mut session = self.session.take().context("not paired")?;
        let moment = self.moment()?;
        let mut out: Frame = [0; FRAME_MAX];
        let news = match session.ask(request.into(), moment, &mut out) {
            Ok(action) => self.run(&mut session, action),
            Err(not_asked) => Err(not_asked.into()),
        };
        self.session = Some(session);
        news
    }

    /// All that was written since the last call: where, and the bytes.
    pub fn take_written(&mut self) -> Vec<(Characteristic, Vec<u8>)> {
        core::mem::take(&mut self.written)
    }

    /// What an earlier pairing gave.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.session.as_ref()?.credentials()
    }

    /// Does what there is to do, and what follows, until what was begun has ended.
    fn run(&mut self, session: &mut Session, action: Action<'_>) -> Result<Vec<News>> {
        let mut news = Vec::new();
        let mut out: Frame = [0; FRAME_MAX];
        if self.act(action, &mut news)? {
            return Ok(news);
        }
        loop {
            let action = match self.next_event(session)? {
                Some((on, bytes)) => {
                    let event = Event::Received { on, bytes: &bytes };
                    session.handle(event, self.moment()?, &mut out)
                }
                None if self.phone.is_connected() => session.handle(Event::Tick, self.moment()?, &mut out),
                None => session.handle(Event::Disconnected, self.moment()?, &mut out),
            };
            let ended = if matches!(action, Action::Store) {
                // It lies in this process; that is all that a test needs.
                let action = session.handle(Event::Stored, self.moment()?, &mut out);
                self.act(action, &mut news)?
            } else {
                self.act(action, &mut news)?
            };
            if ended {
                return Ok(news);
            }
        }
    }

    /// Does one action; says whether what was begun has ended.
    fn act(&mut self, action: Action<'_>, news: &mut Vec<News>) -> Result<bool> {
        match action {
            Action::Wait | Action::Store => Ok(false),
            Action::Write { on, bytes } => {
                self.written.push((on, bytes.to_vec()));
                // Whether it arrived shows in what comes back.
                if let Err(error) = self.phone.write(&uuid(on), bytes)
                    && self.phone.is_connected()
                {
                    return Err(error);
                }
                Ok(false)
            }
            Action::Tell(told) => {
                let ended = matches!(told, News::Paired | News::Done(_) | News::Failed(_));
                news.push(told);
                Ok(ended)
            }
        }
    }

    /// The next indication; `None` when the connection is gone or the session wants to be told the time.
    fn next_event(&mut self, session: &Session) -> Result<Option<(Characteristic, Vec<u8>)>> {
        let by_ms = session.next_deadline().context("the session waits for nothing")?;
        let limit = Duration::from_millis(by_ms.saturating_sub(self.now_ms()));
        match self.phone.next_indication(limit) {
            Ok(indication) => {
                let on = Characteristic::ALL
                    .into_iter()
                    .find(|on| uuid(*on) == indication.uuid);
                let on = on.with_context(|| format!("an indication on {}", indication.uuid))?;
                Ok(Some((on, indication.bytes)))
            }
            Err(_) if !self.phone.is_connected() || self.now_ms() >= by_ms => Ok(None),
            Err(error) => bail!(error),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn moment(&self) -> Result<Moment> {
        Ok(Moment::new(self.now_ms(), random::<RANDOM_LENGTH>()?))
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system has no randomness")?;
    Ok(bytes)
}
