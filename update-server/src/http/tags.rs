//! Entity tags: how they are written, and when a client has what one stands for (RFC 9110, sections 8.8.3 and 13.1.2).
//! One rule for every route that has tags.

use axum::http::{HeaderMap, HeaderName, header};

/// The tag of what has this hash.
pub(super) fn of(hash: &[u8]) -> String {
    format!("\"{}\"", hex::encode(hash))
}

/// Whether the client says that it has what this tag stands for.
pub(super) fn has(request: &HeaderMap, tag: &str) -> bool {
    only(request, &header::IF_NONE_MATCH).is_some_and(|list| {
        list.split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}

/// A header that is there once. Twice the same header is nobody's honest request: as if it were absent.
pub(super) fn only<'r>(request: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    let mut values = request.get_all(name).iter();
    let first = values.next()?.to_str().ok();
    if values.next().is_some() { None } else { first }
}
