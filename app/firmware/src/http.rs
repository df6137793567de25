//! The way to the update server: HTTP/1.1 without TLS, over embassy-net and reqwless.
//!
//! Without TLS, because nothing here needs it: what decides is signed on both sides and bound to a nonce, and an
//! image proves itself. An eavesdropper learns which version a lock runs; SECURITY.md says so.
//! One connection a request, no redirects, headers of at most [`HEAD_MAX`] bytes, every wait with a deadline.

use core::fmt::Write as _;

use core::future::Future;

use embassy_futures::select::select;
use embassy_net::Stack;
use embassy_net::dns::DnsSocket;
use embassy_net::tcp::client::{TcpClient, TcpClientState};
use embassy_time::{Instant, with_deadline};
use embedded_io_async::Read;
use heapless::String;
use latchkey_image::ImageDigest;
use latchkey_lock::update::{ContentRange, Failure, Head, content_length};
use reqwless::client::HttpClient;
use reqwless::headers::ContentType;
use reqwless::request::{Method, RequestBuilder};
use reqwless::response::Response;

use crate::{Sink, Uplink};

/// The longest address of a server, in bytes.
pub const SERVER_MAX: usize = 128;
/// The longest head of an answer, in bytes.
const HEAD_MAX: usize = 1024;
/// How much of a download is handed on at once, at most, in bytes.
const CHUNK: usize = 2048;
const URL_MAX: usize = SERVER_MAX + 96;
const SEND_BUFFER: usize = 1024;
const RECEIVE_BUFFER: usize = 8192;

/// Buffers for one connection at a time.
pub type Buffers = TcpClientState<1, SEND_BUFFER, RECEIVE_BUFFER>;

/// The update server, over this board's network.
pub struct Http<'n> {
    stack: Stack<'n>,
    tcp: TcpClient<'n, 1, SEND_BUFFER, RECEIVE_BUFFER>,
    dns: DnsSocket<'n>,
    /// `http://HOST:PORT`, without a slash at the end; none when this lock has no server.
    server: Option<String<SERVER_MAX>>,
}

impl<'n> Http<'n> {
    /// A way to `server`, given as `http://HOST:PORT`. With none, or one that is too long, the lock is never
    /// online.
    pub fn new(stack: Stack<'n>, buffers: &'n Buffers, server: Option<&str>) -> Self {
        let server = server.and_then(|server| String::try_from(server.trim_end_matches('/')).ok());
        Self {
            stack,
            tcp: TcpClient::new(stack, buffers),
            dns: DnsSocket::new(stack),
            server,
        }
    }

    fn url(&self, path: &str) -> Result<String<URL_MAX>, Failure> {
        let server = self.server.as_ref().ok_or(Failure::Connection)?;
        let mut url = String::new();
        write!(url, "{server}{path}").map_err(|_| Failure::Connection)?;
        Ok(url)
    }
}

impl Uplink for Http<'_> {
    fn has_link(&self) -> bool {
        self.stack.is_link_up()
    }

    fn is_online(&self) -> bool {
        self.server.is_some() && self.stack.is_config_up()
    }

    async fn changed(&self) {
        let link = async {
            if self.stack.is_link_up() {
                self.stack.wait_link_down().await;
            } else {
                self.stack.wait_link_up().await;
            }
        };
        let config = async {
            if self.stack.is_config_up() {
                self.stack.wait_config_down().await;
            } else {
                self.stack.wait_config_up().await;
            }
        };
        select(link, config).await;
    }

    async fn post(&mut self, path: &str, body: &[u8], answer: &mut [u8]) -> Result<(u16, usize), Failure> {
        let url = self.url(path)?;
        let mut client = HttpClient::new(&self.tcp, &self.dns);
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

    async fn fetch(
        &mut self,
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
        let mut client = HttpClient::new(&self.tcp, &self.dns);
        let mut buffer = [0; HEAD_MAX];

        let head = async {
            let request = client.request(Method::GET, &url).await.map_err(failure)?;
            Ok(request.headers(&headers))
        };
        let mut request = by(until_ms, head).await?;
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
