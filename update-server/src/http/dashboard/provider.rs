//! Signing in by the word of an OpenID provider: the browser is sent there with a sealed attempt, and comes back once.
//!
//! Whatever comes of it, the attempt is taken from the browser. A browser that comes from another site keeps a session's
//! cookie to itself, so the last step is a page of ours that goes on by itself, not a redirect.

use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;

use super::cookies::ATTEMPT;
use super::forms::Chosen;
use super::page::{Page, html};
use super::sign_in::{Next, let_in, onward, refuse};
use super::{HOME, Shown, see};
use crate::domain::attempt::{Attempt, SealedAttempt};
use crate::domain::session::Begun;
use crate::failure::{Failure, Kind, Outcome};
use crate::http::{App, OverTls};
use crate::limits::ATTEMPT_LIFE_MS;
use crate::openid::{Provider, Returned};

/// Where a browser begins.
pub(in crate::http) const LEAVE: &str = "/dashboard/sign-in/provider";

/// Where the provider sends browsers back to. It has to know this address beforehand.
pub const CALLBACK: &str = "/dashboard/sign-in/callback";

/// What a browser brings back from the provider.
#[derive(Deserialize)]
pub(in crate::http) struct Brought {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/signed_in.html")]
struct SignedInPage<'a> {
    page: Page,
    name: &'a str,
    role: &'a str,
    next: &'a str,
}

/// Sends a browser to the provider.
pub(in crate::http) async fn leave(
    State(app): State<App>,
    tls: Option<Extension<OverTls>>,
    Chosen(Next { next }): Chosen<Next>,
) -> Shown {
    let next = onward(&next);
    let (attempt, sealed) = app.service.begin_attempt(next)?;
    let address = provider(&app)?.address(&attempt, app.service.now_ms()).await;
    let address = match address {
        Ok(address) => address,
        Err(failure) => return refuse(&app, failure, next).await,
    };
    let mut response = see(address.as_str());
    let life = Duration::from_millis(ATTEMPT_LIFE_MS.unsigned_abs());
    sealed.expose(|sealed| ATTEMPT.put(&mut response, sealed, life, tls.is_some()));
    Ok(response)
}

/// Takes a browser that comes from the provider.
pub(in crate::http) async fn come_back(
    State(app): State<App>,
    tls: Option<Extension<OverTls>>,
    headers: HeaderMap,
    Chosen(brought): Chosen<Brought>,
) -> Shown {
    let tls = tls.is_some();
    let sealed = SealedAttempt::presented(ATTEMPT.read(&headers, tls).unwrap_or_default());
    let mut response = match app.service.attempt(&sealed, &brought.state) {
        Err(failure) => refuse(&app, failure, HOME).await?,
        Ok(attempt) => match finish(&app, &attempt, brought).await {
            Err(failure) => refuse(&app, failure, onward(attempt.next())).await?,
            Ok(begun) => {
                let caller = begun.session.caller();
                let mut response = html(&SignedInPage {
                    page: Page::new("Signed in", "", None),
                    name: caller.person(),
                    role: caller.role().as_str(),
                    next: onward(attempt.next()),
                });
                let_in(&mut response, &begun, tls);
                response
            }
        },
    };
    ATTEMPT.remove(&mut response, tls);
    Ok(response)
}

async fn finish(app: &App, attempt: &Attempt, brought: Brought) -> Outcome<Begun> {
    let code = brought.code.filter(|_| brought.error.is_none());
    let code = code.ok_or_else(|| not_let_in(brought.error.as_deref().unwrap_or_default()))?;
    let returned = Returned {
        code,
        issuer: brought.iss,
    };
    let claims = provider(app)?
        .redeem(attempt, returned, app.service.now_ms())
        .await?;
    app.service.sign_in_as(attempt, &claims).await
}

fn provider(app: &App) -> Outcome<&Provider> {
    app.provider.as_deref().ok_or_else(|| {
        Failure::new(
            Kind::NotFound,
            "no identity provider is set up at this server; sign in with a token",
        )
    })
}

/// What the provider said instead of a code, where it is one of its short words: the text is not the provider's to choose.
fn not_let_in(error: &str) -> Failure {
    let word = !error.is_empty() && error.len() <= 50;
    let said = if word
        && error
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        error
    } else {
        "nothing of use"
    };
    Failure::new(
        Kind::Unauthenticated,
        format!(
            "the identity provider did not sign you in, and says: {said}. Nothing was done; try again, or ask whoever \
             runs it"
        ),
    )
}
