//! What the four kinds of metadata say. Field names are the specification's.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::key::lower_hex;
use crate::{Expires, KEYS_MAX, Key, KeyId, Refusal};

/// The version of the specification that is written; every 1.0 is read.
const SPEC_VERSION: &str = "1.0.31";

/// The highest version of a file: the largest whole number that every reader of JSON has exactly.
const VERSION_MAX: u64 = (1 << 53) - 1;

/// Longest name of a target, in bytes.
const TARGET_NAME_BYTES_MAX: usize = 120;

/// The four kinds of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Whose signatures count for each kind.
    Root,
    /// Which files there are.
    Targets,
    /// Which versions of the others belong together.
    Snapshot,
    /// Which snapshot is the newest.
    Timestamp,
}

impl RoleName {
    /// Its one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One of the four kinds.
pub trait Role: Serialize + DeserializeOwned {
    /// Which.
    const NAME: RoleName;

    /// What stands in every kind.
    fn common(&self) -> Common<'_>;

    /// The rules of this kind beyond its shape.
    ///
    /// # Errors
    /// The rule that is broken.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Counts up by one with each file.
    fn version(&self) -> u64 {
        self.common().version
    }

    /// Until when it counts.
    fn expires(&self) -> Expires {
        self.common().expires
    }

    /// Goes on only while it counts.
    ///
    /// # Errors
    /// [`Refusal::Expired`].
    fn check_fresh(&self, now_s: u64) -> Result<(), Refusal> {
        let expires = self.expires();
        if expires.is_over(now_s) {
            return Err(Refusal::Expired {
                role: Self::NAME,
                expires,
            });
        }
        Ok(())
    }
}

/// What stands in every kind of metadata.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    kind: RoleName,
    spec_version: &'a str,
    version: u64,
    expires: Expires,
}

impl Common<'_> {
    pub(crate) fn check(&self, wanted: RoleName) -> Result<(), Refusal> {
        if self.kind != wanted {
            return Err(Refusal::OtherKind {
                wanted,
                found: self.kind,
            });
        }
        let known = self.spec_version == "1.0" || self.spec_version.starts_with("1.0.");
        if !known {
            return Err(Refusal::OtherSpecification(self.spec_version.to_owned()));
        }
        if !(1..=VERSION_MAX).contains(&self.version) {
            return Err(Refusal::VersionNumber(self.version));
        }
        Ok(())
    }
}

macro_rules! role {
    ($type:ident, $name:ident $(, $check:ident)?) => {
        impl Role for $type {
            const NAME: RoleName = RoleName::$name;

            fn common(&self) -> Common<'_> {
                Common {
                    kind: self.kind,
                    spec_version: &self.spec_version,
                    version: self.version,
                    expires: self.expires,
                }
            }

            $(fn check(&self) -> Result<(), Refusal> {
                self.$check()
            })?
        }
    };
}

/// Whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    #[serde(rename = "_type")]
    kind: RoleName,
    spec_version: String,
    consistent_snapshot: bool,
    /// Counts up by one with each file.
    pub version: u64,
    /// Until when it counts.
    pub expires: Expires,
    /// Every key by its name.
    pub keys: BTreeMap<KeyId, Key>,
    /// Who signs which kind.
    pub roles: Roles,
}

/// Who signs which kind of metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Off line.
    pub root: Signers,
    /// On the server.
    pub snapshot: Signers,
    /// Off line.
    pub targets: Signers,
    /// On the server.
    pub timestamp: Signers,
}

/// Whose signatures count for one kind, and how many it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signers {
    /// The keys' names, each once.
    pub keyids: Vec<KeyId>,
    /// So many different keys must have signed.
    pub threshold: u32,
}

impl Signers {
    /// These keys, and so many of them.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k Key>, threshold: u32) -> Self {
        Self {
            keyids: keys.into_iter().map(Key::id).collect(),
            threshold,
        }
    }

    fn check(&self, role: RoleName, keys: &BTreeMap<KeyId, Key>) -> Result<(), Refusal> {
        let mut ids = self.keyids.clone();
        ids.sort();
        if let Some(twice) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
            let key = twice.first().copied().ok_or(Refusal::Threshold { role })?;
            return Err(Refusal::NamedTwice { role, key });
        }
        if let Some(missing) = ids.iter().find(|id| !keys.contains_key(id)) {
            return Err(Refusal::KeyMissing { role, key: *missing });
        }
        let possible = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        if !(1..=possible).contains(&self.threshold) {
            return Err(Refusal::Threshold { role });
        }
        Ok(())
    }
}

impl Root {
    /// A root of this version; to be checked by whoever makes a document of it.
    #[must_use]
    pub fn new(version: u64, expires: Expires) -> Self {
        Self {
            kind: RoleName::Root,
            spec_version: SPEC_VERSION.to_owned(),
            consistent_snapshot: true,
            version,
            expires,
            keys: BTreeMap::new(),
            roles: Roles::default(),
        }
    }

    /// Who signs this kind.
    #[must_use]
    pub const fn signers(&self, role: RoleName) -> &Signers {
        match role {
            RoleName::Root => &self.roles.root,
            RoleName::Targets => &self.roles.targets,
            RoleName::Snapshot => &self.roles.snapshot,
            RoleName::Timestamp => &self.roles.timestamp,
        }
    }

    fn check_keys(&self) -> Result<(), Refusal> {
        if !self.consistent_snapshot {
            return Err(Refusal::NotConsistent);
        }
        if self.keys.len() > KEYS_MAX {
            return Err(Refusal::TooManyKeys);
        }
        if let Some((id, _)) = self.keys.iter().find(|(id, key)| key.id() != **id) {
            return Err(Refusal::KeyName(*id));
        }
        for role in [
            RoleName::Root,
            RoleName::Targets,
            RoleName::Snapshot,
            RoleName::Timestamp,
        ] {
            self.signers(role).check(role, &self.keys)?;
        }
        let online =
            |id: &&KeyId| self.roles.snapshot.keyids.contains(id) || self.roles.timestamp.keyids.contains(id);
        let offline = self.roles.root.keyids.iter().chain(&self.roles.targets.keyids);
        if let Some(id) = offline.into_iter().find(online) {
            return Err(Refusal::OnlineAndOffline(*id));
        }
        Ok(())
    }
}

role!(Root, Root, check_keys);

/// Which files there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    #[serde(rename = "_type")]
    kind: RoleName,
    spec_version: String,
    /// Counts up by one with each file.
    pub version: u64,
    /// Until when it counts.
    pub expires: Expires,
    /// Each file by its name.
    pub targets: BTreeMap<TargetName, Target>,
}

impl Targets {
    /// No files yet.
    #[must_use]
    pub fn new(version: u64, expires: Expires) -> Self {
        Self {
            kind: RoleName::Targets,
            spec_version: SPEC_VERSION.to_owned(),
            version,
            expires,
            targets: BTreeMap::new(),
        }
    }
}

role!(Targets, Targets);

/// A target's name: letters, digits, `.`, `-` and `_`, so that it is the same in a URL, a file system and JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(String);

impl TargetName {
    /// What the image of a release is called: `lock-emulator-1-2.0.0-1.img` for version 2.0.0+1.
    ///
    /// # Errors
    /// [`Refusal::TargetName`] when the class's name has other letters.
    pub fn of_image(class: &str, version: &str) -> Result<Self, Refusal> {
        Self::try_from(format!("{class}-{}.img", version.replace('+', "-")))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TargetName {
    type Error = Refusal;

    fn try_from(name: String) -> Result<Self, Refusal> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=TARGET_NAME_BYTES_MAX).contains(&name.len());
        if !fits || name.starts_with(['.', '-']) || !name.bytes().all(plain) {
            return Err(Refusal::TargetName(name.escape_default().to_string()));
        }
        Ok(Self(name))
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is.
    pub custom: Custom,
    /// Hashes of all its bytes.
    pub hashes: Hashes,
    /// Its length in bytes.
    pub length: u64,
}

/// What an image is, in words that a client can compare with its lock's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// Hardware class UUID.
    pub class: String,
    /// What engineers signed in the image: 64 hex digits.
    pub image_digest: String,
    /// Decides rollback.
    pub security_counter: u32,
    /// Vendor UUID.
    pub vendor: String,
    /// `major.minor.revision+build`.
    pub version: String,
}

/// A SHA-256 hash. Printed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl TryFrom<String> for Hash {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        lower_hex(&text).map(Self).ok_or(Refusal::NotHex(text))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hashes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    /// SHA-256.
    pub sha256: Hash,
}

/// Which version of a metadata file, to the byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaFile {
    /// Hashes of all its bytes.
    pub hashes: Hashes,
    /// Its length in bytes.
    pub length: u64,
    /// Its version.
    pub version: u64,
}

/// Which versions belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    #[serde(rename = "_type")]
    kind: RoleName,
    spec_version: String,
    /// Counts up by one with each file.
    pub version: u64,
    /// Until when it counts.
    pub expires: Expires,
    /// The files.
    pub meta: SnapshotMeta,
}

/// The files of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotMeta {
    /// The targets.
    #[serde(rename = "targets.json")]
    pub targets: MetaFile,
}

impl Snapshot {
    /// A snapshot with these targets.
    #[must_use]
    pub fn new(version: u64, expires: Expires, targets: MetaFile) -> Self {
        Self {
            kind: RoleName::Snapshot,
            spec_version: SPEC_VERSION.to_owned(),
            version,
            expires,
            meta: SnapshotMeta { targets },
        }
    }
}

role!(Snapshot, Snapshot);

/// Which snapshot is the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    #[serde(rename = "_type")]
    kind: RoleName,
    spec_version: String,
    /// Counts up by one with each file.
    pub version: u64,
    /// Until when it counts.
    pub expires: Expires,
    /// The file.
    pub meta: TimestampMeta,
}

/// The file of a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampMeta {
    /// The snapshot.
    #[serde(rename = "snapshot.json")]
    pub snapshot: MetaFile,
}

impl Timestamp {
    /// A timestamp for this snapshot.
    #[must_use]
    pub fn new(version: u64, expires: Expires, snapshot: MetaFile) -> Self {
        Self {
            kind: RoleName::Timestamp,
            spec_version: SPEC_VERSION.to_owned(),
            version,
            expires,
            meta: TimestampMeta { snapshot },
        }
    }
}

role!(Timestamp, Timestamp);
