//! A small HTTP server for a test, in threads of its own, on a port of its own, until it is dropped.
//!
//! Knows nothing of what is said; [`StolenServer`](crate::StolenServer) and [`Proxy`](crate::Proxy) do.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What locks send is small; anything longer is not from a lock.
const BODY_MAX: usize = 1 << 20;

/// A request, its body read to the end.
pub(crate) struct Received {
    pub(crate) method: axum::http::Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The server; it ends when this is dropped.
pub(crate) struct HttpServer {
    address: SocketAddr,
    _runtime: Runtime,
}

impl HttpServer {
    /// Answers every request with what `answer` makes of it.
    pub(crate) fn start<A, F>(answer: A) -> Result<Self>
    where
        A: Fn(Received) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(move |request: Request| {
            let answer = answer.clone();
            async move {
                let (head, body) = request.into_parts();
                match axum::body::to_bytes(body, BODY_MAX).await {
                    Ok(body) => {
                        let received = Received {
                            method: head.method,
                            uri: head.uri,
                            headers: head.headers,
                            body,
                        };
                        answer(received).await
                    }
                    Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
                }
            }
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            _runtime: runtime,
        })
    }

    /// As a lock's configuration names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// One page at an address of its own, as pages that use Bluetooth need one.
pub struct WebPage(HttpServer);

impl WebPage {
    /// Serves this and nothing else.
    ///
    /// # Panics
    /// When no port can be had.
    #[must_use]
    pub fn new(html: &'static str) -> Self {
        let answer = move |received: Received| async move {
            match received.uri.path() {
                "/" => Html(html).into_response(),
                // Browsers ask for it whatever the page says.
                "/favicon.ico" => StatusCode::NO_CONTENT.into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        };
        Self(HttpServer::start(answer).expect("there is a port"))
    }

    /// Where it is. A name, since browsers trust `localhost` as they trust HTTPS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}/", self.0.address.port())
    }
}

/// The part of `whole` that a `Range: bytes=N-` or `bytes=N-M` header asks for.
pub(crate) fn ranged(headers: &HeaderMap, whole: &[u8], etag: &str) -> Response {
    let asked = headers.get("range").and_then(|range| range.to_str().ok());
    let range = asked
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| {
            let (from, to) = range.split_once('-')?;
            let last = whole.len().checked_sub(1)?;
            let to = if to.is_empty() {
                last
            } else {
                to.parse::<usize>().ok()?.min(last)
            };
            let from = from.parse::<usize>().ok()?;
            Some((from, to, whole.get(from..=to)?.to_vec()))
        });
    let etag = ("etag", format!("\"{etag}\""));
    match range {
        Some((from, to, part)) => {
            let place = ("content-range", format!("bytes {from}-{to}/{}", whole.len()));
            (StatusCode::PARTIAL_CONTENT, [etag, place], part).into_response()
        }
        None if asked.is_some() => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        None => ([etag], whole.to_vec()).into_response(),
    }
}
