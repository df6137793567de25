//! `cargo xtask lint`: sources are formatted, and no lint complains: about host programs, system tests and both
//! boards' programs.

use anyhow::Result;

use crate::{command, firmware, setup};

/// All of it; ends at the first complaint.
pub(crate) fn run() -> Result<()> {
    setup::boards()?;
    command::cargo(&["fmt", "--all", "--check"])?;
    clippy(&[])?;
    // Built only where an emulator is, so not among the default members.
    clippy(&["--package", "latchkey-system-tests"])?;
    firmware::lint_all_boards()
}

fn clippy(packages: &[&str]) -> Result<()> {
    let all = ["clippy", "--quiet", "--all-targets"];
    command::cargo(&[&all, packages, &["--", "--deny", "warnings"]].concat())
}
