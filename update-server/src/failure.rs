//! Why something was not done, in two texts: one for whoever asked, one for the log.
//!
//! The domain says what kind of failure it is and what to do about it. Which HTTP status that becomes is
//! decided elsewhere.

use std::error::Error as StdError;
use std::fmt;

/// The kinds of failure. Their names are part of the operator API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server has more to do than it can; later it may work.
    Busy,
    /// What is asked for contradicts what is already there.
    Conflict,
    /// A form that is not of this session's own pages.
    CrossSite,
    /// The role does not allow this.
    Forbidden,
    /// It was there, and has ended.
    Gone,
    /// No lock of this class would boot the image.
    ImageRefused,
    /// The request is not of the documented form.
    Invalid,
    /// TUF metadata do not verify, or list what is no release.
    MetadataRefused,
    /// There is nothing of that name.
    NotFound,
    /// No policy is registered for the image's vendor and class.
    PolicyMissing,
    /// The policy is refused.
    PolicyRefused,
    /// The OpenID provider does not answer, or its answer is no good.
    Provider,
    /// The database or the image store failed.
    Storage,
    /// The body is longer than allowed.
    TooLarge,
    /// Whoever asks has asked for as much as it may for now: no failure of the server.
    TooOften,
    /// No token or session, or none that is known.
    Unauthenticated,
}

/// A failure: its kind, what to tell whoever asked, and what only the log may know.
#[derive(Debug)]
pub struct Failure {
    /// What kind it is.
    pub kind: Kind,
    /// For whoever asked: what happened, what state remains, what to do.
    pub detail: String,
    /// A number from a frozen list, where the kind has one: the code of the image refusal.
    pub code: Option<u16>,
    /// For the log.
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure without a deeper cause.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            code: None,
            cause: None,
        }
    }

    /// The same with a code from a frozen list.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.code = Some(code);
        self
    }

    /// The same with what only the log may know.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same for another who asked: each gets one of their own.
    #[must_use]
    pub fn once_more(&self) -> Self {
        Self {
            kind: self.kind,
            detail: self.detail.clone(),
            code: self.code,
            cause: self.cause.as_ref().map(|cause| cause.to_string().into()),
        }
    }

    /// A failure of database or image store. Whoever asked learns that nothing was acknowledged and so
    /// nothing may be taken as done; the cause goes to the log.
    pub fn storage(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Storage,
            detail:
                "the server could not read or write its storage; nothing was acknowledged, so try again. \
                     If it stays so, the server's log has the cause"
                    .to_owned(),
            code: None,
            cause: Some(cause.into()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_ref() as _)
    }
}

/// What PostgreSQL says when another held a lock for longer than `lock_timeout`: the statement was given up, and with it
/// the transaction.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::new(
                Kind::Busy,
                "the database has more to do than it can; nothing was done, try again in a minute",
            );
        }
        let code = error.as_database_error().and_then(|error| error.code());
        if code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
            return Self::new(
                Kind::Busy,
                "this waited for another change for as long as it may; nothing was done, try again in a minute",
            )
            .because(error);
        }
        Self::storage(error)
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::storage(error)
    }
}

impl From<getrandom::Error> for Failure {
    fn from(error: getrandom::Error) -> Self {
        Self::storage(error)
    }
}

/// What the domain gives back.
pub type Outcome<T> = Result<T, Failure>;
