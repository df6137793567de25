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
mod peers;
mod signatures;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use latchkey_image::build::Description;
use latchkey_image::{SecurityCounter, Version};
use latchkey_postgres::{Durability, Postgres};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use locks::{HARDWARE, Lock};
use peers::{Peer, Server};

/// Most devices named in one request.
const NAMED_MAX: usize = 10_000;
/// Check-ins signed beforehand for each second of a measurement; more than any server here answers.
const SIGNED_PER_SECOND: usize = 40_000;
/// Length of what is signed of the image that is downloaded, in bytes.
const IMAGE_BYTES: usize = 256 * 1024;

/// What the disk does, beside the rates that stand on it.
const SYNCS: &str = "disk syncs";

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
    #[arg(long, default_value_t = 10)]
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
            What::Server(options) => measure(&options).await,
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

/// What was measured, under the name of what it was.
#[derive(Default)]
struct Numbers {
    rounds: BTreeMap<&'static str, Vec<Value>>,
    raw: Vec<String>,
}

impl Numbers {
    fn add(&mut self, name: &'static str, value: Value) {
        eprintln!("  {name}: {value}");
        self.rounds.entry(name).or_default().push(value);
    }

    /// The middle one of a number's rounds.
    fn median(&self, name: &str, field: &str) -> Option<f64> {
        let rounds = self.rounds.get(name)?;
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| round[field].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

async fn measure(options: &Options) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    // Workers of nginx may not be root.
    let postgres = Postgres::start(Durability::Disk)?;
    pin(postgres.process()?).await?;
    let image = image()?;
    let nginx = peers::nginx(folder.path(), &image).await?;
    let empty = peers::empty_route().await?;
    let goosebit = match &options.python {
        Some(python) => Some(peers::goosebit(folder.path(), python).await?),
        None => None,
    };
    let url = postgres.create(None)?;
    let servers = [
        Server::start(&options.server, folder.path().join("sqlite"), "sqlite", None).await?,
        Server::start(
            &options.server,
            folder.path().join("postgres"),
            "postgres",
            Some(&url),
        )
        .await?,
    ];
    let mut locks = (0..options.devices).map(Lock::new).collect::<Result<Vec<_>>>()?;
    let mut digest = String::new();
    for server in &servers {
        eprintln!("letting {} devices in, {}", locks.len(), server.database);
        digest = publish(server, &image).await?;
        let_in(server, &locks, options.width).await?;
    }
    // What each tells first is news, and on disk before the answer; that is not what is measured.
    let first = sign(&mut locks, options.devices as usize)?;
    for server in &servers {
        let told = send(&server.peer, &first, options).await?;
        ensure!(told.failed == 0, "{} first check-ins failed", told.failed);
    }

    let mut numbers = Numbers::default();
    let files = [
        (&nginx, "nginx, file", "/image".to_owned()),
        (
            &servers[0].peer,
            "image, sqlite",
            format!("/device/v1/images/{digest}"),
        ),
    ];
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}, {}", options.rounds, load_average());
        wrk(
            &nginx,
            "nginx, static answer",
            "/answer",
            None,
            options,
            &mut numbers,
        )
        .await?;
        wrk(&empty, "empty axum route", "/answer", None, options, &mut numbers).await?;
        let fixed = load::request("GET", "/answer", &[]);
        let same = send_for(&nginx.address, std::iter::repeat(&fixed[..]), options).await?;
        numbers.add("nginx, by our generator", same.json());
        let alone = peers::signatures(options.seconds).await?;
        numbers.add("signatures alone", json!({ "per_second": alone }));
        let signed = sign(&mut locks, SIGNED_PER_SECOND * options.seconds as usize)?;
        for server in &servers {
            let measured = send(&server.peer, &signed, options).await?;
            let name = if server.database == "sqlite" {
                "check-in, sqlite"
            } else {
                "check-in, postgres"
            };
            numbers.add(name, measured.json());
        }
        if let Some(goosebit) = &goosebit {
            let polls: Vec<Vec<u8>> = (0..options.devices)
                .map(|number| load::request("GET", &format!("/DEFAULT/controller/v1/device-{number}"), &[]))
                .collect();
            let polls = polls.iter().map(Vec::as_slice).cycle();
            let measured = send_for(&goosebit.address, polls, options).await?;
            numbers.add("goosebit poll, sqlite", measured.json());
        }
        for (peer, name, path) in &files {
            wrk(peer, name, path, Some(image.len()), options, &mut numbers).await?;
        }
        let sync = json!({ "per_second": syncs(folder.path())? });
        numbers.add(SYNCS, sync);
    }
    let memory = memory(&servers[0], options).await?;
    finish(options, &numbers, &memory)
}

async fn send(peer: &Peer, requests: &[Vec<u8>], options: &Options) -> Result<load::Measured> {
    send_for(&peer.address, requests.iter().map(Vec::as_slice), options).await
}

async fn send_for<'r>(
    address: &str,
    requests: impl Iterator<Item = &'r [u8]> + 'r,
    options: &Options,
) -> Result<load::Measured> {
    load::send(
        address,
        requests,
        options.width,
        Duration::from_secs(options.seconds.max(1)),
    )
    .await
}

/// Signs so many check-ins, of all locks in turn.
fn sign(locks: &mut [Lock], count: usize) -> Result<Vec<Vec<u8>>> {
    let all = locks.len();
    (0..count).map(|number| locks[number % all].check_in()).collect()
}

/// Names devices to a server and has them enrol.
async fn let_in(server: &Server, locks: &[Lock], width: usize) -> Result<()> {
    for locks in locks.chunks(NAMED_MAX) {
        let names: Vec<String> = locks.iter().map(|lock| lock.id().to_string()).collect();
        let body = json!({ "devices": names }).to_string();
        server.ask(Method::POST, "/api/v1/devices", body).await?;
    }
    let enrolments = locks.iter().map(Lock::enrolment).collect::<Result<Vec<_>>>()?;
    let all = enrolments.iter().map(Vec::as_slice);
    let done = load::send(&server.peer.address, all, width, Duration::from_secs(3600)).await?;
    ensure!(done.failed == 0, "{} enrolments failed", done.failed);
    Ok(())
}

fn engineer() -> SigningKey {
    SigningKey::from_bytes(&[0x5e; 32])
}

/// A release that would update one device in twenty; gives its digest.
async fn publish(server: &Server, image: &[u8]) -> Result<String> {
    let pem = engineer().verifying_key().to_public_key_pem(LineEnding::LF)?;
    let document = format!("threshold = 1\n[[keys]]\nname = \"engineer\"\npublic = \"\"\"\n{pem}\"\"\"\n");
    let policy = json!({ "document": document }).to_string();
    server
        .ask(Method::PUT, "/api/v1/policies/lock-emulator-1", policy)
        .await?;
    let release = server
        .ask(Method::POST, "/api/v1/releases", image.to_vec())
        .await?;
    let digest = release["digest"].as_str().context("a release without a digest")?;
    let rollout = json!({ "release": digest, "to": "all", "stages": [5, 100] });
    server
        .ask(Method::POST, "/api/v1/rollouts", rollout.to_string())
        .await?;
    Ok(digest.to_owned())
}

fn image() -> Result<Vec<u8>> {
    let mut payload = vec![0x5a; IMAGE_BYTES];
    fastrand::Rng::with_seed(1).fill(&mut payload);
    let vectors = [HARDWARE.slot.ram.end, HARDWARE.slot.address + 0x200 + 9];
    for (into, vector) in payload.chunks_exact_mut(4).zip(vectors) {
        into.copy_from_slice(&vector.to_le_bytes());
    }
    let description = Description {
        version: Version {
            major: 2,
            ..Version::default()
        },
        counter: SecurityCounter(2),
        vendor: HARDWARE.vendor,
        class: HARDWARE.class,
        min_version: None,
        header_size: 0x200,
    };
    let failed = |error: &dyn std::fmt::Debug| anyhow::anyhow!("no image: {error:?}");
    let mut image = description.build(&payload).map_err(|error| failed(&error))?;
    image.sign(&engineer()).map_err(|error| failed(&error))?;
    Ok(image.into_bytes())
}

/// One run of wrk, from this process's core. `bytes` is the length of a file that is asked for.
async fn wrk(
    peer: &Peer,
    name: &'static str,
    path: &str,
    bytes: Option<usize>,
    options: &Options,
    numbers: &mut Numbers,
) -> Result<()> {
    let url = format!("http://{}{path}", peer.address);
    let output = Command::new("wrk")
        .args(["--threads", "1", "--latency"])
        .args(["--connections", &options.width.to_string()])
        .args(["--duration", &format!("{}s", options.seconds)])
        .arg(&url)
        .output()
        .await
        .context("cannot start wrk")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |label: &str| {
        said.lines()
            .find_map(|line| line.trim().strip_prefix(label).map(str::trim))
    };
    let rate: f64 = after("Requests/sec:").context("wrk counts nothing")?.parse()?;
    let failed = after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse::<u64>)?;
    let value = json!({
        "per_second": rate,
        "not_2xx": failed,
        "p50": after("50%"),
        "p99": after("99%"),
        "mb_per_second": bytes.map(|bytes| rate * bytes as f64 / 1e6),
    });
    numbers.raw.push(said);
    numbers.add(name, value);
    Ok(())
}

/// How many writes of a page the disk takes in a second, one after the other.
fn syncs(folder: &Path) -> Result<f64> {
    let mut file = fs::File::create(folder.join("syncs"))?;
    let started = Instant::now();
    let mut done = 0_u32;
    while started.elapsed() < Duration::from_millis(500) {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        done += 1;
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// The server's memory with ever more devices that have enrolled and checked in.
async fn memory(server: &Server, options: &Options) -> Result<Value> {
    let mut told = vec![json!({ "devices": options.devices, "bytes": server.peer.memory() })];
    let mut known = options.devices;
    while known < options.known {
        let next = (known + 100_000).min(options.known);
        let mut more = (known..next).map(Lock::new).collect::<Result<Vec<_>>>()?;
        let_in(server, &more, options.width).await?;
        let all = more.len();
        let check_ins = sign(&mut more, all)?;
        let requests = check_ins.iter().map(Vec::as_slice);
        let done = load::send(
            &server.peer.address,
            requests,
            options.width,
            Duration::from_secs(3600),
        )
        .await?;
        ensure!(done.failed == 0, "{} check-ins failed", done.failed);
        known = next;
        eprintln!("  {known} devices: {:?} bytes", server.peer.memory());
        told.push(json!({ "devices": known, "bytes": server.peer.memory() }));
    }
    Ok(Value::Array(told))
}

async fn pin(pid: u32) -> Result<()> {
    let pinned = Command::new("taskset")
        .args(["--all-tasks", "--pid", "--cpu-list", "0", &pid.to_string()])
        .output()
        .await?;
    ensure!(pinned.status.success(), "PostgreSQL cannot be put on core 0");
    Ok(())
}

fn load_average() -> String {
    fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn finish(options: &Options, numbers: &Numbers, memory: &Value) -> Result<()> {
    let nginx = numbers
        .median("nginx, static answer", "per_second")
        .unwrap_or(f64::NAN);
    println!(
        "{:<26} {:>10} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "median of the rounds", "/s", "of nginx", "p50", "p99", "p99.9", "not 2xx"
    );
    for (name, rounds) in numbers.rounds.iter().filter(|(name, _)| **name != SYNCS) {
        let rate = numbers.median(name, "per_second").unwrap_or(f64::NAN);
        let time = |us: &str, text: &str| match numbers.median(name, us) {
            Some(us) => format!("{us:.0}us"),
            None => rounds[rounds.len() / 2][text].as_str().unwrap_or("–").to_owned(),
        };
        let failed: u64 = rounds.iter().filter_map(|round| round["not_2xx"].as_u64()).sum();
        println!(
            "{name:<26} {rate:>10.0} {:>9.3} {:>9} {:>9} {:>9} {failed:>8}",
            rate / nginx,
            time("p50_us", "p50"),
            time("p99_us", "p99"),
            time("p999_us", "p999"),
        );
        ensure!(
            failed == 0,
            "{name}: {failed} answers were no success, so the rate says nothing"
        );
    }
    println!(
        "disk: {:.0} syncs/s, one after the other",
        numbers.median(SYNCS, "per_second").unwrap_or(f64::NAN)
    );
    let megabytes = |name| numbers.median(name, "mb_per_second").unwrap_or(f64::NAN);
    println!(
        "download: {:.0} MB/s, nginx {:.0} MB/s",
        megabytes("image, sqlite"),
        megabytes("nginx, file")
    );
    for at in memory.as_array().into_iter().flatten() {
        let bytes = at["bytes"].as_u64().unwrap_or_default();
        println!("memory with {} devices: {} MB", at["devices"], bytes / 1_000_000);
    }
    let all = json!({
        "load_average": load_average(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "width": options.width,
        "devices": options.devices,
        "measured": numbers.rounds,
        "memory": memory,
        "wrk": numbers.raw,
    });
    if let Some(folder) = options.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&options.out, serde_json::to_string_pretty(&all)?)?;
    println!("all of it: {}", options.out.display());
    Ok(())
}
