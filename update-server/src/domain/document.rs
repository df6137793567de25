//! What belongs to a release beside its image: its bill of materials, the advisory that says which weaknesses it mends,
//! and the image once more as SWUpdate takes it.
//!
//! Each may be written after the release, and again: a weakness is found in a component, an advisory gets a number, a
//! signer's certificate runs out. So each is a row of versions that are added and never changed. A bill of materials is
//! taken as it is, but only when it is JSON of a form that tools read; what is in it is not judged here. A `.swu` is made
//! and signed by who makes the release, and taken when it holds that release's image and nothing else (`swu.rs`).

use bytes::Bytes;
use futures_util::stream::BoxStream;
use latchkey_image::ImageDigest;
use serde::Deserialize;

use super::access::Caller;
use super::audit::Entry;
use super::release::Published;
use super::{spelled, swu};
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{ADVISORY_BYTES_MAX, SBOM_BYTES_MAX, SWU_BYTES_MAX};
use crate::objects::FileHash;

spelled! {
    /// What a document is.
    DocumentKind {
        /// What a release mends and what is to be done, for people.
        Advisory = "advisory",
        /// What a release is made of, for tools.
        Sbom = "sbom",
        /// The image with a signed description, for devices that run SWUpdate.
        Swu = "swu",
    }
}

/// A version of a document of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseDocument {
    /// The release.
    pub release: ImageDigest,
    /// What it is.
    pub kind: DocumentKind,
    /// Counts up from 1 for each release and kind.
    pub version: i64,
    /// `text`, `CycloneDX 1.6`, `SPDX-2.3`, `SWUpdate crc`.
    pub format: String,
    /// SHA-256 of the file.
    pub file: FileHash,
    /// Length of the file, in bytes.
    pub size: u32,
    /// Milliseconds since 1970.
    pub added_at: i64,
    /// Who added it.
    pub added_by: String,
}

impl Service {
    /// Adds a document to a release. The newest again changes nothing. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown release; [`Kind::Invalid`] when the file is none of that kind;
    /// [`Kind::TooLarge`]; storage.
    pub async fn add_document(
        &self,
        by: &Caller,
        release: ImageDigest,
        kind: DocumentKind,
        file: Bytes,
    ) -> Outcome<(ReleaseDocument, Published)> {
        let image = self.release(release).await?.file;
        let format = match kind {
            DocumentKind::Advisory => advisory(&file)?,
            DocumentKind::Sbom => sbom(&file)?,
            DocumentKind::Swu => archive(&file, &image)?,
        };
        let size = u32::try_from(file.len()).map_err(Failure::storage)?;
        let hash = self.objects.put(file).await?;
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "release.document",
                subject: release.to_string(),
                detail: serde_json::json!({
                    "kind": kind,
                    "format": format,
                    "file_sha256": hex::encode(hash.0),
                }),
            })
            .await?;
        let newest = change.newest_document(release, kind).await?;
        if let Some(same) = newest.as_ref().filter(|newest| newest.file == hash) {
            change.unchanged().await?;
            return Ok((same.clone(), Published::Before));
        }
        let document = ReleaseDocument {
            release,
            kind,
            version: newest.map_or(0, |newest| newest.version).saturating_add(1),
            format,
            file: hash,
            size,
            added_at: now,
            added_by: by.actor().to_string(),
        };
        change.insert_document(&document).await?;
        change.commit().await?;
        Ok((document, Published::Now))
    }

    /// The documents of a release, every version, oldest first.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown release; storage.
    pub async fn documents(&self, release: ImageDigest) -> Outcome<Vec<ReleaseDocument>> {
        self.release(release).await?;
        self.store.documents(release).await
    }

    /// A document: this version, or the newest.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn document(
        &self,
        release: ImageDigest,
        kind: DocumentKind,
        version: Option<i64>,
    ) -> Outcome<ReleaseDocument> {
        let all = self.documents(release).await?;
        let mut found = all.into_iter().rev().filter(|document| document.kind == kind);
        found
            .find(|document| version.is_none_or(|version| version == document.version))
            .ok_or_else(|| {
                Failure::new(
                    Kind::NotFound,
                    format!(
                        "release {release} has no such {kind}; add one with `latchkey-server release attach`"
                    ),
                )
            })
    }

    /// A document's bytes, as they come from the store.
    ///
    /// # Errors
    /// Storage.
    pub async fn read_document(
        &self,
        document: &ReleaseDocument,
    ) -> Outcome<BoxStream<'static, object_store::Result<Bytes>>> {
        let size = u64::from(document.size);
        self.objects.read(&document.file, size, 0..size).await
    }
}

fn too_large(limit: usize) -> Failure {
    Failure::new(
        Kind::TooLarge,
        format!("such a document may have {limit} bytes at most. Nothing was added"),
    )
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Invalid, format!("{why}. Nothing was added"))
}

/// Text and line breaks, nothing that moves a cursor.
fn advisory(file: &[u8]) -> Outcome<String> {
    if file.len() > ADVISORY_BYTES_MAX {
        return Err(too_large(ADVISORY_BYTES_MAX));
    }
    let text = std::str::from_utf8(file).map_err(|_| invalid("an advisory is text in UTF-8"))?;
    let readable = |letter: char| matches!(letter, '\n' | '\r' | '\t') || !letter.is_control();
    if text.trim().is_empty() || !text.chars().all(readable) {
        return Err(invalid("an advisory is text and line breaks, and not empty"));
    }
    Ok("text".to_owned())
}

/// What tells the forms apart. Everything else in the file is theirs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    bom_format: Option<String>,
    spec_version: Option<String>,
    spdx_version: Option<String>,
    #[serde(rename = "@context")]
    context: Option<serde_json::Value>,
}

fn sbom(file: &[u8]) -> Outcome<String> {
    if file.len() > SBOM_BYTES_MAX {
        return Err(too_large(SBOM_BYTES_MAX));
    }
    let text = std::str::from_utf8(file).map_err(|_| invalid("a bill of materials is JSON in UTF-8"))?;
    let head: Head = serde_json::from_str(text)
        .map_err(|error| invalid(format!("a bill of materials is a JSON object: {error}")))?;
    // The format is shown to people: no more of it than a version has.
    let version = |text: String| -> String {
        text.chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || ".-".contains(*letter))
            .take(16)
            .collect()
    };
    match head {
        Head {
            bom_format: Some(format),
            spec_version: Some(number),
            ..
        } if format == "CycloneDX" => Ok(format!("CycloneDX {}", version(number))),
        Head {
            spdx_version: Some(number),
            ..
        } if number.starts_with("SPDX-") => Ok(version(number)),
        Head {
            context: Some(context),
            ..
        } if context
            .as_str()
            .is_some_and(|url| url.starts_with("https://spdx.org/rdf/3.")) =>
        {
            Ok("SPDX-3".to_owned())
        }
        _ => Err(invalid(
            "this is neither CycloneDX (bomFormat, specVersion) nor SPDX (spdxVersion, or @context of version 3) in \
             JSON",
        )),
    }
}

fn archive(file: &[u8], image: &FileHash) -> Outcome<String> {
    if file.len() > SWU_BYTES_MAX {
        return Err(too_large(SWU_BYTES_MAX));
    }
    let form =
        swu::check(file, image).map_err(|why| invalid(format!("this is no .swu of this release: {why}")))?;
    Ok(form.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        for (file, format) in [
            (
                r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}"#,
                "CycloneDX 1.6",
            ),
            (r#"{"spdxVersion":"SPDX-2.3","name":"x"}"#, "SPDX-2.3"),
            (
                r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}"#,
                "SPDX-3",
            ),
            (
                "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1\\u001b[2J.6\"}",
                "CycloneDX 12J.6",
            ),
        ] {
            assert_eq!(sbom(file.as_bytes()).unwrap(), format, "{file}");
        }
    }

    #[test]
    fn what_no_tool_reads_is_refused() {
        let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
        for file in [
            &b""[..],
            b"[]",
            b"{}",
            b"{\"bomFormat\":\"CycloneDX\"}",
            b"{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\"} more",
            b"{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"x\":\"\xff\"}",
            b"{\"spdxVersion\":\"2.3\"}",
            b"<bom/>",
            deep.as_bytes(),
        ] {
            assert_eq!(sbom(file).unwrap_err().kind, Kind::Invalid);
        }
        assert_eq!(
            sbom(&vec![b' '; SBOM_BYTES_MAX + 1]).unwrap_err().kind,
            Kind::TooLarge
        );
        for text in [&b""[..], b" \n", b"\xff", b"a\x1b[2J"] {
            assert_eq!(advisory(text).unwrap_err().kind, Kind::Invalid, "{text:?}");
        }
        assert_eq!(
            advisory(&vec![b'a'; ADVISORY_BYTES_MAX + 1]).unwrap_err().kind,
            Kind::TooLarge
        );
        assert!(advisory("CVE-2026-1: mended.\r\n\tUpdate.".as_bytes()).is_ok());
    }
}
