//! The operators' dashboard: pages for people over the same domain as the API, rendered here, complete without scripts.
//!
//! A page decides nothing. What a button does is one call of the domain with the session's caller, then "see other": so
//! loading a page again repeats nothing. Scripts only keep what is shown fresh. Every answer goes out with [`guard`]'s
//! headers, every failure as a page ([`refused`]); who may come in is the gate's to say.

mod assets;
pub(super) mod audit;
mod chart;
mod cookies;
pub(super) mod devices;
mod dry_run;
pub(super) mod fleet;
pub(super) mod forms;
pub(super) mod live;
pub(super) mod new_rollout;
mod page;
pub(super) mod provider;
pub(super) mod releases;
pub(super) mod rollouts;
pub(super) mod sessions;
pub(super) mod sign_in;
pub(super) mod steps;
mod written;

pub(super) use assets::get as asset;

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::App;
use super::problem;
use crate::domain::session::{Session, SessionSecret};
use crate::failure::{Failure, Kind, Outcome};
use page::{Page, html};

/// Where the dashboard is.
pub(super) const HOME: &str = "/dashboard";
pub(super) const SIGN_IN: &str = "/dashboard/sign-in";

/// What a page may do: load from this server alone, run no script but its files, send forms nowhere else, be framed by
/// nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every answer of the dashboard goes out with. The referrer stays within the site: without it, browsers do not say
/// where a form comes from.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "bluetooth=(), camera=(), geolocation=(), microphone=(), usb=()",
    ),
];

/// Puts on an answer what every answer has.
pub(super) fn guard(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// What is known of a request once it is gone: where it went, and whether a person waits for a page.
pub(super) struct Asked {
    target: String,
    for_a_page: bool,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let accept = request
            .headers()
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("text/html");
        let target = request
            .uri()
            .path_and_query()
            .map_or(HOME, |target| target.as_str());
        Self {
            target: target.to_owned(),
            for_a_page: request.method().is_safe() && !accept.contains("text/event-stream"),
        }
    }
}

/// Whose session the request brings.
pub(super) async fn session(app: &App, headers: &HeaderMap, tls: bool) -> Outcome<Session> {
    let presented = cookies::SESSION.read(headers, tls).unwrap_or_default();
    app.service.session(&SessionSecret::presented(presented)).await
}

/// A failure, as a page. Who only wanted to look and has not signed in is shown where to.
pub(super) fn refused(failure: Failure, asked: &Asked) -> Response {
    if failure.kind == Kind::Unauthenticated && asked.for_a_page && !asked.target.starts_with(SIGN_IN) {
        return see(&with_next(SIGN_IN, &asked.target));
    }
    failed(failure)
}

/// Whether an address is one of the dashboard's, or would be.
pub(super) fn has(path: &str) -> bool {
    path.strip_prefix(HOME)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is at an address of the dashboard where nothing is, or not for this method.
pub(super) fn nothing() -> Response {
    failed(Failure::new(
        Kind::NotFound,
        "there is no such page; what a button does has no page of its own either. Nothing was done: go on from the \
         dashboard",
    ))
}

/// A failure as a page, wherever it comes from: with what every answer has.
fn failed(failure: Failure) -> Response {
    problem::log(&failure);
    let (kind, title) = problem::named(failure.kind);
    let status = problem::status(failure.kind);
    let page = FailedPage {
        page: Page::new(title, "", None),
        kind,
        detail: &failure.detail,
    };
    let mut response = (status, html(&page)).into_response();
    if matches!(failure.kind, Kind::Busy | Kind::TooOften) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, crate::limits::busy_again_s().into());
    }
    guard(response.headers_mut());
    response
}

/// A failure of a handler, which goes out as a page.
pub(super) struct Failed(Failure);

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        failed(self.0)
    }
}

/// What the dashboard's handlers give.
type Shown<T = Response> = Result<T, Failed>;

/// The address of a page that leads on to another.
fn with_next(path: &str, next: &str) -> String {
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{path}?next={next}")
}

/// On to another page after a change: loading it again repeats nothing.
fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

#[derive(Template)]
#[template(path = "dashboard/failed.html")]
struct FailedPage<'a> {
    page: Page,
    kind: &'a str,
    detail: &'a str,
}

/// The way in from the server's bare address.
pub(super) async fn root() -> (StatusCode, [(HeaderName, &'static str); 1]) {
    (StatusCode::SEE_OTHER, [(header::LOCATION, HOME)])
}
