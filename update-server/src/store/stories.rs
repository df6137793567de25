//! What happened to one rollout or one device, looked up.

use latchkey_directive::DeviceId;

use super::audit::recorded;
use super::devices::device;
use super::rollouts::rollout;
use super::{Store, column, spelled};
use crate::domain::audit::Recorded;
use crate::domain::device::Device;
use crate::domain::rollout::Rollout;
use crate::domain::story::{Offer, Which};
use crate::domain::watch::Standing;
use crate::failure::Outcome;
use crate::ids;

/// Most offers listed for one device.
const OFFERS_MAX: i64 = 100;

impl Store {
    /// A page of rollouts, newest first: those before number `before`.
    pub(crate) async fn rollouts_before(
        &self,
        which: Which,
        before: i64,
        limit: u32,
    ) -> Outcome<Vec<Rollout>> {
        let release = which.of.map(|digest| digest.to_string()).unwrap_or_default();
        let rows = sqlx::query(
            "SELECT * FROM rollouts WHERE number < $1 AND ($2 = '' OR release = $2) \
             AND ($3 = '' OR state <> 'aborted') ORDER BY number DESC LIMIT $4",
        )
        .bind(before)
        .bind(release)
        .bind(if which.open { "open" } else { "" })
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(rollout).collect()
    }

    /// How many devices a rollout was ever offered to.
    pub(crate) async fn offers_of(&self, rollout: &Rollout) -> Outcome<i64> {
        let row = sqlx::query("SELECT COUNT(*) AS total FROM rollout_offers WHERE rollout = $1")
            .bind(&rollout.id)
            .fetch_one(&mut *self.reader().await?)
            .await?;
        column(&row, "total")
    }

    /// How many confirmed, and how many refused or reverted, in each of the steps of `step` milliseconds behind `from`.
    pub(crate) async fn outcomes_over_time(
        &self,
        rollout: &Rollout,
        from: i64,
        step: i64,
    ) -> Outcome<Vec<(i64, i64, i64)>> {
        let rows = sqlx::query(
            "SELECT (since - $2) / $3 AS step, COUNT(CASE WHEN standing = 'confirmed' THEN 1 END) AS confirmed, \
             COUNT(CASE WHEN standing IN ('refused', 'reverted') THEN 1 END) AS failed \
             FROM rollout_offers WHERE rollout = $1 AND since >= $2 GROUP BY 1 ORDER BY 1",
        )
        .bind(&rollout.id)
        .bind(from)
        .bind(step)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let read = |row| {
            Ok((
                column(row, "step")?,
                column(row, "confirmed")?,
                column(row, "failed")?,
            ))
        };
        rows.iter().map(read).collect()
    }

    /// What a device was offered, newest first.
    pub(crate) async fn offers_to(&self, device: DeviceId) -> Outcome<Vec<Offer>> {
        let rows = sqlx::query(
            "SELECT o.rollout AS rollout, l.version AS version, l.digest AS digest, o.standing AS standing, \
             o.since AS since FROM rollout_offers o JOIN rollouts r ON r.id = o.rollout \
             JOIN releases l ON l.digest = r.release WHERE o.device = $1 ORDER BY r.number DESC LIMIT $2",
        )
        .bind(device.to_string())
        .bind(OFFERS_MAX)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let offers = rows.iter().map(|row| {
            Ok(Offer {
                rollout: column(row, "rollout")?,
                version: spelled(row, "version", ids::version)?,
                release: spelled(row, "digest", ids::digest)?,
                standing: spelled(row, "standing", Standing::parse)?,
                since: column(row, "since")?,
            })
        });
        offers.collect()
    }

    /// Devices whose name begins so; `prefix` is lower-case hex.
    pub(crate) async fn devices_named(&self, prefix: &str, limit: u32) -> Outcome<Vec<Device>> {
        let rows = sqlx::query("SELECT * FROM devices WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3")
            .bind(prefix)
            // No hex digit comes behind it.
            .bind(format!("{prefix}g"))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(device).collect()
    }

    /// What the audit log says of one thing, newest first.
    pub(crate) async fn audit_of(&self, subject: &str, limit: u32) -> Outcome<Vec<Recorded>> {
        let rows = sqlx::query(
            "SELECT number, at, actor, action, subject, detail, link FROM audit \
             WHERE subject = $1 ORDER BY number DESC LIMIT $2",
        )
        .bind(subject)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(recorded).collect()
    }

    /// Lines of the audit log before line `before`, newest first.
    pub(crate) async fn audit_before(&self, before: i64, limit: u32) -> Outcome<Vec<Recorded>> {
        let rows = sqlx::query(
            "SELECT number, at, actor, action, subject, detail, link FROM audit \
             WHERE number < $1 ORDER BY number DESC LIMIT $2",
        )
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(recorded).collect()
    }
}
