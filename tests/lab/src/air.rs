//! The virtual air: Bluetooth controllers by Bumble on one link, each behind a TCP port, in a process of its own.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::Console;
use crate::builds::{checkout, peer_program};

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

/// An air. Dropping it ends it, and every connection on it.
pub struct Air {
    process: Child,
    addresses: HashMap<String, String>,
    /// Keeps reading, so that the process never waits for someone to take what it prints.
    printed: Console,
}

impl Air {
    /// Starts an air with one controller for each name.
    ///
    /// # Errors
    /// The Python environment has not been set up, or the program does not start.
    pub fn start(names: &[&str]) -> Result<Self> {
        // It ends when its standard input does, so also when this process dies.
        let mut process = Command::new(peer_program("python")?)
            .arg(checkout().join("tests/air/air.py"))
            .args(names)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the virtual air")?;
        let output = process.stdout.take().context("the air has no standard output")?;
        let mut console = Console::new(output, None);
        let mut addresses = HashMap::new();
        loop {
            let line = console.wait_for("air: ", START)?;
            let mut words = line.split_whitespace().skip(1);
            match (words.next(), words.next()) {
                (Some(name), Some(address)) => addresses.insert(name.to_owned(), address.to_owned()),
                _ => break,
            };
        }
        Ok(Self {
            process,
            addresses,
            printed: console,
        })
    }

    /// Bytes carried since the start, over all connections and both ways: L2CAP packets with their headers.
    ///
    /// # Errors
    /// The air has ended.
    pub fn carried(&mut self) -> Result<u64> {
        self.tell("carried", "air: carried ")
    }

    /// Has the connections of this controller be lost once it has carried `after[0]` bytes more, both ways, again after
    /// `after[1]` more, and so on.
    ///
    /// # Errors
    /// The air has ended, perhaps because there is no controller of that name.
    pub fn lose(&mut self, controller: &str, after: &[u64]) -> Result<()> {
        let numbers: Vec<_> = after.iter().map(u64::to_string).collect();
        let command = format!("lose {controller} {}", numbers.join(" "));
        self.tell(&command, "air: losses ").map(drop)
    }

    /// How many of these losses are still to come.
    ///
    /// # Errors
    /// As [`Self::lose`].
    pub fn losses_to_come(&mut self, controller: &str) -> Result<u64> {
        self.tell(&format!("losses {controller}"), "air: losses ")
    }

    /// Tells it something; gives the number that it answers with.
    fn tell(&mut self, command: &str, answer: &str) -> Result<u64> {
        let input = self.process.stdin.as_mut().context("the air has no input")?;
        writeln!(input, "{command}").context("the air has ended")?;
        let line = self.printed.wait_for(answer, START)?;
        let number = line.split_whitespace().last().unwrap_or_default();
        number.parse().with_context(|| format!("the air says {line:?}"))
    }

    /// Where the controller of this name listens, `HOST:PORT`.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn address(&self, name: &str) -> Result<&str> {
        let address = self.addresses.get(name).map(String::as_str);
        address.with_context(|| format!("no controller {name:?} on this air"))
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        // The only failure is that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
