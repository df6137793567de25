//! What the lock must still know after a power cut: how often it started, which image it asked for, how many
//! installs came to nothing, and which reports have no receipt yet.
//!
//! A model only: it knows bytes, not flash. One CBOR map with small integer keys, written as a whole, so that a
//! store that keeps either the old or the new value keeps a state that makes sense. A key that this version
//! does not know is skipped, so an older image reads what a newer one wrote.

use core::fmt;

use heapless::Vec;
use latchkey_directive::Report;
use latchkey_image::ImageDigest;

use crate::store::form::{self, Form};
use crate::store::record::{self, In, Out, record};

/// Reports kept until receipted. With more, the oldest goes: the newest say what runs now.
pub const REPORTS_MAX: usize = 8;

/// The longest encoding, in bytes.
pub const ENCODED_MAX: usize = 1024;

/// See the module's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Starts so far: the upper half of every message's sequence.
    starts: u32,
    /// The image whose install was asked for and whose fate has not been reported.
    asked: Option<ImageDigest>,
    /// What the server has yet to receipt, oldest first.
    reports: Vec<Report, REPORTS_MAX>,
    /// Installs in a row that came to nothing.
    refusals: u32,
}

record! {
    Settings as Map from Settings::default();
    required {}
    optional {
        0 => starts: form::Unsigned,
        1 => asked: form::Maybe<Digest>,
        2 => reports: Reports,
        3 => refusals: form::Unsigned,
    }
}

/// The stored bytes are no settings of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored settings are unreadable")
    }
}

impl core::error::Error for Unreadable {}

impl Settings {
    /// Reads stored settings.
    ///
    /// # Errors
    /// [`Unreadable`] for anything but exactly one settings map.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        record::decode(bytes).ok_or(Unreadable)
    }

    /// Writes the settings into `out`; gives the length. [`ENCODED_MAX`] always suffices; `None` when `out` is
    /// shorter and does not.
    #[must_use]
    pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
        record::encode(self, out).map(<[u8]>::len)
    }

    /// Counts this start. To be stored before anything is signed, so that no sequence is ever used twice.
    pub fn count_start(&mut self) {
        self.starts = self.starts.saturating_add(1);
    }

    /// Starts so far.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// The image whose install was asked for and whose fate has not been reported.
    #[must_use]
    pub fn asked(&self) -> Option<ImageDigest> {
        self.asked
    }

    /// Remembers or forgets which install was asked for.
    pub fn set_asked(&mut self, asked: Option<ImageDigest>) {
        self.asked = asked;
    }

    /// Installs in a row that came to nothing, whoever refused: each has worn the flash.
    #[must_use]
    pub fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Counts an install that came to nothing.
    pub fn count_refusal(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// Forgets them: an install came to its end.
    pub fn forget_refusals(&mut self) {
        self.refusals = 0;
    }

    /// The oldest report without a receipt.
    #[must_use]
    pub fn next_report(&self) -> Option<&Report> {
        self.reports.first()
    }

    /// Keeps a report until it is receipted.
    pub fn queue(&mut self, report: Report) {
        if self.reports.is_full() {
            self.reports.remove(0);
        }
        // Room was made above.
        let _ = self.reports.push(report);
    }

    /// Forgets the report that a receipt names; whether there was one.
    pub fn receipted(&mut self, sequence: u64) -> bool {
        let before = self.reports.len();
        self.reports.retain(|report| report.sequence != sequence);
        self.reports.len() < before
    }

    /// Gives the oldest report a new sequence, for when the server has seen a higher one already.
    pub fn renumber(&mut self, sequence: u64) {
        if let Some(report) = self.reports.first_mut() {
            report.sequence = sequence;
        }
    }
}

/// The digest of an image.
struct Digest;

impl Form<ImageDigest> for Digest {
    fn write(digest: &ImageDigest, out: &mut Out<'_>) -> Option<()> {
        out.bytes(&digest.0).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<ImageDigest> {
        bytes.bytes().ok()?.try_into().ok().map(ImageDigest)
    }
}

/// Reports as they go to the server, one behind the other.
struct Reports;

impl Form<Vec<Report, REPORTS_MAX>> for Reports {
    fn write(reports: &Vec<Report, REPORTS_MAX>, out: &mut Out<'_>) -> Option<()> {
        out.encode(reports.as_slice()).ok().map(|_| ())
    }

    fn read(bytes: &mut In<'_>) -> Option<Vec<Report, REPORTS_MAX>> {
        let mut reports = Vec::new();
        for report in bytes.array_iter().ok()? {
            reports.push(report.ok()?).ok()?;
        }
        Some(reports)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "an overflow in a test fails the test"
    )]

    use super::*;
    use latchkey_directive::{DeviceId, Event};
    use proptest::prelude::*;

    fn report(sequence: u64) -> Report {
        Report {
            device: DeviceId([0xff; 16]),
            sequence,
            event: Event::Reverted,
            image: ImageDigest([0xff; 32]),
            reason: u16::MAX,
        }
    }

    fn full() -> Settings {
        let mut settings = Settings {
            starts: u32::MAX,
            asked: Some(ImageDigest([0xff; 32])),
            refusals: u32::MAX,
            ..Settings::default()
        };
        (0..REPORTS_MAX as u64).for_each(|n| settings.queue(report(u64::MAX - n)));
        settings
    }

    #[test]
    fn the_largest_settings_fit_and_come_back() {
        let mut bytes = [0; ENCODED_MAX];
        for settings in [Settings::default(), full()] {
            let length = settings.encode(&mut bytes).unwrap();
            assert_eq!(Settings::decode(&bytes[..length]), Ok(settings));
        }
        assert_eq!(
            full().encode(&mut [0; 100]),
            None,
            "too small a buffer is said, not overrun"
        );
    }

    #[test]
    fn with_too_many_reports_the_oldest_goes() {
        let mut settings = Settings::default();
        (0..=REPORTS_MAX as u64).for_each(|n| settings.queue(report(n)));
        assert_eq!(settings.next_report().map(|report| report.sequence), Some(1));
        assert!(!settings.receipted(0), "long gone");
        assert!(settings.receipted(1));
        assert!(!settings.receipted(1), "once");
        settings.renumber(100);
        assert_eq!(settings.next_report().map(|report| report.sequence), Some(100));
    }

    #[test]
    fn settings_of_a_later_version_are_read_by_this_one() {
        // {0: 7, 9: "new"}
        let later = [0xa2, 0x00, 0x07, 0x09, 0x63, b'n', b'e', b'w'];
        assert_eq!(Settings::decode(&later).map(|settings| settings.starts()), Ok(7));
        assert_eq!(
            Settings::decode(&[0xa1, 0x00, 0x07, 0x00]),
            Err(Unreadable),
            "bytes behind"
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Settings::decode(&bytes);
        }

        #[test]
        fn changed_bytes_never_panic(at: proptest::sample::Index, to: u8) {
            let mut bytes = [0; ENCODED_MAX];
            let length = full().encode(&mut bytes).unwrap();
            bytes[at.index(length)] = to;
            let _ = Settings::decode(&bytes[..length]);
        }
    }
}
