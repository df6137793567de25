//! Rows of rollouts, and the two questions asked of them: what may this device get, and how does it go.

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Uuid};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::releases::release;
use super::{Change, Record, Store, column, foreign, number, spelled, spelled_if_any};
use crate::domain::decision::Candidate;
use crate::domain::gate::{Gate, Health};
use crate::domain::release::Release;
use crate::domain::rollout::{Member, Progress, Rollout, State};
use crate::domain::share::{Place, Share};
use crate::domain::stage::{Advance, Stages};
use crate::domain::watch::Standing;
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
        share: share(row, "share")?,
        reached_at: column(row, "reached_at")?,
        stages: spelled(row, "stages", stages)?,
        advance: advance(row)?,
        gate: Gate {
            failures_max: number(row, "failures_max")?,
            failed_share_max: share(row, "failed_share_max")?,
            sample_min: number(row, "sample_min")?,
            silence_ms: column(row, "silence_ms")?,
        },
        state: spelled(row, "state", State::parse)?,
        created_at: column(row, "created_at")?,
        created_by: column(row, "created_by")?,
        changed_at: column(row, "changed_at")?,
        judged_since: column(row, "judged_since")?,
        halted_because: column(row, "halted_because")?,
    })
}

/// Stages are written as hundredths of a percent, with commas between.
fn stages(text: &str) -> Option<Stages> {
    let share = |text: &str| Share::of_hundredths(text.parse().ok()?);
    let shares: Option<Vec<Share>> = text.split(',').map(share).collect();
    Stages::new(shares?).ok()
}

fn stages_text(stages: &Stages) -> String {
    let shares = stages.shares().iter();
    let hundredths: Vec<String> = shares.map(|share| share.hundredths().to_string()).collect();
    hundredths.join(",")
}

fn advance(row: &AnyRow) -> Outcome<Option<Advance>> {
    let soak_ms: Option<i64> = column(row, "advance_soak_ms")?;
    soak_ms
        .map(|soak_ms| {
            Ok(Advance {
                confirmed_min: number(row, "advance_confirmed")?,
                soak_ms,
            })
        })
        .transpose()
}

fn share(row: &AnyRow, name: &str) -> Outcome<Share> {
    let hundredths: u16 = number(row, name)?;
    Share::of_hundredths(hundredths).ok_or_else(|| foreign(name, &hundredths.to_string()))
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

    pub(crate) async fn running_rollouts(&self) -> Outcome<Vec<Rollout>> {
        let rows = sqlx::query("SELECT * FROM rollouts WHERE state = 'running' ORDER BY number")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(rollout).collect()
    }

    /// How many devices have confirmed a rollout's release since it reaches as far as it does.
    pub(crate) async fn confirmed_in_stage(&self, rollout: &Rollout) -> Outcome<u32> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS confirmed FROM rollout_offers \
             WHERE rollout = $1 AND standing = 'confirmed' AND since > $2",
        )
        .bind(&rollout.id)
        .bind(rollout.reached_at)
        .fetch_one(&mut *self.reader().await?)
        .await?;
        number(&row, "confirmed")
    }

    /// What became of a rollout's offers since it was last started.
    pub(crate) async fn health(&self, rollout: &Rollout, now: i64) -> Outcome<Health> {
        let row = sqlx::query(
            "SELECT COUNT(CASE WHEN standing = 'confirmed' AND since >= $2 THEN 1 END) AS confirmed, \
             COUNT(CASE WHEN standing = 'refused' AND since >= $2 THEN 1 END) AS refused, \
             COUNT(CASE WHEN standing = 'reverted' AND since >= $2 THEN 1 END) AS reverted, \
             COUNT(CASE WHEN standing IN ('offered', 'requested') AND since >= $2 AND since < $3 \
              THEN 1 END) AS silent, \
             COUNT(CASE WHEN standing IN ('offered', 'requested') AND (since < $2 OR since >= $3) \
              THEN 1 END) AS under_way \
             FROM rollout_offers WHERE rollout = $1",
        )
        .bind(&rollout.id)
        .bind(rollout.judged_since)
        .bind(now.saturating_sub(rollout.gate.silence_ms))
        .fetch_one(&mut *self.reader().await?)
        .await?;
        Ok(Health {
            under_way: number(&row, "under_way")?,
            confirmed: number(&row, "confirmed")?,
            refused: number(&row, "refused")?,
            reverted: number(&row, "reverted")?,
            silent: number(&row, "silent")?,
        })
    }

    /// The running rollouts whose audience a device is in, newest first, with what it has reported about each.
    pub(crate) async fn candidates(
        &self,
        device: DeviceId,
        vendor: Uuid,
        class: Uuid,
    ) -> Outcome<Vec<Candidate>> {
        let rows = sqlx::query(
            "SELECT r.id AS rollout, r.share AS share, l.*, o.standing AS standing, \
             COALESCE(o.retried_at, r.created_at) AS tries_since, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.received_at >= COALESCE(o.retried_at, r.created_at) AND p.event = 'reverted') AS reverts, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.received_at >= COALESCE(o.retried_at, r.created_at) \
              AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refusals \
             FROM rollouts r JOIN releases l ON l.digest = r.release \
             LEFT JOIN rollout_offers o ON o.rollout = r.id AND o.device = $1 \
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
            let rollout: String = column(row, "rollout")?;
            Ok(Candidate {
                share: share(row, "share")?,
                place: Place::of(device, &rollout),
                standing: spelled_if_any(row, "standing", Standing::parse)?,
                rollout,
                tries_since: column(row, "tries_since")?,
                release: release(row)?,
                reverts: number(row, "reverts")?,
                refusals: number(row, "refusals")?,
            })
        });
        candidates.collect()
    }

    /// A page of a rollout's audience.
    pub(crate) async fn members(
        &self,
        rollout: &Rollout,
        standing: Option<Standing>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<Member>> {
        let rows = sqlx::query(
            "SELECT d.id AS id, d.running_version AS running_version, o.standing AS standing, o.since AS since \
             FROM releases l JOIN devices d ON d.vendor = l.vendor AND d.class = l.class \
             LEFT JOIN rollout_offers o ON o.rollout = $1 AND o.device = d.id \
             WHERE l.digest = $2 AND d.state = 'approved' AND d.id > $3 AND ($4 = '' OR o.standing = $4) \
             AND ($5 = 'all' OR EXISTS \
             (SELECT 1 FROM rollout_devices m WHERE m.rollout = $1 AND m.device = d.id)) \
             ORDER BY d.id LIMIT $6",
        )
        .bind(&rollout.id)
        .bind(rollout.release.to_string())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(standing.map_or("", Standing::as_str))
        .bind(audience(rollout))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let members = rows.iter().map(|row| {
            let device = spelled(row, "id", ids::device)?;
            let standing = spelled_if_any(row, "standing", Standing::parse)?;
            Ok(Member {
                device,
                running: spelled_if_any(row, "running_version", ids::version)?,
                place: Place::of(device, &rollout.id),
                offer: standing.zip(column(row, "since")?),
            })
        });
        members.collect()
    }

    /// Releases that running rollouts bring to devices of this hardware that nobody had to list, and how many of
    /// them each has reached.
    pub(crate) async fn rolled_out(&self, vendor: Uuid, class: Uuid) -> Outcome<Vec<(Share, Release)>> {
        let rows = sqlx::query(
            "SELECT r.share AS share, l.* FROM rollouts r JOIN releases l ON l.digest = r.release \
             WHERE r.state = 'running' AND r.audience = 'all' AND l.vendor = $1 AND l.class = $2",
        )
        .bind(vendor.to_string())
        .bind(class.to_string())
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter()
            .map(|row| Ok((share(row, "share")?, release(row)?)))
            .collect()
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
            "INSERT INTO rollouts (id, number, release, audience, state, created_at, created_by, changed_at, \
             share, failures_max, failed_share_max, sample_min, silence_ms, judged_since, stages, \
             advance_confirmed, advance_soak_ms, reached_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        )
        .bind(&rollout.id)
        .bind(rollout.number)
        .bind(rollout.release.to_string())
        .bind(audience(rollout))
        .bind(rollout.state.as_str())
        .bind(rollout.created_at)
        .bind(&rollout.created_by)
        .bind(rollout.changed_at)
        .bind(i64::from(rollout.share.hundredths()))
        .bind(i64::from(rollout.gate.failures_max))
        .bind(i64::from(rollout.gate.failed_share_max.hundredths()))
        .bind(i64::from(rollout.gate.sample_min))
        .bind(rollout.gate.silence_ms)
        .bind(rollout.judged_since)
        .bind(stages_text(&rollout.stages))
        .bind(rollout.advance.map(|advance| i64::from(advance.confirmed_min)))
        .bind(rollout.advance.map(|advance| advance.soak_ms))
        .bind(rollout.reached_at)
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

    /// Gives a device whose offer came to nothing another try; says whether there was one.
    pub(crate) async fn retry_offer(&mut self, id: &str, device: DeviceId, now: i64) -> Outcome<bool> {
        let done = sqlx::query(
            "UPDATE rollout_offers SET standing = 'offered', since = $1, retried_at = $1 \
             WHERE rollout = $2 AND device = $3 AND standing IN ('refused', 'reverted')",
        )
        .bind(now)
        .bind(id)
        .bind(device.to_string())
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes down what may change of a rollout: how far it reaches and where it stands.
    pub(crate) async fn put_rollout(&mut self, rollout: &Rollout) -> Outcome<()> {
        sqlx::query(
            "UPDATE rollouts SET state = $1, share = $2, changed_at = $3, judged_since = $4, halted_because = $5, \
             reached_at = $6 WHERE id = $7",
        )
        .bind(rollout.state.as_str())
        .bind(i64::from(rollout.share.hundredths()))
        .bind(rollout.changed_at)
        .bind(rollout.judged_since)
        .bind(&rollout.halted_because)
        .bind(rollout.reached_at)
        .bind(&rollout.id)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

impl Record {
    /// Notes that a device was offered a rollout's release, the first time.
    pub(crate) async fn put_offer(&mut self, rollout: &str, device: DeviceId, now: i64) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO rollout_offers (rollout, device, standing, since) VALUES ($1, $2, 'offered', $3) \
             ON CONFLICT DO NOTHING",
        )
        .bind(rollout)
        .bind(device.to_string())
        .bind(now)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Notes what became of a device's offers of an image. Asking for it again is no news after an outcome.
    pub(crate) async fn put_standing(
        &mut self,
        device: DeviceId,
        image: ImageDigest,
        standing: Standing,
        now: i64,
    ) -> Outcome<()> {
        sqlx::query(
            "UPDATE rollout_offers SET standing = $1, since = $2 WHERE device = $3 AND standing <> $1 \
             AND ($1 <> 'requested' OR standing = 'offered') \
             AND rollout IN (SELECT id FROM rollouts WHERE release = $4)",
        )
        .bind(standing.as_str())
        .bind(now)
        .bind(device.to_string())
        .bind(image.to_string())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

const fn audience(rollout: &Rollout) -> &'static str {
    if rollout.to_all { "all" } else { "list" }
}
