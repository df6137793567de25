//! The fleet counted: what the dashboard shows of all devices at once.

use super::{Store, column, spelled, spelled_if_any};
use crate::domain::fleet::{Counted, Heard};
use crate::failure::Outcome;
use crate::ids;

const DAY_MS: i64 = 24 * 3_600_000;

impl Store {
    /// What approved devices run.
    pub(crate) async fn running_versions(&self) -> Outcome<Vec<Counted>> {
        let rows = sqlx::query(
            "SELECT vendor, class, running_version, running_confirmed, COUNT(*) AS total FROM devices \
             WHERE state = 'approved' GROUP BY vendor, class, running_version, running_confirmed",
        )
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let counted = rows.iter().map(|row| {
            let version = spelled_if_any(row, "running_version", ids::version)?;
            let confirmed: Option<i64> = column(row, "running_confirmed")?;
            Ok((
                spelled(row, "vendor", ids::uuid)?,
                spelled(row, "class", ids::uuid)?,
                version.zip(confirmed.map(|confirmed| confirmed != 0)),
                column(row, "total")?,
            ))
        });
        counted.collect()
    }

    /// When approved devices called last. On time is not longer ago than `late_ms`.
    pub(crate) async fn heard(&self, now: i64, late_ms: i64) -> Outcome<Heard> {
        let row = sqlx::query(
            "SELECT COUNT(CASE WHEN last_seen >= $1 THEN 1 END) AS on_time, \
             COUNT(CASE WHEN last_seen < $1 AND last_seen >= $2 THEN 1 END) AS day, \
             COUNT(CASE WHEN last_seen < $1 AND last_seen < $2 AND last_seen >= $3 THEN 1 END) AS week, \
             COUNT(CASE WHEN last_seen < $1 AND last_seen < $3 THEN 1 END) AS longer, \
             COUNT(CASE WHEN last_seen IS NULL THEN 1 END) AS never \
             FROM devices WHERE state = 'approved'",
        )
        .bind(now.saturating_sub(late_ms))
        .bind(now.saturating_sub(DAY_MS))
        .bind(now.saturating_sub(DAY_MS.saturating_mul(7)))
        .fetch_one(&mut *self.reader().await?)
        .await?;
        Ok(Heard {
            on_time: column(&row, "on_time")?,
            day: column(&row, "day")?,
            week: column(&row, "week")?,
            longer: column(&row, "longer")?,
            never: column(&row, "never")?,
        })
    }
}
