//! The way to the server: real HTTP, as many requests at once as the fleet lets through, and a count of every answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use latchkey_directive::MAX_SEALED;
use latchkey_image::ImageDigest;
use latchkey_lock::update::{ContentRange, Failure, Head, content_length};
use reqwest::Client;

/// As long as a lock waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of requests: how many of each answer, and how long they took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    /// By kind of request and status; status 0 is none.
    pub(crate) answers: BTreeMap<(&'static str, u16), u64>,
    /// Each answer's time, in microseconds.
    pub(crate) took_us: Vec<u32>,
}

/// The way to the server.
pub(crate) struct Wire {
    http: Client,
    server: String,
    count: Mutex<Count>,
}

impl Wire {
    /// To the server at this URL.
    pub(crate) fn new(server: &str) -> anyhow::Result<Self> {
        let http = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            server: server.to_owned(),
            count: Mutex::default(),
        })
    }

    /// What was counted since this was asked last.
    pub(crate) fn counted(&self) -> Count {
        std::mem::take(&mut self.count.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, what: &'static str, status: u16, started: Instant) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count.answers.entry((what, status)).or_default() += 1;
        if status != 0 {
            count
                .took_us
                .push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Sends a lock's message; gives status and body.
    pub(crate) async fn post(&self, path: &'static str, body: &[u8]) -> Result<(u16, Vec<u8>), Failure> {
        let what = path.rsplit('/').next().unwrap_or(path);
        let started = Instant::now();
        let sent = self
            .http
            .post(format!("{}{path}", self.server))
            .body(body.to_vec());
        let answered = async {
            let answer = sent.send().await?;
            let status = answer.status().as_u16();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        };
        match answered.await {
            Ok((status, body)) => {
                self.note(what, status, started);
                if body.len() > MAX_SEALED {
                    return Err(Failure::TooLong);
                }
                Ok((status, body.to_vec()))
            }
            Err(_) => {
                self.note(what, 0, started);
                Err(Failure::Connection)
            }
        }
    }

    /// Fetches an image from an offset on.
    pub(crate) async fn fetch(&self, image: ImageDigest, from: u32) -> Result<(Head, Vec<u8>), Failure> {
        let started = Instant::now();
        let url = format!("{}/device/v1/images/{image}", self.server);
        let asked = self.http.get(url).header("range", format!("bytes={from}-"));
        let answered = async {
            let answer = asked.send().await?;
            let header = |name| answer.headers().get(name).map(|value| value.as_bytes());
            let head = Head {
                status: answer.status().as_u16(),
                length: header("content-length").and_then(content_length),
                range: header("content-range").and_then(ContentRange::parse),
            };
            Ok::<_, reqwest::Error>((head, answer.bytes().await?))
        };
        match answered.await {
            Ok((head, body)) => {
                self.note("image", head.status, started);
                Ok((head, body.to_vec()))
            }
            Err(_) => {
                self.note("image", 0, started);
                Err(Failure::Connection)
            }
        }
    }
}

impl Count {
    /// Answers that no lock should get: neither a success nor a place in a queue.
    pub(crate) fn failed(&self) -> u64 {
        let bad = self
            .answers
            .iter()
            .filter(|((_, status), _)| !(200..300).contains(status));
        bad.map(|(_, count)| count).sum()
    }

    /// What failed, in words: nothing when nothing did.
    pub(crate) fn failures(&self) -> String {
        let bad = self
            .answers
            .iter()
            .filter(|((_, status), _)| !(200..300).contains(status));
        bad.map(|((what, status), count)| format!("; {what} {status}: {count}"))
            .collect()
    }

    /// All requests.
    pub(crate) fn requests(&self) -> u64 {
        self.answers.values().sum()
    }

    /// The time that this share of answers took at most, in milliseconds.
    pub(crate) fn percentile_ms(&mut self, share: f64) -> f64 {
        self.took_us.sort_unstable();
        let at = (self.took_us.len() as f64 * share) as usize;
        let last = self.took_us.len().saturating_sub(1);
        self.took_us
            .get(at.min(last))
            .map_or(0.0, |us| f64::from(*us) / 1000.0)
    }
}
