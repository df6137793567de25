//! One line per start: what boots and how it came to, or why nothing does.
//!
//! Without `core::fmt`, which would be a tenth of the bootloader.

use latchkey_boot::{Accepted, Fault};
use latchkey_handoff::{BootReport, Outcome, reason};
use latchkey_image::{Refusal, Version};

use crate::Lock;

/// The longest line, in bytes; what is longer is cut.
const LENGTH: usize = 160;

/// A line in the making.
pub struct Line {
    text: [u8; LENGTH],
    length: usize,
}

impl Line {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: [0; LENGTH],
            length: 0,
        }
    }

    /// Appends text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        let free = self.text.get_mut(self.length..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(text.bytes()) {
            *to = from;
            self.length = self.length.saturating_add(1);
        }
        self
    }

    /// Appends a number, decimal.
    #[must_use]
    pub fn number(self, number: u32) -> Self {
        let mut digits = [0; 10];
        let mut rest = number;
        let mut first = digits.len();
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0'.saturating_add((rest % 10) as u8);
            first = place;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let shown = digits.get(first..).unwrap_or_default();
        self.text(core::str::from_utf8(shown).unwrap_or_default())
    }

    fn version(self, version: Version) -> Self {
        self.number(version.major.into())
            .text(".")
            .number(version.minor.into())
            .text(".")
            .number(version.revision.into())
            .text("+")
            .number(version.build)
    }

    /// The line so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// `boot: 1.2.3+4 counter 5, steady`, and why when it is not.
pub(crate) fn boots<L: Lock>(image: &Accepted, report: &BootReport) {
    let line = Line::new()
        .text("boot: ")
        .version(image.version())
        .text(" counter ")
        .number(image.counter().0)
        .text(match report.outcome {
            Outcome::Steady => ", steady",
            Outcome::Trial => ", on trial",
            Outcome::Reverted => ", reverted",
            Outcome::Refused => ", update refused",
            Outcome::Rescued => ", rescued",
        });
    let line = match report.outcome {
        Outcome::Trial => line.text(", starts left ").number(report.starts_left.into()),
        Outcome::Steady | Outcome::Reverted | Outcome::Refused | Outcome::Rescued => line,
    };
    L::say(because(line, report.reason).text("\r\n").bytes());
}

/// Nothing verifies.
pub(crate) fn nothing_boots<L: Lock>(why: Refusal) {
    let line = because(
        Line::new().text("boot: NOTHING BOOTS: no slot holds an image that may run"),
        why.code(),
    );
    L::say(line.text("; flash a signed image\r\n").bytes());
}

/// The bootloader cannot go on.
pub(crate) fn fault<L: Lock>(fault: Fault) {
    L::say(
        Line::new()
            .text("boot: FAULT: ")
            .text(fault.describe())
            .text("\r\n")
            .bytes(),
    );
}

fn because(line: Line, reason: u16) -> Line {
    if reason == reason::NONE {
        line
    } else {
        line.text(", reason ").number(reason.into())
    }
}
