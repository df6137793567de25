//! What commands over the operator API share: they ask once, show the answer, and name things so that no name becomes
//! another path.

use std::path::Path;

use serde_json::Value;

use super::client::Server;
use super::{CliError, show};
use crate::limits::{IMAGE_BYTES_MAX, PAGE_ROWS_MAX};

pub(super) type Done = Result<(), CliError>;

/// Fewer digits of a digest than this are no name.
const DIGEST_PREFIX_MIN: usize = 8;

/// Shows answers: as they are with `--json`, else through `human`.
pub(super) fn answer(value: &Value, as_json: bool, human: impl FnOnce(&Value)) -> Done {
    if as_json {
        show::json(value);
    } else {
        human(value);
    }
    Ok(())
}

/// Every page of a listing in which each has an id.
pub(super) async fn all_pages(server: &Server, path: &str, filter: &str) -> Result<Value, CliError> {
    all_pages_by(server, path, filter, "/id").await
}

/// Every page of a listing that goes on behind what stands at this place in the last of a page.
pub(super) async fn all_pages_by(
    server: &Server,
    path: &str,
    filter: &str,
    name: &str,
) -> Result<Value, CliError> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = server
            .get(&format!("{path}?limit={PAGE_ROWS_MAX}{filter}{after}"))
            .await?;
        let Value::Array(page) = page else {
            return Err(CliError::failed(
                "the server's answer is no list; are both of the same version?",
            ));
        };
        let last = page.last().map(|last| show::field(last, name));
        let full = page.len() >= PAGE_ROWS_MAX as usize;
        all.extend(page);
        match last {
            Some(last) if full => {
                let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
                after = format!("&after={last}");
            }
            _ => return Ok(Value::Array(all)),
        }
    }
}

/// The one release whose digest begins so.
pub(super) async fn full_digest(server: &Server, prefix: &str) -> Result<String, CliError> {
    if prefix.len() < DIGEST_PREFIX_MIN {
        return Err(CliError::failed(format!(
            "give at least {DIGEST_PREFIX_MIN} digits of the release's digest"
        )));
    }
    let releases = server.get("/api/v1/releases").await?;
    let digests = releases
        .as_array()
        .into_iter()
        .flatten()
        .map(|release| show::field(release, "/digest"));
    let mut found = digests.filter(|digest| digest.starts_with(prefix));
    match (found.next(), found.next()) {
        (Some(digest), None) => Ok(digest),
        (None, _) => Err(CliError::failed(format!(
            "no release's digest begins with {prefix}; `latchkey-server release list` shows those there are"
        ))),
        (Some(_), Some(_)) => Err(CliError::failed(format!(
            "{prefix} begins several digests; give more digits"
        ))),
    }
}

/// A name as part of a path: names that could become another path are nobody's.
pub(super) fn segment(name: &str) -> Result<&str, CliError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.is_empty() && name != "." && name != ".." && name.bytes().all(plain) {
        return Ok(name);
    }
    Err(CliError::failed(format!(
        "{name:?} is no name: letters, digits, '-', '_' and '.' only"
    )))
}

/// Reads a file that should fit an image's slot at most.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    read_file_up_to(path, IMAGE_BYTES_MAX)
}

/// Reads a file of at most so many bytes.
pub(super) fn read_file_up_to(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    use std::io::Read as _;
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = bytes_max as u64;
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > limit {
        return Err(CliError::failed(format!(
            "{} is longer than {limit} bytes, which no such file may be",
            path.display()
        )));
    }
    Ok(bytes)
}
