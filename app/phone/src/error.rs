//! What can go wrong, in words that say what happened, what is left, and what to do.

use core::fmt;

use latchkey_protocol::frame::FrameError;
use latchkey_protocol::message::{Command, Unreadable};
use latchkey_protocol::pairing::client::PairingError;
use latchkey_protocol::value::{ErrorCode, Reported};

/// A request or a pairing that ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// What it means for the lock.
    pub effect: Effect,
}

impl Failure {
    /// Whether the lock has looked at the security PIN and found it wrong: ask for another. One that takes no PIN for
    /// a while has not looked at it.
    #[must_use]
    pub const fn is_wrong_pin(&self) -> bool {
        matches!(self.error, Error::Refused(refusal) if is_wrong_pin(refusal))
    }
}

/// Whether a lock refuses with this for a wrong security PIN.
pub(crate) const fn is_wrong_pin(refusal: Reported<ErrorCode>) -> bool {
    matches!(refusal, Reported::Known(ErrorCode::BadPin))
}

/// What a failed request may have done to the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the lock is as it was.
    None,
    /// Nobody knows: the lock may have done it, in part or whole. Connect again and ask it.
    Unknown,
}

/// What happened. After any but [`Error::Refused`] the session is over: disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The lock says no, under the shared key. The session goes on.
    Refused(Reported<ErrorCode>),
    /// Somebody says no in plain: a lock that does not know this client, or anybody else.
    RefusedInPlain(Reported<ErrorCode>),
    /// Pairing came to nothing.
    Pairing(PairingError),
    /// What came is no message, or none under the shared key.
    Frame(FrameError),
    /// A message under the shared key could not be read.
    Unreadable(Unreadable),
    /// A message under the shared key has no place in this conversation.
    OutOfStep(Command),
    /// The lock says more than was asked for.
    TooMuch(Command),
    /// The lock said nothing for too long, or took too long altogether.
    Silence,
    /// The connection is gone.
    Disconnected,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Reported::Known(code)) => write!(f, "{code}"),
            Self::Refused(Reported::Unknown(code)) => {
                write!(
                    f,
                    "the lock refused with code {code:#04x}, which this version does not know"
                )
            }
            Self::RefusedInPlain(Reported::Known(code)) => {
                write!(f, "without proof of being the lock, somebody says: {code}")
            }
            Self::RefusedInPlain(Reported::Unknown(code)) => write!(
                f,
                "without proof of being the lock, somebody refuses with unknown code {code:#04x}; connect again"
            ),
            Self::Pairing(error) => write!(f, "{error}"),
            Self::Frame(error) => write!(f, "{error}"),
            Self::Unreadable(error) => write!(f, "{error}; update this program"),
            Self::OutOfStep(Command(command)) => {
                write!(
                    f,
                    "the lock said {command:#06x} when something else was due; connect again"
                )
            }
            Self::TooMuch(Command(command)) => {
                write!(
                    f,
                    "the lock says {command:#06x} more often than it was asked to; do not trust it"
                )
            }
            Self::Silence => f.write_str("the lock does not answer; go nearer and connect again"),
            Self::Disconnected => f.write_str("the connection to the lock is gone; connect again"),
        }
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.effect {
            Effect::None => write!(f, "{}; the lock is as it was", self.error),
            Effect::Unknown => write!(
                f,
                "{}; the lock may have done it all the same: ask it for its state before you try again",
                self.error
            ),
        }
    }
}

impl core::error::Error for Failure {}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

impl From<PairingError> for Error {
    fn from(error: PairingError) -> Self {
        Self::Pairing(error)
    }
}

/// Why a request cannot be made now. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// Another one, or a pairing, is still going on: wait for its end.
    Busy,
    /// The session is over: connect again.
    Over,
    /// This request needs the lock's security PIN.
    PinMissing,
    /// The PIN is not as wide as PINs of this lock are.
    PinWidth,
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "something else is going on with this lock; wait for its end",
            Self::Over => "this connection has ended; connect again",
            Self::PinMissing => "the lock asks for its security PIN for this; give it along",
            Self::PinWidth => "the PIN has not the form that this lock's PINs have; give another",
        })
    }
}

impl core::error::Error for NotAsked {}
