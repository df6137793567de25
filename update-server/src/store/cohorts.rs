//! Rows of cohorts and of their devices. Added to, never removed.

use std::sync::LazyLock;

use latchkey_directive::DeviceId;
use latchkey_image::Uuid;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::statement::Statement;
use super::{Change, Store, column, spelled};
use crate::domain::cohort::{Cohort, CohortName};
use crate::failure::Outcome;
use crate::ids;
use crate::limits::STATEMENT_ROWS_MAX;

fn cohort(row: &AnyRow) -> Outcome<Cohort> {
    Ok(Cohort {
        name: spelled(row, "name", CohortName::parse)?,
        devices: column(row, "devices")?,
        created_at: column(row, "created_at")?,
        created_by: column(row, "created_by")?,
    })
}

async fn find(connection: &mut AnyConnection, name: &CohortName) -> Outcome<Option<Cohort>> {
    let row = sqlx::query(
        "SELECT c.*, (SELECT COUNT(*) FROM cohort_devices m WHERE m.cohort = c.name) AS devices \
         FROM cohorts c WHERE c.name = $1",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(cohort).transpose()
}

impl Store {
    pub(crate) async fn cohort(&self, name: &CohortName) -> Outcome<Option<Cohort>> {
        find(&mut *self.reader().await?, name).await
    }

    pub(crate) async fn cohorts(&self) -> Outcome<Vec<Cohort>> {
        let rows = sqlx::query(
            "SELECT c.*, (SELECT COUNT(*) FROM cohort_devices m WHERE m.cohort = c.name) AS devices \
             FROM cohorts c ORDER BY c.name",
        )
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(cohort).collect()
    }

    pub(crate) async fn cohort_devices(
        &self,
        name: &CohortName,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<(DeviceId, i64)>> {
        let rows = sqlx::query(
            "SELECT device, added_at FROM cohort_devices WHERE cohort = $1 AND device > $2 ORDER BY device LIMIT $3",
        )
        .bind(name.as_str())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let member = |row: &AnyRow| Ok((spelled(row, "device", ids::device)?, column(row, "added_at")?));
        rows.iter().map(member).collect()
    }
}

static INSERT_DEVICES: LazyLock<Statement> = LazyLock::new(|| {
    Statement::listing(
        "INSERT INTO cohort_devices (cohort, device, added_at) VALUES",
        3,
        "ON CONFLICT DO NOTHING",
    )
});

impl Change {
    pub(crate) async fn cohort(&mut self, name: &CohortName) -> Outcome<Option<Cohort>> {
        find(&mut self.0, name).await
    }

    pub(crate) async fn cohorts(&mut self) -> Outcome<i64> {
        let row = sqlx::query("SELECT COUNT(*) AS total FROM cohorts")
            .fetch_one(&mut *self.0)
            .await?;
        column(&row, "total")
    }

    /// `false` when there is one of this name.
    pub(crate) async fn insert_cohort(&mut self, name: &CohortName, now: i64, by: &str) -> Outcome<bool> {
        let done = sqlx::query(
            "INSERT INTO cohorts (name, created_at, created_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(name.as_str())
        .bind(now)
        .bind(by)
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Those that are in it stay.
    pub(crate) async fn insert_cohort_devices(
        &mut self,
        name: &CohortName,
        devices: &[DeviceId],
        now: i64,
    ) -> Outcome<()> {
        for devices in devices.chunks(STATEMENT_ROWS_MAX) {
            let query = INSERT_DEVICES.about(devices, |query, device| {
                query
                    .bind(name.as_str().to_owned())
                    .bind(device.to_string())
                    .bind(now)
            });
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }

    /// Takes a cohort's members into a rollout, at this stage, unless an earlier one has them: those that are of this
    /// hardware or whose hardware is not known yet, and not revoked. Says how many.
    pub(crate) async fn take_cohort(
        &mut self,
        rollout: &str,
        name: &CohortName,
        stage: u16,
        (vendor, class): (Uuid, Uuid),
    ) -> Outcome<u64> {
        let done = sqlx::query(
            "INSERT INTO rollout_cohort_devices (rollout, device, stage) \
             SELECT $1, m.device, $2 FROM cohort_devices m JOIN devices d ON d.id = m.device \
             WHERE m.cohort = $3 AND d.state <> 'revoked' \
             AND (d.vendor IS NULL OR (d.vendor = $4 AND d.class = $5)) ON CONFLICT DO NOTHING",
        )
        .bind(rollout)
        .bind(i64::from(stage))
        .bind(name.as_str())
        .bind(vendor.to_string())
        .bind(class.to_string())
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected())
    }
}
