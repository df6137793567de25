//! Passphrases on a terminal: asked for, twice when they are new, and never shown.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use latchkey_interop::{latchkey_sign, peer};

const NEW: &str = "New passphrase=correct horse";
const AGAIN: &str = "The same again=correct horse";

/// Runs `latchkey-sign` in `folder`, on a terminal where these answers are typed.
fn on_terminal(folder: &Path, answers: &[&str], arguments: &[&str]) -> Output {
    let typing = answers.iter().flat_map(|answer| ["--answer", answer]);
    Command::new(peer("python").unwrap())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/terminal.py"))
        .args(typing)
        .arg("--")
        .arg(latchkey_sign().unwrap())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32, says: &str) {
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{shown}{complaint}");
    assert!(shown.contains(says), "{shown}");
    assert!(!shown.contains("horse"), "the passphrase was shown: {shown}");
}

#[test]
fn a_new_keys_passphrase_is_asked_for_twice_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let keygen = ["keygen", "--out", "key.pem"];
    let slip = on_terminal(folder.path(), &[NEW, "The same again=incorrect horse"], &keygen);
    ends(&slip, 4, "the two passphrases differ");
    assert!(!folder.path().join("key.pem").exists());
    ends(
        &on_terminal(folder.path(), &["New passphrase="], &keygen),
        4,
        "the passphrase is empty",
    );

    ends(&on_terminal(folder.path(), &[NEW, AGAIN], &keygen), 0, "key hash");
    let public = ["public", "--key", "key.pem"];
    ends(
        &on_terminal(folder.path(), &["Passphrase of key.pem=correct horse"], &public),
        0,
        "BEGIN PUBLIC KEY",
    );
    ends(
        &on_terminal(folder.path(), &["Passphrase of key.pem=wrong horse"], &public),
        4,
        "the passphrase is wrong",
    );
}
