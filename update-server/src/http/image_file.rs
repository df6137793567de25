//! Image files, whole or in part: RFC 9110 ranges and conditions, for files that never change.
//!
//! The bytes go from the store to the network as they come; none are gathered here. Or the client goes to the store:
//! [`hand_out`] sends those who follow redirects there, where the server is told to. Locks follow none, and the web app
//! may speak to this server alone, so both have a route of their own ([`get`]), which never redirects.

use std::ops::Range;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use latchkey_directive::ProblemCode;

use super::problem::Document;
use super::{App, tags};
use crate::domain::device::Refused;
use crate::domain::release::Release;
use crate::failure::{Kind, Outcome};
use crate::ids;
use crate::limits::busy_again_s;
use crate::objects::FileHash;

/// What a request for a file of known length and tag is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Some(Range<u64>),
    /// No byte of what was asked for exists.
    Unsatisfiable,
    /// The client has it already.
    NotModified,
}

/// Fetch an image: single ranges, strong ETag, If-None-Match and If-Range.
#[utoipa::path(
    get, path = "/device/v1/images/{digest}", tag = "locks",
    params(("digest" = String, Path, description = "Image digest, 64 lower-case hex digits")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 206, description = "The range asked for", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "CBOR Problem", content_type = "application/cbor"),
        (status = 416, description = "No byte of the range exists"),
        (status = 503, description = "CBOR Problem: call again later", content_type = "application/cbor"),
    ),
)]
pub(super) async fn get(
    State(app): State<App>,
    Path(digest): Path<String>,
    method: Method,
    request: HeaderMap,
) -> Result<Response, Refused> {
    let missing = || Refused {
        challenge: None,
        code: ProblemCode::NoSuchImage,
        call_again_s: busy_again_s(),
        cause: None,
    };
    let digest = ids::digest(&digest).ok_or_else(missing)?;
    let release = match app.service.release(digest).await {
        Err(failure) if failure.kind == Kind::NotFound => return Err(missing()),
        other => other?,
    };
    Ok(answer(&app, Stored::from(&release), &method, &request).await?)
}

/// A file as the store has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    /// SHA-256 of its bytes.
    pub(super) file: FileHash,
    /// How many they are.
    pub(super) size: u32,
}

impl From<&Release> for Stored {
    fn from(release: &Release) -> Self {
        Self {
            file: release.file,
            size: release.size,
        }
    }
}

/// Fetch an image, for owners' phones and mirrors: as for locks, or a redirect to where the images lie. The link there is
/// good for a short while; fetch the rest of a file from this path again.
#[utoipa::path(
    get, path = "/owner/v1/images/{digest}", tag = "owners",
    params(("digest" = String, Path, description = "Image digest, 64 lower-case hex digits")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 206, description = "The range asked for", content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        (status = 307, description = "It lies there, for a short while"),
        (status = 404, description = "No such image", body = Document),
        (status = 416, description = "No byte of the range exists"),
    ),
)]
pub(super) async fn download(
    State(app): State<App>,
    Path(digest): Path<String>,
    method: Method,
    request: HeaderMap,
) -> Outcome<Response> {
    let release = app.service.release(super::releases::digest(&digest)?).await?;
    hand_out(&app, &release, &method, &request).await
}

/// Answers as [`answer`] does, or with a link into the store where the server is told to give any.
///
/// # Errors
/// Storage.
pub(super) async fn hand_out(
    app: &App,
    release: &Release,
    method: &Method,
    request: &HeaderMap,
) -> Outcome<Response> {
    // The store's tags are others than ours: whoever names one is answered here, and so is who gets no bytes.
    let conditional = request.contains_key(header::IF_RANGE) || request.contains_key(header::IF_NONE_MATCH);
    let asked = part(request, u64::from(release.size), &tags::of(&release.file.0));
    let bytes = *method == Method::GET && asked != Part::Unsatisfiable;
    if conditional || !bytes {
        return answer(app, Stored::from(release), method, request).await;
    }
    let Some(link) = app.service.image_link(release).await? else {
        return answer(app, Stored::from(release), method, request).await;
    };
    app.service.metrics.image_link();
    let headers = [
        (header::LOCATION, link.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

/// Answers with a file, or the part of it that was asked for.
///
/// # Errors
/// Storage.
pub(super) async fn answer(
    app: &App,
    stored: Stored,
    method: &Method,
    request: &HeaderMap,
) -> Outcome<Response> {
    let size = u64::from(stored.size);
    let tag = tags::of(&stored.file.0);
    let part = part(request, size, &tag);
    let fixed = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ACCEPT_RANGES, "bytes"),
    ];
    let (status, range) = match part {
        Part::NotModified => return Ok((StatusCode::NOT_MODIFIED, fixed).into_response()),
        Part::Unsatisfiable => {
            let all = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, fixed, all).into_response());
        }
        Part::Whole => (StatusCode::OK, 0..size),
        Part::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let length = range.end.saturating_sub(range.start);
    let mut own: Vec<(HeaderName, String)> = vec![
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        own.push((
            header::CONTENT_RANGE,
            format!("bytes {}-{last}/{size}", range.start),
        ));
    }
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        let counted = app.service.clone();
        let bytes = app.service.read_file(&stored.file, stored.size, range).await?;
        Body::from_stream(bytes.inspect(move |piece| {
            if let Ok(piece) = piece {
                counted.metrics.image_bytes(piece.len() as u64);
            }
        }))
    };
    let mut response = (status, fixed, body).into_response();
    for (name, value) in own {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

fn part(request: &HeaderMap, size: u64, tag: &str) -> Part {
    if tags::has(request, tag) {
        return Part::NotModified;
    }
    if tags::only(request, &header::IF_RANGE).is_some_and(|condition| condition.trim() != tag) {
        return Part::Whole;
    }
    tags::only(request, &header::RANGE).map_or(Part::Whole, |value| range(value, size))
}

/// One range of bytes. Anything else (another unit, several ranges, bad syntax) is ignored, as RFC 9110 allows:
/// the client gets the whole file.
fn range(value: &str, size: u64) -> Part {
    let digits = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number too large for a u64 is beyond the end of any file.
        plain.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let Some((first, last)) = value
        .strip_prefix("bytes=")
        .and_then(|value| value.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let asked = match (first, last) {
        ("", suffix) => match digits(suffix) {
            Some(0) => return Part::Unsatisfiable,
            Some(length) => size.saturating_sub(length)..size,
            None => return Part::Whole,
        },
        (first, "") => match digits(first) {
            Some(first) => first..size,
            None => return Part::Whole,
        },
        (first, last) => match (digits(first), digits(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Part::Whole,
        },
    };
    if asked.start >= size {
        Part::Unsatisfiable
    } else {
        Part::Some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    fn asked(headers: &[(HeaderName, &str)]) -> Part {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        part(&map, 1000, TAG)
    }

    #[test]
    fn single_ranges() {
        for (value, expected) in [
            ("bytes=0-0", Part::Some(0..1)),
            ("bytes=0-999", Part::Some(0..1000)),
            ("bytes=10-19", Part::Some(10..20)),
            ("bytes=990-5000", Part::Some(990..1000)),
            ("bytes=990-", Part::Some(990..1000)),
            ("bytes=-10", Part::Some(990..1000)),
            ("bytes=-5000", Part::Some(0..1000)),
            ("bytes=0-99999999999999999999999", Part::Some(0..1000)),
            ("bytes=1000-", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            (
                "bytes=18446744073709551615-18446744073709551615",
                Part::Unsatisfiable,
            ),
            ("bytes=-0", Part::Unsatisfiable),
        ] {
            assert_eq!(asked(&[(header::RANGE, value)]), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole_file() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=1-2,4-5",
            "items=0-1",
            "bytes=+1-2",
            "bytes=--1",
            "bytes=1 - 2",
            "bytes=0x1-2",
        ] {
            assert_eq!(asked(&[(header::RANGE, value)]), Part::Whole, "{value:?}");
        }
        let twice = [(header::RANGE, "bytes=0-0"), (header::RANGE, "bytes=1-1")];
        assert_eq!(asked(&twice), Part::Whole);
    }

    #[test]
    fn a_range_of_another_file_is_not_given() {
        let range = (header::RANGE, "bytes=5-");
        assert_eq!(
            asked(&[range.clone(), (header::IF_RANGE, TAG)]),
            Part::Some(5..1000)
        );
        for other in ["\"other\"", "W/\"abc\"", "Sun, 22 Nov 2026 00:36:00 GMT", "abc"] {
            assert_eq!(
                asked(&[range.clone(), (header::IF_RANGE, other)]),
                Part::Whole,
                "{other}"
            );
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent() {
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert_eq!(
                asked(&[(header::IF_NONE_MATCH, value)]),
                Part::NotModified,
                "{value}"
            );
        }
        for value in ["\"x\"", "abc", ""] {
            assert_eq!(asked(&[(header::IF_NONE_MATCH, value)]), Part::Whole, "{value}");
        }
    }
}
