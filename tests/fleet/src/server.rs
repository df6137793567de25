//! The server's program as a process, and its operator. Its wall clock is the fleet's: Debian's libfaketime stands
//! between the program and the system's clock, so an hour passes in a moment, for an unchanged program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use latchkey_directive::PublicKey;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How often locks are told to call, in seconds.
pub(crate) const INTERVAL_S: u32 = 3600;

/// How often the server looks at its rollouts, in seconds of the real clock.
const WATCH_S: &str = "1";

/// What this is about, on the server's side.
pub(crate) struct Options {
    /// The program.
    pub(crate) program: PathBuf,
    /// Where it keeps what it keeps.
    pub(crate) data: PathBuf,
    /// A database other than its own file.
    pub(crate) database: Option<String>,
}

/// The server.
pub(crate) struct Server {
    options: Options,
    address: String,
    token: String,
    director: Option<PublicKey>,
    child: Option<Child>,
    http: Client,
    clock: Clock,
}

impl Server {
    /// Starts it for the first time.
    pub(crate) async fn start(options: Options) -> Result<Self> {
        fs::create_dir_all(&options.data)?;
        let mut server = Self {
            clock: Clock::new(options.data.join("clock"))?,
            options,
            address: "127.0.0.1:0".to_owned(),
            token: String::new(),
            director: None,
            child: None,
            http: Client::builder().no_proxy().build()?,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts it once more, where it was.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.options.data.join("log"))?;
        let mut command = Command::new(&self.options.program);
        command
            .args(["serve", "--json", "--log", "warn", "--watch-interval", WATCH_S])
            .args(["--check-in-interval", &INTERVAL_S.to_string()])
            .args(["--listen", &self.address, "--data"])
            .arg(&self.options.data)
            .args(self.options.database.iter().flat_map(|url| ["--database", url]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        self.clock.give_to(&mut command)?;
        let mut child = command.spawn().context("cannot start the server")?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut line).await?;
        }
        let started: Value = serde_json::from_str(&line).with_context(|| {
            format!(
                "the server does not start; see {}/log",
                self.options.data.display()
            )
        })?;
        let text = |name: &str| started[name].as_str().map(str::to_owned);
        let url = text("listening").context("the server says no address")?;
        url.trim_start_matches("http://").clone_into(&mut self.address);
        if let Some(token) = text("admin_token") {
            self.token = token;
        }
        self.director = text("director_public").and_then(|hex| public_key(&hex));
        self.child = Some(child);
        Ok(())
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whose directives its locks take.
    pub(crate) fn director(&self) -> Result<PublicKey> {
        self.director.context("the server names no director key")
    }

    /// Has it be this time, in milliseconds since the fleet began.
    pub(crate) fn set_clock(&mut self, now_ms: u64) -> Result<()> {
        self.clock.set(now_ms)
    }

    /// Its memory, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        let pid = self.child.as_ref()?.id()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// An operator's request.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Value> {
        let request = self.http.request(method, format!("{}{path}", self.url()));
        let answer = request.bearer_auth(&self.token).body(body).send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Publishes a release and rolls it out in stages that come by themselves; gives the rollout's name.
    pub(crate) async fn roll_out(&self, file: Vec<u8>, rules: Value) -> Result<String> {
        let release = self.ask(Method::POST, "/api/v1/releases", file).await?;
        let mut body = json!({ "release": release["digest"], "to": "all" });
        if let (Some(body), Value::Object(rules)) = (body.as_object_mut(), rules) {
            body.extend(rules);
        }
        let rollout = self
            .ask(Method::POST, "/api/v1/rollouts", body.to_string())
            .await?;
        let id = rollout["id"].as_str().context("the rollout has no name")?;
        Ok(id.to_owned())
    }

    /// How a rollout stands.
    pub(crate) async fn rollout(&self, id: &str) -> Result<Value> {
        self.ask(Method::GET, &format!("/api/v1/rollouts/{id}"), "").await
    }
}

fn public_key(text: &str) -> Option<PublicKey> {
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    PublicKey::from_bytes(&key)
}

/// A wall clock for a process: the real one, and ahead of it as far as a file says.
struct Clock {
    file: PathBuf,
    began: Instant,
    ahead_ms: u64,
}

impl Clock {
    fn new(file: PathBuf) -> Result<Self> {
        let clock = Self {
            file,
            began: Instant::now(),
            ahead_ms: 0,
        };
        clock.write()?;
        Ok(clock)
    }

    /// Moves on, never back.
    fn set(&mut self, now_ms: u64) -> Result<()> {
        let real_ms = u64::try_from(self.began.elapsed().as_millis())?;
        let ahead_ms = now_ms.saturating_sub(real_ms);
        if ahead_ms < self.ahead_ms + 1000 {
            return Ok(());
        }
        self.ahead_ms = ahead_ms;
        self.write()
    }

    fn write(&self) -> Result<()> {
        let draft = self.file.with_extension("new");
        fs::write(&draft, format!("+{}\n", self.ahead_ms / 1000))?;
        fs::rename(draft, &self.file).context("cannot set the server's clock")
    }

    fn give_to(&self, command: &mut Command) -> Result<()> {
        let library = library()?;
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Ok(())
    }
}

/// Where Debian has the library.
fn library() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")
        .context("there is no /usr/lib")?
        .flatten();
    let found = folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| Path::exists(library));
    let library = found.context("libfaketime is not installed; run `cargo xtask setup`")?;
    ensure!(library.is_file(), "{} is no file", library.display());
    Ok(library)
}
