//! What became of a rollout for one device, and the sentence for it: why, and what would change it.

use std::fmt;

use latchkey_image::{SecurityCounter, Version};

use crate::domain::hours::{Hours, Minute, utc};
use crate::domain::release::ReleaseKind;
use crate::domain::share::{Place, Share};

/// What became of one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The device runs it.
    AlreadyRunning,
    /// Its battery is too low.
    BatteryLow {
        /// Its charge.
        percent: u8,
        /// What the rollout asks for.
        least: u8,
    },
    /// Its counter is below the device's floor.
    BelowFloor {
        /// The image's counter.
        offered: SecurityCounter,
        /// The device's floor.
        floor: SecurityCounter,
    },
    /// The owner does not want it.
    Declined {
        /// Which updates these are.
        kind: ReleaseKind,
        /// Whether the lock says so itself; else it is set here.
        by_lock: bool,
    },
    /// What runs is too old to go to it directly.
    NeedsStep {
        /// The lowest version that may.
        at_least: Version,
    },
    /// A newer rollout is offered.
    NewerGoesFirst,
    /// The rollout is to begin later.
    NotBefore {
        /// Then.
        at: i64,
    },
    /// The device runs something newer.
    NotNewer {
        /// What runs.
        running: Version,
    },
    /// The rollout does not reach it yet.
    NotYet {
        /// Where the device stands.
        place: Place,
        /// How far the rollout reaches.
        share: Share,
    },
    /// It is offered.
    Offered,
    /// The device runs an image on trial; one thing after another.
    OnTrial,
    /// Made for other hardware.
    OtherHardware,
    /// It is the wrong time of the device's day.
    OutOfHours {
        /// The right time.
        hours: Hours,
        /// Its time now.
        minute: Minute,
    },
    /// The owner wants it later.
    Postponed {
        /// Then.
        until: i64,
    },
    /// The device has refused it too often.
    Refused {
        /// How often.
        times: u32,
    },
    /// The device has refused it lately.
    Resting {
        /// Until when it is left alone.
        until: i64,
    },
    /// The device has reverted it.
    Reverted {
        /// How often.
        times: u32,
    },
    /// Two devices seem to have its key.
    TwoWithOneKey,
}

impl Verdict {
    /// Its one word, for counting.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AlreadyRunning => "already-running",
            Self::BatteryLow { .. } => "battery-low",
            Self::BelowFloor { .. } => "below-floor",
            Self::Declined { .. } => "declined",
            Self::NeedsStep { .. } => "needs-step",
            Self::NewerGoesFirst => "newer-goes-first",
            Self::NotBefore { .. } => "not-before",
            Self::NotNewer { .. } => "not-newer",
            Self::NotYet { .. } => "not-yet",
            Self::Offered => "offered",
            Self::OnTrial => "on-trial",
            Self::OtherHardware => "other-hardware",
            Self::OutOfHours { .. } => "out-of-hours",
            Self::Postponed { .. } => "postponed",
            Self::Refused { .. } => "refused",
            Self::Resting { .. } => "resting",
            Self::Reverted { .. } => "reverted",
            Self::TwoWithOneKey => "two-with-one-key",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered => f.write_str("offered"),
            Self::AlreadyRunning => f.write_str("not offered, the device runs it"),
            Self::BatteryLow { percent, least } => write!(
                f,
                "not offered now, its battery is at {percent} % and the rollout asks for {least} %"
            ),
            Self::NotNewer { running } => write!(
                f,
                "not offered, the device runs {running}, which is newer; to go back, sign the older code with a \
                 higher security counter"
            ),
            Self::BelowFloor { offered, floor } => write!(
                f,
                "not offered, its security counter {offered} is below the device's floor {floor}; sign a newer \
                 build"
            ),
            Self::Declined { kind, by_lock: true } => write!(
                f,
                "not offered, the owner has automatic updates switched off in the lock, {kind} updates too; the \
                 owner's phone can still install it"
            ),
            Self::Declined { kind, by_lock: false } => write!(
                f,
                "not offered, no {kind} updates are wanted for the device; `latchkey-server device wishes` shows \
                 and changes that"
            ),
            Self::NeedsStep { at_least } => write!(
                f,
                "not offered, the device must run at least {at_least} first; roll that out to it"
            ),
            Self::NewerGoesFirst => f.write_str(
                "not offered now, a newer rollout is; it is looked at again when that one is over",
            ),
            Self::NotBefore { at } => write!(f, "not offered yet, the rollout begins at {}", utc(*at)),
            Self::NotYet {
                share: Share::NOBODY, ..
            } => f.write_str(
                "not offered yet, the rollout reaches some of its cohorts only; it comes when the rollout is widened",
            ),
            Self::NotYet { place, share } => write!(
                f,
                "not offered yet, the rollout reaches {share} and the device stands at {place}; it comes when the \
                 rollout is widened"
            ),
            Self::OtherHardware => f.write_str("not offered, it is for other hardware"),
            Self::OnTrial => f.write_str(
                "not offered, the device runs a new image on trial; it will be looked at again after that",
            ),
            Self::OutOfHours { hours, minute } => write!(
                f,
                "not offered now, the rollout goes out from {hours} where the device is, and it is {minute} there"
            ),
            Self::Postponed { until } => write!(f, "not offered now, it is postponed until {}", utc(*until)),
            Self::Reverted { times } => write!(
                f,
                "not offered again, the device reverted it {times} time(s); find out why, then give it another \
                 try, or make a new rollout"
            ),
            Self::Refused { times } => write!(
                f,
                "not offered again, the device refused it {times} time(s); see its reports, then give it another \
                 try, or make a new rollout"
            ),
            Self::Resting { until } => write!(
                f,
                "not offered now, the device refused it lately; it is offered again from {} on",
                utc(*until)
            ),
            Self::TwoWithOneKey => f.write_str(
                "not offered, two devices seem to have its key; find the real one, then revoke the key or say \
                 `latchkey-server device settle`",
            ),
        }
    }
}
