//! The update server, as an owner sees it: whether there is an update, and the image. It hears what runs on which
//! hardware, and nothing of the lock or its owner.
//!
//! What it says proves nothing; the image proves itself. A download that breaks off goes on after a while ([`pause`]).
//! Keeps the invariants that no answer is longer than it may be,
//! that every wait ends, and that what was fetched is what was announced, or is thrown away.

mod pause;

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use latchkey_phone::release::LockFacts;
use reqwest::header::{CONTENT_RANGE, IF_RANGE, RANGE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use self::pause::Patience;
use crate::clock::random;
use crate::failure::{Failure, Kind, Outcome};
use crate::output;
use crate::policy::{IMAGE_MAX, read_limited};

/// An answer about updates is shorter, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most redirects on the way to one answer.
const REDIRECTS_MAX: usize = 3;
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Which server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerPlace {
    /// The update server of your lock's maker.
    #[arg(
        long,
        value_name = "URL",
        env = "LATCHKEY_SERVER",
        default_value = "http://127.0.0.1:8470"
    )]
    server: String,
}

/// See the module's header.
pub(crate) struct Server {
    base: Url,
    client: Client,
    runtime: Runtime,
    /// Lets time pass.
    rest: Box<dyn Fn(Duration)>,
}

/// Why a download did not come to its end.
enum Broken {
    /// And never will.
    ForGood(Failure),
    /// But may, after so long where the server says how long.
    ForNow(Failure, Option<Duration>),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::ForGood(failure)
    }
}

/// An update that the server announces.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) version: String,
    pub(crate) security_counter: u32,
    pub(crate) size: u32,
    pub(crate) digest: String,
    pub(crate) file_sha256: String,
    pub(crate) notes: Option<String>,
    pub(crate) image_path: String,
    /// May lead elsewhere; servers of before tell of none.
    pub(crate) download_path: Option<String>,
}

impl Announced {
    /// Where to fetch the image.
    fn path(&self) -> &str {
        self.download_path.as_ref().unwrap_or(&self.image_path)
    }
}

/// Whether to go where a server sends us: never from TLS into the clear. What is there is checked as if it were here.
fn may_follow(from: &Url, to: &Url) -> bool {
    to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http")
}

/// Goes along with a few redirects, and takes a further one, or one into the clear, for the answer itself.
fn redirects() -> Policy {
    Policy::custom(|attempt| {
        let from = attempt.previous();
        let may = from.last().is_some_and(|from| may_follow(from, attempt.url()));
        if may && from.len() <= REDIRECTS_MAX {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

#[derive(Deserialize)]
struct Answer {
    update: Option<Announced>,
}

impl ServerPlace {
    pub(crate) fn open(&self) -> Outcome<Server> {
        let usage = |why: &dyn std::fmt::Display| Failure::usage(format!("--server {}: {why}", self.server));
        let base = Url::parse(&self.server).map_err(|error| usage(&error))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(usage(&"write it as https://HOST"));
        }
        // Another one may have been chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(redirects())
            // Where we come from is nobody's business.
            .referer(false)
            .build();
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Server {
            base,
            client: client.map_err(|error| Failure::new(Kind::Server, words(&error)))?,
            runtime: runtime.map_err(|error| Failure::new(Kind::Server, error.to_string()))?,
            rest: Box::new(std::thread::sleep),
        })
    }
}

impl Server {
    /// Whether there is an update for a lock that runs this.
    pub(crate) fn ask(&self, lock: &LockFacts) -> Outcome<Option<Announced>> {
        let mut url = self.place("/owner/v1/update")?;
        url.query_pairs_mut()
            .append_pair("vendor", &lock.vendor.to_string())
            .append_pair("class", &lock.class.to_string())
            .append_pair("version", &lock.version.to_string())
            .append_pair("counter", &lock.counter.0.to_string());
        let answer: Answer = self.runtime.block_on(async {
            let response = self.client.get(url).send().await;
            let response = response.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            if is_busy(status) {
                return Err(self.busy(status, told_wait(&response)));
            }
            let body = self.read(response, ANSWER_MAX).await?;
            if status != StatusCode::OK {
                return Err(self.nonsense(&format!("it answers {status}")));
            }
            serde_json::from_slice(&body).map_err(|_| self.nonsense("its answer is not as documented"))
        })?;
        answer.update.map(|update| self.check(update)).transpose()
    }

    /// Nothing of what is announced may be used for anything but what it is meant for.
    fn check(&self, update: Announced) -> Outcome<Announced> {
        let hex = |text: &str| text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let sane = u64::from(update.size) <= IMAGE_MAX
            && hex(&update.digest)
            && hex(&update.file_sha256)
            && update.image_path.starts_with('/')
            && update.path().starts_with('/');
        if sane {
            Ok(update)
        } else {
            Err(self.nonsense("what it announces makes no sense"))
        }
    }

    /// Fetches the image into this file, and goes on where an earlier attempt ended.
    pub(crate) fn fetch(&self, update: &Announced, to: &Path) -> Outcome<Vec<u8>> {
        let part = part_of(to);
        let bar = output::bar(update.size.into(), "downloading");
        let mut patience = Patience::default();
        let fetched = loop {
            let before = length(&part);
            let show = |so_far| bar.set_position(so_far);
            let rest = self.fetch_rest(update, &part, &show);
            let (failure, after) = match self.runtime.block_on(rest) {
                Ok(()) => break Ok(()),
                Err(Broken::ForGood(failure)) => break Err(failure),
                Err(Broken::ForNow(failure, after)) => (failure, after),
            };
            let jitter = u32::from_le_bytes(random()?);
            let Some(wait) = patience.broke_off(length(&part) > before, after, jitter) else {
                break Err(failure);
            };
            bar.set_message(format!("trying again in {} s", wait.as_secs().max(1)));
            (self.rest)(wait);
            bar.set_message("downloading");
        };
        bar.finish_and_clear();
        fetched?;
        let bytes = read_limited(&part, IMAGE_MAX)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if !found.eq_ignore_ascii_case(&update.file_sha256) {
            std::fs::remove_file(&part).map_err(|error| Failure::file(&part, "remove", error))?;
            return Err(self.nonsense("the image is not the announced one, and was thrown away"));
        }
        std::fs::rename(&part, to).map_err(|error| Failure::file(to, "write", error))?;
        Ok(bytes)
    }

    /// One connection's worth.
    async fn fetch_rest(&self, update: &Announced, part: &Path, show: &dyn Fn(u64)) -> Result<(), Broken> {
        let size = u64::from(update.size);
        let mut have = length(part);
        if have >= size {
            return Ok(());
        }
        let mut request = self.client.get(self.place(update.path())?);
        if have > 0 {
            // Another file under this name is sent whole.
            request = request
                .header(RANGE, format!("bytes={have}-"))
                .header(IF_RANGE, format!("\"{}\"", update.file_sha256));
        }
        let lost = |error| Broken::ForNow(self.unreachable(&error), None);
        let mut response = request.send().await.map_err(lost)?;
        let resumes = match response.status() {
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT => true,
            busy if is_busy(busy) => {
                let after = told_wait(&response);
                return Err(Broken::ForNow(self.busy(busy, after), after));
            }
            other => return Err(self.nonsense(&format!("it answers {other} for the image")).into()),
        };
        let expected = format!("bytes {have}-");
        let range = response
            .headers()
            .get(CONTENT_RANGE)
            .and_then(|range| range.to_str().ok());
        if resumes && !range.is_some_and(|range| range.starts_with(&expected)) {
            return Err(self
                .nonsense("it sends another part of the image than was asked for")
                .into());
        }
        let mut file = open_part(part, &mut have, resumes)?;
        loop {
            let piece = response.chunk().await.map_err(lost)?;
            let Some(piece) = piece else { break };
            have = have.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if have > size {
                return Err(self.nonsense("it sends more than it announced").into());
            }
            file.write_all(&piece)
                .map_err(|error| Failure::file(part, "write", error))?;
            show(have);
        }
        file.sync_all()
            .map_err(|error| Failure::file(part, "write", error))?;
        if have < size {
            let words =
                format!("the download broke off after {have} of {size} bytes; the next goes on from there");
            return Err(Broken::ForNow(Failure::new(Kind::Server, words), None));
        }
        Ok(())
    }

    async fn read(&self, mut response: Response, most: usize) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len().saturating_add(piece.len()) > most {
                return Err(self.nonsense("its answer is longer than any"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn place(&self, path: &str) -> Outcome<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|_| self.nonsense("it names a place that is none"))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::new(
            Kind::Server,
            format!(
                "the update server {} was not reached: {}; an image that is at hand can be installed by \
                 `latchkey update install FILE`",
                self.base,
                words(error)
            ),
        )
    }

    fn busy(&self, status: StatusCode, after: Option<Duration>) -> Failure {
        let when = match after {
            Some(wait) => format!(
                "it asks to be left alone for {} s; try again then",
                wait.as_secs()
            ),
            None => "try again in a while".to_owned(),
        };
        Failure::new(
            Kind::Server,
            format!("the update server {} answers {status}: {when}", self.base),
        )
    }

    fn nonsense(&self, why: &str) -> Failure {
        Failure::new(
            Kind::Server,
            format!(
                "{}: {why}; is it a latchkey-server? Nothing was changed",
                self.base
            ),
        )
    }
}

/// Whether a server that answers so may answer otherwise later.
fn is_busy(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}

/// How long a server asks to be left alone.
fn told_wait(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    pause::retry_after(value, SystemTime::now())
}

/// The causes of an error of the network: itself it says but that a request came to nothing, and the whole URL.
fn words(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut words = match cause {
        Some(first) => first.to_string(),
        None => return error.to_string(),
    };
    cause = cause.and_then(std::error::Error::source);
    while let Some(this) = cause {
        words = format!("{words}: {this}");
        cause = this.source();
    }
    words
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    to.with_file_name(name)
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

/// The file to go on with; from its beginning where the server begins there.
fn open_part(part: &Path, have: &mut u64, resumes: bool) -> Outcome<File> {
    let failed = |error: std::io::Error| Failure::file(part, "write", error);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(part)
        .map_err(failed)?;
    if !resumes {
        *have = 0;
        file.set_len(0).map_err(failed)?;
    }
    file.seek(SeekFrom::Start(*have)).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
