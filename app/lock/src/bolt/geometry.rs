//! Where locked, unlocked and unlatched are, in degrees.
//!
//! 0 is the unlocked stop that calibration found, the locked stop lies at [`Geometry::total_deg`]. The owner may
//! move each place by an offset; a place never lies beyond its stop.

use super::{Goal, Stand};

/// How far the latch is drawn beyond the unlocked stop, in degrees.
const UNLATCHED_DEG: i16 = -90;
/// One turn of the key, in degrees.
const TURN_DEG: i16 = 360;
/// How near a place the bolt must be to count as there, in degrees.
const NEAR_DEG: i16 = 30;

/// See the module's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Degrees between the stops; `None` before calibration.
    pub total_deg: Option<u16>,
    /// Offset of the unlocked place.
    pub unlocked_deg: i16,
    /// Offset of the fully locked place.
    pub locked_deg: i16,
    /// Offset of the place after one turn.
    pub single_locked_deg: i16,
    /// Offset of the place from which on the bolt counts as locked.
    pub transition_deg: i16,
    /// One turn is locked.
    pub single_lock: bool,
    /// How long the latch is held, in seconds.
    pub hold_s: u8,
}

impl Geometry {
    /// Where a goal leads first; `None` before calibration and for goals that are no place.
    pub(super) fn place(&self, goal: Goal) -> Option<i16> {
        let total_deg = i16::try_from(self.total_deg?).unwrap_or(i16::MAX);
        Some(match goal {
            Goal::Unlock => self.unlocked_deg.clamp(0, total_deg),
            Goal::Lock if self.single_lock => self.one_turn_deg().clamp(0, total_deg),
            Goal::Lock | Goal::FullLock => total_deg.saturating_add(self.locked_deg).clamp(0, total_deg),
            Goal::Unlatch => UNLATCHED_DEG,
            Goal::Calibrate | Goal::Locate => return None,
        })
    }

    /// How long the latch is held, in milliseconds.
    pub(super) fn hold_ms(&self) -> u64 {
        u64::from(self.hold_s).saturating_mul(1_000)
    }

    /// Whether the key is turned as far as this goal wants it, or further.
    pub(super) fn is_locked_as_far_as(&self, goal: Goal, at_deg: i16) -> bool {
        self.place(goal)
            .is_some_and(|place| at_deg >= place.saturating_sub(NEAR_DEG))
    }

    /// What standing here is called. One turn locks the door, whether or not the owner wants two.
    pub(super) fn stand_at(&self, at_deg: i16) -> Stand {
        let (Some(unlocked_deg), Some(locked_deg)) = (self.place(Goal::Unlock), self.place(Goal::FullLock))
        else {
            return Stand::Uncalibrated;
        };
        let one_turn_deg = self.one_turn_deg().min(locked_deg);
        let between = one_turn_deg
            .saturating_sub(NEAR_DEG)
            .saturating_add(self.transition_deg);
        // Wherever the owner puts border and places, the unlocked place is never taken for locked.
        let from_deg = between.min(one_turn_deg).max(unlocked_deg.saturating_add(1));
        if at_deg <= UNLATCHED_DEG.saturating_add(NEAR_DEG) {
            Stand::Unlatched
        } else if at_deg >= from_deg {
            Stand::Locked
        } else {
            Stand::Unlocked
        }
    }

    fn one_turn_deg(&self) -> i16 {
        TURN_DEG.saturating_add(self.single_locked_deg)
    }
}
