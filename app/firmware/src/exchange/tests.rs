//! Answers as bytes, well-formed and hostile, over a scripted connection.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::cell::RefCell;

use embassy_futures::block_on;
use embedded_io_async::{ErrorType, Write};
use embedded_nal_async::AddrType;

use super::*;

/// Says these bytes to whoever connects, so many at a time; then ends the connection, or falls silent.
struct Script {
    bytes: Vec<u8>,
    at_a_time: usize,
    silent: bool,
    asked: RefCell<Vec<u8>>,
}

struct Connection<'s> {
    script: &'s Script,
    said: usize,
}

impl ErrorType for Connection<'_> {
    type Error = Infallible;
}

impl Read for Connection<'_> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.script.bytes[self.said..];
        let length = rest.len().min(out.len()).min(self.script.at_a_time);
        if length == 0 && self.script.silent {
            core::future::pending::<()>().await;
        }
        out[..length].copy_from_slice(&rest[..length]);
        self.said += length;
        Ok(length)
    }
}

impl Write for Connection<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.script.asked.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }
    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl TcpConnect for Script {
    type Error = Infallible;
    type Connection<'a> = Connection<'a>;
    async fn connect(&self, _: SocketAddr) -> Result<Connection<'_>, Infallible> {
        Ok(Connection {
            script: self,
            said: 0,
        })
    }
}

impl Dns for Script {
    type Error = Infallible;
    async fn get_host_by_name(&self, _: &str, _: AddrType) -> Result<IpAddr, Infallible> {
        Ok(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, Infallible> {
        Ok(0)
    }
}

fn script(bytes: impl Into<Vec<u8>>) -> Script {
    Script {
        bytes: bytes.into(),
        at_a_time: 7,
        silent: false,
        asked: RefCell::new(Vec::new()),
    }
}

fn route(script: &Script) -> Route<'_, Script, Script> {
    Route {
        tcp: script,
        dns: script,
        server: "http://update.example:8080",
    }
}

fn posted(script: &Script) -> Result<(u16, Vec<u8>), Failure> {
    let mut answer = [0; 16];
    let (status, length) = block_on(route(script).post("/path", b"body", &mut answer))?;
    Ok((status, answer[..length].to_vec()))
}

/// Takes everything that comes.
#[derive(Default)]
struct All {
    head: Option<Head>,
    body: Vec<u8>,
    most: Option<usize>,
}

fn soon_ms() -> u64 {
    Instant::now().as_millis() + 100
}

impl Sink for All {
    fn head(&mut self, head: Head) -> Option<u64> {
        self.head = Some(head);
        Some(soon_ms())
    }
    fn body(&mut self, bytes: &[u8]) -> Option<u64> {
        self.body.extend(bytes);
        self.most.is_none_or(|most| self.body.len() < most).then(soon_ms)
    }
}

fn fetched(script: &Script, sink: &mut All) -> Result<(), Failure> {
    block_on(route(script).fetch(ImageDigest([0xab; 32]), 40, soon_ms(), sink))
}

#[test]
fn a_question_and_its_answer() {
    let script = script("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(posted(&script), Ok((200, b"hello".to_vec())));
    let asked = std::string::String::from_utf8(script.asked.into_inner()).unwrap();
    assert!(
        asked.starts_with("POST /path HTTP/1.1\r\nHost: update.example"),
        "{asked}"
    );
    assert!(
        asked.contains("application/cbor") && asked.ends_with("\r\n\r\nbody"),
        "{asked}"
    );
}

#[test]
fn a_range_is_asked_for_and_its_head_handed_on() {
    let script = script(
        "HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\ncontent-range: bytes 40-42/43\r\n\r\nend",
    );
    let mut all = All::default();
    assert_eq!(fetched(&script, &mut all), Ok(()));
    let head = all.head.unwrap();
    assert_eq!(head.fits(40, 43), Ok(()));
    assert_eq!(all.body, b"end");
    let asked = std::string::String::from_utf8(script.asked.into_inner()).unwrap();
    assert!(
        asked.starts_with(&format!("GET /device/v1/images/{} ", "ab".repeat(32))),
        "{asked}"
    );
    assert!(asked.contains("Range: bytes=40-\r\n"), "{asked}");
}

#[test]
fn answers_longer_than_any_message_are_cut_off() {
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{}", "x".repeat(17)),
        format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000)),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "9\r\nxxxxxxxxx\r\n".repeat(1000)
        ),
    ] {
        assert_eq!(posted(&script(answer)), Err(Failure::TooLong));
    }
}

#[test]
fn hostile_heads_end_in_a_named_failure() {
    let flood = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Y: z\r\n".repeat(1000));
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(100_000));
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n".repeat(9)
    );
    for answer in [
        flood.as_str(),
        endless.as_str(),
        many.as_str(),
        "",
        "\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut script = script(answer);
        for at_a_time in [1, usize::MAX] {
            script.at_a_time = at_a_time;
            let outcome = posted(&script);
            assert!(
                outcome.is_err(),
                "{:?} came through {outcome:?}",
                &answer[..answer.len().min(60)]
            );
        }
    }
}

#[test]
fn a_header_said_twice_is_not_believed() {
    let script = script(
        "HTTP/1.1 206 OK\r\nContent-Length: 3\r\nContent-Range: bytes 40-42/43\r\n\
         Content-Range: bytes 0-2/43\r\n\r\nend",
    );
    let mut all = All::default();
    let _ = fetched(&script, &mut all);
    assert_eq!(all.head.and_then(|head| head.range), None);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    for answer in [
        "",
        "HTTP/1.1 206 Part",
        "HTTP/1.1 206 OK\r\nContent-Length: 100\r\n\r\nsome of it",
    ] {
        let mut script = script(answer);
        script.silent = true;
        let mut all = All::default();
        assert_eq!(fetched(&script, &mut all), Err(Failure::Timeout), "{answer:?}");
    }
}

#[test]
fn the_sink_ends_a_download() {
    let mut all = All {
        most: Some(50),
        ..All::default()
    };
    let answer = format!(
        "HTTP/1.1 206 OK\r\nContent-Length: 9000\r\n\r\n{}",
        "x".repeat(9000)
    );
    assert_eq!(fetched(&script(answer), &mut all), Ok(()));
    assert!(all.body.len() < 60);
}

#[test]
fn an_address_that_is_too_long_is_no_address() {
    let script = script("");
    let server = format!("http://{}", "h".repeat(300));
    let route = Route {
        server: &server,
        ..route(&script)
    };
    assert_eq!(
        block_on(route.post("/path", b"", &mut [0])),
        Err(Failure::Connection)
    );
}
