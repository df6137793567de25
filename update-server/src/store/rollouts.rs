//! Rows of rollouts, and the two questions asked of them: what may this device get, and how does it go.

use latchkey_directive::DeviceId;
use latchkey_image::Uuid;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::releases::release;
use super::{Change, Store, column, number, spelled};
use crate::domain::decision::Candidate;
use crate::domain::rollout::{Progress, Rollout, State};
use crate::failure::{Failure, Outcome};
use crate::ids;

fn rollout(row: &AnyRow) -> Outcome<Rollout> {
    let to_all = |audience: &str| match audience {
        "all" => Some(true),
        "list" => Some(false),
        _ => None,
    };
    Ok(Rollout {
        id: column(row, "id")?,
        number: column(row, "number")?,
        release: spelled(row, "release", ids::digest)?,
        to_all: spelled(row, "audience", to_all)?,
        state: spelled(row, "state", State::parse)?,
        created_at: column(row, "created_at")?,
        created_by: column(row, "created_by")?,
        changed_at: column(row, "changed_at")?,
    })
}

async fn find(connection: &mut AnyConnection, id: &str) -> Outcome<Option<Rollout>> {
    let row = sqlx::query("SELECT * FROM rollouts WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(rollout).transpose()
}

impl Store {
    pub(crate) async fn rollout(&self, id: &str) -> Outcome<Option<Rollout>> {
        find(&mut *self.reader().await?, id).await
    }

    pub(crate) async fn rollouts(&self) -> Outcome<Vec<Rollout>> {
        let rows = sqlx::query("SELECT * FROM rollouts ORDER BY number DESC")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(rollout).collect()
    }

    /// The running rollouts that include a device, newest first, with what it has reported about each.
    pub(crate) async fn candidates(
        &self,
        device: DeviceId,
        vendor: Uuid,
        class: Uuid,
    ) -> Outcome<Vec<Candidate>> {
        let rows = sqlx::query(
            "SELECT r.id AS rollout, r.created_at AS created_at, l.*, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.received_at >= r.created_at AND p.event = 'reverted') AS reverts, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.received_at >= r.created_at \
              AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refusals \
             FROM rollouts r JOIN releases l ON l.digest = r.release \
             WHERE r.state = 'running' AND l.vendor = $2 AND l.class = $3 AND (r.audience = 'all' OR EXISTS \
             (SELECT 1 FROM rollout_devices m WHERE m.rollout = r.id AND m.device = $1)) \
             ORDER BY r.number DESC",
        )
        .bind(device.to_string())
        .bind(vendor.to_string())
        .bind(class.to_string())
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let candidates = rows.iter().map(|row| {
            Ok(Candidate {
                rollout: column(row, "rollout")?,
                created_at: column(row, "created_at")?,
                release: release(row)?,
                reverts: number(row, "reverts")?,
                refusals: number(row, "refusals")?,
            })
        });
        candidates.collect()
    }

    pub(crate) async fn progress(&self, rollout: &Rollout) -> Outcome<Progress> {
        let release = self.release(rollout.release).await?;
        let release = release.ok_or_else(|| Failure::storage("a rollout's release is gone"))?;
        let row = sqlx::query(
            "SELECT COUNT(*) AS included, \
             COUNT(CASE WHEN d.offered = $1 THEN 1 END) AS offered, \
             COUNT(CASE WHEN d.running_digest = $1 AND d.running_confirmed = 0 THEN 1 END) AS on_trial, \
             COUNT(CASE WHEN d.running_digest = $1 AND d.running_confirmed = 1 THEN 1 END) AS confirmed, \
             COUNT(CASE WHEN EXISTS (SELECT 1 FROM reports p WHERE p.device = d.id AND p.image = $1 \
              AND p.received_at >= $2 AND p.event = 'requested') THEN 1 END) AS requested, \
             COUNT(CASE WHEN EXISTS (SELECT 1 FROM reports p WHERE p.device = d.id AND p.image = $1 \
              AND p.received_at >= $2 AND p.event IN ('refused-by-app', 'refused-by-bootloader')) \
              THEN 1 END) AS refused, \
             COUNT(CASE WHEN EXISTS (SELECT 1 FROM reports p WHERE p.device = d.id AND p.image = $1 \
              AND p.received_at >= $2 AND p.event = 'reverted') THEN 1 END) AS reverted \
             FROM devices d WHERE d.vendor = $3 AND d.class = $4 AND d.state = 'approved' AND ($5 = 'all' OR \
             EXISTS (SELECT 1 FROM rollout_devices m WHERE m.rollout = $6 AND m.device = d.id))",
        )
        .bind(rollout.release.to_string())
        .bind(rollout.created_at)
        .bind(release.vendor.to_string())
        .bind(release.class.to_string())
        .bind(audience(rollout))
        .bind(&rollout.id)
        .fetch_one(&mut *self.reader().await?)
        .await?;
        Ok(Progress {
            included: column(&row, "included")?,
            offered: column(&row, "offered")?,
            requested: column(&row, "requested")?,
            on_trial: column(&row, "on_trial")?,
            confirmed: column(&row, "confirmed")?,
            refused: column(&row, "refused")?,
            reverted: column(&row, "reverted")?,
        })
    }
}

impl Change {
    pub(crate) async fn rollout(&mut self, id: &str) -> Outcome<Option<Rollout>> {
        find(&mut self.0, id).await
    }

    pub(crate) async fn open_rollouts(&mut self, vendor: Uuid, class: Uuid) -> Outcome<i64> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS total FROM rollouts r JOIN releases l ON l.digest = r.release \
             WHERE r.state <> 'aborted' AND l.vendor = $1 AND l.class = $2",
        )
        .bind(vendor.to_string())
        .bind(class.to_string())
        .fetch_one(&mut *self.0)
        .await?;
        column(&row, "total")
    }

    pub(crate) async fn next_rollout_number(&mut self) -> Outcome<i64> {
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) + 1 AS next FROM rollouts")
            .fetch_one(&mut *self.0)
            .await?;
        column(&row, "next")
    }

    pub(crate) async fn insert_rollout(&mut self, rollout: &Rollout) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO rollouts (id, number, release, audience, state, created_at, created_by, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&rollout.id)
        .bind(rollout.number)
        .bind(rollout.release.to_string())
        .bind(audience(rollout))
        .bind(rollout.state.as_str())
        .bind(rollout.created_at)
        .bind(&rollout.created_by)
        .bind(rollout.changed_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn insert_rollout_device(&mut self, rollout: &str, device: DeviceId) -> Outcome<()> {
        sqlx::query("INSERT INTO rollout_devices (rollout, device) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(rollout)
            .bind(device.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(crate) async fn put_rollout_state(&mut self, id: &str, state: State, now: i64) -> Outcome<()> {
        sqlx::query("UPDATE rollouts SET state = $1, changed_at = $2 WHERE id = $3")
            .bind(state.as_str())
            .bind(now)
            .bind(id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}

const fn audience(rollout: &Rollout) -> &'static str {
    if rollout.to_all { "all" } else { "list" }
}
