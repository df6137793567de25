//! What every request passes before its handler: an id, a place, a token or a session, a time limit; and what is noted
//! after. Its body comes before its place, but where an operator's token is shown: whoever else sends slowly keeps nobody
//! waiting. What is turned away for that, or because its address has nothing left, is counted apart from what is answered:
//! a flood of it is no failure of this server, and hides none.

use std::net::IpAddr;

use axum::RequestExt as _;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_directive::ProblemCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::dashboard::{self, forms};
use super::problem::ProvedNothing;
use super::{App, operations, payload};
use crate::Service;
use crate::domain::access::{Permission, TokenSecret};
use crate::domain::device::{Device, Refused};
use crate::failure::{Failure, Kind};
use crate::ids;
use crate::limits::{PLACE_WAIT, REQUEST_TIMEOUT, UNPROVEN_BODY_TIMEOUT, busy_again_s};
use crate::metrics::Unheard;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the answer is no secret.
    Public,
    /// Locks. The message itself says and proves who sent it; failures are CBOR.
    Lock,
    /// Devices that speak hawkBit's interface: the one that the path names, by its token.
    Target,
    /// Whoever has a token with this permission.
    Token(Permission),
    /// Whoever wants to sign in at the dashboard, by this server's own form.
    SignIn,
    /// Whoever has signed in at the dashboard and has this permission; what they send comes by their session's own
    /// forms. Failures are pages.
    Session(Permission),
}

/// On requests: whose connection they came over.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// On requests that came without TLS to a server that has it.
#[derive(Clone, Copy, Debug)]
pub struct InTheClear;

/// On requests that came with TLS, here or to a proxy in front of this server.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The gate of one route.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) route: &'static str,
    pub(super) access: Access,
    pub(super) body_bytes_max: usize,
}

/// Takes a request through the gate.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    // The id is for finding a log line; without randomness it is merely less good for that.
    let id = hex::encode(ids::random::<8>().unwrap_or_default());
    let asked = dashboard::Asked::of(&request);
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut counted = Some(started);
    let work = gate.admit(request, next, &mut counted);
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, work.instrument(span.clone())).await;
    let _in_span = span.enter();
    let answered = answered.unwrap_or_else(|_| {
        Err(Failure::new(
            Kind::Busy,
            "the request took too long and was given up; whether it took effect is not known, so look first",
        ))
    });
    let mut response = answered.unwrap_or_else(|failure| gate.refuse(failure, &asked));
    if matches!(gate.access, Access::SignIn | Access::Session(_)) {
        dashboard::guard(response.headers_mut());
    }
    let status = response.status().as_u16();
    if let Some(since) = counted {
        let metrics = &gate.app.service.metrics;
        metrics.request(gate.route, status, since.elapsed().as_secs_f64());
    }
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

/// Since when a request counts as one that is answered; `None` when it is counted apart.
type Counted = Option<Instant>;

impl Gate {
    async fn admit(
        &self,
        mut request: Request,
        next: Next,
        counted: &mut Counted,
    ) -> Result<Response, Failure> {
        if self.is_behind_tls(&request) {
            request.extensions_mut().insert(OverTls);
        }
        if self.access == Access::SignIn {
            not_in_the_clear(&request)?;
            forms::same_site(&request)?;
        }
        if self.hears_anybody() {
            request = self.hear(request, counted).await?;
        }
        if self.route == operations::HEALTH {
            // Whether the server works is told where it is busy, too; who ask look once for all.
            return Ok(next.run(request).await);
        }
        let mut place = self.place().await?;
        match self.access {
            Access::Public | Access::SignIn => {}
            Access::Lock => return self.listen(request, next, counted).await,
            Access::Target => {
                not_in_the_clear(&request)?;
                let device = self.target(&mut request, counted).await?;
                (request, place) = self.hear_meanwhile(place, request, counted).await?;
                request.extensions_mut().insert(device);
            }
            Access::Token(permission) => {
                not_in_the_clear(&request)?;
                let caller = self.caller(request.headers(), permission).await?;
                request.extensions_mut().insert(caller);
            }
            Access::Session(permission) => {
                not_in_the_clear(&request)?;
                forms::same_site(&request)?;
                let tls = request.extensions().get::<OverTls>().is_some();
                let session = dashboard::session(&self.app, request.headers(), tls).await?;
                session.caller().must(permission)?;
                (request, place) = self.hear_meanwhile(place, request, counted).await?;
                request = forms::marked(request, session.mark(), self.body_bytes_max).await?;
                request.extensions_mut().insert(session.caller().clone());
                request.extensions_mut().insert(session);
            }
        }
        let response = next.run(request).await;
        drop(place);
        Ok(response)
    }

    /// A place among the requests that are worked on. Who waits for one costs a connection, and no more.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let free = self.app.places.clone().acquire_owned();
        let place = tokio::time::timeout(PLACE_WAIT, free).await.ok();
        place.and_then(Result::ok).ok_or_else(|| {
            Failure::new(
                Kind::Busy,
                "the server has as many requests as it can work on; nothing was done, try again in a minute",
            )
        })
    }

    /// Whether anybody may have a body read here: what it proves, if anything, is in the body.
    fn hears_anybody(&self) -> bool {
        let anybody = match self.access {
            Access::Public | Access::Lock | Access::SignIn => true,
            Access::Target | Access::Token(_) | Access::Session(_) => false,
        };
        anybody && self.body_bytes_max > 0
    }

    /// The same request, with its body in memory. Its address pays when the body does not come: late, broken off, or
    /// hung up on. It counts from when the body is there: how long that takes is the sender's affair.
    async fn hear(&self, request: Request, counted: &mut Counted) -> Result<Request, Failure> {
        let address = self.address(&request);
        if let Some(address) = address {
            self.address_may(address, counted)?;
        }
        *counted = None;
        let service = &self.app.service;
        let debt = Debt {
            service,
            address,
            forgiven: false,
        };
        let read = tokio::time::timeout(UNPROVEN_BODY_TIMEOUT, self.body(request)).await;
        let request = read.map_err(|_| {
            Failure::new(
                Kind::Busy,
                "the body did not come in time; nothing was done, try again in a minute",
            )
        })??;
        debt.forgive();
        *counted = Some(Instant::now());
        Ok(request)
    }

    async fn body(&self, request: Request) -> Result<Request, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = payload::read(body, self.body_bytes_max).await?;
        Ok(Request::from_parts(parts, bytes.into()))
    }

    /// The same for who has shown what many have, a device's token or a viewer's session: the place is another's until the
    /// body is there, and no address pays for it.
    async fn hear_meanwhile(
        &self,
        place: OwnedSemaphorePermit,
        request: Request,
        counted: &mut Counted,
    ) -> Result<(Request, OwnedSemaphorePermit), Failure> {
        if request.method().is_safe() {
            return Ok((request, place));
        }
        drop(place);
        *counted = None;
        let request = self.body(request).await?;
        *counted = Some(Instant::now());
        Ok((request, self.place().await?))
    }

    /// What a lock says, or somebody who says so: paid for by the address where it proves nothing.
    async fn listen(&self, request: Request, next: Next, counted: &mut Counted) -> Result<Response, Failure> {
        let says = request.method() == Method::POST;
        let Some(address) = self.address(&request).filter(|_| says) else {
            return Ok(next.run(request).await);
        };
        // Asked again: much may have come from there while the body did.
        self.address_may(address, counted)?;
        let response = next.run(request).await;
        if response.extensions().get::<ProvedNothing>().is_some() {
            self.app.service.address_pays(address);
        }
        Ok(response)
    }

    /// Whether a request came through one of our proxies, and over TLS so far: a proxy that takes requests in the clear
    /// has to say so.
    fn is_behind_tls(&self, request: &Request) -> bool {
        let peer = request.extensions().get::<Peer>();
        let by_proxy = peer.is_some_and(|Peer(peer)| self.app.proxies.contains(&peer.to_canonical()));
        let told = request.headers().get_all(FORWARDED_PROTO).iter().next_back();
        by_proxy && told.is_none_or(|told| !told.as_bytes().eq_ignore_ascii_case(b"http"))
    }

    /// The device that a path of hawkBit's interface names, when it shows its token. Who shows another pays as whoever
    /// proves nothing.
    async fn target(&self, request: &mut Request, counted: &mut Counted) -> Result<Device, Failure> {
        let address = self.address(request);
        if let Some(address) = address {
            self.address_may(address, counted)?;
        }
        let named = request.extract_parts::<RawPathParams>().await.ok();
        let name = named
            .as_ref()
            .and_then(|named| named.iter().find(|(name, _)| *name == "device"));
        let token = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("TargetToken "));
        let name = name.map_or("", |(_, name)| name);
        let found = self
            .app
            .service
            .hawkbit_device(name, token.unwrap_or_default())
            .await;
        if let (Err(failure), Some(address)) = (&found, address)
            && failure.kind == Kind::Unauthenticated
        {
            self.app.service.address_pays(address);
        }
        found
    }

    fn address_may(&self, address: IpAddr, counted: &mut Counted) -> Result<(), Failure> {
        let service = &self.app.service;
        service.address_may(address).map_err(|_| {
            *counted = None;
            service.metrics.turned_away(Unheard::Address);
            Failure::new(
                Kind::TooOften,
                "too much came from this address that proved nothing; nothing was done, try again in a minute",
            )
        })
    }

    /// Whose address a request came from: what the nearest proxy that is ours says, or the connection's own.
    fn address(&self, request: &Request) -> Option<IpAddr> {
        let Peer(peer) = *request.extensions().get::<Peer>()?;
        if !self.app.proxies.contains(&peer.to_canonical()) {
            return Some(peer);
        }
        // In front of the last comma stands what the client said of itself: anything, text or not.
        let told = request.headers().get_all(FORWARDED_FOR).iter().next_back();
        let last = told.and_then(|told| told.as_bytes().rsplit(|byte| *byte == b',').next());
        let named = last.and_then(|last| str::from_utf8(last).ok()?.trim().parse().ok());
        Some(named.unwrap_or(peer))
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

    fn refuse(&self, failure: Failure, asked: &dashboard::Asked) -> Response {
        match self.access {
            Access::Lock if failure.kind == Kind::Invalid => {
                Refused::because(ProblemCode::Malformed, busy_again_s()).into_response()
            }
            Access::Lock => Refused::from(failure).into_response(),
            Access::SignIn | Access::Session(_) => dashboard::refused(failure, asked),
            // The dashboard's files are for anybody, and whoever fails to get one is at the dashboard still.
            Access::Public if dashboard::has(self.route) => dashboard::refused(failure, asked),
            Access::Public | Access::Target | Access::Token(_) => failure.into_response(),
        }
    }
}

/// What an address owes for a body that did not come. It pays when this is dropped, whatever drops it: the request of a
/// client that hangs up is dropped where it stands.
struct Debt<'a> {
    service: &'a Service,
    address: Option<IpAddr>,
    forgiven: bool,
}

impl Debt<'_> {
    fn forgive(mut self) {
        self.forgiven = true;
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if self.forgiven {
            return;
        }
        self.service.metrics.turned_away(Unheard::Body);
        if let Some(address) = self.address {
            self.service.address_pays(address);
        }
    }
}

fn not_in_the_clear(request: &Request) -> Result<(), Failure> {
    if request.extensions().get::<InTheClear>().is_none() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Unauthenticated,
        "tokens are taken over TLS only, and this came in the clear; nothing was done. Use the server's https address, \
         and have a token that was sent here revoked: it may have been seen",
    ))
}
