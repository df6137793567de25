//! Rows of the TUF repository: files as they are served, and which releases the newest targets list.

use latchkey_tuf::RoleName;
use sqlx::AnyConnection;

use super::releases::release;
use super::{Change, Store, column};
use crate::domain::release::Release;
use crate::domain::tuf::Files;
use crate::failure::Outcome;

/// Versions are whole numbers that JSON has exactly, so they fit.
fn stored(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

async fn newest(connection: &mut AnyConnection, role: RoleName) -> Outcome<Option<String>> {
    let row = sqlx::query("SELECT document FROM tuf_files WHERE role = $1 ORDER BY version DESC LIMIT 1")
        .bind(role.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(|row| column(row, "document")).transpose()
}

async fn files(connection: &mut AnyConnection) -> Outcome<Files> {
    Ok(Files {
        root: newest(connection, RoleName::Root).await?,
        targets: newest(connection, RoleName::Targets).await?,
        snapshot: newest(connection, RoleName::Snapshot).await?,
        timestamp: newest(connection, RoleName::Timestamp).await?,
    })
}

impl Store {
    /// The newest file of each kind.
    pub(crate) async fn tuf_files(&self) -> Outcome<Files> {
        files(&mut *self.reader().await?).await
    }

    /// The newest timestamp.
    pub(crate) async fn tuf_timestamp(&self) -> Outcome<Option<String>> {
        newest(&mut *self.reader().await?, RoleName::Timestamp).await
    }

    /// One version of a file.
    pub(crate) async fn tuf_file(&self, role: RoleName, version: u64) -> Outcome<Option<String>> {
        let row = sqlx::query("SELECT document FROM tuf_files WHERE role = $1 AND version = $2")
            .bind(role.as_str())
            .bind(stored(version))
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        row.as_ref().map(|row| column(row, "document")).transpose()
    }

    /// The release that the newest targets list under this name with this hash.
    pub(crate) async fn tuf_target(&self, name: &str, sha256: &str) -> Outcome<Option<Release>> {
        let row = sqlx::query(
            "SELECT releases.* FROM tuf_targets JOIN releases ON releases.file_sha256 = tuf_targets.file_sha256 \
             WHERE tuf_targets.name = $1 AND tuf_targets.file_sha256 = $2",
        )
        .bind(name.to_owned())
        .bind(sha256.to_owned())
        .fetch_optional(&mut *self.reader().await?)
        .await?;
        row.as_ref().map(release).transpose()
    }
}

impl Change {
    /// The newest file of each kind.
    pub(crate) async fn tuf_files(&mut self) -> Outcome<Files> {
        files(&mut self.0).await
    }

    /// The release with this file.
    pub(crate) async fn release_of_file(&mut self, sha256: &str) -> Outcome<Option<Release>> {
        let row = sqlx::query("SELECT * FROM releases WHERE file_sha256 = $1")
            .bind(sha256.to_owned())
            .fetch_optional(&mut *self.0)
            .await?;
        row.as_ref().map(release).transpose()
    }

    /// Keeps a file, and forgets those of its kind that are older than `keep_from`.
    pub(crate) async fn put_tuf_file(
        &mut self,
        role: RoleName,
        version: u64,
        document: &str,
        keep_from: u64,
    ) -> Outcome<()> {
        sqlx::query("DELETE FROM tuf_files WHERE role = $1 AND version < $2")
            .bind(role.as_str())
            .bind(stored(keep_from))
            .execute(&mut *self.0)
            .await?;
        sqlx::query("INSERT INTO tuf_files (role, version, document) VALUES ($1, $2, $3)")
            .bind(role.as_str())
            .bind(stored(version))
            .bind(document.to_owned())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// What the newest targets list, in place of what those before listed.
    pub(crate) async fn put_tuf_targets(&mut self, targets: &[(String, String)]) -> Outcome<()> {
        sqlx::query("DELETE FROM tuf_targets")
            .execute(&mut *self.0)
            .await?;
        for (name, sha256) in targets {
            sqlx::query("INSERT INTO tuf_targets (name, file_sha256) VALUES ($1, $2)")
                .bind(name.clone())
                .bind(sha256.clone())
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }
}
