//! The Update Framework (TUF, specification 1.0): the four kinds of metadata that make published releases a
//! repository which standard clients verify.
//!
//! Root and targets are signed off line by release engineers, m of n; snapshot and timestamp by the update server's
//! own key. This crate makes, reads, signs and verifies them. It knows no file, no network and no clock: the time is
//! given to it, in seconds since 1970.
//!
//! * A [`Document`] is one metadata file. What it says is a claim until somebody has verified it.
//! * A [`Trusted`] document has been: only the checks in [`trust`] make one, each against a trusted root.
//! * Signatures are counted once a key, over the canonical bytes of what was parsed and of nothing else
//!   ([`Document::parse`] refuses a file that says more than was understood).
//!
//! It is narrower than the specification on purpose. Ed25519 only; no delegations; consistent snapshots always;
//! printable ASCII only, since clients differ in how they normalise the rest; whole seconds only, since clients differ
//! in whether they read fractions; and the keys on the server never count for root or targets.
#![forbid(unsafe_code)]

mod canonical;
mod document;
mod expires;
mod key;
mod metadata;
mod refusal;
pub mod trust;

pub use canonical::canonical;
pub use document::{Document, kind};
pub use expires::Expires;
pub use key::{Key, KeyId};
pub use metadata::{
    Custom, Hash, Hashes, MetaFile, Role, RoleName, Roles, Root, Signers, Snapshot, SnapshotMeta, Target,
    TargetName, Targets, Timestamp, TimestampMeta,
};
pub use refusal::Refusal;
pub use trust::Trusted;

/// The longest metadata file that is read, in bytes: what python-tuf takes of a root. Some 800 targets.
pub const FILE_BYTES_MAX: usize = 512_000;

/// Most keys that one root names.
pub const KEYS_MAX: usize = 64;
