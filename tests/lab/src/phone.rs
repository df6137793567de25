//! A phone on the virtual air that does as it is told, and knows nothing of the lock's protocol.

use std::collections::VecDeque;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::builds::{checkout, peer_program};
use crate::{Air, Console};

/// How long the phone may take to obey.
const PATIENCE: Duration = Duration::from_secs(60);

/// A phone. Dropping it takes it off the air, with every connection it has.
pub struct Phone {
    process: Child,
    console: Console,
    indications: VecDeque<Indication>,
    connected: bool,
}

/// What a lock sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indication {
    /// On which characteristic, as the phone was told its UUID.
    pub uuid: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a scan heard of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its address.
    pub address: String,
    /// What it advertises.
    pub advertisement: Vec<u8>,
    /// What it answers to being asked for more.
    pub scan_response: Vec<u8>,
}

impl Phone {
    /// Takes the controller of this name.
    ///
    /// # Errors
    /// There is none, or the phone does not start.
    pub fn start(air: &Air, controller: &str) -> Result<Self> {
        let mut process = Command::new(peer_program("python")?)
            .arg(checkout().join("tests/air/phone.py"))
            .arg(air.address(controller)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the phone")?;
        let output = process
            .stdout
            .take()
            .context("the phone has no standard output")?;
        let mut console = Console::new(output, None);
        console.wait_for("ready", PATIENCE)?;
        Ok(Self {
            process,
            console,
            indications: VecDeque::new(),
            connected: false,
        })
    }

    /// Tells it something; gives what comes before `ok`, and what stands behind it.
    fn tell(&mut self, command: &str) -> Result<(Vec<String>, String)> {
        let input = self.process.stdin.as_mut().context("the phone has no input")?;
        writeln!(input, "{command}").context("the phone has ended")?;
        let mut before = Vec::new();
        loop {
            let line = self.console.wait_for("", PATIENCE)?;
            if let Some(result) = line.strip_prefix("ok") {
                return Ok((before, result.trim().to_owned()));
            }
            if let Some(why) = line.strip_prefix("error ") {
                let short: String = command.chars().take(80).collect();
                bail!("the phone could not `{short}`: {why}");
            }
            if !self.take(&line)? {
                before.push(line);
            }
        }
    }

    /// Takes in what happens by itself; says whether it was that.
    fn take(&mut self, line: &str) -> Result<bool> {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("indication") => {
                let uuid = words.next().context("an indication of nothing")?.to_owned();
                let bytes = hex::decode(words.next().unwrap_or_default())?;
                self.indications.push_back(Indication { uuid, bytes });
            }
            Some("disconnected") => self.connected = false,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Listens for so long.
    ///
    /// # Errors
    /// The phone cannot.
    pub fn scan(&mut self, seconds: u32) -> Result<Vec<Seen>> {
        let (lines, _) = self.tell(&format!("scan {seconds}"))?;
        let decode = |text: &str| hex::decode(text.trim_start_matches('-'));
        lines
            .iter()
            .filter_map(|line| line.strip_prefix("seen "))
            .map(|line| {
                let [address, advertisement, answer] = line
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("the phone says {line:?}"))?;
                Ok(Seen {
                    address: address.to_owned(),
                    advertisement: decode(advertisement)?,
                    scan_response: decode(answer)?,
                })
            })
            .collect()
    }

    /// Connects to a public address and discovers its services; asks for this MTU, unless it is 23.
    ///
    /// # Errors
    /// Nobody there takes the connection.
    pub fn connect(&mut self, address: &str, mtu: u16) -> Result<u16> {
        self.indications.clear();
        let (_, agreed) = self.tell(&format!("connect {address} {mtu}"))?;
        self.connected = true;
        agreed.parse().context("no MTU")
    }

    /// Whether the connection stands, as far as the phone has noticed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Handle, UUID and properties of each characteristic, as lines.
    ///
    /// # Errors
    /// It is not connected.
    pub fn services(&mut self) -> Result<Vec<String>> {
        self.tell("services").map(|(lines, _)| lines)
    }

    /// Asks for indications, or for notifications where there are only those.
    ///
    /// # Errors
    /// The lock refuses, or is gone.
    pub fn subscribe(&mut self, uuid: &str) -> Result<()> {
        self.tell(&format!("subscribe {uuid}")).map(drop)
    }

    /// Reads a characteristic.
    ///
    /// # Errors
    /// The lock refuses, or is gone.
    pub fn read(&mut self, uuid: &str) -> Result<Vec<u8>> {
        let (_, value) = self.tell(&format!("read {uuid}"))?;
        Ok(hex::decode(value)?)
    }

    /// Writes a characteristic, in one request or, when it does not fit, prepared in parts.
    ///
    /// # Errors
    /// The lock refuses, or is gone.
    pub fn write(&mut self, uuid: &str, bytes: &[u8]) -> Result<()> {
        self.tell(&format!("write {uuid} {}", hex::encode(bytes)))
            .map(drop)
    }

    /// Writes a characteristic without asking for a response.
    ///
    /// # Errors
    /// It is not connected.
    pub fn send(&mut self, uuid: &str, bytes: &[u8]) -> Result<()> {
        self.tell(&format!("send {uuid} {}", hex::encode(bytes)))
            .map(drop)
    }

    /// Sends an attribute packet as it is.
    ///
    /// # Errors
    /// It is not connected.
    pub fn send_raw(&mut self, packet: &[u8]) -> Result<()> {
        self.tell(&format!("raw {}", hex::encode(packet))).map(drop)
    }

    /// Sends a packet on any channel as it is.
    ///
    /// # Errors
    /// It is not connected.
    pub fn send_packet(&mut self, channel: u16, packet: &[u8]) -> Result<()> {
        self.tell(&format!("packet {channel} {}", hex::encode(packet)))
            .map(drop)
    }

    /// The next indication.
    ///
    /// # Errors
    /// `limit` passes, or the lock disconnects.
    pub fn next_indication(&mut self, limit: Duration) -> Result<Indication> {
        loop {
            if let Some(indication) = self.indications.pop_front() {
                return Ok(indication);
            }
            if !self.connected {
                bail!("the lock has disconnected");
            }
            let line = self.console.wait_for("", limit)?;
            if !self.take(&line)? {
                bail!("the phone says {line:?}");
            }
        }
    }

    /// Waits until the connection has ended. What was indicated before is kept.
    ///
    /// # Errors
    /// `limit` passes.
    pub fn wait_for_disconnection(&mut self, limit: Duration) -> Result<()> {
        while self.connected {
            let line = self.console.wait_for("", limit)?;
            self.take(&line)?;
        }
        Ok(())
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// It has none.
    pub fn disconnect(&mut self) -> Result<()> {
        self.tell("disconnect").map(drop)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // The only failure is that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
