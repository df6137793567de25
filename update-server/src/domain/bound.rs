//! A version as a bound: whoever writes `2.3` means every 2.3, whatever its revision and build.
//!
//! Kept as it was written, since a report says it again.

use std::fmt;
use std::str::FromStr;

use latchkey_image::{NotAVersion, Version};

/// A version whose last parts may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// With 0 for each part that was left out.
    version: Version,
    written: Written,
}

/// Up to which part it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Major,
    Minor,
    Revision,
    Build,
}

impl Bound {
    /// The first version within it.
    #[must_use]
    pub const fn first(self) -> Version {
        self.version
    }

    /// The last version within it.
    #[must_use]
    pub const fn last(self) -> Version {
        let Version {
            major,
            minor,
            revision,
            build,
        } = self.version;
        let (minor, revision, build) = match self.written {
            Written::Major => (u8::MAX, u16::MAX, u32::MAX),
            Written::Minor => (minor, u16::MAX, u32::MAX),
            Written::Revision => (minor, revision, u32::MAX),
            Written::Build => (minor, revision, build),
        };
        Version {
            major,
            minor,
            revision,
            build,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version {
            major,
            minor,
            revision,
            build: _,
        } = self.version;
        match self.written {
            Written::Major => write!(f, "{major}"),
            Written::Minor => write!(f, "{major}.{minor}"),
            Written::Revision => write!(f, "{major}.{minor}.{revision}"),
            Written::Build => self.version.fmt(f),
        }
    }
}

impl FromStr for Bound {
    type Err = NotAVersion;

    /// As versions are read, but a build takes all parts before it: what a part left out in between means is not said.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let version = text.parse()?;
        let written = match (text.matches('.').count(), text.contains('+')) {
            (0, false) => Written::Major,
            (1, false) => Written::Minor,
            (2, false) => Written::Revision,
            (2, true) => Written::Build,
            _ => return Err(NotAVersion),
        };
        Ok(Self { version, written })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_whatever_it_is() {
        for (text, first, last) in [
            ("2", "2.0.0+0", "2.255.65535+4294967295"),
            ("2.3", "2.3.0+0", "2.3.65535+4294967295"),
            ("2.3.0", "2.3.0+0", "2.3.0+4294967295"),
            ("2.3.0+7", "2.3.0+7", "2.3.0+7"),
        ] {
            let bound: Bound = text.parse().unwrap();
            assert_eq!(bound.first().to_string(), first);
            assert_eq!(bound.last().to_string(), last);
            assert_eq!(bound.to_string(), text, "as it was written");
        }
    }

    #[test]
    fn what_is_no_version_or_leaves_out_a_part_in_between_is_no_bound() {
        for text in [
            "", "x", "2.", "2.3.0.1", "2.3+7", "2+7", "2.3.0+", "+7", "256", "-1",
        ] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
    }
}
