//! The rounds: everybody in turn, each as often.
//!
//! Times at full load say how long the queue is, so the server is also asked half as often as it can answer.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use latchkey_postgres::{Durability, Postgres};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::Options;
use crate::load::{self, Load};
use crate::locks::Lock;
use crate::numbers::{Numbers, SYNCS, finish, load_average};
use crate::ours::{Server, Setup};
use crate::peers::{self, Certificate, Peer};
use crate::scene::{hawkbit_polls, image, let_in, publish};

/// Check-ins signed beforehand for each second of a measurement; no core checks as many signatures.
const SIGNED_PER_SECOND: usize = 30_000;

/// A server of ours, and what its numbers stand under: as fast as it can, and half as fast.
struct Ours {
    server: Server,
    names: [&'static str; 2],
}

/// Everybody who is measured.
struct Scene<'o> {
    options: &'o Options,
    nginx: [Peer; 2],
    empty: Peer,
    goosebit: Option<Peer>,
    ours: [Ours; 3],
    hawkbit: Server,
    /// Of our devices that speak hawkBit's interface, and of goosebit's.
    polls: [Vec<Vec<u8>>; 2],
    locks: Vec<Lock>,
    image: Vec<u8>,
    digest: String,
    folder: TempDir,
    _postgres: Postgres,
}

/// Measures everything, and tells.
pub(crate) async fn measure(options: &Options) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut scene = Scene::new(options).await?;
    eprintln!("letting {} devices in, everywhere", options.devices);
    scene.let_in().await?;
    let mut numbers = Numbers::default();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}, {}", options.rounds, load_average());
        scene.ceilings(&mut numbers).await?;
        scene.check_ins(&mut numbers).await?;
        scene.polls(&mut numbers).await?;
        scene.downloads(&mut numbers).await?;
        let sync = json!({ "per_second": syncs(scene.folder.path())? });
        numbers.add(SYNCS, sync);
    }
    let memory = memory(&scene.ours[0].server, options).await?;
    finish(options, &numbers, &memory)
}

impl<'o> Scene<'o> {
    async fn new(options: &'o Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = Certificate::new(folder.path())?;
        // Workers of nginx may not be root.
        let postgres = Postgres::start(Durability::Disk)?;
        pin(postgres.process()?).await?;
        let url = postgres.create(None)?;
        let image = image()?;
        let start = |name, setup| Server::start(&options.server, folder.path().join(name), setup);
        let on_postgres = Setup {
            database: Some(&url),
            ..Setup::default()
        };
        let with_tls = Setup {
            certificate: Some(&certificate),
            ..Setup::default()
        };
        let with_hawkbit = Setup {
            hawkbit: true,
            ..Setup::default()
        };
        Ok(Self {
            options,
            nginx: peers::nginx(folder.path(), &image, &certificate).await?,
            empty: peers::empty_route().await?,
            goosebit: match &options.python {
                Some(python) => Some(peers::goosebit(folder.path(), python).await?),
                None => None,
            },
            ours: [
                Ours {
                    server: start("sqlite", Setup::default()).await?,
                    names: ["check-in, SQLite", "check-in, SQLite, half"],
                },
                Ours {
                    server: start("postgres", on_postgres).await?,
                    names: ["check-in, PostgreSQL", "check-in, PostgreSQL, half"],
                },
                Ours {
                    server: start("tls", with_tls).await?,
                    names: ["check-in, SQLite, TLS", "check-in, SQLite, TLS, half"],
                },
            ],
            hawkbit: start("hawkbit", with_hawkbit).await?,
            polls: Default::default(),
            locks: (0..options.devices).map(Lock::new).collect::<Result<_>>()?,
            image,
            digest: String::new(),
            folder,
            _postgres: postgres,
        })
    }

    /// Everybody has a release in a rollout, and devices that have told what they run. That is news, and on disk before
    /// the answer; it is not what is measured.
    async fn let_in(&mut self) -> Result<()> {
        let width = self.options.width;
        let first = self.sign(self.locks.len())?;
        for ours in &self.ours {
            self.digest = publish(&ours.server, &self.image).await?;
            let_in(&ours.server, &self.locks, width).await?;
            let told = first.iter().map(Vec::as_slice);
            let told = load::send(&ours.server.peer, told, Load::all(width)).await?;
            ensure!(told.failed == 0, "{} first check-ins failed", told.failed);
        }
        publish(&self.hawkbit, &self.image).await?;
        let devices = 0..self.options.devices;
        let poll = |number| load::request("GET", &format!("/DEFAULT/controller/v1/device-{number}"), &[]);
        self.polls = [
            hawkbit_polls(&self.hawkbit, self.options.devices, width).await?,
            devices.map(poll).collect(),
        ];
        Ok(())
    }

    /// What no server is faster than.
    async fn ceilings(&self, numbers: &mut Numbers) -> Result<()> {
        let [plain, encrypted] = &self.nginx;
        for (peer, name) in [
            (plain, "nginx, static answer"),
            (encrypted, "nginx, static answer, TLS"),
            (&self.empty, "empty axum route"),
        ] {
            self.wrk(peer, name, "/answer", None, numbers).await?;
        }
        let fixed = load::request("GET", "/answer", &[]);
        let same = load::send(plain, std::iter::repeat(&fixed[..]), self.fast()).await?;
        numbers.add("nginx, by our generator", same.json());
        let alone = peers::signatures(self.options.seconds).await?;
        numbers.add("signatures alone", json!({ "per_second": alone }));
        Ok(())
    }

    async fn check_ins(&mut self, numbers: &mut Numbers) -> Result<()> {
        let signed = self.sign(SIGNED_PER_SECOND * self.options.seconds as usize)?;
        for Ours { server, names } in &self.ours {
            let mut signed = signed.iter().map(Vec::as_slice);
            self.twice(&server.peer, &mut signed, *names, numbers).await?;
        }
        Ok(())
    }

    async fn polls(&self, numbers: &mut Numbers) -> Result<()> {
        let names = ["hawkBit poll, SQLite", "hawkBit poll, SQLite, half"];
        let theirs = ["goosebit poll, SQLite", "goosebit poll, SQLite, half"];
        let peers = [
            (Some(&self.hawkbit.peer), names),
            (self.goosebit.as_ref(), theirs),
        ];
        for ((peer, names), polls) in peers.into_iter().zip(&self.polls) {
            let mut polls = polls.iter().map(Vec::as_slice).cycle();
            if let Some(peer) = peer {
                self.twice(peer, &mut polls, names, numbers).await?;
            }
        }
        Ok(())
    }

    async fn downloads(&self, numbers: &mut Numbers) -> Result<()> {
        let bytes = Some(self.image.len());
        let path = format!("/device/v1/images/{}", self.digest);
        self.wrk(&self.nginx[0], "nginx, file", "/image", bytes, numbers)
            .await?;
        self.wrk(&self.ours[0].server.peer, "image, SQLite", &path, bytes, numbers)
            .await
    }

    const fn fast(&self) -> Load {
        Load {
            width: self.options.width,
            time: Duration::from_secs(self.options.seconds),
            per_second: None,
        }
    }

    /// As fast as the peer answers, and then half as fast.
    async fn twice(
        &self,
        peer: &Peer,
        requests: &mut dyn Iterator<Item = &[u8]>,
        [name, half_name]: [&'static str; 2],
        numbers: &mut Numbers,
    ) -> Result<()> {
        let measured = load::send(peer, &mut *requests, self.fast()).await?;
        numbers.add(name, measured.json());
        let half = Load {
            per_second: Some(measured.rate / 2.0),
            ..self.fast()
        };
        let measured = load::send(peer, requests, half).await?;
        numbers.add(half_name, measured.json());
        Ok(())
    }

    /// So many check-ins, of all locks in turn.
    fn sign(&mut self, count: usize) -> Result<Vec<Vec<u8>>> {
        sign(&mut self.locks, count)
    }

    /// One run of wrk, from this process's core. `bytes` is the length of a file that is asked for.
    async fn wrk(
        &self,
        peer: &Peer,
        name: &'static str,
        path: &str,
        bytes: Option<usize>,
        numbers: &mut Numbers,
    ) -> Result<()> {
        let output = Command::new("wrk")
            .args(["--threads", "1", "--latency"])
            .args(["--connections", &self.options.width.to_string()])
            .args(["--duration", &format!("{}s", self.options.seconds)])
            .arg(peer.url(path))
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
        numbers.keep(said);
        numbers.add(name, value);
        Ok(())
    }
}

/// Signs so many check-ins, of all locks in turn.
fn sign(locks: &mut [Lock], count: usize) -> Result<Vec<Vec<u8>>> {
    let all = locks.len();
    (0..count).map(|number| locks[number % all].check_in()).collect()
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
        let done = load::send(&server.peer, requests, Load::all(options.width)).await?;
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
