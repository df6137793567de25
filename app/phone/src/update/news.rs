//! What an update has to tell, in words that say what happened, what is left and what to do.

use core::fmt;

use latchkey_image::{SecurityCounter, Version};
use latchkey_protocol::value::{Battery, BootOutcome, ErrorCode, Reported};

use crate::error::{Failure, NotAsked, is_wrong_pin};
use crate::release::{Unfit, describe};
use crate::smp;

/// What an update has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// This is what will happen. Ask the owner, then say [`Event::Consent`](super::Event::Consent).
    Plan(Plan),
    /// The image is on its way.
    Uploading {
        /// Bytes that the lock has.
        received: u32,
        /// Bytes in all.
        size: u32,
    },
    /// The lock has checked the image and will install it at its next start.
    Requested,
    /// The lock restarts. The door does not answer for a while.
    Restarting,
    /// The new image runs and tests itself.
    OnTrial,
    /// Somebody else has the lock right now; it is asked again in a moment.
    Busy,
    /// The connection is lost, or did not come about. The next attempt is at this time.
    LinkLost {
        /// On the clock of [`Moment`](crate::Moment).
        again_at_ms: u64,
    },
    /// It is over.
    Ended(Ended),
}

/// What will happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// What runs.
    pub from: Version,
    /// What will run.
    pub to: Version,
    /// Its security counter: nothing below it will ever run on this lock again.
    pub counter: SecurityCounter,
    /// Bytes to send.
    pub size: u32,
    /// Bytes that the lock has already, from an earlier upload of this length since its last start. Perhaps of this image.
    pub received: u32,
    /// The lock's battery.
    pub battery: Battery,
    /// For about how long the door will not answer, in seconds: while images are moved, checked and started. Turned by
    /// hand or key, it opens.
    pub away_seconds: u16,
    /// What became of this image on this lock at its last start.
    pub earlier: Option<Earlier>,
}

/// What became of an image at an earlier attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// The bootloader refused it, for this reason.
    Refused(u16),
    /// It was taken back, for this reason.
    Reverted(u16),
}

impl Plan {
    /// Seconds for `size` bytes: two moves of each page of 4 KB at what an nRF52840's flash takes (85 ms to erase,
    /// 42 ms to write), and ten for starts, checks and the radio.
    pub(super) fn away_seconds(size: u32) -> u16 {
        let pages = size.div_ceil(4_096);
        let moves_ms = pages.saturating_mul(2 * (85 + 42));
        let seconds = moves_ms.div_ceil(1_000).saturating_add(10);
        u16::try_from(seconds).unwrap_or(u16::MAX)
    }
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The lock runs the image and has confirmed it.
    Confirmed {
        /// Its version.
        version: Version,
        /// It did so before anything was asked for.
        before: bool,
    },
    /// The owner said no. Nothing was changed.
    Declined,
    /// The image is not for this lock. Nothing was changed.
    Unfit(Unfit),
    /// The lock does not tell what it runs. Nothing was changed.
    TooOld,
    /// Another image runs and has yet to confirm itself. Nothing was changed.
    LockOnTrial {
        /// Its version.
        version: Version,
    },
    /// The lock did not open its update window.
    NotOpened(Reported<ErrorCode>),
    /// Somebody else has the slot, or is at the lock.
    Busy(Option<smp::Refused>),
    /// The lock refused.
    Refused(smp::Refused),
    /// The lock's bootloader refused the image, and the old one runs.
    RefusedByBootloader {
        /// Why.
        reason: u16,
    },
    /// The new image did not confirm itself, and the old one is back.
    Reverted {
        /// Why.
        reason: u16,
    },
    /// The lock has restarted and runs what it ran before, or something else again.
    NotInstalled {
        /// This.
        version: Version,
        /// Why, as far as the lock says.
        reason: u16,
    },
    /// The new image runs, and did not confirm itself in time. It may yet, or be taken back.
    StillOnTrial,
    /// The install was asked for, and the lock was not reached in time afterwards.
    NotBack,
    /// The lock was told to restart and has not.
    NotRestarted,
    /// The connection was lost too often.
    LinkLost {
        /// Bytes that the lock has; the next update goes on from there.
        received: u32,
    },
    /// The lock, or who plays it, does not speak SMP as it should.
    Smp(smp::Error),
    /// Or the lock's protocol.
    Session(Failure),
    /// The lock was not even asked.
    NotAsked(NotAsked),
}

impl Ended {
    /// Whether the lock runs the image for good.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Confirmed { .. })
    }

    /// As [`Failure::is_wrong_pin`].
    #[must_use]
    pub const fn is_wrong_pin(&self) -> bool {
        matches!(self, Self::NotOpened(refusal) if is_wrong_pin(*refusal))
            || matches!(self, Self::Session(failure) if failure.is_wrong_pin())
    }
}

/// A reason that a lock gave by number.
struct Why(u16);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, describe(self.0)) {
            (0, _) => f.write_str("it does not say why"),
            (_, Some(words)) => f.write_str(words),
            (code, None) => write!(f, "for reason {code}, which this version does not know"),
        }
    }
}

impl fmt::Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(
                f,
                "the lock refused this image at its last start: {}",
                Why(*reason)
            ),
            Self::Reverted(reason) => write!(
                f,
                "the lock took this image back at its last start: {}",
                Why(*reason)
            ),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed { version, before: false } => write!(f, "the lock runs {version} and has confirmed it"),
            Self::Confirmed { version, before: true } => write!(f, "the lock runs {version} already; nothing is to do"),
            Self::Declined => f.write_str("not installed, as you wish; the lock is as it was"),
            Self::Unfit(why) => why.fmt(f),
            Self::TooOld => f.write_str(
                "this lock does not tell a phone what it runs; have it updated over its network first",
            ),
            Self::LockOnTrial { version } => write!(
                f,
                "the lock runs {version} on trial; wait until that has confirmed itself, then try again"
            ),
            Self::NotOpened(Reported::Known(code)) => write!(f, "the lock takes no update now: {code}"),
            Self::NotOpened(Reported::Unknown(code)) => write!(
                f,
                "the lock takes no update now, for code {code:#04x}, which this version does not know"
            ),
            Self::Busy(Some(words)) => words.fmt(f),
            Self::Busy(None) => f.write_str("somebody is at the lock; try again in a moment"),
            Self::Refused(words) => write!(f, "the lock refuses: {words}"),
            Self::RefusedByBootloader { reason } => write!(
                f,
                "the lock's bootloader refused the image, and the old one runs: {}",
                Why(*reason)
            ),
            Self::Reverted { reason } => {
                write!(f, "the new image was taken back, and the old one runs: {}", Why(*reason))
            }
            Self::NotInstalled { version, reason } => {
                write!(f, "the lock has restarted and runs {version}: {}", Why(*reason))
            }
            Self::StillOnTrial => f.write_str(
                "the new image runs and has not confirmed itself in time; ask the lock again in a few minutes",
            ),
            Self::NotBack => f.write_str(
                "the lock was not reached after its restart; the install goes on without you: go nearer, and ask the \
                 lock again",
            ),
            Self::NotRestarted => f.write_str(
                "the lock has the image and has not restarted yet; it does so once nobody is at it: ask it again later",
            ),
            Self::LinkLost { received } => write!(
                f,
                "the connection was lost too often; the lock keeps its {received} bytes and goes on from there: go \
                 nearer and try again"
            ),
            Self::Smp(error) => error.fmt(f),
            Self::Session(failure) => failure.fmt(f),
            Self::NotAsked(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for Ended {}

/// What a boot report says of an image, where it says anything.
pub(super) const fn earlier(outcome: Reported<BootOutcome>, reason: u16) -> Option<Earlier> {
    match outcome {
        Reported::Known(BootOutcome::Refused) => Some(Earlier::Refused(reason)),
        Reported::Known(BootOutcome::Reverted) => Some(Earlier::Reverted(reason)),
        Reported::Known(BootOutcome::Steady | BootOutcome::Trial | BootOutcome::Rescued)
        | Reported::Unknown(_) => None,
    }
}
