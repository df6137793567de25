//! Files: read with a limit, written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::Failure;

/// The largest file that is read, in bytes: many times any lock's flash.
const MAX: u64 = 16 * 1024 * 1024;

/// Who may read a file that is written.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// The one who runs the command.
    Owner,
    /// Whoever the umask lets.
    Usual,
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_limited(path).map_err(|error| Failure::file(path, "read", error))
}

/// Reads a whole text file that may hold a secret.
pub(crate) fn read_secret_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(read(path)?);
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Failure::key(path, "not a text file; give a key in PEM"))?;
    Ok(Zeroizing::new(text.into()))
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // Room for all of it at once: growing would leave copies of a secret behind.
    let room = usize::try_from(file.metadata()?.len().min(MAX)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(room.saturating_add(1));
    let limit = MAX.saturating_add(1);
    if u64::try_from(file.take(limit).read_to_end(&mut bytes)?).is_ok_and(|length| length <= MAX) {
        Ok(bytes)
    } else {
        Err(std::io::Error::other(
            "larger than 16 MiB, which no lock could hold",
        ))
    }
}

/// Whether this begins as an MCUboot image does.
pub(crate) fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x3d, 0xb8, 0xf3, 0x96])
}

/// Writes an image whole: to a neighbour first, on disk, then under its name. Replaces an image that was there,
/// and nothing else: two arguments in the wrong order must not cost a key or a program.
pub(crate) fn replace_image(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    match File::open(path) {
        Ok(mut file) => {
            let mut start = [0; 4];
            let read = file.read_exact(&mut start);
            if read.is_err() || !is_image(&start) {
                return Err(Failure::File(format!(
                    "{} exists, is no image, and is not overwritten; choose another name",
                    path.display()
                )));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file(path, "write", error)),
    }
    replace(path, bytes)
}

/// Writes a file whole over the one of this name, which the caller has read and understood.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = neighbour(path, bytes, Access::Usual)?;
    file.persist(path)
        .map_err(|error| Failure::file(path, "write", error.error))?;
    settle(path)
}

/// Writes a file whole, likewise, but never takes the place of another.
pub(crate) fn create(path: &Path, bytes: &[u8], access: Access) -> Result<(), Failure> {
    let file = neighbour(path, bytes, access)?;
    file.persist_noclobber(path).map_err(|error| {
        if error.error.kind() == std::io::ErrorKind::AlreadyExists {
            exists(path)
        } else {
            Failure::file(path, "write", error.error)
        }
    })?;
    settle(path)
}

/// What [`create`] says of a name that is taken.
pub(crate) fn exists(path: &Path) -> Failure {
    Failure::File(format!(
        "{} exists and is not overwritten; choose another name",
        path.display()
    ))
}

fn neighbour(path: &Path, bytes: &[u8], access: Access) -> Result<tempfile::NamedTempFile, Failure> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Usual => 0o666, // less the umask
    };
    let write = || {
        let mut file = tempfile::Builder::new()
            .prefix(".latchkey-sign-")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| Failure::file(path, "write", error))
}

/// The new name is on disk when its folder is.
fn settle(path: &Path) -> Result<(), Failure> {
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Failure::file(path, "settle on disk", error))
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
