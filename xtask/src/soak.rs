//! `cargo xtask soak`: the emulated lock is locked, unlocked, connected to and left, again and again. Whether that uses
//! anything up is judged by `tests/system/tests/soak.rs`.

use std::process::Command;

use anyhow::Result;
use clap::Args;
use latchkey_lab::Variant;

use crate::{command, lab, setup, workspace};

/// How much.
#[derive(Args)]
pub(crate) struct Options {
    /// Lock actions
    #[arg(long, default_value_t = 20_000)]
    actions: u32,
    /// Connections, spread among them
    #[arg(long, default_value_t = 3_000)]
    connections: u32,
}

/// Runs them all; an error when anything was dropped or used up.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::peers()?;
    lab::build(&[Variant::V1])?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut soak = Command::new(cargo);
    soak.current_dir(workspace::root())
        .args(["test", "--quiet", "--package", "latchkey-system-tests"])
        .args(["--test", "system", "soak::", "--", "--nocapture"])
        .env(
            "LATCHKEY_SOAK",
            format!("{}:{}", options.actions, options.connections),
        );
    command::run(&mut soak)
}
