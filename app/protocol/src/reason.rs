//! Why the lock app refused an image, as numbers for reports and for the owner's phone. Frozen; 150 to 199 are the
//! lock app's, the rest of the list is in `latchkey_image` (1 to 99) and `latchkey_handoff` (100 to 149).

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
    /// The running image has yet to confirm itself; the image to return to lies in the slot.
    OnTrial = 155,
    /// No update window is open.
    WindowClosed = 156,
    /// What lies in the slot is not what the phone said that it sends.
    Checksum = 157,
    /// The other way of updates has the slot.
    SlotTaken = 158,
    /// The owner opened the update window for another image.
    NotAllowed = 159,
    /// The phone wanted an upgrade, and the image is not newer than what runs.
    NotNewer = 160,
    /// The battery would not last the install.
    Battery = 161,
    /// The bolt moves, or somebody is at the lock otherwise.
    Busy = 162,
    /// A client asked for what no client may ask for, or in a form that has no meaning.
    BadRequest = 163,
    /// Uploads were begun too often in this update window.
    TooManyStarts = 164,
}

impl Reason {
    /// Every reason, for lists.
    pub const ALL: [Self; 15] = [
        Self::TooLarge,
        Self::OtherImage,
        Self::Flash,
        Self::Settings,
        Self::TooOldToUpgrade,
        Self::OnTrial,
        Self::WindowClosed,
        Self::Checksum,
        Self::SlotTaken,
        Self::NotAllowed,
        Self::NotNewer,
        Self::Battery,
        Self::Busy,
        Self::BadRequest,
        Self::TooManyStarts,
    ];

    /// The number that goes into a report.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The sentence behind a number of the lock app; `None` for any other.
    #[must_use]
    pub fn describe(code: u16) -> Option<&'static str> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.code() == code)
            .map(Self::sentence)
    }

    /// What happened and what to do.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TooLarge => "the image is larger than the lock's slot; make it smaller",
            Self::OtherImage => "the downloaded file is another image; upload the release again",
            Self::Flash => "the lock's flash failed while the image was written; have the lock looked at",
            Self::Settings => "the lock's settings could not be written; have the lock looked at",
            Self::TooOldToUpgrade => {
                "the image cannot follow the one that runs; install a version between first"
            }
            Self::OnTrial => "the running image is on trial; wait until it has confirmed itself",
            Self::WindowClosed => "no update window is open; the owner opens one with the PIN",
            Self::Checksum => "what arrived is not what was to be sent; send it again",
            Self::SlotTaken => "another update is under way; try again later",
            Self::NotAllowed => "the owner opened the update window for another image",
            Self::NotNewer => "the image is not newer than what runs",
            Self::Battery => "the battery is too low for an update; change the batteries",
            Self::Busy => "somebody is at the lock; try again in a moment",
            Self::TooManyStarts => "too many uploads were begun; close the update window and open it again",
            Self::BadRequest => "the lock does not take this request; update the client",
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
        let codes: Vec<u16> = (150..=164).collect();
        assert_eq!(Reason::ALL.map(Reason::code).to_vec(), codes);
        assert_eq!(Reason::describe(149), None);
        assert!(Reason::describe(151).is_some());
    }
}
