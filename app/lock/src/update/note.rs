//! What the update client says in the log: one event a line, in words that stay the same, for people and tests.

use core::fmt;

use latchkey_directive::{Event as Reported, Hold as Told, Install, ProblemCode};
use latchkey_image::{ImageDigest, Refusal};

use super::http::Unfit;
use crate::reason::Reason;

/// One line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A check-in is sent.
    CheckIn,
    /// The lock introduces itself.
    Enrol,
    /// The server has nothing to do for this lock.
    Nothing {
        /// When to call again.
        again_ms: u64,
    },
    /// The server names an image to install.
    Offered(Install),
    /// The server names an image, but installs have come to nothing lately.
    Resting {
        /// When the next one may begin.
        again_ms: u64,
    },
    /// The server names an image, but the running one is on trial.
    OnTrial,
    /// The server names the image that runs.
    AlreadyRunning,
    /// A download stands here.
    Download {
        /// Bytes in the slot.
        offset: u32,
        /// Bytes in all.
        size: u32,
    },
    /// The image in the slot is whole and proven.
    Verified(ImageDigest),
    /// It is, but the install has to wait.
    Holding(Hold),
    /// The lock refused the image, or failed to write it.
    Refused {
        /// A frozen refusal code.
        reason: u16,
    },
    /// The bootloader has been asked; the restart follows.
    Requested,
    /// The server has a report on disk.
    Receipted(Reported),
    /// The server gave no answer but a reason.
    Problem {
        /// The reason.
        code: ProblemCode,
        /// When to call again.
        again_ms: u64,
    },
    /// Something failed.
    Failed {
        /// What.
        why: Failure,
        /// When to try again.
        again_ms: u64,
    },
}

/// Why an install waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The battery is below [`super::BATTERY_FLOOR_PERCENT`].
    Battery,
    /// Somebody deals with the lock.
    Busy,
    /// The owner wants the lock left alone.
    QuietHours,
    /// The owner wants no automatic updates.
    Owner,
}

/// Why something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Connection,
    /// Not over in time.
    Timeout,
    /// The answer is not HTTP, or its head is longer than we take.
    NotHttp,
    /// The body is longer than any answer, or than the rest of the image.
    TooLong,
    /// The body ended before the image did.
    TooShort,
    /// The answer's head does not fit the question.
    Unfit(Unfit),
    /// The answer is not signed by the director for this purpose.
    NotSigned,
    /// Signed, but for another device or another check-in: an old answer played again.
    NotForUs,
    /// Settings could not be written.
    Settings,
    /// A phone has the slot. Nothing was changed.
    SlotTaken,
    /// The caller told something that does not belong to what it was asked for.
    OutOfTurn,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "no connection to the update server",
            Self::Timeout => "the update server took too long",
            Self::NotHttp => "the update server's answer is not HTTP as we read it",
            Self::TooLong => "the update server sent more than was asked for",
            Self::TooShort => "the update server sent less than was asked for",
            Self::Unfit(unfit) => return unfit.fmt(f),
            Self::NotSigned => "the answer is not signed by this lock's director",
            Self::NotForUs => "the answer is for another lock or another check-in",
            Self::SlotTaken => "an update from a phone is under way",
            Self::Settings => "the settings could not be written",
            Self::OutOfTurn => "an event out of turn",
        })
    }
}

impl Hold {
    /// As the server is told.
    pub(super) const fn told(self) -> Told {
        match self {
            Self::Battery => Told::BATTERY,
            Self::Busy => Told::BUSY,
            Self::QuietHours => Told::QUIET_HOURS,
            Self::Owner => Told::OWNER,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Battery => "battery low",
            Self::Busy => "lock in use",
            Self::QuietHours => "quiet hours",
            Self::Owner => "automatic updates are off",
        }
    }
}

/// The sentence behind a refusal code, whoever refused.
#[must_use]
pub fn describe(reason: u16) -> &'static str {
    Reason::describe(reason)
        .or_else(|| latchkey_handoff::reason::describe(reason))
        .or_else(|| Refusal::describe(reason))
        .unwrap_or("a reason this version does not know")
}

fn reported(event: Reported) -> &'static str {
    match event {
        Reported::Requested => "requested",
        Reported::RefusedByApp => "refused by the lock app",
        Reported::RefusedByBootloader => "refused by the bootloader",
        Reported::Confirmed => "confirmed",
        Reported::Reverted => "reverted",
    }
}

fn problem(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::Malformed => "message not understood",
        ProblemCode::UnknownDevice => "not enrolled",
        ProblemCode::AwaitingApproval => "awaiting approval",
        ProblemCode::Revoked => "revoked",
        ProblemCode::BadSignature => "signature not accepted",
        ProblemCode::Replayed => "sequence already seen",
        ProblemCode::NoSuchImage => "no such image",
        ProblemCode::Busy => "busy",
    }
}

/// Milliseconds as seconds, rounded up.
fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckIn => f.write_str("check-in"),
            Self::Enrol => f.write_str("enrol"),
            Self::Nothing { again_ms } => write!(f, "nothing to do; again in {} s", seconds(*again_ms)),
            Self::Offered(install) => write!(
                f,
                "offered {} counter {} image {} size {}",
                install.version, install.counter, install.image, install.size
            ),
            Self::Resting { again_ms } => write!(
                f,
                "offered, but the last installs came to nothing; again in {} s",
                seconds(*again_ms)
            ),
            Self::OnTrial => f.write_str("offered, but this image is on trial"),
            Self::AlreadyRunning => f.write_str("offered, but this image already runs"),
            Self::Download { offset, size } => write!(f, "download {offset}/{size}"),
            Self::Verified(image) => write!(f, "verified {image}"),
            Self::Holding(hold) => write!(f, "install waits: {}", hold.words()),
            Self::Refused { reason } => write!(f, "refused {reason} ({})", describe(*reason)),
            Self::Requested => f.write_str("requested; restarting"),
            Self::Receipted(event) => write!(f, "receipt for: {}", reported(*event)),
            Self::Problem { code, again_ms } => write!(
                f,
                "server says: {}; again in {} s",
                problem(*code),
                seconds(*again_ms)
            ),
            Self::Failed { why, again_ms } => write!(f, "failed: {why}; again in {} s", seconds(*again_ms)),
        }
    }
}
