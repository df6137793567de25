//! `cargo xtask fleet`: thousands of simulated locks against a real server process. What has to hold is judged by
//! `tests/fleet`.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::{command, lab, setup};

/// Which fleet.
#[derive(Args)]
pub(crate) struct Options {
    /// How many locks, 2000 at least
    #[arg(long, default_value_t = 5_000)]
    locks: u32,
    /// Where the server keeps its data: sqlite, postgres (one of this run's own), or a database's URL
    #[arg(long, default_value = "sqlite")]
    database: String,
    /// Most locks that talk at once
    #[arg(long, default_value_t = 128)]
    width: u32,
    /// Most locks that talk at once when they come back after the outage: more than the server works on
    #[arg(long, default_value_t = 1_024)]
    storm: u32,
    /// The same seed makes the same locks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Build server and locks with optimisation: worth it from some ten thousand locks on
    #[arg(long)]
    release: bool,
}

/// Lives their story; an error when something did not hold.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::clock()?;
    if options.database == "postgres" {
        setup::postgres()?;
    }
    let profile = if options.release {
        lab::build_programs(&["--release"])?;
        "release"
    } else {
        lab::build_programs(&[])?;
        "debug"
    };
    // cargo puts them beside this one, or beside this one's folder.
    let this = std::env::current_exe().context("this program does not know where it lies")?;
    let target = this.parent().and_then(|folder| folder.parent());
    let programs = target.context("this program lies nowhere")?.join(profile);
    let mut fleet = Command::new(programs.join("latchkey-fleet"));
    fleet
        .arg("--server")
        .arg(programs.join("latchkey-server"))
        .args(["--locks", &options.locks.to_string()])
        .args(["--database", &options.database])
        .args(["--width", &options.width.to_string()])
        .args(["--storm", &options.storm.to_string()])
        .args(["--seed", &options.seed.to_string()]);
    if options.json {
        fleet.arg("--json");
    }
    command::run(&mut fleet)
}
