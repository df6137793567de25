//! Sessions at the dashboard in the operator API: who is signed in, and ending that early.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::devices::limit;
use super::payload::{Asked, Input};
use super::problem::Document;
use crate::domain::access::{Caller, Role};
use crate::domain::signed_in::{Lasting, SignedIn};
use crate::failure::Outcome;

/// Which of those who are signed in to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Only those whose login comes after this one: the last of the page before.
    after: Option<String>,
    /// At most so many; 1000 at most.
    limit: Option<u32>,
}

/// Whose sessions to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EndSessions)]
pub(super) struct Whose {
    /// The login, as the list has it.
    login: String,
}

/// Somebody who is signed in at the dashboard.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub(super) struct SignedInView {
    /// With what: `token:` and the token's public half, or `person:`, the provider's name for them and the provider.
    login: String,
    /// Who it is.
    person: String,
    /// What they may do now; absent when their sessions rest on nothing any more.
    role: Option<Role>,
    /// Their sessions, oldest first.
    sessions: Vec<SessionView>,
}

/// One session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    since_ms: i64,
    /// When it ends by itself.
    until_ms: i64,
}

/// Sessions that were ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(super) struct Ended {
    login: String,
    /// How many.
    ended: u64,
}

impl From<Lasting> for SessionView {
    fn from(session: Lasting) -> Self {
        Self {
            since_ms: session.since,
            until_ms: session.until,
        }
    }
}

impl From<SignedIn> for SignedInView {
    fn from(somebody: SignedIn) -> Self {
        Self {
            login: somebody.login,
            person: somebody.person,
            role: somebody.role,
            sessions: somebody.sessions.into_iter().map(Into::into).collect(),
        }
    }
}

/// Who is signed in at the dashboard, in the order of their logins.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", security(("token" = [])), params(Page),
    responses((status = 200, body = Vec<SignedInView>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Asked(page): Asked<Page>,
) -> Outcome<Json<Vec<SignedInView>>> {
    let found = app
        .service
        .signed_in(page.after.as_deref(), limit(page.limit))
        .await?;
    Ok(Json(found.into_iter().map(Into::into).collect()))
}

/// End all sessions of one login, at once. Who has a good token, or a group with a role, can sign in anew: revoke the
/// token, or have the provider take them out of the group, before.
#[utoipa::path(
    post, path = "/api/v1/sessions/end", tag = "sessions", security(("token" = [])), request_body = Whose,
    responses((status = 200, body = Ended), (status = "4XX", body = Document)),
)]
pub(super) async fn end(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(whose): Input<Whose>,
) -> Outcome<Json<Ended>> {
    let ended = app.service.end_sessions(&caller, &whose.login).await?;
    Ok(Json(Ended {
        login: whose.login,
        ended,
    }))
}
