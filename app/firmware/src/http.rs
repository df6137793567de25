//! The way to the update server on boards with embassy-net: HTTP without TLS.
//!
//! Without TLS, because nothing here needs it: what decides is signed on both sides and bound to a nonce, and an
//! image proves itself. Who listens on the way learns which version a lock runs.

use embassy_futures::select::select;
use embassy_net::Stack;
use embassy_net::dns::DnsSocket;
use embassy_net::tcp::client::{TcpClient, TcpClientState};
use heapless::String;
use latchkey_image::ImageDigest;
use latchkey_lock::update::Failure;

use crate::exchange::{Route, SERVER_MAX};
use crate::{Sink, Uplink};

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

    fn route(
        &self,
    ) -> Result<Route<'_, TcpClient<'n, 1, SEND_BUFFER, RECEIVE_BUFFER>, DnsSocket<'n>>, Failure> {
        Ok(Route {
            tcp: &self.tcp,
            dns: &self.dns,
            server: self.server.as_ref().ok_or(Failure::Connection)?,
        })
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
        self.route()?.post(path, body, answer).await
    }

    async fn fetch(
        &mut self,
        image: ImageDigest,
        from: u32,
        until_ms: u64,
        sink: &mut impl Sink,
    ) -> Result<(), Failure> {
        self.route()?.fetch(image, from, until_ms, sink).await
    }
}
