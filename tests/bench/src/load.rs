//! The load: so many connections, kept alive, each with one request at a time, from a list that was made beforehand.
//!
//! A check-in needs a fresh number and a fresh signature, which cost more than an answer from a cache does; so all are
//! signed before the clock starts, and the generator only writes bytes and looks for the end of the answer.

//! Either as many as the server answers, or so many in a second whatever it does; then an answer's time begins when its
//! request was due, and a server that stands still for a moment pays for all who had to wait.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::peers::{Peer, Stream};

/// The longest answer that is looked at, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Answers in a second.
    pub(crate) rate: f64,
    /// Answers that were no success.
    pub(crate) failed: u64,
    took_us: Vec<u32>,
}

impl Measured {
    /// The time that this share of answers took at most, in microseconds.
    pub(crate) fn percentile_us(&self, share: f64) -> u32 {
        let at = (self.took_us.len() as f64 * share) as usize;
        let last = self.took_us.len().saturating_sub(1);
        self.took_us.get(at.min(last)).copied().unwrap_or(0)
    }

    /// As it is kept.
    pub(crate) fn json(&self) -> Value {
        json!({
            "per_second": self.rate,
            "answers": self.took_us.len(),
            "not_2xx": self.failed,
            "p50_us": self.percentile_us(0.5),
            "p99_us": self.percentile_us(0.99),
            "p999_us": self.percentile_us(0.999),
        })
    }
}

/// How requests are sent.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Over so many connections.
    pub(crate) width: usize,
    /// For so long.
    pub(crate) time: Duration,
    /// So many in a second; as many as are answered where it says nothing.
    pub(crate) per_second: Option<f64>,
}

impl Load {
    /// As many as are answered, until there are no more.
    pub(crate) const fn all(width: usize) -> Self {
        Self {
            width,
            time: Duration::from_secs(3600),
            per_second: None,
        }
    }
}

/// What the connections share: the requests that are left, and what was counted.
struct Shared<'i, 'r> {
    requests: RefCell<Box<dyn Iterator<Item = &'r [u8]> + 'i>>,
    started: Instant,
    load: Load,
    sent: Cell<u32>,
    failed: Cell<u64>,
    took_us: RefCell<Vec<u32>>,
}

impl<'r> Shared<'_, 'r> {
    /// The next request, and when it is due; `None` when time is up or there are no more.
    fn next(&self) -> Option<(Instant, &'r [u8])> {
        let sent = self.sent.get();
        let due = match self.load.per_second {
            Some(rate) => self.started + Duration::from_secs_f64(f64::from(sent) / rate),
            None => Instant::now(),
        };
        if due >= self.started + self.load.time {
            return None;
        }
        self.sent.set(sent + 1);
        let next = self.requests.borrow_mut().next();
        next.map(|request| (due, request))
    }
}

/// Sends requests to a peer.
pub(crate) async fn send<'r>(
    peer: &Peer,
    requests: impl Iterator<Item = &'r [u8]>,
    load: Load,
) -> Result<Measured> {
    // Before the clock starts: connecting is not what is measured.
    let streams = (0..load.width).map(|_| peer.connect());
    let streams = futures_util::future::try_join_all(streams).await?;
    let shared = Rc::new(Shared {
        requests: RefCell::new(Box::new(requests)),
        started: Instant::now(),
        load,
        sent: Cell::new(0),
        failed: Cell::new(0),
        took_us: RefCell::default(),
    });
    let connections = streams.into_iter();
    let connections = connections.map(|stream| connection(stream, shared.clone()));
    futures_util::future::try_join_all(connections).await?;
    let mut took_us = shared.took_us.take();
    took_us.sort_unstable();
    Ok(Measured {
        rate: took_us.len() as f64 / shared.started.elapsed().as_secs_f64(),
        failed: shared.failed.get(),
        took_us,
    })
}

async fn connection(mut stream: Box<dyn Stream>, shared: Rc<Shared<'_, '_>>) -> Result<()> {
    let mut answer = Vec::with_capacity(4096);
    while let Some((due, request)) = shared.next() {
        // A timer is too coarse, and this core has nothing else to do.
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
        stream.write_all(request).await?;
        stream.flush().await?;
        let status = read(&mut stream, &mut answer).await?;
        if !(200..300).contains(&status) {
            shared.failed.set(shared.failed.get() + 1);
        }
        let us = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
        shared.took_us.borrow_mut().push(us);
    }
    Ok(())
}

/// Reads one answer whose length is said; gives its status.
async fn read(stream: &mut Box<dyn Stream>, answer: &mut Vec<u8>) -> Result<u16> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the server hung up: {}", String::from_utf8_lossy(answer));
        }
        if let Some((status, length)) = head(answer)? {
            while answer.len() < length {
                if stream.read_buf(answer).await? == 0 {
                    bail!("the server hung up in an answer");
                }
            }
            return Ok(status);
        }
        if answer.len() > ANSWER_MAX {
            bail!("the answer has no end");
        }
    }
}

/// Status, and length with the head, once the head is whole.
fn head(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.with_context(|| format!("an answer without a length: {head}"))?;
    Ok(Some((status, end + 4 + length)))
}

/// A request's bytes.
pub(crate) fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    request_with(method, path, "", body)
}

/// A request's bytes, with further lines in its head, each with its end.
pub(crate) fn request_with(method: &str, path: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: server\r\n{lines}{length}\r\n").into_bytes();
    bytes.extend(body);
    bytes
}
