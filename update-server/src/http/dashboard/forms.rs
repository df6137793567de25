//! What a form must show before anything is done with it: that it is from this server's own page, and of this session.
//! And reading what forms and addresses bring: every mistake is a page.
//!
//! Two rules, each enough by itself: the browser's word where the request comes from (`Sec-Fetch-Site`, `Origin`), and
//! a mark that only the session's own pages carry. They are kept by the gate, so no handler can forget them.

use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::Failed;
use crate::domain::session::FormMark;
use crate::failure::{Failure, Kind};

/// The field that carries a session's mark.
pub(in crate::http) const MARK: &str = "csrf";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A form's fields, as its route has them. Fields it does not know are left alone: the mark is one.
pub(in crate::http) struct Filled<T>(pub(in crate::http) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Filled<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let read = Form::from_request(request, state).await;
        read.map(|Form(fields)| Self(fields))
            .map_err(|rejection| not_understood("form", &rejection.body_text()))
    }
}

/// What stands behind the question mark of a page's address. What it does not know is left alone.
pub(in crate::http) struct Chosen<T>(pub(in crate::http) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Chosen<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Self(asked))
            .map_err(|rejection| not_understood("address", &rejection.body_text()))
    }
}

/// The parts of a page's address.
pub(in crate::http) struct At<T>(pub(in crate::http) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(place)| Self(place))
            .map_err(|rejection| not_understood("address", &rejection.body_text()))
    }
}

fn not_understood(what: &str, why: &str) -> Failed {
    let detail = format!(
        "the {what} was not understood: {why}. Nothing was done; go on from the dashboard's own pages"
    );
    Failure::new(Kind::Invalid, detail).into()
}

fn only_looks(request: &Request) -> bool {
    request.method().is_safe()
}

/// Goes on when the browser says that the request comes from this server's own page, or when it changes nothing.
///
/// # Errors
/// [`Kind::CrossSite`].
pub(in crate::http) fn same_site(request: &Request) -> Result<(), Failure> {
    if only_looks(request) {
        return Ok(());
    }
    let headers = request.headers();
    let site = text(headers, &FETCH_SITE);
    let origin = text(headers, &header::ORIGIN);
    let own = match (site, origin) {
        (None, None) => false,
        (site, origin) => {
            site.is_none_or(|site| site == "same-origin")
                && origin.is_none_or(|origin| is_own(origin, text(headers, &header::HOST)))
        }
    };
    if own {
        return Ok(());
    }
    Err(Failure::new(
        Kind::CrossSite,
        "the browser does not say that this form comes from this server's own page, so nothing was done. Open the page \
         here and send it again; if you did, something between here and your browser changes Origin or Host",
    ))
}

fn is_own(origin: &str, host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    let (Ok(origin), Ok(here)) = (Url::parse(origin), Url::parse(&format!("http://{host}/"))) else {
        return false;
    };
    // A port that is left out is that of the scheme the browser used.
    let usual = match origin.scheme() {
        "https" => Some(443),
        "http" => Some(80),
        _ => return false,
    };
    let port = |url: &Url| url.port().or(usual);
    origin.host_str().is_some() && origin.host_str() == here.host_str() && port(&origin) == port(&here)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Goes on with the same request when its form carries the session's mark, or when it changes nothing. Reads at most
/// `bytes_max`.
///
/// # Errors
/// [`Kind::CrossSite`]; [`Kind::TooLarge`].
pub(in crate::http) async fn marked(
    request: Request,
    mark: &FormMark,
    bytes_max: usize,
) -> Result<Request, Failure> {
    if only_looks(&request) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, bytes_max).await.map_err(|_| {
        Failure::new(
            Kind::TooLarge,
            format!("the form is longer than {bytes_max} bytes, or ended early; nothing was done"),
        )
    })?;
    let carries = url::form_urlencoded::parse(&bytes)
        .find(|(name, _)| name == MARK)
        .is_some_and(|(_, value)| mark.is(&value));
    if !carries {
        return Err(Failure::new(
            Kind::CrossSite,
            "the form does not carry this session's mark: it is older than the session, or not from here. Nothing was \
             done; load the page again and send it again",
        ));
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_servers_own_address_is_its_own() {
        for (origin, host) in [
            ("http://127.0.0.1:8470", "127.0.0.1:8470"),
            ("https://updates.example", "updates.example"),
            ("https://updates.example", "updates.example:443"),
            ("http://[::1]:8470", "[::1]:8470"),
            ("https://Updates.Example", "updates.example"),
        ] {
            assert!(is_own(origin, Some(host)), "{origin} at {host}");
        }
        for (origin, host) in [
            ("null", "updates.example"),
            ("", "updates.example"),
            ("https://evil.example", "updates.example"),
            ("https://updates.example.evil.example", "updates.example"),
            ("https://updates.example:8443", "updates.example"),
            ("https://updates.example", "updates.example:8443"),
            ("ftp://updates.example", "updates.example"),
            ("http://127.0.0.1:8471", "127.0.0.1:8470"),
            ("http://localhost:8470", "127.0.0.1:8470"),
            ("https://updates.example@evil.example", "updates.example"),
        ] {
            assert!(!is_own(origin, Some(host)), "{origin} at {host}");
        }
        assert!(!is_own("https://updates.example", None));
    }
}
