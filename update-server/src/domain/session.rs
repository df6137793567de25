//! Sessions: who has signed in at the dashboard, until when, and the mark that tells its forms from others'.
//!
//! A [`Login`] is how somebody proved who they are, by a token or by an OpenID provider's word; it becomes a session with
//! an actor and a role. A session is 32 random bytes in the browser's cookie and their SHA-256 here. It has no rights of
//! its own: each request asks for the login anew, so a revoked token ends its sessions at once, and so does a group that
//! has no role any more. Knows no cookie and no form.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::access::{Caller, Token, TokenSecret};
use super::admission::{Admission, Person};
use super::attempt::{Attempt, used};
use super::audit::Entry;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{PERSON_SESSION_LIFE_MS, SESSION_LIFE_MS, SESSIONS_PER_LOGIN_MAX};
use crate::{Service, ids};

/// What is hashed is for this purpose, and in this form.
const KEPT: &[u8] = b"latchkey session 1";
const FORM: &[u8] = b"latchkey form mark 1";

/// How somebody proved who they are.
#[derive(Clone, Debug)]
pub enum Login {
    /// By a token.
    Token(Token),
    /// By the word of an OpenID provider.
    Person(Person),
}

impl Login {
    /// Who may do what, as of now.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] when what it rests on is good no more.
    pub(super) fn caller(&self, admission: Option<&Admission>) -> Outcome<Caller> {
        let caller = match self {
            Self::Token(token) => token.holder(),
            Self::Person(person) => {
                let role = admission.and_then(|admission| admission.role(person));
                role.map(|role| Caller::person_of(person, role))
            }
        };
        caller.ok_or_else(ended)
    }

    /// Its name in the audit log.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Token(token) => &token.id,
            Self::Person(person) => &person.subject,
        }
    }

    /// What people call whoever it is.
    pub(super) fn person_name(&self) -> &str {
        match self {
            Self::Token(token) => &token.person,
            Self::Person(person) => &person.name,
        }
    }

    /// What the audit log says of it.
    fn detail(&self) -> serde_json::Value {
        match self {
            Self::Token(_) => serde_json::Value::Null,
            Self::Person(person) => serde_json::json!({ "issuer": person.issuer, "group": person.group }),
        }
    }

    /// What tells it from all others.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Token(token) => format!("token:{}", token.id),
            Self::Person(person) => format!("person:{} {}", person.subject, person.issuer),
        }
    }

    /// The token that it rests on.
    pub(crate) const fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::Person(_) => None,
        }
    }

    /// The person whom a provider spoke for.
    pub(crate) const fn person(&self) -> Option<&Person> {
        match self {
            Self::Token(_) => None,
            Self::Person(person) => Some(person),
        }
    }

    /// How long its sessions last, in milliseconds.
    const fn life_ms(&self) -> i64 {
        match self {
            Self::Token(_) => SESSION_LIFE_MS,
            Self::Person(_) => PERSON_SESSION_LIFE_MS,
        }
    }
}

/// A session as the browser has it: 64 hex digits. Wiped on drop; not printable by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionSecret(String);

impl SessionSecret {
    /// What came in with a request. Anything; [`Service::session`] says what it is worth.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Hands the secret to the browser it was made for.
    pub fn expose<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        with(&self.0)
    }

    fn fresh() -> Outcome<Self> {
        let mut secret = ids::random::<32>()?;
        let session = Self(hex::encode(secret));
        secret.zeroize();
        Ok(session)
    }

    fn kept(&self) -> Kept {
        let hash = Sha256::new().chain_update(KEPT).chain_update(&self.0).finalize();
        Kept(hex::encode(hash))
    }

    /// Computed, so that it need not be kept; says nothing about the secret.
    fn form_mark(&self) -> FormMark {
        let hash = Sha256::new().chain_update(FORM).chain_update(&self.0).finalize();
        FormMark(hex::encode(hash))
    }
}

/// What the server keeps of a session's secret: not printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept(String);

impl Kept {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a form of this session carries, and no other site can know: not printed, compared in constant time.
#[derive(Clone)]
pub struct FormMark(String);

impl FormMark {
    /// For the session's own forms.
    pub fn expose<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        with(&self.0)
    }

    /// Whether a form carries it.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

/// A session that was begun just now.
pub struct Begun {
    /// For the browser.
    pub secret: SessionSecret,
    /// Who signed in.
    pub session: Session,
    /// How long it lasts, in milliseconds.
    pub life_ms: i64,
}

/// Proof that somebody has signed in, and may still be here.
#[derive(Clone)]
pub struct Session {
    caller: Caller,
    mark: FormMark,
    kept: Kept,
}

impl Session {
    /// Who it is, and what they may do.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What its forms carry.
    #[must_use]
    pub const fn mark(&self) -> &FormMark {
        &self.mark
    }
}

impl Service {
    /// Begins a session for the holder of a good token.
    ///
    /// # Errors
    /// As [`Service::authenticate`]; storage.
    pub async fn sign_in(&self, presented: &TokenSecret) -> Outcome<Begun> {
        let token = self.good_token(presented).await?;
        self.begin_session(&Login::Token(token), None).await
    }

    /// Begins a session for somebody of whom the provider said all this in an ID token that was verified for this
    /// attempt. An attempt ends in one session at most.
    ///
    /// # Errors
    /// As [`Admission::admit`]; [`Kind::Unauthenticated`] when the attempt was used before; storage.
    pub async fn sign_in_as(&self, attempt: &Attempt, claims: &serde_json::Value) -> Outcome<Begun> {
        let admission = self.settings.admission.as_ref().ok_or_else(ended)?;
        let person = admission.admit(claims)?;
        self.begin_session(&Login::Person(person), Some(attempt)).await
    }

    async fn begin_session(&self, login: &Login, attempt: Option<&Attempt>) -> Outcome<Begun> {
        let caller = login.caller(self.settings.admission.as_ref())?;
        let secret = SessionSecret::fresh()?;
        let session = Session {
            mark: secret.form_mark(),
            kept: secret.kept(),
            caller,
        };
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: session.caller.actor(),
                at: now,
                action: "session.begin",
                subject: login.subject().to_owned(),
                detail: login.detail(),
            })
            .await?;
        change
            .make_room_for_session(login, SESSIONS_PER_LOGIN_MAX, now)
            .await?;
        if let Some(attempt) = attempt {
            let (name, expires_at) = attempt.used();
            if !change.use_attempt(&name, expires_at).await? {
                return Err(used());
            }
        }
        let life_ms = login.life_ms();
        let expires_at = now.saturating_add(life_ms);
        change
            .insert_session(&session.kept, login, now, expires_at)
            .await?;
        change.commit().await?;
        Ok(Begun {
            secret,
            session,
            life_ms,
        })
    }

    /// Finds out whose session this is.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], the same for an unknown one, one that is over and one
    /// that rests on nothing any more.
    pub async fn session(&self, presented: &SessionSecret) -> Outcome<Session> {
        let kept = presented.kept();
        Ok(Session {
            caller: self.caller_of(&kept).await?,
            mark: presented.form_mark(),
            kept,
        })
    }

    /// The session as it is now: others may have ended it, or changed what its holder may do.
    ///
    /// # Errors
    /// As [`Service::session`].
    pub async fn still(&self, session: Session) -> Outcome<Session> {
        let caller = self.caller_of(&session.kept).await?;
        Ok(Session { caller, ..session })
    }

    async fn caller_of(&self, kept: &Kept) -> Outcome<Caller> {
        self.login_of(kept)
            .await?
            .caller(self.settings.admission.as_ref())
    }

    async fn login_of(&self, kept: &Kept) -> Outcome<Login> {
        let found = self.store.session(kept).await?;
        let (login, expires_at) = found.ok_or_else(ended)?;
        if expires_at <= self.clock.now_ms() {
            return Err(ended());
        }
        Ok(login)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Storage.
    pub async fn sign_out(&self, session: &Session) -> Outcome<()> {
        let login = self.login_of(&session.kept).await?;
        let mut change = self
            .store
            .change(&Entry {
                actor: session.caller.actor(),
                at: self.clock.now_ms(),
                action: "session.end",
                subject: login.subject().to_owned(),
                detail: serde_json::Value::Null,
            })
            .await?;
        change.delete_session(&session.kept).await?;
        change.commit().await
    }
}

fn ended() -> Failure {
    Failure::new(
        Kind::Unauthenticated,
        "nobody is signed in here, or the session is over; sign in again",
    )
}
