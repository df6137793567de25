//! The names an image goes by: its version, its security counter, the digest engineers signed, and the
//! UUIDs of who made the lock and which hardware it is. Plain values; they prove nothing by themselves.

use core::fmt;
use core::str::FromStr;

/// An image's version, as MCUboot's header holds it and imgtool writes it: `major.minor.revision+build`.
///
/// For people. What may replace what is decided by [`SecurityCounter`] alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Incompatible changes.
    pub major: u8,
    /// New abilities.
    pub minor: u8,
    /// Repairs.
    pub revision: u16,
    /// Which build of the same sources.
    pub build: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}+{}",
            self.major, self.minor, self.revision, self.build
        )
    }
}

/// Text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVersion;

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a version; write MAJOR.MINOR.REVISION+BUILD, at most 255.255.65535+4294967295, the later parts optional",
        )
    }
}

impl core::error::Error for NotAVersion {}

impl FromStr for Version {
    type Err = NotAVersion;

    /// As imgtool reads versions: `1`, `1.2`, `1.2.3` and `1.2.3+4` are ones; what is left out is 0.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let (numbers, build) = text.split_once('+').unwrap_or((text, "0"));
        let mut parts = numbers.splitn(3, '.');
        let version = Self {
            major: number(parts.next().unwrap_or_default())?,
            minor: number(parts.next().unwrap_or("0"))?,
            revision: number(parts.next().unwrap_or("0"))?,
            build: number(build)?,
        };
        Ok(version)
    }
}

/// Digits only: `from_str` of an integer would take a sign as well.
fn number<N: FromStr>(digits: &str) -> Result<N, NotAVersion> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) {
        digits.parse().map_err(|_| NotAVersion)
    } else {
        Err(NotAVersion)
    }
}

/// The number that decides rollback: an image below a lock's floor never runs there again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecurityCounter(pub u32);

impl fmt::Display for SecurityCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256 over header, payload and protected area: what release engineers sign, and the one identity of an
/// image on the lock, on the server and between them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageDigest(pub [u8; 32]);

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// A vendor or hardware class, as sixteen bytes in the order RFC 9562 prints them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_imgtool_reads_them() {
        for (text, version) in [
            ("1", (1, 0, 0, 0)),
            ("1.2", (1, 2, 0, 0)),
            ("1.2.3", (1, 2, 3, 0)),
            ("1.2.3+4", (1, 2, 3, 4)),
            ("255.255.65535+4294967295", (255, 255, 65535, u32::MAX)),
        ] {
            let (major, minor, revision, build) = version;
            let version = Version {
                major,
                minor,
                revision,
                build,
            };
            assert_eq!(text.parse(), Ok(version), "{text}");
        }
        for text in [
            "",
            "v1.0",
            "1.2.3.4",
            "256.0.0",
            "1.2.65536",
            "1..3",
            "1.2.3+",
            "+1",
            "1.-2",
            "1.2.3+4+5",
            "1 ",
        ] {
            assert_eq!(text.parse::<Version>(), Err(NotAVersion), "{text:?}");
        }
    }

    #[test]
    fn identities_print_as_people_write_them() {
        let version = Version {
            major: 1,
            minor: 2,
            revision: 3,
            build: 4,
        };
        assert_eq!(version.to_string(), "1.2.3+4");
        // uuid5(NAMESPACE_DNS, "example.com"), from Python's uuid module.
        let vendor = Uuid([
            0xcf, 0xbf, 0xf0, 0xd1, 0x93, 0x75, 0x56, 0x85, 0x96, 0x8c, 0x48, 0xce, 0x8b, 0x15, 0xae, 0x17,
        ]);
        assert_eq!(vendor.to_string(), "cfbff0d1-9375-5685-968c-48ce8b15ae17");
    }
}
