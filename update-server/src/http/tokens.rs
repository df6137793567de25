//! Tokens in the operator API.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::payload::Input;
use super::problem::Document;
use crate::domain::access::{Caller, NewToken, Role, ShownOnce, Token};
use crate::failure::Outcome;

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct Wanted {
    /// What to call it: what it is for.
    name: String,
    /// Whose it is. Where two persons are needed, all tokens of one count as one. Without it: the name.
    #[serde(default)]
    person: Option<String>,
    role: Role,
}

/// A new token, with its secret: shown here and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeToken)]
pub(super) struct Made<'t> {
    #[serde(flatten)]
    token: Token,
    /// The token itself.
    #[schema(value_type = String)]
    secret: ShownOnce<'t>,
}

/// All tokens, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])),
    responses((status = 200, body = Vec<Token>), (status = "4XX", body = Document)),
)]
pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Vec<Token>>> {
    Ok(Json(app.service.tokens().await?))
}

/// Make a token.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])), request_body = Wanted,
    responses((status = 201, body = Made), (status = "4XX", body = Document)),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Input(wanted): Input<Wanted>,
) -> Outcome<Response> {
    let wanted = NewToken {
        name: &wanted.name,
        person: wanted.person.as_deref(),
        role: wanted.role,
    };
    let (token, secret) = app.service.create_token(&caller, &wanted).await?;
    let made = Made {
        token,
        secret: ShownOnce(&secret),
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(made)).into_response())
}

/// Make a token worthless, at once and for good.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens", security(("token" = [])),
    params(("id" = String, Path, description = "The token's public half, 16 hex digits")),
    responses((status = 200, body = Token), (status = "4XX", body = Document)),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Outcome<Json<Token>> {
    Ok(Json(app.service.revoke_token(&caller, &id).await?))
}
