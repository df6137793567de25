//! A man in the middle: between lock and real server, holding no key. He records, repeats and alters answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::http::{HttpServer, Received};

/// One answer of the real server, as it passed.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The path that was asked for.
    pub path: String,
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// What is done with an answer on its way: gives the body to send in its place.
type Alteration = Box<dyn Fn(&Answer) -> Bytes + Send + Sync>;

struct Middle {
    upstream: String,
    client: Client<HttpConnector, Body>,
    seen: Mutex<Vec<Answer>>,
    alteration: Mutex<Option<Alteration>>,
}

/// The proxy; it ends when this is dropped.
pub struct Proxy {
    http: HttpServer,
    middle: Arc<Middle>,
}

impl Proxy {
    /// Passes everything on to `upstream`, for now unchanged.
    ///
    /// # Errors
    /// No port can be had.
    pub fn start(upstream: &str) -> Result<Self> {
        let middle = Arc::new(Middle {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            seen: Mutex::default(),
            alteration: Mutex::default(),
        });
        let passing = Arc::clone(&middle);
        let http = HttpServer::start(move |received| {
            let middle = Arc::clone(&passing);
            async move {
                let passed = middle.pass(received).await;
                passed.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
            }
        })?;
        Ok(Self { http, middle })
    }

    /// As a lock's configuration names it.
    #[must_use]
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// From now on every answer's body becomes what `alteration` makes of it.
    pub fn alter(&self, alteration: impl Fn(&Answer) -> Bytes + Send + Sync + 'static) {
        *locked(&self.middle.alteration) = Some(Box::new(alteration));
    }

    /// The answers so far to requests for `path`, as the server gave them.
    #[must_use]
    pub fn answers(&self, path: &str) -> Vec<Answer> {
        let seen = locked(&self.middle.seen);
        seen.iter()
            .filter(|answer| answer.path == path)
            .cloned()
            .collect()
    }
}

impl Middle {
    async fn pass(&self, received: Received) -> Result<Response> {
        let path = received.uri.path().to_owned();
        let uri: Uri = format!("{}{}", self.upstream, received.uri).parse()?;
        let mut request = Request::builder().method(received.method).uri(uri);
        for (name, value) in received.headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        let answer = self
            .client
            .request(request.body(Body::from(received.body))?)
            .await?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await.context("the server broke off")?.to_bytes();
        let answer = Answer {
            path,
            status: head.status,
            body,
        };
        let altered = match locked(&self.alteration).as_ref() {
            Some(alter) => alter(&answer),
            None => answer.body.clone(),
        };
        locked(&self.seen).push(answer);
        head.headers.remove("content-length");
        head.headers.remove("transfer-encoding");
        Ok(Response::from_parts(head, Body::from(altered)))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
