//! Sessions: who has signed in at the dashboard, until when, and the mark that tells its forms from others'.
//!
//! A [`Login`] is how somebody proved who they are; it becomes a session with an actor and a role. Today that is a token.
//! A session is 32 random bytes in the browser's cookie and their SHA-256 here. It has no rights of its own: each request
//! asks for the login anew, so a revoked token ends its sessions at once. Knows no cookie and no form.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::access::{Caller, Token, TokenSecret};
use super::audit::Entry;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{SESSION_LIFE_MS, SESSIONS_PER_LOGIN_MAX};
use crate::{Service, ids};

/// What is hashed is for this purpose, and in this form.
const KEPT: &[u8] = b"latchkey session 1";
const FORM: &[u8] = b"latchkey form mark 1";

/// How somebody proved who they are.
#[derive(Clone, Debug)]
pub enum Login {
    /// By a token, which is good now.
    Token(Token),
}

impl Login {
    /// Who may do what, as of now.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] when what it rests on is good no more.
    pub(crate) fn caller(&self) -> Outcome<Caller> {
        match self {
            Self::Token(token) => token.holder().ok_or_else(ended),
        }
    }

    fn token_id(&self) -> &str {
        match self {
            Self::Token(token) => &token.id,
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
    pub async fn sign_in(&self, presented: &TokenSecret) -> Outcome<(SessionSecret, Session)> {
        let token = self.good_token(presented).await?;
        self.begin_session(&Login::Token(token)).await
    }

    async fn begin_session(&self, login: &Login) -> Outcome<(SessionSecret, Session)> {
        let caller = login.caller()?;
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
                subject: login.token_id().to_owned(),
                detail: serde_json::Value::Null,
            })
            .await?;
        change
            .make_room_for_session(login.token_id(), SESSIONS_PER_LOGIN_MAX, now)
            .await?;
        let expires_at = now.saturating_add(SESSION_LIFE_MS);
        change
            .insert_session(&session.kept, login.token_id(), now, expires_at)
            .await?;
        change.commit().await?;
        Ok((secret, session))
    }

    /// Finds out whose session this is.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], the same for an unknown one, one that is over and one whose token was revoked.
    pub async fn session(&self, presented: &SessionSecret) -> Outcome<Session> {
        let kept = presented.kept();
        Ok(Session {
            caller: self.login_of(&kept).await?.caller()?,
            mark: presented.form_mark(),
            kept,
        })
    }

    /// The session as it is now: others may have ended it, or changed what its holder may do.
    ///
    /// # Errors
    /// As [`Service::session`].
    pub async fn still(&self, session: Session) -> Outcome<Session> {
        let caller = self.login_of(&session.kept).await?.caller()?;
        Ok(Session { caller, ..session })
    }

    async fn login_of(&self, kept: &Kept) -> Outcome<Login> {
        let found = self.store.session(kept).await?;
        let (token, expires_at) = found.ok_or_else(ended)?;
        if expires_at <= self.clock.now_ms() {
            return Err(ended());
        }
        Ok(Login::Token(token))
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
                subject: login.token_id().to_owned(),
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
