//! How a command ends badly: which exit code, and a sentence that says what happened, what is left and what to do.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use latchkey_phone::error::{Effect, Error, NotAsked};

/// Exit codes and what they mean, for `--help`. The numbers are frozen.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, by the lock or by a rule for images, or you said no; the lock is as it was, or as the message says
  2  the command line makes no sense
  3  a file could not be read or written; nothing was half-written
  4  no credentials, PIN or policy that can be used
  5  the lock was not reached, or what answered is no lock; it is as it was
  6  the lock may have done it all the same: ask it for its status
  7  the update server was not reached, or answered nonsense";

/// Whose fault it is, as far as a script cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Refused = 1,
    Usage = 2,
    File = 3,
    Secret = 4,
    Link = 5,
    Unknown = 6,
    Server = 7,
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    message: String,
    /// The lock has found the security PIN wrong.
    pub(crate) is_wrong_pin: bool,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            is_wrong_pin: false,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A file problem that names the file.
    pub(crate) fn file(path: &Path, what: &str, error: impl fmt::Display) -> Self {
        Self::new(Kind::File, format!("cannot {what} {}: {error}", path.display()))
    }

    /// The lock said something that has no place here, though its session took it.
    pub(crate) fn odd_answer() -> Self {
        Self::new(
            Kind::Link,
            "the lock answered something else than was asked; update this program",
        )
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<latchkey_phone::Failure> for Failure {
    fn from(failure: latchkey_phone::Failure) -> Self {
        let kind = match (failure.effect, failure.error) {
            (Effect::Unknown, _) => Kind::Unknown,
            (Effect::None, Error::Refused(_) | Error::RefusedInPlain(_) | Error::Pairing(_)) => Kind::Refused,
            (
                Effect::None,
                Error::Frame(_)
                | Error::Unreadable(_)
                | Error::OutOfStep(_)
                | Error::TooMuch(_)
                | Error::Silence
                | Error::Disconnected,
            ) => Kind::Link,
        };
        Self {
            is_wrong_pin: failure.is_wrong_pin(),
            ..Self::new(kind, failure.to_string())
        }
    }
}

impl From<NotAsked> for Failure {
    fn from(why: NotAsked) -> Self {
        let kind = match why {
            NotAsked::PinMissing | NotAsked::PinWidth => Kind::Secret,
            NotAsked::Busy | NotAsked::Over => Kind::Link,
        };
        Self::new(kind, why.to_string())
    }
}
