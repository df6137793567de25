//! `cargo xtask simulate`: power cuts at every flash operation, twice over, as many histories as asked for.
//!
//! Runs the simulator optimised, and as a program of its own: the other tasks need not be built with it.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{command, workspace};

/// What to simulate.
#[derive(Args)]
pub(crate) struct Options {
    /// Histories to live at least, of each part
    #[arg(long, default_value_t = 1_000_000)]
    histories: u64,
    /// Where to begin; the same seed gives the same histories
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this part: boot (bootloader and updater) or storage (what the lock keeps)
    #[arg(long, value_parser = ["boot", "storage"])]
    part: Option<String>,
    /// Tell only the story of this number, with every cut: what a failure names
    #[arg(long, requires = "part")]
    story: Option<u64>,
}

/// Lives the histories; fails when a promise is broken.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace::root())
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "latchkey-simulator",
            "--",
        ])
        .args(["--histories", &options.histories.to_string()])
        .args(["--seed", &options.seed.to_string()]);
    if let Some(part) = &options.part {
        command.args(["--part", part]);
    }
    if let Some(story) = options.story {
        command.args(["--story", &story.to_string()]);
    }
    command::run(&mut command)
}
