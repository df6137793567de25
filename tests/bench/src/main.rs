//! `cargo xtask bench server`: what the server does in a second, beside nginx, an empty axum route and goosebit.
//!
//! Everybody serves on core 0, one after the other, and is asked from core 1; rounds go through all of them, so that
//! what else the machine does meets each alike. Ratios are worth more than numbers; load and disk are noted beside them.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a measurement: a number out of range here has to stop the run"
)]

mod load;
mod locks;
mod numbers;
mod ours;
mod peers;
mod rounds;
mod scene;
mod signatures;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// The bench's options.
#[derive(Parser)]
#[command(name = "latchkey-bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure the server and its peers
    Server(Options),
    /// Serve a route that does nothing
    EmptyRoute { address: String },
    /// Check and make a check-in's signatures, and nothing else
    Signatures { seconds: u64 },
}

#[derive(Args)]
struct Options {
    /// The server's program
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
    /// Python with goosebit in it; left out, goosebit is not measured
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many connections ask at once
    #[arg(long, default_value_t = 32)]
    width: usize,
    /// Devices that call
    #[arg(long, default_value_t = 10_000)]
    devices: u64,
    /// Devices that are known at last, when memory is looked at
    #[arg(long, default_value_t = 100_000)]
    known: u64,
    /// Where the numbers go, as JSON
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let run = async {
        match Arguments::parse().what {
            What::Server(options) => rounds::measure(&options).await,
            What::EmptyRoute { address } => empty_route(&address).await,
            What::Signatures { seconds } => signatures::exchange(Duration::from_secs(seconds)),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn empty_route(address: &str) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let route = axum::routing::get(|| async { "x".repeat(peers::ANSWER_BYTES) });
    let route = route.post(|| async { "x".repeat(peers::ANSWER_BYTES) });
    axum::serve(listener, axum::Router::new().route("/answer", route)).await?;
    Ok(())
}
