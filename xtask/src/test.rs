//! `cargo xtask test`: set up, then every test, cheap ones first. What CI runs.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::{command, setup, workspace};

/// One step: what it proves, and how.
struct Step {
    proves: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        proves: "sources are formatted",
        run: || cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        proves: "no lint complains",
        run: || cargo(&["clippy", "--quiet", "--all-targets", "--", "--deny", "warnings"]),
    },
    Step {
        proves: "cores, tools, server and simulator",
        run: || cargo(&["test", "--quiet"]),
    },
];

/// Sets up and runs every step; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    setup::everything()?;
    for (number, step) in (1..).zip(STEPS) {
        println!("\n[{number}/{}] {}", STEPS.len(), step.proves);
        let start = Instant::now();
        (step.run)().with_context(|| format!("step {number} failed: {}", step.proves))?;
        println!(
            "[{number}/{}] holds ({} s)",
            STEPS.len(),
            start.elapsed().as_secs()
        );
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command::run(Command::new(cargo).current_dir(workspace::root()).args(arguments))
}
