//! The system's keyring: the Secret Service on Linux, the keychain on macOS, the credential manager on Windows. Holds
//! what a lock is opened with, for those who ask for it; the file beside it says then where it is.
//!
//! Knows nothing of locks. Keeps the invariants that a wait ends, also where the system asks its user to unlock the
//! keyring and nobody answers; and that no error shows what is held.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error, Result};
use zeroize::Zeroizing;

use crate::failure::{Failure, Kind, Outcome};

/// Under which all of this program's entries stand.
const SERVICE: &str = "latchkey";
/// How long the system may take, with a question to its user.
const PATIENCE: Duration = Duration::from_secs(120);

/// Puts a secret into a new entry. When this returns, the system has it.
pub(crate) fn put(entry: &str, secret: &[u8]) -> Outcome<()> {
    let secret = Zeroizing::new(secret.to_vec());
    with(entry, move |entry| entry.set_secret(&secret))
}

/// What an entry holds.
pub(crate) fn get(entry: &str) -> Outcome<Zeroizing<Vec<u8>>> {
    with(entry, |entry| entry.get_secret().map(Zeroizing::new))
}

/// Removes an entry; one that is gone already may be.
pub(crate) fn remove(entry: &str) -> Outcome<()> {
    with(entry, |entry| match entry.delete_credential() {
        Err(Error::NoEntry) => Ok(()),
        other => other,
    })
}

/// Does it beside this thread, which waits no longer than it may.
fn with<T: Send + 'static>(
    entry: &str,
    work: impl FnOnce(&Entry) -> Result<T> + Send + 'static,
) -> Outcome<T> {
    let name = entry.to_owned();
    let (tell, told) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let done = open(&name).and_then(|entry| work(&entry));
        // Who asked may have lost patience.
        let _ = tell.send(done);
    });
    match told.recv_timeout(PATIENCE) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failure(entry, &error)),
        Err(_) => Err(secret(
            "the system's keyring does not answer; unlock it and try again".to_owned(),
        )),
    }
}

#[cfg(target_os = "linux")]
fn open(entry: &str) -> Result<Entry> {
    dbus_secret_service_keyring_store::Store::new()?.build(SERVICE, entry, None)
}

#[cfg(target_os = "macos")]
fn open(entry: &str) -> Result<Entry> {
    apple_native_keyring_store::keychain::Store::new()?.build(SERVICE, entry, None)
}

#[cfg(target_os = "windows")]
fn open(entry: &str) -> Result<Entry> {
    windows_native_keyring_store::Store::new()?.build(SERVICE, entry, None)
}

/// Some errors carry what is held: only these two's own words are shown.
fn failure(entry: &str, error: &Error) -> Failure {
    secret(if matches!(error, Error::NoEntry) {
        format!(
            "the system's keyring has no entry {entry:?} of latchkey's any more; `latchkey forget`, and pair again"
        )
    } else if let Error::PlatformFailure(why) | Error::NoStorageAccess(why) = error {
        format!("the system's keyring cannot be used: {why}; log in where there is one, and unlock it")
    } else {
        "the system's keyring does not hold what was put there; `latchkey forget`, and pair again".to_owned()
    })
}

fn secret(words: String) -> Failure {
    Failure::new(Kind::Secret, words)
}
