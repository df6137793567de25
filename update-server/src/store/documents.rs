//! Rows of documents that belong to releases. Never changed, never removed.

use latchkey_image::ImageDigest;
use sqlx::any::AnyRow;

use super::{Change, Store, column, number, spelled};
use crate::domain::document::{DocumentKind, ReleaseDocument};
use crate::failure::Outcome;
use crate::ids;
use crate::objects::FileHash;

fn document(row: &AnyRow) -> Outcome<ReleaseDocument> {
    Ok(ReleaseDocument {
        release: spelled(row, "release", ids::digest)?,
        kind: spelled(row, "kind", DocumentKind::parse)?,
        version: column(row, "version")?,
        format: column(row, "format")?,
        file: spelled(row, "file_sha256", |text| ids::hash(text).map(FileHash))?,
        size: number(row, "size")?,
        added_at: column(row, "added_at")?,
        added_by: column(row, "added_by")?,
    })
}

impl Store {
    /// Every version of every document of a release, oldest first.
    pub(crate) async fn documents(&self, release: ImageDigest) -> Outcome<Vec<ReleaseDocument>> {
        let rows = sqlx::query("SELECT * FROM release_documents WHERE release = $1 ORDER BY kind, version")
            .bind(release.to_string())
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(document).collect()
    }
}

impl Change {
    pub(crate) async fn newest_document(
        &mut self,
        release: ImageDigest,
        kind: DocumentKind,
    ) -> Outcome<Option<ReleaseDocument>> {
        let row = sqlx::query(
            "SELECT * FROM release_documents WHERE release = $1 AND kind = $2 ORDER BY version DESC LIMIT 1",
        )
        .bind(release.to_string())
        .bind(kind.as_str())
        .fetch_optional(&mut *self.0)
        .await?;
        row.as_ref().map(document).transpose()
    }

    pub(crate) async fn insert_document(&mut self, document: &ReleaseDocument) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO release_documents (release, kind, version, format, file_sha256, size, added_at, added_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(document.release.to_string())
        .bind(document.kind.as_str())
        .bind(document.version)
        .bind(document.format.clone())
        .bind(hex::encode(document.file.0))
        .bind(i64::from(document.size))
        .bind(document.added_at)
        .bind(document.added_by.clone())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
