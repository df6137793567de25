//! What locks say: sealed CBOR in, sealed CBOR out.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use latchkey_directive::ProblemCode;

use super::App;
use super::payload::Payload;
use super::problem::{CBOR, ProvedNothing};
use crate::domain::device::{self, Answer, Refused};
use crate::domain::report::News;
use crate::failure::Failure;
use crate::limits::busy_again_s;

/// A lock's body, or what to tell the lock.
fn body(payload: Result<Payload, Failure>) -> Answer<bytes::Bytes> {
    let code = ProblemCode::Malformed;
    payload.map(|Payload(bytes)| bytes).map_err(|_| Refused {
        code,
        call_again_s: busy_again_s(),
        challenge: None,
        cause: None,
    })
}

/// Counts what is refused: forged and replayed messages are for operators to see.
fn counted<T>(app: &App, answer: Answer<T>) -> Answer<T> {
    answer.inspect_err(|refused| app.service.metrics.refused(refused.code))
}

fn sealed(message: Vec<u8>) -> Response {
    (
        [(header::CONTENT_TYPE, CBOR), (header::CACHE_CONTROL, "no-store")],
        message,
    )
        .into_response()
}

/// Enrol a lock: a sealed Enrolment, signed with the key in it. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/device/v1/enrol", tag = "locks",
    request_body(content_type = "application/cbor", description = "Sealed Enrolment, at most 512 bytes"),
    responses(
        (status = 200, description = "Approved"),
        (status = 202, description = "Awaiting an operator's approval"),
        (status = "4XX", description = "CBOR Problem", content_type = "application/cbor"),
        (status = 503, description = "CBOR Problem: call again later", content_type = "application/cbor"),
    ),
)]
pub(super) async fn enrol(
    State(app): State<App>,
    payload: Result<Payload, Failure>,
) -> Result<Response, Refused> {
    Ok(match counted(&app, app.service.enrol(&body(payload)?).await)? {
        device::State::Approved => StatusCode::OK.into_response(),
        device::State::Awaiting | device::State::Expected | device::State::Revoked => {
            (StatusCode::ACCEPTED, Extension(ProvedNothing)).into_response()
        }
    })
}

/// Ask what to do: a sealed CheckIn; the answer is a sealed Directive for its nonce.
#[utoipa::path(
    post, path = "/device/v1/check-in", tag = "locks",
    request_body(content_type = "application/cbor", description = "Sealed CheckIn, at most 512 bytes"),
    responses(
        (status = 200, description = "Sealed Directive", content_type = "application/cbor"),
        (status = "4XX", description = "CBOR Problem", content_type = "application/cbor"),
        (status = 503, description = "CBOR Problem: call again later", content_type = "application/cbor"),
    ),
)]
pub(super) async fn check_in(
    State(app): State<App>,
    payload: Result<Payload, Failure>,
) -> Result<Response, Refused> {
    Ok(sealed(counted(
        &app,
        app.service.check_in(&body(payload)?).await,
    )?))
}

/// Report what became of an update: a sealed Report; the answer is a sealed Receipt, given once the report is
/// on disk. The same report again gets the same receipt.
#[utoipa::path(
    post, path = "/device/v1/report", tag = "locks",
    request_body(content_type = "application/cbor", description = "Sealed Report, at most 512 bytes"),
    responses(
        (status = 200, description = "Sealed Receipt", content_type = "application/cbor"),
        (status = "4XX", description = "CBOR Problem", content_type = "application/cbor"),
        (status = 503, description = "CBOR Problem: call again later", content_type = "application/cbor"),
    ),
)]
pub(super) async fn report(
    State(app): State<App>,
    payload: Result<Payload, Failure>,
) -> Result<Response, Refused> {
    let (receipt, news) = counted(&app, app.service.report(&body(payload)?).await)?;
    Ok(match news {
        News::New => sealed(receipt),
        News::Repeated => (Extension(ProvedNothing), sealed(receipt)).into_response(),
    })
}
