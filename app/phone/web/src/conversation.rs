//! A session with one lock: what a page holds while it is connected.

use latchkey_phone::invitation::Invitation;
use latchkey_phone::session::{Action, Event, Frame, News};
use latchkey_phone::{Credentials, Session};
use latchkey_protocol::frame::sealed::FRAME_MAX;
use latchkey_protocol::key::{SecretKey, SharedKey};
use latchkey_protocol::message::FromLock;
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::{AppId, AuthorizationId, AuthorizationType, CarriedKey, NukiId};
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use crate::ask::{Ask, name, pin};
use crate::moment::{moment, random, whole_ms};
use crate::step::{Step, characteristic};
use crate::tell;

/// See the module's header. One for each connection; what a lock is known by outlives it in
/// [`Conversation::credentials`].
#[wasm_bindgen]
pub struct Conversation {
    session: Session,
    /// What a pairing begins with.
    first: Option<Step>,
    /// An invitation that the lock has not answered yet: to which lock, and its key.
    invited: Option<(NukiId, SharedKey)>,
    /// What an invitation that was accepted says of the lock.
    lock: Option<NukiId>,
}

#[wasm_bindgen]
impl Conversation {
    /// Pairs on a fresh connection, under this name; with the security PIN where the lock pairs as the 5th generation
    /// does. [`Self::begin`] gives what to do first.
    ///
    /// # Errors
    /// In words: a name that does not fit, or no randomness.
    pub fn pair(called: &str, fifth_pin: Option<u32>, now_ms: f64) -> Result<Self, String> {
        let identity = Identity {
            kind: AuthorizationType::App,
            app: AppId(u32::from_le_bytes(random()?)),
            name: name(called)?,
        };
        let way = match fifth_pin {
            Some(value) => Way::Fifth(pin(Family::Fifth, value)?),
            None => Way::ToFourth,
        };
        let secret = SecretKey::from_bytes(&mut random()?).ok_or("the browser gives no random numbers")?;
        let mut out: Frame = [0; FRAME_MAX];
        let (session, action) = Session::pair(way, identity, secret, whole_ms(now_ms), &mut out);
        let first = Step::of_session(action, |news| tell::news(&news));
        Ok(Self {
            session,
            first: Some(first),
            invited: None,
            lock: None,
        })
    }

    /// Goes on with what was stored after a pairing. Wipes the bytes it is given.
    ///
    /// # Errors
    /// In words: what was stored are no credentials.
    pub fn open(stored: Vec<u8>) -> Result<Self, String> {
        credentials(stored).map(Self::holding)
    }

    /// Goes on with an invitation.
    ///
    /// # Errors
    /// In words: it is none.
    pub fn invited(text: &str) -> Result<Self, String> {
        let Invitation { lock, credentials } = Invitation::read(text).map_err(|why| why.to_string())?;
        Ok(Self {
            lock: Some(lock),
            ..Self::holding(credentials)
        })
    }

    fn holding(credentials: Credentials) -> Self {
        Self {
            session: Session::open(credentials),
            first: None,
            invited: None,
            lock: None,
        }
    }

    /// What a pairing begins with, once.
    pub fn begin(&mut self) -> Option<Step> {
        self.first.take()
    }

    /// Asks something, as [`crate::ask`] has it; gives what to do first.
    ///
    /// # Errors
    /// In words: nothing was sent.
    pub fn ask(&mut self, json: String, now_ms: f64) -> Result<Step, String> {
        let json = Zeroizing::new(json);
        let family = self.family().ok_or("not paired yet; nothing was sent")?;
        let invited = &mut self.invited;
        let request = Ask::read(&json)?.into_request(family, |lock| {
            let mut key = random()?;
            *invited = Some((lock, SharedKey::from_bytes(&mut Zeroizing::new(key))));
            let carried = CarriedKey::new(key);
            zeroize::Zeroize::zeroize(&mut key);
            Ok(carried)
        })?;
        let mut out: Frame = [0; FRAME_MAX];
        let asked = self.session.ask(request, moment(now_ms)?, &mut out);
        let action = asked.map_err(|why| why.to_string())?;
        Ok(Step::of_session(action, |news| tell::news(&news)))
    }

    /// The lock has indicated this.
    ///
    /// # Errors
    /// In words: no such characteristic, or no randomness.
    pub fn received(&mut self, on: &str, bytes: &[u8], now_ms: f64) -> Result<Step, String> {
        let Some(on) = characteristic(on) else {
            return Err(format!("the page brings bytes from {on:?}; reload it"));
        };
        self.handle(Event::Received { on, bytes }, now_ms)
    }

    /// What [`Step`] `store` asked for is stored.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn stored(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Stored, now_ms)
    }

    /// The connection is gone.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn disconnected(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Disconnected, now_ms)
    }

    /// The time of [`Self::deadline`] has come.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn tick(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Tick, now_ms)
    }

    fn handle(&mut self, event: Event<'_>, now_ms: f64) -> Result<Step, String> {
        let mut out: Frame = [0; FRAME_MAX];
        // The news may be an answer that belongs to what is held here.
        let invited = &mut self.invited;
        let mut made = None;
        let action = self.session.handle(event, moment(now_ms)?, &mut out);
        if let Action::Tell(news) = &action {
            match news {
                News::Done(Some(FromLock::InvitedAuthorization(answer))) => {
                    made = invited
                        .take()
                        .map(|(lock, key)| (lock, answer.authorization, key));
                }
                News::Done(_) | News::Failed(_) => *invited = None,
                News::Paired | News::Accepted | News::States(_) | News::Part(_) => {}
            }
        }
        let mut step = Step::of_session(action, |news| tell::news(&news));
        if let Some((lock, id, key)) = made {
            step.news = self.with_invitation(&step.news, lock, id, key)?;
        }
        Ok(step)
    }

    /// Puts the invitation beside what the lock answered.
    fn with_invitation(
        &self,
        news: &str,
        lock: NukiId,
        id: AuthorizationId,
        key: SharedKey,
    ) -> Result<String, String> {
        const LOST: &str = "the invitation could not be written down; remove the user and invite again";
        let ours = self.session.credentials().ok_or(LOST)?;
        let app = AppId(u32::from_le_bytes(random()?));
        let credentials = Credentials::invited(ours.family, ours.uuid, id, app, key);
        let word = Invitation { lock, credentials }.word();
        let mut told: serde_json::Value = serde_json::from_str(news).map_err(|_| LOST)?;
        let fields = told.as_object_mut().ok_or(LOST)?;
        fields.insert("invitation".to_owned(), word.expose(|word| word.into()));
        Ok(told.to_string())
    }

    /// When [`Self::tick`] is wanted, on the page's clock in milliseconds; nothing while nothing goes on.
    #[must_use]
    pub fn deadline(&self) -> Option<f64> {
        // Far below what a double holds exactly.
        self.session.next_deadline().map(|by_ms| by_ms as f64)
    }

    /// Whether the session has ended: disconnect.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.session.is_over()
    }

    /// What to store, key included; nothing before the lock has given it.
    #[must_use]
    pub fn credentials(&self) -> Option<Vec<u8>> {
        let held = self.session.credentials()?;
        Some(held.expose(|bytes| bytes.to_vec()))
    }

    /// The lock's UUID, by which it is the same lock when it is paired again.
    #[must_use]
    pub fn lock_id(&self) -> Option<String> {
        let held = self.session.credentials()?;
        Some(held.uuid.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The lock's Nuki ID, as an invitation has it.
    #[must_use]
    pub fn nuki_id(&self) -> Option<String> {
        self.lock.map(|lock| lock.to_string())
    }

    /// This client's number on the lock.
    #[must_use]
    pub fn authorization(&self) -> Option<u32> {
        self.session.credentials().map(|held| held.authorization.0)
    }
}

impl Conversation {
    fn family(&self) -> Option<Family> {
        self.session.credentials().map(|held| held.family)
    }
}

/// Credentials from where they were stored.
pub(crate) fn credentials(stored: Vec<u8>) -> Result<Credentials, String> {
    const DAMAGED: &str = "the stored credentials are damaged; pair again";
    let stored = Zeroizing::new(stored);
    let mut bytes = <[u8; Credentials::LENGTH]>::try_from(stored.as_slice()).map_err(|_| DAMAGED)?;
    Credentials::from_bytes(&mut bytes).map_err(|error| error.to_string())
}
