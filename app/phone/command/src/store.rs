//! Credentials on disk: one file for each authorization, in a folder of the user's. What opens a lock stands in the file,
//! or in the system's keyring where the owner wants that; then the file says where.
//!
//! Knows nothing of locks and radios. Keeps the invariants that a file is readable by its owner alone, or refused; that
//! it is on disk whole, or not at all; that none is overwritten; and that what is damaged or another program's is
//! named, not used.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use latchkey_phone::Credentials;
use latchkey_protocol::value::{AuthorizationType, NukiId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::random;
use crate::failure::{Failure, Kind, Outcome};
use crate::keyring;
use crate::words;

/// A file that holds one is smaller, in bytes.
const FILE_MAX: u64 = 4_096;
/// The longest name that an owner gives a lock, in bytes.
const NAME_MAX: usize = 32;
/// What the files are.
const MARK: &str = "credentials";
const LAYOUT: u32 = 1;
/// That of a file whose secret is in the keyring.
const LAYOUT_KEYRING: u32 = 2;
const EXTENSION: &str = "latchkey";

/// An authorization on a lock.
pub(crate) struct Held {
    /// What the owner calls the lock.
    pub(crate) name: String,
    /// What holds it.
    pub(crate) kind: AuthorizationType,
    /// Which lock.
    pub(crate) lock: NukiId,
    /// The key, and whose it is.
    pub(crate) credentials: Credentials,
}

/// Which authorization a file is about.
pub(crate) struct Label {
    name: String,
    kind: AuthorizationType,
    pub(crate) lock: NukiId,
}

/// Where the credentials of a file are.
enum Kept {
    Here(Zeroizing<[u8; Credentials::LENGTH]>),
    /// In this entry.
    InKeyring(String),
}

/// The folder.
pub(crate) struct Store {
    folder: PathBuf,
    /// Whether what comes in goes to the keyring.
    keyring: bool,
}

/// A file's content; `secret` is the credentials in hexadecimal, or the keyring's entry. All is text without escapes, so that reading borrows and no copy of the secret stays behind.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout<'a> {
    latchkey: &'a str,
    layout: u32,
    name: &'a str,
    kind: &'a str,
    lock: &'a str,
    secret: &'a str,
    check: &'a str,
}

impl Store {
    /// In this folder, or in the one that the system has for it. It need not exist.
    pub(crate) fn new(folder: Option<PathBuf>, keyring: bool) -> Outcome<Self> {
        let folder = match folder {
            Some(folder) => folder,
            None => data_folder()?,
        };
        Ok(Self {
            folder: folder.join("locks"),
            keyring,
        })
    }

    /// The file of this name.
    pub(crate) fn path(&self, name: &str, kind: AuthorizationType) -> PathBuf {
        self.folder
            .join(format!("{name}.{}.{EXTENSION}", words::kind(kind)))
    }

    /// Names of all locks on which something of this kind is held, in order.
    pub(crate) fn names(&self, kind: AuthorizationType) -> Outcome<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::file(&self.folder, "look into", error)),
        };
        let end = format!(".{}.{EXTENSION}", words::kind(kind));
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(&end).map(str::to_owned))
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What is held of this kind on the lock of this name; without a name, on the only one.
    pub(crate) fn load(&self, name: Option<&str>, kind: AuthorizationType) -> Outcome<Held> {
        let path = self.find(name, kind)?;
        self.check_folder()?;
        let (label, kept) = read(&path)?;
        let mut secret = match kept {
            Kept::Here(secret) => secret,
            Kept::InKeyring(entry) => {
                let held = keyring::get(&entry)?;
                let bytes = <[u8; Credentials::LENGTH]>::try_from(held.as_slice());
                Zeroizing::new(bytes.map_err(|_| damaged(&path))?)
            }
        };
        Ok(Held {
            name: label.name,
            kind: label.kind,
            lock: label.lock,
            credentials: Credentials::from_bytes(&mut secret)
                .map_err(|error| Failure::new(Kind::Secret, format!("{}: {error}", path.display())))?,
        })
    }

    /// The file of this name; without a name, the only one.
    fn find(&self, name: Option<&str>, kind: AuthorizationType) -> Outcome<PathBuf> {
        let names = self.names(kind)?;
        let what = words::kind(kind);
        let name = match (name, names.as_slice()) {
            (Some(name), _) if names.iter().any(|known| known == name) => name.to_owned(),
            (None, [only]) => only.clone(),
            (_, []) => {
                let words = if kind == AuthorizationType::App {
                    "no lock is paired yet; `latchkey pair` does it".to_owned()
                } else {
                    format!("no lock is paired as {what}; `latchkey pair --as {what}` does it")
                };
                return Err(Failure::new(Kind::Secret, words));
            }
            (Some(name), _) => {
                return Err(Failure::new(
                    Kind::Secret,
                    format!(
                        "no lock named {name:?} is paired as {what}; there is {}",
                        names.join(", ")
                    ),
                ));
            }
            (None, _) => {
                return Err(Failure::usage(format!(
                    "several locks are paired as {what}; name one by --lock: {}",
                    names.join(", ")
                )));
            }
        };
        Ok(self.path(&name, kind))
    }

    /// Looks whether a pairing under this name could be kept, before a lock is bothered.
    pub(crate) fn make_room(&self, name: &str, kind: AuthorizationType) -> Outcome<()> {
        check_name(name)?;
        self.make_folder()?;
        let path = self.path(name, kind);
        if path.exists() {
            return Err(taken(&path));
        }
        Ok(())
    }

    /// Writes them down. When this returns, they are on disk.
    pub(crate) fn keep(&self, held: &Held) -> Outcome<PathBuf> {
        self.make_room(&held.name, held.kind)?;
        let path = self.path(&held.name, held.kind);
        if !self.keyring {
            write(&path, &held.credentials.expose(|bytes| spell_here(held, bytes))?)?;
            return Ok(path);
        }
        // Never one that is there already, also where somebody has several folders.
        let entry = format!(
            "{}.{}.{}",
            held.name,
            words::kind(held.kind),
            hex::encode(random::<8>()?)
        );
        held.credentials.expose(|bytes| keyring::put(&entry, bytes))?;
        let text = spell(held, LAYOUT_KEYRING, &entry)?;
        write(&path, &text).inspect_err(|_| {
            // What is left in the keyring then is a key that no file leads to.
            let _ = keyring::remove(&entry);
        })?;
        Ok(path)
    }

    /// Takes back what was written a moment ago.
    pub(crate) fn take_back(&self, held: &Held) -> Outcome<()> {
        self.forget(Some(&held.name), held.kind).map(drop)
    }

    /// Removes what is held of this kind on the lock of this name; gives the file that is gone.
    pub(crate) fn forget(&self, name: Option<&str>, kind: AuthorizationType) -> Outcome<PathBuf> {
        let path = self.find(name, kind)?;
        // What cannot be read leads nowhere, and may go.
        if let Ok((_, Kept::InKeyring(entry))) = read(&path) {
            keyring::remove(&entry)?;
        }
        fs::remove_file(&path).map_err(|error| Failure::file(&path, "remove", error))?;
        Ok(path)
    }

    fn make_folder(&self) -> Outcome<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.folder)
            .map_err(|error| Failure::file(&self.folder, "make", error))?;
        self.check_folder()
    }

    /// Who may write into the folder may put other credentials there.
    fn check_folder(&self) -> Outcome<()> {
        let found =
            fs::metadata(&self.folder).map_err(|error| Failure::file(&self.folder, "look at", error))?;
        check_access(&self.folder, &found, 0o022, "written", "700")
    }
}

/// What a file is about, without what it holds.
pub(crate) fn label(path: &Path) -> Outcome<Label> {
    read(path).map(|(label, _)| label)
}

fn read(path: &Path) -> Outcome<(Label, Kept)> {
    let failed = |error| Failure::file(path, "read", error);
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    check_access(path, &found, 0o077, "read", "600")?;
    // Room for all of it at once: growing would leave copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize));
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(failed)?;
    parse(&bytes).map_err(|why| Failure::new(Kind::Secret, format!("{}: {why}", path.display())))
}

const DAMAGED: &str = "the credentials are damaged; pair again under another name";

fn damaged(path: &Path) -> Failure {
    Failure::new(Kind::Secret, format!("{}: {DAMAGED}", path.display()))
}

fn parse(bytes: &[u8]) -> Result<(Label, Kept), String> {
    let foreign =
        "this is no file of latchkey's credentials, or a damaged one; pair again under another name";
    let layout: Layout<'_> = serde_json::from_slice(bytes).map_err(|_| foreign)?;
    if layout.latchkey != MARK {
        return Err(foreign.to_owned());
    }
    if !matches!(layout.layout, LAYOUT | LAYOUT_KEYRING) {
        return Err(format!(
            "the file has layout {}, which this version does not know; update latchkey",
            layout.layout
        ));
    }
    if check(&layout) != layout.check {
        return Err(DAMAGED.to_owned());
    }
    let kept = if layout.layout == LAYOUT_KEYRING {
        Kept::InKeyring(layout.secret.to_owned())
    } else {
        let mut secret = Zeroizing::new([0; Credentials::LENGTH]);
        hex::decode_to_slice(layout.secret, &mut *secret).map_err(|_| DAMAGED)?;
        Kept::Here(secret)
    };
    check_name(layout.name).map_err(|_| DAMAGED)?;
    let label = Label {
        name: layout.name.to_owned(),
        kind: kind_of(layout.kind).ok_or(DAMAGED)?,
        lock: parse_id(layout.lock).map_err(|_| DAMAGED)?,
    };
    Ok((label, kept))
}

/// Writes a secret whole, for its owner's eyes only; never in the place of another file.
pub(crate) fn write(path: &Path, secret: &[u8]) -> Outcome<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = |error: io::Error| Failure::file(path, "write", error);
    let mut file = new_file(folder).map_err(failed)?;
    file.write_all(secret).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            taken(path)
        } else {
            failed(error.error)
        }
    })?;
    // The new name is on disk when its folder is. Elsewhere than on Unix, a folder is no file.
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Failure::file(folder, "settle on disk", error))?;
    Ok(())
}

fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".latchkey-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
    builder.tempfile_in(folder)
}

fn spell_here(held: &Held, credentials: &[u8; Credentials::LENGTH]) -> Outcome<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new([0; 2 * Credentials::LENGTH]);
    // Twice as long as the bytes, which is what it takes.
    let _ = hex::encode_to_slice(credentials, &mut *secret);
    spell(held, LAYOUT, std::str::from_utf8(&*secret).unwrap_or_default())
}

fn spell(held: &Held, layout: u32, secret: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    let lock = held.lock.to_string();
    let mut layout = Layout {
        latchkey: MARK,
        layout,
        name: &held.name,
        kind: words::kind(held.kind),
        lock: &lock,
        secret,
        check: "",
    };
    let check = check(&layout);
    layout.check = &check;
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_MAX as usize));
    serde_json::to_writer(&mut *text, &layout)
        .map_err(|error| Failure::new(Kind::File, format!("cannot write down credentials: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Finds damage. Says nothing about who wrote the file: whoever can write it has the key.
fn check(layout: &Layout<'_>) -> String {
    let mut hash = Sha256::new();
    for field in [layout.name, layout.kind, layout.lock, layout.secret] {
        hash.update(field);
        hash.update([0]);
    }
    if layout.layout != LAYOUT {
        hash.update(layout.layout.to_le_bytes());
    }
    let digest = hash.finalize();
    hex::encode(digest.get(..8).unwrap_or_default())
}

/// Whether a lock can be called this.
pub(crate) fn check_name(name: &str) -> Outcome<()> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(plain) {
        return Err(Failure::usage(format!(
            "{name:?} is no name for a lock; use up to {NAME_MAX} letters, digits, - and _"
        )));
    }
    Ok(())
}

/// A lock's eight hexadecimal digits, with or without `Nuki_` in front.
pub(crate) fn parse_id(text: &str) -> Result<NukiId, String> {
    let digits = text.strip_prefix("Nuki_").unwrap_or(text);
    let id = (digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
        .and_then(NukiId::new);
    id.ok_or_else(|| {
        format!("{text:?} is no lock's name; it has eight hexadecimal digits, as `latchkey scan` shows")
    })
}

fn kind_of(text: &str) -> Option<AuthorizationType> {
    AuthorizationType::ALL
        .iter()
        .copied()
        .find(|kind| words::kind(*kind) == text)
}

fn taken(path: &Path) -> Failure {
    Failure::new(
        Kind::File,
        format!(
            "{} exists and is not overwritten; choose another name, or `latchkey forget` this lock if it no longer \
             knows you",
            path.display()
        ),
    )
}

#[cfg(unix)]
fn check_access(path: &Path, found: &fs::Metadata, forbidden: u32, verb: &str, mode: &str) -> Outcome<()> {
    use std::os::unix::fs::MetadataExt;
    if found.mode() & forbidden == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Secret,
        format!(
            "{} can be {verb} by others (mode {:03o}), so it is not used; `chmod {mode}` it, and pair again if \
             somebody may have done so",
            path.display(),
            found.mode() & 0o777
        ),
    ))
}

/// Elsewhere, the user's own folder is closed to others by the system.
#[cfg(not(unix))]
fn check_access(_: &Path, _: &fs::Metadata, _: u32, _: &str, _: &str) -> Outcome<()> {
    Ok(())
}

fn data_folder() -> Outcome<PathBuf> {
    use etcetera::BaseStrategy as _;
    etcetera::choose_base_strategy()
        .map(|places| places.data_dir().join("latchkey"))
        .map_err(|_| Failure::usage("no home folder is known; say where to keep credentials by --data"))
}

/// Where people put what this program should use.
pub(crate) fn config_folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let places = etcetera::choose_base_strategy().ok()?;
    Some(places.config_dir().join("latchkey"))
}

#[cfg(test)]
mod tests;
