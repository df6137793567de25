//! What every request passes before its handler: an id, a place, a token, a time limit; and what is noted after.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_directive::ProblemCode;
use tracing::Instrument as _;

use super::App;
use crate::domain::access::{Permission, TokenSecret};
use crate::domain::device::Refused;
use crate::failure::{Failure, Kind};
use crate::ids;
use crate::limits::{BUSY_RETRY_S, REQUEST_TIMEOUT};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the answer is no secret.
    Public,
    /// Locks. The message itself says and proves who sent it; failures are CBOR.
    Lock,
    /// Whoever has a token with this permission.
    Token(Permission),
}

/// On requests that came without TLS to a server that has it.
#[derive(Clone, Copy, Debug)]
pub struct InTheClear;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The gate of one route.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) route: &'static str,
    pub(super) access: Access,
}

/// Takes a request through the gate.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    // The id is for finding a log line; without randomness it is merely less good for that.
    let id = hex::encode(ids::random::<8>().unwrap_or_default());
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let work = gate.admit(request, next);
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, work.instrument(span.clone())).await;
    let _in_span = span.enter();
    let mut response = answered.unwrap_or_else(|_| {
        gate.refuse(Failure::new(
            Kind::Busy,
            "the request took too long and was given up; whether it took effect is not known, so look first",
        ))
    });
    let status = response.status().as_u16();
    gate.app
        .service
        .metrics
        .request(gate.route, status, started.elapsed().as_secs_f64());
    tracing::debug!(status, ms = started.elapsed().as_millis(), "answered");
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

impl Gate {
    async fn admit(&self, mut request: Request, next: Next) -> Response {
        let Ok(_place) = self.app.places.clone().try_acquire_owned() else {
            return self.refuse(Failure::new(
                Kind::Busy,
                "the server has as many requests as it can work on; nothing was done, try again in a minute",
            ));
        };
        if let Access::Token(permission) = self.access {
            if request.extensions().get::<InTheClear>().is_some() {
                return self.refuse(Failure::new(
                    Kind::Unauthenticated,
                    "tokens are taken over TLS only, and this came in the clear; nothing was done. Use the server's \
                     https address, and have a token that was sent here revoked: it may have been seen",
                ));
            }
            match self.caller(request.headers(), permission).await {
                Ok(caller) => request.extensions_mut().insert(caller),
                Err(failure) => return self.refuse(failure),
            };
        }
        next.run(request).await
    }

    async fn caller(
        &self,
        headers: &HeaderMap,
        permission: Permission,
    ) -> Result<crate::domain::access::Caller, Failure> {
        let presented = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(TokenSecret::presented)
            .ok_or_else(|| {
                Failure::new(
                    Kind::Unauthenticated,
                    "this needs a token: send the header `Authorization: Bearer lks_…`",
                )
            })?;
        let caller = self.app.service.authenticate(&presented).await?;
        caller.must(permission)?;
        Ok(caller)
    }

    fn refuse(&self, failure: Failure) -> Response {
        match self.access {
            Access::Lock => Refused {
                code: ProblemCode::Busy,
                call_again_s: BUSY_RETRY_S,
                cause: Some(failure),
            }
            .into_response(),
            Access::Public | Access::Token(_) => failure.into_response(),
        }
    }
}
