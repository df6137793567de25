//! `cargo xtask bench server`: the server's rate, latency and memory beside nginx, an empty axum route and goosebit.
//! Wants a machine with two cores and nothing else to do; the load it met is in the results.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::{command, setup, workspace};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The update server
    Server(ServerOptions),
}

#[derive(Args)]
struct ServerOptions {
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// For how long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// How many connections ask at once
    #[arg(long, default_value_t = 32)]
    width: u32,
    /// Devices that call
    #[arg(long, default_value_t = 10_000)]
    devices: u64,
    /// Devices that are known at last, when memory is looked at
    #[arg(long, default_value_t = 100_000)]
    known: u64,
    /// Leave goosebit out
    #[arg(long)]
    without_goosebit: bool,
}

/// Measures; an error when an answer was no success.
pub(crate) fn run(options: &Options) -> Result<()> {
    let What::Server(options) = &options.what;
    setup::postgres()?;
    setup::http_peers()?;
    let python = if options.without_goosebit {
        None
    } else {
        Some(setup::goosebit()?)
    };
    command::cargo(&[
        "build",
        "--quiet",
        "--release",
        "--package",
        "latchkey-bench",
        "--package",
        "latchkey-server",
    ])?;
    let this = std::env::current_exe().context("this program does not know where it lies")?;
    let target = this.parent().and_then(|folder| folder.parent());
    let programs = target.context("this program lies nowhere")?.join("release");
    let mut bench = Command::new("taskset");
    bench
        .args(["--cpu-list", "1"])
        .arg(programs.join("latchkey-bench"))
        .arg("server")
        .arg("--server")
        .arg(programs.join("latchkey-server"))
        .args(["--rounds", &options.rounds.to_string()])
        .args(["--seconds", &options.seconds.to_string()])
        .args(["--width", &options.width.to_string()])
        .args(["--devices", &options.devices.to_string()])
        .args(["--known", &options.known.to_string()])
        .arg("--out")
        .arg(results());
    if let Some(python) = python {
        bench.arg("--python").arg(python);
    }
    command::run(&mut bench)
}

/// Where the numbers and what wrk said are kept.
fn results() -> PathBuf {
    workspace::scratch().join("bench/server.json")
}
