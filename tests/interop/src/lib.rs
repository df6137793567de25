//! Our signing tool against imgtool 2.5.0, both ways: what either makes, the other is shown.
//!
//! Finds the programs; the tests themselves are in `tests/`. A missing imgtool is a failure and not a skipped
//! test: what is not there has not been tested.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

pub use latchkey_lab::peer_program as peer;

/// The folder with the workspace's `Cargo.toml`.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The `latchkey-sign` of these sources, built when it is not.
///
/// # Errors
/// When it does not build.
pub fn latchkey_sign() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "latchkey-sign",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(workspace())
        .output()
        .context("cannot run cargo")?;
    let text = succeeded("cargo build", &output)?;
    // One JSON object a line; the executable's path is a JSON string without escapes on any Unix we build on.
    let path = text
        .lines()
        .rev()
        .find_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next());
    path.map(PathBuf::from).context("cargo named no executable")
}

/// Standard output of a program that succeeded.
///
/// # Errors
/// When it did not, with what it said.
pub fn succeeded(what: &str, output: &Output) -> Result<String> {
    if !output.status.success() {
        bail!(
            "{what} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout.clone()).with_context(|| format!("{what} did not print text"))
}
