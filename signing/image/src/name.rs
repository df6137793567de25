//! From the names that engineers use to the UUIDs that images carry, by imgtool's rules.

use alloc::vec::Vec;
use core::fmt;

use sha1::{Digest, Sha1};

use crate::Uuid;

/// RFC 9562's namespace for domain names.
const NAMESPACE_DNS: Uuid = Uuid(0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8_u128.to_be_bytes());

/// A name that makes no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No characters.
    Empty,
    /// Characters that look like others, or that nobody sees: only printable ASCII is allowed.
    NotAscii,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty; give the vendor's domain or the class's name",
            Self::NotAscii => "the name has characters other than printable ASCII; spell it in ASCII",
        })
    }
}

impl core::error::Error for NameError {}

impl Uuid {
    /// A vendor's UUID: UUID version 5 of its domain name. A UUID in hex, with or without dashes, stands for itself.
    ///
    /// # Errors
    /// [`NameError`]
    pub fn vendor(name: &str) -> Result<Self, NameError> {
        named(NAMESPACE_DNS, name)
    }

    /// A hardware class's UUID: version 5 of its name, in the vendor's namespace. A UUID stands for itself.
    ///
    /// # Errors
    /// [`NameError`]
    pub fn class(vendor: Self, name: &str) -> Result<Self, NameError> {
        named(vendor, name)
    }
}

fn named(namespace: Uuid, name: &str) -> Result<Uuid, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if !name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(NameError::NotAscii);
    }
    Ok(literal(name).unwrap_or_else(|| version_5(namespace, name)))
}

/// A UUID written out: 32 hex digits, dashes in the usual four places or nowhere.
fn literal(name: &str) -> Option<Uuid> {
    let dashes: Vec<usize> = name.match_indices('-').map(|(at, _)| at).collect();
    if !(dashes.is_empty() || dashes == [8, 13, 18, 23]) {
        return None;
    }
    let digits: alloc::string::String = name.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16)
        .ok()
        .map(|value| Uuid(value.to_be_bytes()))
}

fn version_5(namespace: Uuid, name: &str) -> Uuid {
    let mut hash = Sha1::new();
    hash.update(namespace.0);
    hash.update(name);
    let [head @ .., _, _, _, _] = <[u8; 20]>::from(hash.finalize());
    let random = u128::from_be_bytes(head);
    let version = 0x5_u128 << 76;
    let variant = 0b10_u128 << 62;
    Uuid(((random & !(0xf << 76) & !(0b11 << 62)) | version | variant).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_the_uuids_that_python_gives() {
        let vendor = Uuid::vendor("example.com").unwrap();
        assert_eq!(vendor.to_string(), "cfbff0d1-9375-5685-968c-48ce8b15ae17");
        let class = Uuid::class(vendor, "lock-v1").unwrap();
        assert_eq!(class.to_string(), "ed313cb9-9fb4-500d-9f62-7016db832aed");
    }

    #[test]
    fn a_uuid_stands_for_itself() {
        let dashed = Uuid::vendor("CFBFF0D1-9375-5685-968c-48ce8b15ae17").unwrap();
        let plain = Uuid::class(Uuid([7; 16]), "cfbff0d193755685968c48ce8b15ae17").unwrap();
        assert_eq!((dashed, plain), (Uuid::vendor("example.com").unwrap(), dashed));
        let name = Uuid::vendor("cfbff0d19375-5685-968c48ce8b15ae17-").unwrap();
        assert_ne!(name, dashed, "dashes elsewhere make it a name");
    }

    #[test]
    fn names_that_look_alike_are_refused() {
        for name in ["ехample.com", "example.com\u{200b}", "tab\t", "\u{7f}"] {
            assert_eq!(Uuid::vendor(name), Err(NameError::NotAscii), "{name:?}");
        }
        assert_eq!(Uuid::vendor(""), Err(NameError::Empty));
    }
}
