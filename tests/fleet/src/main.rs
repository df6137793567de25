//! `cargo xtask fleet`: many simulated locks against a real server process.
//!
//! Real: the server's program, its database and its files; the lock's update client and its way of writing an image to
//! flash; every byte on the connections between them. Simulated, and said so in the README: the locks' flash (in
//! memory), their bootloader (it does what a release is fated to do), and time, for both sides: it goes on as ever while
//! requests are under way, and leaps to the next lock's turn when none is.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test of other code: a number out of range here has to stop the run"
)]

mod flash;
mod fleet;
mod images;
mod lock;
mod server;
mod story;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use latchkey_postgres::{Durability, Postgres};
use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use fleet::{Fleet, Size};
use images::Engineers;
use lock::{HARDWARE, Model, Release};
use story::{Chapter, Story};

/// The fleet's options.
#[derive(Parser)]
#[command(name = "latchkey-fleet")]
struct Options {
    /// How many locks: enough that one in thirty-three shows
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(2_000..))]
    locks: u32,
    /// The server's program
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
    /// Where the server keeps its data: sqlite (in its folder), postgres (one of this run's own), or a URL
    #[arg(long, default_value = "sqlite")]
    database: String,
    /// Most locks that talk at once
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Most locks that talk at once when they come back after the outage: more than the server works on
    #[arg(long, default_value_t = 1_024)]
    storm: usize,
    /// The same seed makes the same locks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// As many connections as the system is willing to give: a storm takes one for each lock.
fn take_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is not allowed, the first connection too many says so.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

async fn run(options: Options) -> Result<()> {
    take_descriptors();
    // The HTTP client asks for one, though nothing here speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    let mut postgres = None;
    let database = match options.database.as_str() {
        "sqlite" => None,
        "postgres" => {
            let own = postgres.insert(Postgres::start(Durability::Disk)?);
            Some(own.create(None)?)
        }
        url => Some(url.to_owned()),
    };
    let result = tell(&options, folder.path().join("server"), database).await;
    if result.is_err() {
        let kept = folder.keep();
        eprintln!("the server's folder is kept: {}", kept.display());
    }
    result
}

async fn tell(options: &Options, data: PathBuf, database: Option<String>) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let engineers = Engineers::new(&mut random);
    let [(_, factory), (good_file, good), (bad_file, bad)] = [
        engineers.release(1)?,
        engineers.release(2)?,
        engineers.release(3)?,
    ];
    let release = |running, breaks_one_in| Release {
        running,
        breaks_one_in,
    };
    let [factory, good, bad] = [release(factory, 0), release(good, 0), release(bad, 33)];

    let server = server::Options {
        program: options.server.clone(),
        data,
        database,
    };
    let server = server::Server::start(server).await?;
    let policy = json!({ "document": engineers.policy()? }).to_string();
    server
        .ask(Method::PUT, "/api/v1/policies/lock-emulator-1", policy)
        .await
        .context("the policy is not taken")?;
    let model = Arc::new(Model {
        director: server.director()?,
        authority: engineers.authority()?,
        vendor: HARDWARE.vendor,
        class: HARDWARE.class,
    });
    let size = Size {
        locks: usize::try_from(options.locks)?,
        width: options.width,
        seed: random.u64(..),
    };
    let mut story = Story {
        fleet: Fleet::new(server, model, vec![factory, good, bad], size, story::INTERVAL_MS)?,
        chapters: Vec::new(),
        tell: if options.json { |_| () } else { show },
    };
    if !options.json {
        println!("{} locks, database {}", options.locks, options.database);
        println!(
            "{:<34} {:>7} {:>7} {:>8} {:>7} {:>6} {:>8} {:>8} {:>7}",
            "", "fleet h", "real s", "requests", "/s", "failed", "p50 ms", "p99 ms", "MB"
        );
    }
    story.enrol().await?;
    story.good_release(good_file, &good).await?;
    story.bad_release(bad_file, &bad).await?;
    story.outage(options.storm).await?;
    story.fleet.server.kill().await?;
    if options.json {
        let told = json!({
            "locks": options.locks,
            "database": options.database,
            "seed": options.seed,
            "width": options.width,
            "storm": options.storm,
            "acknowledged_reports": story.fleet.receipted.len(),
            "chapters": story.chapters,
        });
        println!("{told}");
    } else {
        println!(
            "{} reports were acknowledged, and none is lost.",
            story.fleet.receipted.len()
        );
    }
    Ok(())
}

fn show(chapter: &Chapter) {
    println!(
        "{:<34} {:>7.1} {:>7.1} {:>8} {:>7.0} {:>6} {:>8.1} {:>8.1} {:>7}\n    {}",
        chapter.name,
        chapter.fleet_hours,
        chapter.seconds,
        chapter.requests,
        chapter.requests as f64 / chapter.seconds.max(0.001),
        chapter.failed,
        chapter.p50_ms,
        chapter.p99_ms,
        chapter
            .memory_bytes
            .map_or_else(|| "–".to_owned(), |bytes| (bytes / 1_000_000).to_string()),
        chapter.outcome
    );
}
