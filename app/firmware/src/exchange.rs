//! One question to the update server and its answer: HTTP/1.1 by reqwless, over any TCP.
//!
//! Knows no network stack, so it is tested against scripted bytes. One connection a question, no redirects,
//! heads of at most [`HEAD_MAX`] bytes; every wait is bounded by the caller or by `until_ms`.

use core::fmt::Write as _;
use core::future::Future;

use embassy_time::{Instant, with_deadline};
use embedded_io_async::Read;
use embedded_nal_async::{Dns, TcpConnect};
use heapless::String;
use latchkey_image::ImageDigest;
use latchkey_lock::update::{ContentRange, Failure, Head, content_length};
use reqwless::client::HttpClient;
use reqwless::headers::ContentType;
use reqwless::request::{Method, RequestBuilder};
use reqwless::response::Response;

use crate::Sink;

/// The longest address of a server, in bytes.
pub(crate) const SERVER_MAX: usize = 128;
/// The longest head of an answer, in bytes.
const HEAD_MAX: usize = 1024;
/// How much of a download is handed on at once, at most, in bytes.
const CHUNK: usize = 2048;
const URL_MAX: usize = SERVER_MAX + 96;

/// How to reach the update server: a TCP stack, and the address as `http://HOST:PORT` without a slash behind.
pub(crate) struct Route<'r, T: TcpConnect, D: Dns> {
    pub(crate) tcp: &'r T,
    pub(crate) dns: &'r D,
    pub(crate) server: &'r str,
}

impl<T: TcpConnect, D: Dns> Route<'_, T, D> {
    fn url(&self, path: &str) -> Result<String<URL_MAX>, Failure> {
        let mut url = String::new();
        write!(url, "{}{path}", self.server).map_err(|_| Failure::Connection)?;
        Ok(url)
    }

    /// Sends a body; gives the answer's status and the length of its body in `answer`. The caller bounds the
    /// time.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &[u8],
        answer: &mut [u8],
    ) -> Result<(u16, usize), Failure> {
        let url = self.url(path)?;
        let mut client = HttpClient::new(self.tcp, self.dns);
        let mut head = [0; HEAD_MAX];
        let request = client.request(Method::POST, &url).await.map_err(failure)?;
        let mut request = request.body(body).content_type(ContentType::ApplicationCbor);
        let response = request.send(&mut head).await.map_err(failure)?;
        let status = response.status.0;
        let mut reader = response.body().reader();
        let mut length: usize = 0;
        loop {
            let room = answer.get_mut(length..).unwrap_or_default();
            if room.is_empty() {
                // Full: fine when that was all.
                let more = reader.read(&mut [0]).await.map_err(failure)?;
                return if more == 0 {
                    Ok((status, length))
                } else {
                    Err(Failure::TooLong)
                };
            }
            match reader.read(room).await.map_err(failure)? {
                0 => return Ok((status, length)),
                read => length = length.saturating_add(read),
            }
        }
    }

    /// Asks for an image from an offset on; see [`crate::Uplink::fetch`].
    pub(crate) async fn fetch(
        &self,
        image: ImageDigest,
        from: u32,
        until_ms: u64,
        sink: &mut impl Sink,
    ) -> Result<(), Failure> {
        let mut path = String::<96>::new();
        write!(path, "/device/v1/images/{image}").map_err(|_| Failure::Connection)?;
        let mut range = String::<32>::new();
        write!(range, "bytes={from}-").map_err(|_| Failure::Connection)?;
        let headers = [("Range", range.as_str())];
        let url = self.url(&path)?;
        let mut client = HttpClient::new(self.tcp, self.dns);
        let mut buffer = [0; HEAD_MAX];

        let asked = async {
            let request = client.request(Method::GET, &url).await.map_err(failure)?;
            Ok(request.headers(&headers))
        };
        let mut request = by(until_ms, asked).await?;
        let sent = async { request.send(&mut buffer).await.map_err(failure) };
        let response = by(until_ms, sent).await?;
        let Some(mut until_ms) = sink.head(head_of(&response)) else {
            return Ok(());
        };
        let mut reader = response.body().reader();
        let mut chunk = [0; CHUNK];
        loop {
            let read = async { reader.read(&mut chunk).await.map_err(failure) };
            let length = by(until_ms, read).await?;
            if length == 0 {
                return Ok(());
            }
            match sink.body(chunk.get(..length).unwrap_or_default()) {
                Some(next_ms) => until_ms = next_ms,
                None => return Ok(()),
            }
        }
    }
}

/// Waits for a result, but no longer than until then.
async fn by<T>(until_ms: u64, what: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let until = Instant::from_millis(until_ms);
    with_deadline(until, what).await.unwrap_or(Err(Failure::Timeout))
}

fn head_of<C: Read>(response: &Response<'_, '_, C>) -> Head {
    let header = |name: &str| {
        let mut found = response
            .headers()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value);
        // Said twice is said by two: whom to believe is not ours to guess.
        value.filter(|_| found.next().is_none())
    };
    Head {
        status: response.status.0,
        length: header("content-length").and_then(content_length),
        range: header("content-range").and_then(ContentRange::parse),
    }
}

fn failure(error: reqwless::Error) -> Failure {
    match error {
        reqwless::Error::Dns | reqwless::Error::Network(_) | reqwless::Error::InvalidUrl(_) => {
            Failure::Connection
        }
        reqwless::Error::ConnectionAborted => Failure::TooShort,
        reqwless::Error::Codec
        | reqwless::Error::BufferTooSmall
        | reqwless::Error::AlreadySent
        | reqwless::Error::IncorrectBodyWritten => Failure::NotHttp,
    }
}

#[cfg(test)]
mod tests;
