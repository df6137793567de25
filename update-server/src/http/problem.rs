//! Failures as answers: RFC 9457 problem documents for people, CBOR problems for locks.
//!
//! The answer says what happened and what to do; the cause goes to the log, under the request's id.

use std::error::Error as _;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use latchkey_directive::{Problem, ProblemCode};
use serde::Serialize;

use crate::domain::device::Refused;
use crate::failure::{Failure, Kind};
use crate::limits::busy_again_s;

/// A problem document as RFC 9457 has it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document {
    /// Names the kind of problem: `urn:latchkey:problem:…`.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, what state remains, what to do.
    detail: String,
    /// For a refused image: the number a lock would give for the same reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal_code: Option<u16>,
}

pub(super) const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::CrossSite | Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Gone => StatusCode::GONE,
        Kind::ImageRefused | Kind::MetadataRefused | Kind::PolicyMissing | Kind::PolicyRefused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Provider => StatusCode::BAD_GATEWAY,
        Kind::Storage => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooOften => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
    }
}

/// Last part of the problem's type, and its title.
pub(super) const fn named(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Busy => ("busy", "The server is busy"),
        Kind::Conflict => ("conflict", "That contradicts what is there"),
        Kind::CrossSite => ("cross-site", "The form is not from this server's pages"),
        Kind::Forbidden => ("forbidden", "That is not allowed"),
        Kind::Gone => ("gone", "That has ended"),
        Kind::ImageRefused => ("image-refused", "The image is refused"),
        Kind::MetadataRefused => ("metadata-refused", "The metadata are refused"),
        Kind::PolicyMissing => ("policy-missing", "No policy is registered"),
        Kind::PolicyRefused => ("policy-refused", "The policy is refused"),
        Kind::Provider => ("provider", "The identity provider's answer is no good"),
        Kind::Invalid => ("invalid", "The request is not understood"),
        Kind::NotFound => ("not-found", "There is nothing of that name"),
        Kind::Storage => ("storage", "The server's storage failed"),
        Kind::TooLarge => ("too-large", "The request is too long"),
        Kind::TooOften => ("too-often", "That was asked too often"),
        Kind::Unauthenticated => ("unauthenticated", "A good token is needed"),
    }
}

/// Writes the causes down, outermost first.
pub(super) fn log(failure: &Failure) {
    let mut causes = Vec::new();
    let mut next = failure.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() {
        tracing::info!(kind = named(failure.kind).0, detail = failure.detail, "refused");
    } else {
        tracing::error!(kind = named(failure.kind).0, causes = causes.join(": "), "failed");
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        log(&self);
        let status = status(self.kind);
        let (name, title) = named(self.kind);
        let document = Document {
            kind: format!("urn:latchkey:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            refusal_code: self.code,
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.kind {
            Kind::Busy | Kind::TooOften => {
                headers.insert(header::RETRY_AFTER, busy_again_s().into());
            }
            Kind::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::Conflict
            | Kind::CrossSite
            | Kind::Forbidden
            | Kind::Gone
            | Kind::ImageRefused
            | Kind::Invalid
            | Kind::MetadataRefused
            | Kind::NotFound
            | Kind::PolicyMissing
            | Kind::PolicyRefused
            | Kind::Provider
            | Kind::Storage
            | Kind::TooLarge => {}
        }
        response
    }
}

/// On answers to what anybody could have sent: whoever sent it pays.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProvedNothing;

/// Media type of everything locks send and get, image files apart.
pub(super) const CBOR: &str = "application/cbor";

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if let Some(failure) = &self.cause {
            log(failure);
        }
        let status = match (&self.cause, self.code) {
            (Some(failure), _) if failure.kind == Kind::TooOften => StatusCode::TOO_MANY_REQUESTS,
            (Some(_), _) => StatusCode::SERVICE_UNAVAILABLE,
            (None, ProblemCode::Malformed) => StatusCode::BAD_REQUEST,
            (None, ProblemCode::UnknownDevice | ProblemCode::NoSuchImage) => StatusCode::NOT_FOUND,
            (None, ProblemCode::AwaitingApproval | ProblemCode::Revoked | ProblemCode::BadSignature) => {
                StatusCode::FORBIDDEN
            }
            (None, ProblemCode::Replayed) => StatusCode::CONFLICT,
            // With what this device, or all that wait for approval, may ask for; the server is well.
            (None, ProblemCode::Busy) => StatusCode::TOO_MANY_REQUESTS,
        };
        tracing::info!(code = ?self.code, "device refused");
        let problem = Problem {
            challenge: self.challenge,
            code: self.code,
            call_again_s: self.call_again_s,
        };
        // Encoding into memory does not fail; an empty body says no less than the status does.
        let body = minicbor::to_vec(problem).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, CBOR)], body).into_response();
        if matches!(
            self.code,
            ProblemCode::Malformed | ProblemCode::BadSignature | ProblemCode::Replayed
        ) {
            response.extensions_mut().insert(ProvedNothing);
        }
        if self.code == ProblemCode::Busy {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, self.call_again_s.into());
        }
        response
    }
}
