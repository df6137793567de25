//! The stages of a rollout: which shares it reaches one after the other, and when the next one comes by itself.
//!
//! A stage has proven itself when enough locks have said that the release runs, confirmed, since it began, and when it
//! has lasted long enough for what shows late. Without an [`Advance`] the next stage comes by hand. Whether too much
//! went wrong is the gate's to say. Knows no clock, no devices and no database.

use super::share::Share;

/// Most stages of one rollout.
pub const STAGES_MAX: usize = 20;

/// Shares, each larger than the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stages(Vec<Share>);

impl Stages {
    /// One stage: everybody.
    #[must_use]
    pub fn at_once() -> Self {
        Self(vec![Share::ALL])
    }

    /// These shares.
    ///
    /// # Errors
    /// There are none or too many, or one is not larger than the one before; in words.
    pub fn new(shares: Vec<Share>) -> Result<Self, String> {
        if shares.is_empty() || shares.len() > STAGES_MAX {
            return Err(format!("a rollout has 1 to {STAGES_MAX} stages"));
        }
        if !shares.is_sorted_by(|before, after| before < after) {
            return Err("each stage must reach more than the one before".to_owned());
        }
        Ok(Self(shares))
    }

    /// Every stage.
    #[must_use]
    pub fn shares(&self) -> &[Share] {
        &self.0
    }

    /// The one to begin with.
    #[must_use]
    pub fn first(&self) -> Share {
        self.0.first().copied().unwrap_or(Share::ALL)
    }

    /// The one that comes behind a share, if any.
    #[must_use]
    pub fn after(&self, reached: Share) -> Option<Share> {
        self.0.iter().copied().find(|share| *share > reached)
    }
}

/// How far a rollout is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// So many of its cohorts, counted from the first.
    Cohorts(u16),
    /// So much of its audience, behind all of its cohorts.
    Share(Share),
}

/// When the next stage comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// So many locks must have confirmed the release since the stage began,
    pub confirmed_min: u32,
    /// and it must have lasted so long, in milliseconds.
    pub soak_ms: i64,
}

impl Advance {
    /// Whether the stage has proven itself.
    #[must_use]
    pub const fn is_due(&self, confirmed: u32, lasted_ms: i64) -> bool {
        confirmed >= self.confirmed_min && lasted_ms >= self.soak_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(percents: &[&str]) -> Vec<Share> {
        percents.iter().map(|percent| percent.parse().unwrap()).collect()
    }

    #[test]
    fn stages_only_ever_grow() {
        for wrong in [&[][..], &["5", "5"], &["1", "10", "9"], &["1"; 21]] {
            assert!(Stages::new(shares(wrong)).is_err(), "{wrong:?}");
        }
        let stages = Stages::new(shares(&["1", "10", "50"])).unwrap();
        let [one, ten, fifty, twenty] = ["1", "10", "50", "20"].map(|percent| percent.parse().unwrap());
        assert_eq!(stages.first(), one);
        assert_eq!(stages.after(one), Some(ten));
        assert_eq!(
            stages.after(twenty),
            Some(fifty),
            "widened by hand beyond a stage"
        );
        assert_eq!(stages.after(fifty), None);
    }

    #[test]
    fn both_time_and_confirmations_are_needed() {
        let advance = Advance {
            confirmed_min: 10,
            soak_ms: 1_000,
        };
        assert!(advance.is_due(10, 1_000));
        assert!(!advance.is_due(9, 1_000));
        assert!(!advance.is_due(10, 999));
    }
}
