//! A lock that one talks with: a session over a link, driven until what was begun has ended.

use std::time::Duration;

use latchkey_phone::session::{Action, Event, Frame, News};
use latchkey_phone::update::Channel;
use latchkey_phone::{Credentials, Request, Session};
use latchkey_protocol::frame::sealed::FRAME_MAX;
use latchkey_protocol::key::SecretKey;
use latchkey_protocol::message::{FromLock, KeyturnerStates};
use latchkey_protocol::pairing::Identity;
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::value::NukiId;

use crate::clock::{Clock, random};
use crate::failure::{Failure, Kind, Outcome};
use crate::link::{Link, LinkError, check_mtu};
use crate::store::Held;

/// See the module's header.
pub(crate) struct Door {
    link: Box<dyn Link>,
    lock: NukiId,
    session: Session,
    clock: Clock,
}

/// What came of a request.
#[derive(Default)]
pub(crate) struct Answer {
    /// How much there is, or one of what there is, as it came.
    pub(crate) parts: Vec<FromLock>,
    /// The answer itself.
    pub(crate) last: Option<FromLock>,
    /// How lock and door were when the lock told it last.
    pub(crate) states: Option<KeyturnerStates>,
}

impl Door {
    /// Connects with the lock on which these are held.
    pub(crate) fn connect(link: Box<dyn Link>, held: Held, scan: Duration) -> Outcome<Self> {
        Self::open(link, held.lock, held.credentials, scan)
    }

    fn open(
        mut link: Box<dyn Link>,
        lock: NukiId,
        credentials: Credentials,
        scan: Duration,
    ) -> Outcome<Self> {
        check_mtu(link.connect(lock, credentials.family, scan)?)?;
        Ok(Self {
            link,
            lock,
            session: Session::open(credentials),
            clock: Clock::start(),
        })
    }

    /// Connects once more, if nothing can be asked on this connection any more.
    pub(crate) fn still_open(self, scan: Duration) -> Outcome<Self> {
        if !self.session.is_over() {
            return Ok(self);
        }
        let lock = self.lock;
        let (link, credentials) = self.leave();
        Self::open(link, lock, credentials.ok_or_else(Failure::odd_answer)?, scan)
    }

    /// Pairs. `store` keeps the credentials; the lock hears that they are held only then.
    pub(crate) fn pair(
        mut link: Box<dyn Link>,
        lock: NukiId,
        way: Way,
        identity: Identity,
        scan: Duration,
        store: &mut dyn FnMut(&Credentials) -> Outcome<()>,
    ) -> Outcome<Self> {
        check_mtu(link.connect(lock, way.family(), scan)?)?;
        let clock = Clock::start();
        let secret = SecretKey::from_bytes(&mut random()?).ok_or_else(|| {
            Failure::new(
                Kind::File,
                "the system's random numbers are none; nothing was done",
            )
        })?;
        let mut out: Frame = [0; FRAME_MAX];
        let (session, action) = Session::pair(way, identity, secret, clock.now_ms(), &mut out);
        let mut door = Self {
            link,
            lock,
            session,
            clock,
        };
        door.run(action, store, &mut |_| {})?;
        Ok(door)
    }

    /// Asks for something that is told at once.
    pub(crate) fn ask(&mut self, request: impl Into<Request>) -> Outcome<Answer> {
        self.follow(request, &mut |_| {})
    }

    /// Asks, and hears how it goes.
    pub(crate) fn follow(
        &mut self,
        request: impl Into<Request>,
        hear: &mut dyn FnMut(&News),
    ) -> Outcome<Answer> {
        let moment = self.clock.moment()?;
        let mut out: Frame = [0; FRAME_MAX];
        let action = self.session.ask(request.into(), moment, &mut out)?;
        self.run(action, &mut |_| Ok(()), hear)
    }

    /// Ends the connection, and gives back what is held.
    pub(crate) fn leave(mut self) -> (Box<dyn Link>, Option<Credentials>) {
        self.link.disconnect();
        (self.link, self.session.into_credentials())
    }

    /// Does what there is to do, and what follows, until what was begun has ended.
    fn run(
        &mut self,
        action: Action<'_>,
        store: &mut dyn FnMut(&Credentials) -> Outcome<()>,
        hear: &mut dyn FnMut(&News),
    ) -> Outcome<Answer> {
        let mut answer = Answer::default();
        let mut ended = act(&mut *self.link, action, &mut answer, hear)?;
        let mut out: Frame = [0; FRAME_MAX];
        while !ended {
            let received = self.next();
            let moment = self.clock.moment()?;
            let action = match &received {
                Ok(Some((on, bytes))) => {
                    let event = Event::Received { on: *on, bytes };
                    self.session.handle(event, moment, &mut out)
                }
                Ok(None) => self.session.handle(Event::Tick, moment, &mut out),
                Err(_) => self.session.handle(Event::Disconnected, moment, &mut out),
            };
            let action = if matches!(action, Action::Store) {
                let held = self.session.credentials().ok_or_else(Failure::odd_answer)?;
                store(held)?;
                self.session.handle(Event::Stored, self.clock.moment()?, &mut out)
            } else {
                action
            };
            ended = act(&mut *self.link, action, &mut answer, hear)?;
        }
        Ok(answer)
    }

    /// The next indication; `None` when the session wants to be told the time.
    fn next(&mut self) -> Result<Option<(latchkey_phone::session::Characteristic, Vec<u8>)>, LinkError> {
        let by_ms = self.session.next_deadline().unwrap_or(0);
        loop {
            match self.link.next(self.clock.until(by_ms))? {
                Some(received) => {
                    if let Channel::Lock(on) = received.on {
                        return Ok(Some((on, received.bytes)));
                    }
                    // Nobody asked over SMP.
                }
                None => return Ok(None),
            }
        }
    }
}

/// Does one action; says whether what was begun has ended.
fn act(
    link: &mut dyn Link,
    action: Action<'_>,
    answer: &mut Answer,
    hear: &mut dyn FnMut(&News),
) -> Outcome<bool> {
    let news = match action {
        Action::Wait | Action::Store => return Ok(false),
        Action::Write { on, bytes } => {
            // When this fails, so does the next wait, and the session knows what that means for the lock.
            let _ = link.write(Channel::Lock(on), bytes);
            return Ok(false);
        }
        Action::Tell(news) => news,
    };
    hear(&news);
    match news {
        News::Accepted => Ok(false),
        News::States(states) => {
            answer.states = Some(states);
            Ok(false)
        }
        News::Part(part) => {
            answer.parts.push(part);
            Ok(false)
        }
        News::Paired => Ok(true),
        News::Done(last) => {
            answer.last = last;
            Ok(true)
        }
        News::Failed(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests;
