//! An owner who updates the lock: the project's own update on a phone on the virtual air, with whatever happens to it.

use std::time::Duration;

use anyhow::{Context, Result};
use latchkey_phone::Session;
use latchkey_phone::release::Signed;
use latchkey_phone::session::Characteristic;
use latchkey_phone::update::{Action, Buffer, Channel, Ended, Event, News, Update};
use latchkey_protocol::gatt;
use latchkey_protocol::value::Pin;

use crate::Owner;
use crate::owner::{uuid, uuid_text};

/// What an update is at.
#[derive(Clone, Copy, Debug)]
pub enum At<'n> {
    /// So many pieces of SMP requests are out.
    Piece(usize),
    /// It tells this.
    News(&'n News),
}

/// What happens to it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: it goes on.
    On,
    /// The connection is lost.
    Lost,
    /// The phone's program is killed.
    Killed,
}

/// The SMP characteristic, as a phone knows it.
fn smp() -> String {
    uuid_text(gatt::SMP_CHARACTERISTIC)
}

/// What comes of an action.
enum Then {
    Event(Event<'static>),
    Received(Channel, Vec<u8>),
    Ended(Ended),
    Killed,
}

impl Owner {
    /// Updates the lock to this image; agrees to what is planned. `fate` says what happens on the way. `None` when the
    /// phone's program was killed: the owner is another one then, who only knows the credentials.
    ///
    /// # Errors
    /// The owner is not paired, or the phone fails.
    pub fn install(
        &mut self,
        release: Signed<Vec<u8>>,
        pin: Pin,
        mut fate: impl FnMut(At<'_>) -> Fate,
    ) -> Result<Option<Ended>> {
        let credentials = self.session.take().and_then(Session::into_credentials);
        let mut update = Update::new(release, credentials.context("not paired")?, pin);
        let ended = self.run_update(&mut update, &mut fate);
        self.session = update.into_credentials().map(Session::open);
        ended
    }

    fn run_update(
        &mut self,
        update: &mut Update<Vec<u8>>,
        fate: &mut dyn FnMut(At<'_>) -> Fate,
    ) -> Result<Option<Ended>> {
        let mut buffer = Buffer::new();
        let mut then = Then::Event(Event::Done);
        let mut pieces = 0_usize;
        loop {
            let moment = self.moment()?;
            let action = match &then {
                Then::Event(event) => update.handle(*event, moment, &mut buffer),
                Then::Received(on, bytes) => {
                    update.handle(Event::Received { on: *on, bytes }, moment, &mut buffer)
                }
                Then::Ended(ended) => return Ok(Some(ended.clone())),
                Then::Killed => return Ok(None),
            };
            then = match action {
                Action::Wait => self.next_update_event(update.is_connected(), update.next_deadline())?,
                Action::Again => Then::Event(Event::Done),
                Action::Connect => Then::Event(self.connect_for_update()),
                Action::Disconnect => {
                    // There may be none any more.
                    let _ = self.disconnect();
                    Then::Event(Event::Done)
                }
                Action::Write { on, bytes } => {
                    let written = self.phone.write(&uuid(on), bytes);
                    self.done_if(written)?
                }
                Action::Send { bytes } => {
                    let sent = self.phone.send(&smp(), bytes);
                    pieces = pieces.saturating_add(1);
                    let then = self.done_if(sent)?;
                    self.meet(fate(At::Piece(pieces)), then)?
                }
                Action::Tell(News::Plan(_)) => Then::Event(Event::Consent(true)),
                Action::Tell(News::Ended(ended)) => Then::Ended(ended),
                Action::Tell(news) => {
                    let then = Then::Event(Event::Done);
                    self.meet(fate(At::News(&news)), then)?
                }
            };
        }
    }

    fn meet(&mut self, fate: Fate, then: Then) -> Result<Then> {
        match fate {
            Fate::On => Ok(then),
            Fate::Killed => Ok(Then::Killed),
            Fate::Lost if !self.phone.is_connected() => Ok(then),
            Fate::Lost => {
                self.disconnect()?;
                Ok(Then::Event(Event::Disconnected))
            }
        }
    }

    fn connect_for_update(&mut self) -> Event<'static> {
        let connected = self.phone.connect(&self.lock, self.mtu).and_then(|mtu| {
            for on in Characteristic::ALL {
                self.phone.subscribe(&uuid(on))?;
            }
            self.phone.subscribe(&smp())?;
            Ok(mtu)
        });
        match connected {
            Ok(mtu) => Event::Connected { mtu },
            Err(_) => {
                let _ = self.disconnect();
                Event::NotConnected
            }
        }
    }

    /// What was done is done, unless the connection is gone.
    fn done_if(&mut self, done: Result<()>) -> Result<Then> {
        match done {
            Ok(()) => Ok(Then::Event(Event::Done)),
            Err(_) if !self.phone.is_connected() => Ok(Then::Event(Event::Disconnected)),
            Err(error) => Err(error),
        }
    }

    fn next_update_event(&mut self, connected: bool, by_ms: Option<u64>) -> Result<Then> {
        let by_ms = by_ms.context("the update waits for nothing")?;
        let limit = Duration::from_millis(by_ms.saturating_sub(self.now_ms()));
        if !connected {
            // Time is all that can come.
            std::thread::sleep(limit);
            return Ok(Then::Event(Event::Tick));
        }
        match self.phone.next_indication(limit) {
            Ok(indication) => {
                let on = Characteristic::ALL
                    .into_iter()
                    .find(|on| uuid(*on) == indication.uuid);
                let on = on.map_or(Channel::Smp, Channel::Lock);
                Ok(Then::Received(on, indication.bytes))
            }
            Err(_) if !self.phone.is_connected() => Ok(Then::Event(Event::Disconnected)),
            Err(_) if self.now_ms() >= by_ms => Ok(Then::Event(Event::Tick)),
            Err(error) => Err(error),
        }
    }
}
