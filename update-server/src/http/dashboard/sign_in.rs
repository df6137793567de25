//! Signing in and out: a token for a session, a session for a cookie. By a provider's word: [`super::provider`].

use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::cookies::SESSION;
use super::forms::{Chosen, Filled};
use super::page::{Page, html};
use super::provider::LEAVE;
use super::{Failed, HOME, SIGN_IN, Shown, see, with_next};
use crate::domain::access::TokenSecret;
use crate::domain::session::{Begun, Session};
use crate::failure::{Failure, Kind};
use crate::http::{App, OverTls, problem};
use crate::limits::SIGN_IN_PENALTY;

/// Where to go afterwards.
#[derive(Deserialize)]
pub(in crate::http) struct Next {
    #[serde(default)]
    pub(super) next: String,
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
    /// The provider by whose word people sign in as well: its host, and the way there.
    provider: Option<(&'a str, String)>,
    /// Why somebody was not signed in: the kind, and in words.
    refused: Option<(&'a str, &'a str)>,
}

fn page(app: &App, next: &str, refused: Option<(&str, &str)>) -> Response {
    let provider = app.provider.as_ref();
    html(&SignInPage {
        page: Page::new("Sign in", "", None),
        next,
        provider: provider.map(|provider| (provider.host(), with_next(LEAVE, next))),
        refused,
    })
}

/// A page of this dashboard and nothing else: whoever made the link must not choose where a person ends up.
pub(super) fn onward(next: &str) -> &str {
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
pub(in crate::http) async fn show(State(app): State<App>, Chosen(Next { next }): Chosen<Next>) -> Shown {
    Ok(page(&app, onward(&next), None))
}

/// Takes a token.
pub(in crate::http) async fn enter(
    State(app): State<App>,
    tls: Option<Extension<OverTls>>,
    Filled(Given { token, next }): Filled<Given>,
) -> Shown {
    let presented = TokenSecret::presented(token.trim());
    match app.service.sign_in(&presented).await {
        Ok(begun) => {
            let mut response = see(onward(&next));
            let_in(&mut response, &begun, tls.is_some());
            Ok(response)
        }
        Err(failure) => refuse(&app, failure, onward(&next)).await,
    }
}

/// Hands a browser its session.
pub(super) fn let_in(response: &mut Response, begun: &Begun, tls: bool) {
    let life = Duration::from_millis(begun.life_ms.unsigned_abs());
    begun
        .secret
        .expose(|secret| SESSION.put(response, secret, life, tls));
}

/// The form again, with why it was not enough. Whoever proved nothing waits.
pub(super) async fn refuse(app: &App, failure: Failure, next: &str) -> Shown {
    if failure.kind == Kind::Unauthenticated {
        tracing::warn!(why = failure.detail, "somebody tried to sign in and could not");
        wait(app).await?;
    } else if matches!(failure.kind, Kind::Forbidden | Kind::Provider) {
        problem::log(&failure);
    } else {
        return Err(failure.into());
    }
    let refused = (problem::named(failure.kind).0, failure.detail.as_str());
    Ok((problem::status(failure.kind), page(app, next, Some(refused))).into_response())
}

/// Makes whoever failed wait, a bounded number at a time.
async fn wait(app: &App) -> Result<(), Failed> {
    let Ok(_place) = app.penalties.try_acquire() else {
        let detail = "too many sign-ins fail at this time; nothing was done, try again in a minute";
        return Err(Failure::new(Kind::TooOften, detail).into());
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
    SESSION.remove(&mut response, tls.is_some());
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
}
