//! Why metadata are refused, and what to do about it.

use thiserror::Error;

use crate::{Expires, KeyId, RoleName};

/// Why metadata are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 32 bytes that are no usable key.
    #[error("{0} is no usable Ed25519 public key")]
    BadKey(String),
    /// It is over.
    #[error("the {role} expired at {expires}; sign a new version")]
    Expired {
        /// Of what kind.
        role: RoleName,
        /// When.
        expires: Expires,
    },
    /// A role names a key that is not among the keys.
    #[error("the {role} role names the key {key}, which is not among the root's keys")]
    KeyMissing {
        /// Of what kind.
        role: RoleName,
        /// Which.
        key: KeyId,
    },
    /// A key's name is not its hash.
    #[error("the key {0} is not named by its hash")]
    KeyName(KeyId),
    /// Not `2027-11-26T00:00:00Z`.
    #[error("{0:?} is no moment of the form 2027-11-26T00:00:00Z: UTC, whole seconds")]
    Moment(String),
    /// A role names a key twice.
    #[error("the {role} role names the key {key} twice")]
    NamedTwice {
        /// Of what kind.
        role: RoleName,
        /// Which.
        key: KeyId,
    },
    /// A string has letters that clients may read in two ways.
    #[error(
        "\"{0}\" is not printable ASCII; clients differ in how they read the rest, so it is never signed"
    )]
    NotAscii(String),
    /// A root without consistent snapshots.
    #[error("the root has consistent_snapshot off; clients would meet files that are being replaced")]
    NotConsistent,
    /// Not lower-case hex of the right length.
    #[error("{0:?} is not lower-case hex of the right length")]
    NotHex(String),
    /// The file that others pinned is another one.
    #[error("the {by} names another {role} (version {named}) than this (version {found})")]
    NotPinned {
        /// Of what kind.
        role: RoleName,
        /// Who names it.
        by: RoleName,
        /// The version that is named.
        named: u64,
        /// The version that is there.
        found: u64,
    },
    /// A number with a fraction.
    #[error("{0} is no whole number")]
    NotWhole(String),
    /// A key of the server counts for what is signed off line.
    #[error("the key {0} signs on line and off line; whoever takes the server would sign releases with it")]
    OnlineAndOffline(KeyId),
    /// Another kind of metadata.
    #[error("this is {found}, not {wanted}")]
    OtherKind {
        /// What was asked for.
        wanted: RoleName,
        /// What it is.
        found: RoleName,
    },
    /// A key of another kind.
    #[error("a key of the scheme {0:?}; only ed25519 is known here")]
    OtherScheme(String),
    /// Another specification.
    #[error("specification version {0:?}; only 1.0 is known here")]
    OtherSpecification(String),
    /// A file says more than is understood.
    #[error("the file says something in a way that is not understood here, so it cannot be vouched for")]
    SaysMore,
    /// No JSON, or of another shape.
    #[error("not metadata of the expected shape: {0}")]
    Shape(String),
    /// One key's signature stands there more than once.
    #[error("the key {0} has signed more than once; each key counts once, so take the others out")]
    SignedTwice(KeyId),
    /// A target's name has other letters.
    #[error("\"{0}\" is no name of a target: letters, digits, dots, dashes and underscores, at most 120")]
    TargetName(String),
    /// A threshold that nobody, or everybody, reaches.
    #[error("the {role} role's threshold is none, or more than it has keys")]
    Threshold {
        /// Of what kind.
        role: RoleName,
    },
    /// Too few have signed.
    #[error(
        "the {role} has {valid} good signature(s) of {needed} needed by the keys of root version {root}; \
             have further release engineers sign it with `latchkey-sign tuf sign`"
    )]
    TooFew {
        /// Of what kind.
        role: RoleName,
        /// By which root's keys.
        root: u64,
        /// So many different keys signed.
        valid: u32,
        /// So many must.
        needed: u32,
    },
    /// Too long a file.
    #[error("the file is longer than 512000 bytes")]
    TooLong,
    /// Too many keys.
    #[error("the root names more than 64 keys")]
    TooManyKeys,
    /// Not a version number.
    #[error("{0} is no version of a file; they count up from 1")]
    VersionNumber(u64),
    /// The version does not follow.
    #[error("the {role} has version {offered}; the one to follow {current} is {}", current.saturating_add(1))]
    VersionOrder {
        /// Of what kind.
        role: RoleName,
        /// What came.
        offered: u64,
        /// What is there.
        current: u64,
    },
}
