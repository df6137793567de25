//! A server on a real socket, and clients that say what they like, as slowly as they like.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use latchkey_server::http::{Bounds, Door, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::visit::{HOST, ORIGIN};

/// Where anybody may send something, and proves nothing before it has come.
pub(crate) const ANYBODYS_FORMS: [&str; 4] = [
    "/device/v1/enrol",
    "/device/v1/check-in",
    "/device/v1/report",
    "/dashboard/sign-in",
];

/// Serves so many connections at one time, wherever they come from, until the test ends.
pub(crate) async fn served(router: Router, connections: usize) -> SocketAddr {
    let bounds = Bounds {
        of_one_address: connections,
        ..Bounds::usual(connections)
    };
    served_within(router, bounds).await
}

/// Serves until the test ends.
pub(crate) async fn served_within(router: Router, bounds: Bounds) -> SocketAddr {
    let door = Door {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        router,
        tls: None,
    };
    served_at(door, bounds)
}

/// Serves there until the test ends.
pub(crate) fn served_at(door: Door, bounds: Bounds) -> SocketAddr {
    let address = door.listener.local_addr().unwrap();
    tokio::spawn(serve(vec![door], bounds, std::future::pending()));
    address
}

/// One connection.
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// A connection from one of this machine's own addresses: all of 127.0.0.0/8 are.
    pub(crate) async fn from(address: &str, server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
        Self(socket.connect(server).await.unwrap())
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Asks to send a body of so many bytes.
    pub(crate) async fn announce(&mut self, path: &str, bytes: usize) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {HOST}\r\norigin: {ORIGIN}\r\ncontent-length: {bytes}\r\n\
             content-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\n\r\n"
        );
        self.say(head.as_bytes()).await;
    }

    /// The same, and the server waits for it when this returns.
    pub(crate) async fn begin(&mut self, path: &str, bytes: usize) {
        self.announce(path, bytes).await;
        assert_eq!(self.status().await, StatusCode::CONTINUE, "{path}");
    }

    /// The status of the next answer, read to the end of its head.
    pub(crate) async fn status(&mut self) -> StatusCode {
        let head = self.head().await;
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.unwrap_or_else(|| panic!("said {head:?}")).parse().unwrap()
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// What still comes until the server ends the connection, or cuts it off.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // How it ends the connection is its own affair.
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    }
}
