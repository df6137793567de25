//! Those that are measured: each a process of its own, all on the same core.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The core of whoever serves.
const CORE: &str = "0";

/// What nginx and the empty route answer: as long as a check-in's answer is.
pub(crate) const ANSWER_BYTES: usize = 190;

/// A program that serves.
pub(crate) struct Peer {
    /// `127.0.0.1:…`
    pub(crate) address: String,
    child: Child,
}

impl Peer {
    /// Its memory, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        let pid = self.child.id()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
}

/// A command on the servers' core.
fn on_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", CORE])
        .arg(program)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A port that was free a moment ago, for programs that cannot say which one they took.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}

async fn listening(child: Child, address: String, patience: Duration) -> Result<Peer> {
    let knock = async {
        while TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(patience, knock).await.is_err() {
        bail!("nobody listens on {address} after {patience:?}");
    }
    Ok(Peer { address, child })
}

/// nginx, with a short answer and an image as files: what a server costs that decides nothing. One process, without a
/// master: the one that is measured is the one that is ended, and nothing is left behind.
pub(crate) async fn nginx(folder: &Path, image: &[u8]) -> Result<Peer> {
    let address = free_address()?;
    let root = folder.join("nginx");
    fs::create_dir_all(root.join("files"))?;
    fs::write(root.join("files/answer"), "x".repeat(ANSWER_BYTES))?;
    fs::write(root.join("files/image"), image)?;
    let configuration = format!(
        "master_process off; daemon off; pid {root}/pid; error_log {root}/log; user root;
         events {{ worker_connections 1024; }}
         http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; open_file_cache max=10;
           client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;
           uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
           server {{ listen {address}; root {root}/files; }} }}",
        root = root.display()
    );
    let file = root.join("nginx.conf");
    fs::write(&file, configuration)?;
    let child = on_core(Path::new("nginx"))
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start nginx")?;
    listening(child, address, Duration::from_secs(10)).await
}

/// An axum route that does nothing, in this program: what the framework costs.
pub(crate) async fn empty_route() -> Result<Peer> {
    let address = free_address()?;
    let this = std::env::current_exe()?;
    let child = on_core(&this).args(["empty-route", &address]).spawn()?;
    listening(child, address, Duration::from_secs(10)).await
}

/// How many check-ins' signatures one core checks and answers with its own in a second, when it does nothing else.
pub(crate) async fn signatures(seconds: u64) -> Result<f64> {
    let this = std::env::current_exe()?;
    let mut alone = on_core(&this);
    let alone = alone.args(["signatures", &seconds.to_string()]);
    let output = alone.output().await.context("cannot start this program")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("signatures alone: {}", String::from_utf8_lossy(&output.stderr));
    }
    said.trim().parse().context("signatures alone: no number")
}

/// goosebit from PyPI: another server for updates, which speaks hawkBit's device API.
pub(crate) async fn goosebit(folder: &Path, python: &Path) -> Result<Peer> {
    const TABLES: &str = "import asyncio
from tortoise import Tortoise
from goosebit.db.config import TORTOISE_CONF
async def make():
    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
asyncio.run(make())";
    let address = free_address()?;
    let (_, port) = address.rsplit_once(':').context("an address without a port")?;
    let data = folder.join("goosebit");
    fs::create_dir_all(&data)?;
    let settings = [
        (
            "GOOSEBIT_DB_URI",
            format!("sqlite://{}/db.sqlite3", data.display()),
        ),
        (
            "GOOSEBIT_ARTIFACTS_DIR",
            data.join("artifacts").display().to_string(),
        ),
    ];
    let log = fs::File::create(data.join("log"))?;
    let made = Command::new(python)
        .args(["-c", TABLES])
        .envs(settings.clone())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .status();
    if !made.await?.success() {
        bail!("goosebit's tables could not be made; see {}/log", data.display());
    }
    let child = on_core(python)
        .args([
            "-m",
            "uvicorn",
            "goosebit:app",
            "--host",
            "127.0.0.1",
            "--port",
            port,
        ])
        .args(["--no-access-log", "--log-level", "warning"])
        .envs(settings)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    listening(child, address, Duration::from_secs(60)).await
}

/// Ours.
pub(crate) struct Server {
    /// The process.
    pub(crate) peer: Peer,
    /// `sqlite` or `postgres`.
    pub(crate) database: &'static str,
    token: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts it on a database of its own.
    pub(crate) async fn start(
        program: &Path,
        data: PathBuf,
        database: &'static str,
        url: Option<&str>,
    ) -> Result<Self> {
        fs::create_dir_all(&data)?;
        let log = fs::File::create(data.join("log"))?;
        let mut child = on_core(program)
            .args([
                "serve",
                "--json",
                "--log",
                "warn",
                "--listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(&data)
            .args(url.iter().flat_map(|url| ["--database", url]))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut line).await?;
        }
        let started: Value = serde_json::from_str(&line)
            .with_context(|| format!("the server does not start; see {}/log", data.display()))?;
        let text = |name: &str| started[name].as_str().map(str::to_owned);
        let url = text("listening").context("the server says no address")?;
        Ok(Self {
            peer: Peer {
                address: url.trim_start_matches("http://").to_owned(),
                child,
            },
            database,
            token: text("admin_token").context("the server shows no token")?,
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// An operator's request.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Value> {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.peer.address));
        let answer = request.bearer_auth(&self.token).body(body).send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}
