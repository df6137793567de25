//! How far a rollout reaches: a share of its audience, and which devices that is.
//!
//! A hash of rollout and device gives each device its [`Place`]; a share includes the places below it. So
//! membership needs no list, is the same at every check-in, only ever grows when the share does, and each
//! rollout begins with other devices. Knows no devices and no database.

use std::fmt;
use std::str::FromStr;

use latchkey_directive::DeviceId;
use sha2::{Digest, Sha256};

/// All of it, in hundredths of a percent.
const WHOLE: u16 = 10_000;

/// What is hashed is for this purpose, and in this form.
const DOMAIN: &[u8] = b"latchkey rollout place 1";

/// More than nothing (but see [`Share::NOBODY`]), at most everything, in steps of a hundredth of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

/// Where a device stands in a rollout's queue: 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u16);

impl Share {
    /// Everything.
    pub const ALL: Self = Self(WHOLE);

    /// Nothing yet: how much a rollout reaches of the fleet as long as it is at its cohorts. No stage, and nothing that
    /// can be asked for.
    pub const NOBODY: Self = Self(0);

    /// So many hundredths of a percent.
    #[must_use]
    pub const fn of_hundredths(hundredths: u16) -> Option<Self> {
        if 0 < hundredths && hundredths <= WHOLE {
            Some(Self(hundredths))
        } else {
            None
        }
    }

    /// In hundredths of a percent.
    #[must_use]
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Whether it reaches that far.
    #[must_use]
    pub const fn includes(self, place: Place) -> bool {
        place.0 < self.0
    }

    /// Whether `part` of `of` is more than this share.
    #[must_use]
    pub fn is_exceeded_by(self, part: u32, of: u32) -> bool {
        let times = |count: u32, hundredths: u16| u64::from(count).saturating_mul(u64::from(hundredths));
        times(part, WHOLE) > times(of, self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads percent with at most two decimals: `12.5`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = (digits(whole) && digits(decimals) && decimals.len() <= 2)
            .then(|| format!("{whole}{decimals:0<2}").parse().ok())
            .flatten()
            .and_then(Self::of_hundredths);
        parsed.ok_or_else(|| {
            format!("{text:?} is no share: more than 0 and at most 100 percent, with two decimals")
        })
    }
}

impl Place {
    /// A device's, in a rollout.
    #[must_use]
    pub fn of(device: DeviceId, rollout: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(device.0)
            .chain_update(rollout)
            .finalize();
        // The high bits scaled: even to one in 400,000.
        let [a, b, c, d, ..]: [u8; 32] = hash.into();
        let scaled = u64::from(u32::from_be_bytes([a, b, c, d])).saturating_mul(u64::from(WHOLE)) >> 32;
        Self(u16::try_from(scaled).unwrap_or(WHOLE))
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "small numbers that the test itself chose"
    )]

    use proptest::prelude::*;

    use super::*;

    fn device(number: u32) -> DeviceId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        DeviceId(id)
    }

    #[test]
    fn shares_are_read_and_shown_in_percent() {
        for (text, hundredths) in [("100", 10_000), ("12.5", 1_250), ("0.01", 1), ("3.07", 307)] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.hundredths(), hundredths);
            assert_eq!(share.to_string(), format!("{text} %"));
        }
        for text in [
            "0", "0.00", "100.01", "-1", "1e1", "", ".", "1.234", "NaN", "5%", "+5", "99999999",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_reaches_as_many_as_it_says_and_others_in_each_rollout() {
        let share: Share = "10".parse().unwrap();
        let reached = |rollout: &'static str| {
            (0..20_000).filter(move |number| share.includes(Place::of(device(*number), rollout)))
        };
        // Binomial with n = 20,000, p = 0.1: six standard deviations are 255.
        for rollout in ["0123456789abcdef", "fedcba9876543210"] {
            assert!((1_745..=2_255).contains(&reached(rollout).count()));
        }
        let first: Vec<_> = reached("0123456789abcdef").collect();
        let both = reached("fedcba9876543210")
            .filter(|number| first.contains(number))
            .count();
        assert!(both < 400, "{both} devices are first in both");
    }

    #[test]
    fn everything_reaches_everybody() {
        for number in 0..20_000 {
            assert!(Share::ALL.includes(Place::of(device(number), "r")));
        }
    }

    proptest! {
        #[test]
        fn widening_only_adds(id: [u8; 16], rollout: String, small in 1..=10_000_u16, more in 0..10_000_u16) {
            let place = Place::of(DeviceId(id), &rollout);
            let small = Share::of_hundredths(small).unwrap();
            let wide = Share::of_hundredths((small.hundredths() + more).min(10_000)).unwrap();
            prop_assert!(!small.includes(place) || wide.includes(place));
            prop_assert_eq!(place, Place::of(DeviceId(id), &rollout));
        }
    }
}
