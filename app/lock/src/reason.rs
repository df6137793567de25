//! Why the lock app refused an image, as numbers for reports. Frozen; 150 to 199 are this crate's, the rest of
//! the list is in `latchkey_image` (1 to 99) and `latchkey_handoff` (100 to 149).

use core::fmt;

/// A refusal by the lock app, before the bootloader was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Reason {
    /// The directive names an image that is larger than the slot.
    TooLarge = 150,
    /// The file that came whole is another image than the directive names.
    OtherImage = 151,
    /// The flash did not take what was written, or did not give it back.
    Flash = 152,
    /// The settings could not be written, so the update could not have been accounted for.
    Settings = 153,
    /// What runs is below the lowest version that may upgrade to the image.
    TooOldToUpgrade = 154,
}

impl Reason {
    /// Every reason, for lists.
    pub const ALL: [Self; 5] = [
        Self::TooLarge,
        Self::OtherImage,
        Self::Flash,
        Self::Settings,
        Self::TooOldToUpgrade,
    ];

    /// The number that goes into a report.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The sentence behind a number of this crate; `None` for any other.
    #[must_use]
    pub fn describe(code: u16) -> Option<&'static str> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.code() == code)
            .map(Self::sentence)
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::TooLarge => "the image is larger than the lock's slot; make it smaller",
            Self::OtherImage => "the downloaded file is another image; upload the release again",
            Self::Flash => "the lock's flash failed while the image was written; have the lock looked at",
            Self::Settings => "the lock's settings could not be written; have the lock looked at",
            Self::TooOldToUpgrade => {
                "the image cannot follow the one that runs; install a version between first"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_frozen() {
        assert_eq!(Reason::ALL.map(Reason::code), [150, 151, 152, 153, 154]);
        assert_eq!(Reason::describe(149), None);
        assert!(Reason::describe(151).is_some());
    }
}
