//! Reading requests: bounded bodies, strict JSON, and every mistake a named failure.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Kind};

/// A body of at most the route's limit.
pub(super) struct Payload(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|rejection| {
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    Failure::new(
                        Kind::TooLarge,
                        "the body is longer than this route takes; the OpenAPI document has the limits",
                    )
                } else {
                    ended_early()
                }
            })
    }
}

fn ended_early() -> Failure {
    Failure::new(Kind::Invalid, "the body ended early; send it again")
}

/// All of a body, or of one that is too long as much as shows it: one byte more than `bytes_max`. The handler, which has
/// the same limit, then says so.
///
/// # Errors
/// It ended early.
pub(super) async fn read(mut body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    let enough = bytes_max.saturating_add(1);
    let mut read = Vec::new();
    while read.len() < enough
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|_| ended_early())?;
        if let Ok(mut data) = frame.into_data() {
            data.truncate(enough.saturating_sub(read.len()));
            read.extend_from_slice(&data);
        }
    }
    Ok(read.into())
}

/// A body that is JSON of the documented form; unknown fields are refused by the types themselves.
pub(super) struct Input<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let Payload(bytes) = Payload::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Failure::new(
                Kind::Invalid,
                format!("the body is not the documented JSON: {error}; see /openapi.json"),
            )
        })
    }
}

/// Query parameters of the documented form.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Self(asked)).map_err(|rejection| {
            Failure::new(
                Kind::Invalid,
                format!(
                    "the query is not as documented: {}; see /openapi.json",
                    rejection.body_text()
                ),
            )
        })
    }
}
