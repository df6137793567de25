//! Those that are measured: each a process of its own, all on the same core.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;

/// The core of whoever serves.
const CORE: &str = "0";

/// What nginx and the empty route answer: as long as a check-in's answer is.
pub(crate) const ANSWER_BYTES: usize = 190;

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A certificate of this run's own making.
pub(crate) struct Certificate {
    /// Where it is.
    pub(crate) certificate: PathBuf,
    /// Where its key is.
    pub(crate) key: PathBuf,
    /// What it is.
    pub(crate) pem: String,
    client: TlsConnector,
}

impl Certificate {
    /// Makes one.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots);
        let this = Self {
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            pem: made.cert.pem(),
            client: Arc::new(client.with_no_client_auth()).into(),
        };
        fs::write(&this.certificate, &this.pem)?;
        fs::write(&this.key, made.signing_key.serialize_pem())?;
        Ok(this)
    }
}

/// A program that serves.
pub(crate) struct Peer {
    /// `127.0.0.1:…`
    address: String,
    /// With what it is spoken to by TLS.
    tls: Option<TlsConnector>,
    child: Option<Child>,
}

impl Peer {
    /// A process that listens there, by TLS where it has a certificate.
    pub(crate) fn new(address: &str, certificate: Option<&Certificate>, child: Child) -> Self {
        Self {
            address: address.to_owned(),
            tls: certificate.map(|made| made.client.clone()),
            child: Some(child),
        }
    }

    /// A path's URL.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(&self.address)
            .await
            .with_context(|| format!("nobody listens on {}", self.address))?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from("127.0.0.1")?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }

    /// Its memory, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        let pid = self.child.as_ref()?.id()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
}

/// A command on the servers' core.
pub(crate) fn on_core(program: &Path) -> Command {
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
    Ok(Peer::new(&address, None, child))
}

/// nginx, with a short answer and an image as files: what a server costs that decides nothing. One process, without a
/// master: the one that is measured is the one that is ended, and nothing is left behind. The second speaks TLS and ends
/// with the first.
pub(crate) async fn nginx(folder: &Path, image: &[u8], certificate: &Certificate) -> Result<[Peer; 2]> {
    let (address, by_tls) = (free_address()?, free_address()?);
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
           ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
           server {{ listen {address}; listen {by_tls} ssl; root {root}/files; }} }}",
        root = root.display(),
        certificate = certificate.certificate.display(),
        key = certificate.key.display(),
    );
    let file = root.join("nginx.conf");
    fs::write(&file, configuration)?;
    let child = on_core(Path::new("nginx"))
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start nginx")?;
    let plain = listening(child, address, Duration::from_secs(10)).await?;
    let encrypted = Peer {
        address: by_tls,
        tls: Some(certificate.client.clone()),
        child: None,
    };
    Ok([plain, encrypted])
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
