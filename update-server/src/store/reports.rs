//! Rows of reports. Never changed, never removed.

use latchkey_directive::DeviceId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Record, Store, column, number, spelled};
use crate::domain::report::{Kept, event_name, event_of};
use crate::failure::Outcome;
use crate::ids;

fn kept(row: &AnyRow) -> Outcome<Kept> {
    Ok(Kept {
        sequence: column(row, "sequence")?,
        event: spelled(row, "event", event_of)?,
        image: spelled(row, "image", ids::digest)?,
        reason: number(row, "reason")?,
        received_at: column(row, "received_at")?,
    })
}

async fn find(connection: &mut AnyConnection, device: DeviceId, sequence: i64) -> Outcome<Option<Kept>> {
    let row = sqlx::query("SELECT * FROM reports WHERE device = $1 AND sequence = $2")
        .bind(device.to_string())
        .bind(sequence)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(kept).transpose()
}

impl Store {
    pub(crate) async fn report(&self, device: DeviceId, sequence: i64) -> Outcome<Option<Kept>> {
        find(&mut *self.reader().await?, device, sequence).await
    }

    pub(crate) async fn reports(&self, device: DeviceId, limit: u32) -> Outcome<Vec<Kept>> {
        let rows = sqlx::query("SELECT * FROM reports WHERE device = $1 ORDER BY sequence DESC LIMIT $2")
            .bind(device.to_string())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(kept).collect()
    }
}

impl Record {
    pub(crate) async fn report(&mut self, device: DeviceId, sequence: i64) -> Outcome<Option<Kept>> {
        find(&mut self.0, device, sequence).await
    }

    pub(crate) async fn reports_since(&mut self, device: DeviceId, since: i64) -> Outcome<i64> {
        let row = sqlx::query("SELECT COUNT(*) AS total FROM reports WHERE device = $1 AND received_at > $2")
            .bind(device.to_string())
            .bind(since)
            .fetch_one(&mut *self.0)
            .await?;
        column(&row, "total")
    }

    /// A number that none of the device's reports has: for a device that numbers none itself.
    pub(crate) async fn next_report(&mut self, device: DeviceId) -> Outcome<i64> {
        let row = sqlx::query("SELECT COALESCE(MAX(sequence), 0) + 1 AS next FROM reports WHERE device = $1")
            .bind(device.to_string())
            .fetch_one(&mut *self.0)
            .await?;
        column(&row, "next")
    }

    pub(crate) async fn insert_report(&mut self, device: DeviceId, report: &Kept) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO reports (device, sequence, event, image, reason, received_at, rollouts) \
             VALUES ($1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(number), 0) FROM rollouts))",
        )
        .bind(device.to_string())
        .bind(report.sequence)
        .bind(event_name(report.event))
        .bind(report.image.to_string())
        .bind(i64::from(report.reason))
        .bind(report.received_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
