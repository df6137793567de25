//! Rows of releases. Never changed, never removed.

use latchkey_image::{ImageDigest, SecurityCounter, Uuid};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Change, Store, column, number, spelled, spelled_if_any};
use crate::domain::release::{Release, ReleaseKind};
use crate::failure::Outcome;
use crate::ids;
use crate::objects::FileHash;

pub(super) fn release(row: &AnyRow) -> Outcome<Release> {
    let file = |text: &str| {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash)
            .ok()
            .map(|()| FileHash(hash))
    };
    Ok(Release {
        digest: spelled(row, "digest", ids::digest)?,
        vendor: spelled(row, "vendor", ids::uuid)?,
        class: spelled(row, "class", ids::uuid)?,
        version: spelled(row, "version", ids::version)?,
        counter: number(row, "counter").map(SecurityCounter)?,
        min_version: spelled_if_any(row, "min_version", ids::version)?,
        size: number(row, "size")?,
        file: spelled(row, "file_sha256", file)?,
        kind: spelled(row, "kind", ReleaseKind::parse)?,
        notes: column(row, "notes")?,
        published_at: column(row, "published_at")?,
        published_by: column(row, "published_by")?,
    })
}

pub(super) async fn find(connection: &mut AnyConnection, digest: ImageDigest) -> Outcome<Option<Release>> {
    let row = sqlx::query("SELECT * FROM releases WHERE digest = $1")
        .bind(digest.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(release).transpose()
}

/// A release with the same digest, or with the same version for the same hardware.
async fn rival(connection: &mut AnyConnection, newcomer: &Release) -> Outcome<Option<Release>> {
    let row = sqlx::query(
        "SELECT * FROM releases WHERE digest = $1 OR (vendor = $2 AND class = $3 AND version = $4) LIMIT 1",
    )
    .bind(newcomer.digest.to_string())
    .bind(newcomer.vendor.to_string())
    .bind(newcomer.class.to_string())
    .bind(newcomer.version.to_string())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(release).transpose()
}

impl Store {
    pub(crate) async fn release(&self, digest: ImageDigest) -> Outcome<Option<Release>> {
        find(&mut *self.reader().await?, digest).await
    }

    pub(crate) async fn releases(&self) -> Outcome<Vec<Release>> {
        let rows = sqlx::query("SELECT * FROM releases ORDER BY published_at DESC, digest")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(release).collect()
    }

    pub(crate) async fn rival(&self, newcomer: &Release) -> Outcome<Option<Release>> {
        rival(&mut *self.reader().await?, newcomer).await
    }

    /// The lowest floor any device of this hardware has told; `None` before the first.
    pub(crate) async fn lowest_floor(&self, vendor: Uuid, class: Uuid) -> Outcome<Option<SecurityCounter>> {
        let row = sqlx::query(
            "SELECT MIN(floor) AS floor FROM devices \
             WHERE vendor = $1 AND class = $2 AND state = 'approved'",
        )
        .bind(vendor.to_string())
        .bind(class.to_string())
        .fetch_one(&mut *self.reader().await?)
        .await?;
        let floor: Option<i64> = column(&row, "floor")?;
        Ok(floor
            .and_then(|floor| u32::try_from(floor).ok())
            .map(SecurityCounter))
    }
}

impl Change {
    pub(crate) async fn rival(&mut self, newcomer: &Release) -> Outcome<Option<Release>> {
        rival(&mut self.0, newcomer).await
    }

    pub(crate) async fn insert_release(&mut self, release: &Release) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO releases (digest, vendor, class, version, counter, min_version, size, file_sha256, \
             published_at, published_by, notes, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(release.digest.to_string())
        .bind(release.vendor.to_string())
        .bind(release.class.to_string())
        .bind(release.version.to_string())
        .bind(i64::from(release.counter.0))
        .bind(release.min_version.map(|version| version.to_string()))
        .bind(i64::from(release.size))
        .bind(hex::encode(release.file.0))
        .bind(release.published_at)
        .bind(&release.published_by)
        .bind(&release.notes)
        .bind(release.kind.as_str())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
