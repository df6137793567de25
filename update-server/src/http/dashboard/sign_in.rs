//! Signing in and out: a token for a session, a session for a cookie.
//!
//! The cookie is out of reach for scripts and for other sites; over TLS it is also this host's alone (`__Host-`).

use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::page::{Page, html};
use super::{Failed, HOME, SIGN_IN, Shown, see};
use crate::domain::access::TokenSecret;
use crate::domain::session::{Session, SessionSecret};
use crate::failure::{Failure, Kind};
use crate::http::dashboard::forms::Filled;
use crate::http::{App, OverTls};
use crate::limits::{SESSION_LIFE_MS, SIGN_IN_PENALTY};

const NAME: &str = "latchkey";
const NAME_OVER_TLS: &str = "__Host-latchkey";

/// Where to go afterwards.
#[derive(Deserialize)]
pub(in crate::http) struct Next {
    #[serde(default)]
    next: String,
}

/// What the form brings.
#[derive(Deserialize)]
pub(in crate::http) struct Given {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "dashboard/sign_in.html")]
struct SignInPage<'a> {
    page: Page,
    next: &'a str,
    refused: Option<&'a str>,
}

/// The session's secret, of the cookies that came. The more guarded name goes first.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = || {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('='))
    };
    [NAME_OVER_TLS, NAME].into_iter().find_map(|wanted| {
        cookies()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    })
}

fn set_cookie(value: &str, life: Duration, tls: bool) -> Option<HeaderValue> {
    let (name, secure) = if tls {
        (NAME_OVER_TLS, "; Secure")
    } else {
        (NAME, "")
    };
    let seconds = life.as_secs();
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut cookie = HeaderValue::from_str(&cookie).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

/// A page of this dashboard and nothing else: whoever made the link must not choose where a person ends up.
fn onward(next: &str) -> &str {
    let rest = next.strip_prefix(HOME);
    let ours = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = next
        .bytes()
        .all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'\\');
    if ours && plain && !next.starts_with(SIGN_IN) {
        next
    } else {
        HOME
    }
}

/// The form.
pub(in crate::http) async fn show(Query(Next { next }): Query<Next>) -> Response {
    html(&SignInPage {
        page: Page::new("Sign in", "", None),
        next: onward(&next),
        refused: None,
    })
}

/// Takes a token.
pub(in crate::http) async fn enter(
    State(app): State<App>,
    tls: Option<Extension<OverTls>>,
    Filled(Given { token, next }): Filled<Given>,
) -> Shown {
    let presented = TokenSecret::presented(token.trim());
    match app.service.sign_in(&presented).await {
        Ok((secret, _)) => Ok(entered(&secret, onward(&next), tls.is_some())),
        Err(failure) if failure.kind == Kind::Unauthenticated => {
            tracing::warn!("somebody tried to sign in with a token that is not good");
            wait(&app).await?;
            let page = SignInPage {
                page: Page::new("Sign in", "", None),
                next: onward(&next),
                refused: Some(&failure.detail),
            };
            Ok((StatusCode::UNAUTHORIZED, html(&page)).into_response())
        }
        Err(failure) => Err(failure.into()),
    }
}

fn entered(secret: &SessionSecret, next: &str, tls: bool) -> Response {
    let life = Duration::from_millis(SESSION_LIFE_MS.unsigned_abs());
    let mut response = see(next);
    if let Some(cookie) = secret.expose(|secret| set_cookie(secret, life, tls)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Makes whoever failed wait, a bounded number at a time.
async fn wait(app: &App) -> Result<(), Failed> {
    let Ok(_place) = app.penalties.try_acquire() else {
        let detail = "too many sign-ins fail at this time; nothing was done, try again in a minute";
        return Err(Failure::new(Kind::Busy, detail).into());
    };
    tokio::time::sleep(SIGN_IN_PENALTY).await;
    Ok(())
}

/// Ends the session.
pub(in crate::http) async fn leave(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    tls: Option<Extension<OverTls>>,
) -> Shown {
    app.service.sign_out(&session).await?;
    let mut response = see(SIGN_IN);
    if let Some(cookie) = set_cookie("", Duration::ZERO, tls.is_some()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        for next in ["/dashboard", "/dashboard/rollouts?after=1", "/dashboard?x"] {
            assert_eq!(onward(next), next);
        }
        for next in [
            "",
            "/",
            "//evil.example",
            "https://evil.example/dashboard",
            "/dashboardx",
            "/dashboard\\..\\evil",
            "/dashboard/\r\nSet-Cookie: a=b",
            "/dashboard/sign-in?next=x",
            "/app/",
        ] {
            assert_eq!(onward(next), HOME, "{next:?}");
        }
    }

    #[test]
    fn a_cookie_is_this_sites_alone() {
        let plain = set_cookie("00", Duration::from_secs(5), false).unwrap();
        assert_eq!(plain, "latchkey=00; Path=/; Max-Age=5; HttpOnly; SameSite=Strict");
        let secure = set_cookie("00", Duration::from_secs(5), true).unwrap();
        assert_eq!(
            secure,
            "__Host-latchkey=00; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
