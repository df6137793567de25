//! The server that is measured, as a process, and its operator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::peers::{Certificate, Peer, on_core};

/// How ours is started.
#[derive(Default)]
pub(crate) struct Setup<'s> {
    /// A database other than its own file.
    pub(crate) database: Option<&'s str>,
    /// With TLS, and spoken to by it.
    pub(crate) certificate: Option<&'s Certificate>,
    /// With hawkBit's interface.
    pub(crate) hawkbit: bool,
}

/// Ours.
pub(crate) struct Server {
    /// The process.
    pub(crate) peer: Peer,
    token: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts it on a database of its own.
    pub(crate) async fn start(program: &Path, data: PathBuf, setup: Setup<'_>) -> Result<Self> {
        fs::create_dir_all(&data)?;
        let log = fs::File::create(data.join("log"))?;
        let mut command = on_core(program);
        command
            .args(["serve", "--json", "--log", "warn"])
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(setup.database.iter().flat_map(|url| ["--database", url]))
            .stdout(Stdio::piped())
            .stderr(log);
        let http = reqwest::Client::builder().no_proxy();
        let (http, listening) = if let Some(made) = setup.certificate {
            command.args(["--tls-listen", "127.0.0.1:0", "--tls-certificate"]);
            command.arg(&made.certificate).arg("--tls-key").arg(&made.key);
            let root = reqwest::Certificate::from_pem(made.pem.as_bytes())?;
            (http.tls_certs_only([root]), "listening_tls")
        } else {
            (http, "listening")
        };
        if setup.hawkbit {
            command.args(["--hawkbit", "http://127.0.0.1/"]);
        }
        let mut child = command.spawn().context("cannot start the server")?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut line).await?;
        }
        let started: Value = serde_json::from_str(&line)
            .with_context(|| format!("the server does not start; see {}/log", data.display()))?;
        let text = |name: &str| started[name].as_str().map(str::to_owned);
        let url = text(listening).context("the server says no address")?;
        let (_, address) = url.split_once("://").context("an address without a scheme")?;
        Ok(Self {
            peer: Peer::new(address, setup.certificate, child),
            token: text("admin_token").context("the server shows no token")?,
            http: http.build()?,
        })
    }

    /// An operator's request.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Value> {
        let request = self.http.request(method, self.peer.url(path));
        let answer = request.bearer_auth(&self.token).body(body).send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}
