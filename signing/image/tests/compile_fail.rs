//! What must not compile does not, *for the reason that is written there*: stable rustdoc takes any error for the
//! expected one, so a typo would pass. With unstable features on, it compares the error codes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const MUST_NOT_COMPILE: usize = 5;
const TWINS: usize = 4;

#[test]
fn the_examples_fail_with_their_error_codes() {
    let cargo = std::env::var_os("CARGO").unwrap();
    // Only rustdoc is told, so that nothing else is built anew.
    let rustdoc = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempfile_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    fs::write(
        rustdoc.path(),
        "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n",
    )
    .unwrap();
    // A file that is open for writing cannot be run.
    let rustdoc = rustdoc.into_temp_path();
    let output = Command::new(cargo)
        .args(["test", "--doc", "--package", "latchkey-image"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUSTDOC", &rustdoc)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let passed = said.lines().filter(|line| line.ends_with("... ok")).count();
    let failing_to_compile = said
        .lines()
        .filter(|line| line.ends_with("- compile fail ... ok"))
        .count();
    assert_eq!(
        (failing_to_compile, passed),
        (MUST_NOT_COMPILE, MUST_NOT_COMPILE + TWINS),
        "{said}"
    );
}
