//! What a process prints, line by line, as it prints it.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The lines of a process.
pub struct Console {
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// The line that was waited for did not come. Holds the end of what came instead.
#[derive(Debug)]
pub struct Silence {
    wanted: String,
    ended: bool,
    seen: Vec<String>,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.ended {
            "the process ended"
        } else {
            "the limit passed"
        };
        write!(f, "{why} before a line with {:?} came; what came:", self.wanted)?;
        let tail = self.seen.len().saturating_sub(60);
        self.seen
            .iter()
            .skip(tail)
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Silence {}

impl Console {
    /// Reads from `source` in a thread of its own. With `echo`, each line is printed with that prefix too.
    pub fn new(source: impl Read + Send + 'static, echo: Option<&'static str>) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            // Bytes, not `lines()`: a lock that dies mid-line or prints garbage must not end the reading.
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if let Some(prefix) = echo {
                    println!("{prefix}{text}");
                }
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Self {
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for the next line that contains `wanted`, and gives it. Lines before it are taken.
    ///
    /// # Errors
    /// [`Silence`] when the process ends or `limit` passes first.
    pub fn wait_for(&mut self, wanted: &str, limit: Duration) -> Result<String, Silence> {
        self.wait_for_any(&[wanted], limit).map(|(_, line)| line)
    }

    /// Waits for the next line that contains one of `wanted`; gives which one, and the line.
    ///
    /// # Errors
    /// As [`Console::wait_for`].
    pub fn wait_for_any(&mut self, wanted: &[&str], limit: Duration) -> Result<(usize, String), Silence> {
        let deadline = Instant::now().checked_add(limit).unwrap_or_else(Instant::now);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.note(&line);
                    match wanted.iter().position(|wanted| line.contains(wanted)) {
                        Some(which) => return Ok((which, line)),
                        None => continue,
                    }
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            return Err(Silence {
                wanted: wanted.join("\" or \""),
                ended,
                seen: self.seen.clone(),
            });
        }
    }

    /// Takes what has been printed so far and gives every line ever seen.
    pub fn transcript(&mut self) -> &[String] {
        while let Ok(line) = self.lines.try_recv() {
            self.note(&line);
        }
        &self.seen
    }

    /// Takes lines until the process ends.
    pub fn until_end(&mut self) -> &[String] {
        while let Ok(line) = self.lines.recv() {
            self.note(&line);
        }
        &self.seen
    }

    fn note(&mut self, line: &str) {
        self.seen.push(line.to_owned());
    }
}
