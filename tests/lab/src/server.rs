//! The real update server as a process of its own, and what an operator does with it, through its own command.
//! Its log lies beside its data folder, as `FOLDER.log`.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::builds::{checkout, server_program};
use crate::{Console, SignedImage};

/// How long the server may take to say that it is ready.
const START: Duration = Duration::from_secs(60);
/// How often the server is asked for what it cannot announce.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How often locks are told to call, in seconds.
const CHECK_IN_S: &str = "1";
/// The emulated lock's hardware class.
const CLASS: &str = "lock-emulator-1";

/// A server. Dropping it kills it; its data stay.
pub struct Server {
    program: PathBuf,
    data: PathBuf,
    url: String,
    token: String,
    options: Vec<String>,
    running: Option<Running>,
}

struct Running {
    process: Child,
    /// Keeps reading, so that the server never waits for someone to take what it prints.
    _printed: Console,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The only failure is that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts a server on a free port, with its data in `data` and the example director key.
    ///
    /// # Errors
    /// The program has not been built, or does not start.
    pub fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, "127.0.0.1:0", &[])
    }

    /// The same at an address, with further options.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(data: &Path, listen: &str, options: &[&str]) -> Result<Self> {
        let mut server = Self {
            program: server_program()?,
            data: data.to_owned(),
            url: String::new(),
            token: String::new(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            running: None,
        };
        server.serve(listen)?;
        Ok(server)
    }

    /// As a lock's configuration names it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first administrator's token, as the server printed it.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Starts it again, now also for devices that speak hawkBit's interface.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_hawkbit(&mut self) -> Result<()> {
        self.options.extend(["--hawkbit".to_owned(), self.url.clone()]);
        self.restart()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same data and the same address, after it was killed or not.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let address = self.url.trim_start_matches("http://").to_owned();
        self.serve(&address)
    }

    fn serve(&mut self, listen: &str) -> Result<()> {
        let director = checkout().join("keys-example/director.pem");
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", listen, "--allow-example-keys"]);
        command.args(["--check-in-interval", CHECK_IN_S, "--log", "info"]);
        command.args(&self.options);
        command
            .arg("--data")
            .arg(&self.data)
            .arg("--director-key")
            .arg(director);
        let log = self.data.with_extension("log");
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start latchkey-server")?;
        let output = process
            .stdout
            .take()
            .context("the server has no standard output")?;
        let mut console = Console::new(output, None);
        if self.token.is_empty() {
            let line = console.wait_for("administrator token", START)?;
            self.token = last_word(&line);
        }
        let line = console.wait_for("listening on", START)?;
        self.url = last_word(&line);
        self.running = Some(Running {
            process,
            _printed: console,
        });
        Ok(())
    }

    /// Registers the policy in keys-example.
    ///
    /// # Errors
    /// The server refuses.
    pub fn trust_example_policy(&self) -> Result<()> {
        let policy = checkout().join("keys-example/policy.toml");
        self.operator(&["policy", "set", "--class", CLASS, text(&policy)?])
            .map(drop)
    }

    /// Publishes an image.
    ///
    /// # Errors
    /// The server refuses.
    pub fn publish(&self, image: &SignedImage) -> Result<()> {
        self.upload(image, &[])
    }

    /// Publishes an image, with what it changes in words.
    ///
    /// # Errors
    /// The server refuses.
    pub fn publish_with_notes(&self, image: &SignedImage, notes: &str) -> Result<()> {
        self.upload(image, &["--notes", notes])
    }

    fn upload(&self, image: &SignedImage, options: &[&str]) -> Result<()> {
        let file = self.data.with_extension(image.digest.to_string());
        std::fs::write(&file, &image.bytes)?;
        self.operator(&[&["release", "upload", text(&file)?], options].concat())
            .map(drop)
    }

    /// Rolls a published image out to every lock; gives the rollout's name.
    ///
    /// # Errors
    /// The server refuses.
    pub fn roll_out(&self, image: &SignedImage) -> Result<String> {
        let made = self.operator(&[
            "rollout",
            "create",
            "--release",
            &image.digest.to_string(),
            "--all",
        ])?;
        let id = made
            .get("id")
            .and_then(Value::as_str)
            .with_context(|| format!("a rollout without a name: {made}"))?;
        Ok(id.to_owned())
    }

    /// Ends a rollout.
    ///
    /// # Errors
    /// The server refuses.
    pub fn abort(&self, rollout: &str) -> Result<()> {
        self.operator(&["rollout", "abort", rollout]).map(drop)
    }

    /// Approves a lock, whether it has introduced itself already or not.
    ///
    /// # Errors
    /// The server refuses.
    pub fn approve(&self, device: &str) -> Result<()> {
        self.operator(&["device", "expect", device]).map(drop)
    }

    /// Names a set of locks for rollouts to begin with.
    ///
    /// # Errors
    /// The server refuses.
    pub fn create_cohort(&self, name: &str, devices: &[String]) -> Result<()> {
        let mut create = vec!["cohort", "create", name];
        create.extend(devices.iter().flat_map(|device| ["--device", device.as_str()]));
        self.operator(&create).map(drop)
    }

    /// What the server knows of a lock.
    ///
    /// # Errors
    /// The server knows none of that name.
    pub fn device(&self, device: &str) -> Result<Value> {
        self.operator(&["device", "show", device])
    }

    /// What a lock would get if it checked in now, and why.
    ///
    /// # Errors
    /// The server knows none of that name.
    pub fn decision(&self, device: &str) -> Result<Value> {
        self.operator(&["device", "decision", device])
    }

    /// Waits until a lock has reported `event`, with any image.
    ///
    /// # Errors
    /// It has not in time; the message holds what it has.
    pub fn wait_for_event(&self, device: &str, event: &str, limit: Duration) -> Result<Value> {
        self.wait_for_report(device, limit, |report| is(report, "event", event))
    }

    /// Waits until a lock has reported `event` about `image`.
    ///
    /// # Errors
    /// It has not in time; the message holds what it has.
    pub fn wait_for_event_about(
        &self,
        device: &str,
        event: &str,
        image: &SignedImage,
        limit: Duration,
    ) -> Result<Value> {
        let image = image.digest.to_string();
        self.wait_for_report(device, limit, |report| {
            is(report, "event", event) && is(report, "image", &image)
        })
    }

    fn wait_for_report(
        &self,
        device: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.ask_until(
            limit,
            || self.operator(&["device", "reports", device]),
            |reports| reports.as_array()?.iter().find(|report| wanted(report)).cloned(),
        )
    }

    /// Waits until what a lock told at its latest check-in is as wanted; gives it.
    ///
    /// # Errors
    /// It is not in time; the message holds what it told.
    pub fn wait_until_told(
        &self,
        device: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.ask_until(
            limit,
            || self.device(device),
            |device| device.get("told").filter(|told| wanted(told)).cloned(),
        )
    }

    /// Waits until a lock's latest check-in had a boot report of this outcome and reason; gives what it told.
    ///
    /// # Errors
    /// As [`Server::wait_until_told`].
    pub fn wait_for_boot_report(
        &self,
        device: &str,
        outcome: &str,
        reason: u16,
        limit: Duration,
    ) -> Result<Value> {
        self.wait_until_told(device, limit, |told| {
            told.pointer("/boot/outcome").is_some_and(|told| told == outcome)
                && told.pointer("/boot/reason").is_some_and(|told| *told == reason)
        })
    }

    /// Asks again and again until the answer has what is wanted. The server has no way to call an operator.
    fn ask_until(
        &self,
        limit: Duration,
        ask: impl Fn() -> Result<Value>,
        wanted: impl Fn(&Value) -> Option<Value>,
    ) -> Result<Value> {
        let start = Instant::now();
        loop {
            let answer = ask();
            if let Some(found) = answer.as_ref().ok().and_then(&wanted) {
                return Ok(found);
            }
            if start.elapsed() > limit {
                let answer = answer.map_or_else(|error| format!("{error:#}"), |answer| format!("{answer:#}"));
                bail!("what was waited for did not come; the last answer is {answer}");
            }
            thread::sleep(ASK_AGAIN);
        }
    }

    /// The file in which the server keeps a published image.
    ///
    /// # Errors
    /// There is none.
    pub fn stored_image(&self, image: &SignedImage) -> Result<PathBuf> {
        let mut folders = vec![self.data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read(&path).is_ok_and(|bytes| bytes == image.bytes) {
                    return Ok(path);
                }
            }
        }
        bail!(
            "no file below {} holds image {}",
            self.data.display(),
            image.digest
        )
    }

    /// The server's public key for the TUF repository, as PEM.
    ///
    /// # Errors
    /// The command fails.
    pub fn tuf_key(&self) -> Result<String> {
        let data = text(&self.data)?;
        let said = self.operator(&["tuf", "key", "--data", data])?;
        let pem = said.get("pem").and_then(Value::as_str);
        Ok(pem.context("no key")?.to_owned())
    }

    /// One of the operator's commands; gives what it prints.
    ///
    /// # Errors
    /// It fails; the message holds what it said.
    pub fn operator(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--json")
            .env("LATCHKEY_SERVER", &self.url)
            .env("LATCHKEY_TOKEN", &self.token)
            .stdin(Stdio::null())
            .output()
            .context("cannot start latchkey-server")?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`latchkey-server {}` failed: {said}{complaint}",
                arguments.join(" ")
            );
        }
        serde_json::from_str(&said).with_context(|| format!("`{}` printed {said}", arguments.join(" ")))
    }
}

fn is(object: &Value, field: &str, text: &str) -> bool {
    object.get(field).and_then(Value::as_str) == Some(text)
}

fn last_word(line: &str) -> String {
    line.split_whitespace().last().unwrap_or_default().to_owned()
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}
