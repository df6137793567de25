//! What devices run, and may run by now.

use latchkey_directive::DeviceId;
use latchkey_image::{SecurityCounter, Uuid};
use sqlx::any::AnyRow;

use super::devices::device;
use super::{Store, column, number, spelled, spelled_if_any};
use crate::domain::device::Device;
use crate::domain::incident::{Alike, Build};
use crate::failure::Outcome;
use crate::ids;

/// The reports `p` of a device `d` behind its last check-in: a lock numbers reports and check-ins in one order, which
/// times could not tell. Where its numbers were set back, older reports have higher ones, and of those no more is known
/// than their times.
macro_rules! reports_since {
    () => {
        "FROM reports p WHERE p.device = d.id AND p.sequence > d.sequence \
         AND (d.numbering = 0 OR p.received_at >= d.last_seen) "
    };
}

/// From devices `d`, with the release `l` that each of them may run by now instead of what it told last.
///
/// That is what it asked its bootloader for, or said that it runs, behind its last check-in. Else it is what it was told
/// there to install, unless it has spoken of that since: a lock says once that it asks, and restarts whether or not
/// anybody heard. A device that speaks hawkBit's interface numbers nothing, and may run what its open action says.
macro_rules! from_devices {
    () => {
        concat!(
            " FROM devices d LEFT JOIN releases l ON l.vendor = d.vendor AND l.class = d.class \
             AND l.digest <> d.running_digest AND l.digest = CASE WHEN d.token_hash IS NULL THEN COALESCE(\
             (SELECT p.image ",
            reports_since!(),
            "AND p.event IN ('requested', 'confirmed') \
              AND NOT EXISTS (SELECT 1 FROM reports q WHERE q.device = p.device AND q.sequence > p.sequence \
               AND (d.numbering = 0 OR q.received_at >= p.received_at) \
               AND (q.image = p.image OR q.event IN ('requested', 'confirmed'))) \
              ORDER BY p.received_at DESC LIMIT 1), \
             CASE WHEN NOT EXISTS (SELECT 1 ",
            reports_since!(),
            "AND p.image = d.offered) THEN d.offered END) \
             ELSE (SELECT r.release FROM hawkbit_actions a JOIN rollouts r ON r.id = a.rollout \
              WHERE a.device = d.id AND a.progress IN ('open', 'requested')) END "
        )
    };
}

/// That release, as [`may_run`] reads it.
macro_rules! may_run {
    () => {
        "l.digest AS other_digest, l.version AS other_version, l.counter AS other_counter"
    };
}

fn runs(row: &AnyRow) -> Outcome<Build> {
    Ok(Build {
        vendor: spelled(row, "vendor", ids::uuid)?,
        class: spelled(row, "class", ids::uuid)?,
        image: spelled(row, "running_digest", ids::digest)?,
        version: spelled(row, "running_version", ids::version)?,
        counter: number(row, "running_counter").map(SecurityCounter)?,
    })
}

fn may_run(row: &AnyRow) -> Outcome<Option<Build>> {
    let Some(image) = spelled_if_any(row, "other_digest", ids::digest)? else {
        return Ok(None);
    };
    Ok(Some(Build {
        vendor: spelled(row, "vendor", ids::uuid)?,
        class: spelled(row, "class", ids::uuid)?,
        image,
        version: spelled(row, "other_version", ids::version)?,
        counter: number(row, "other_counter").map(SecurityCounter)?,
    }))
}

impl Store {
    /// How many devices run each build and may run which other, and how many of them called since `lately`.
    pub(crate) async fn builds(&self, lately: i64) -> Outcome<Vec<Alike>> {
        let rows = sqlx::query(concat!(
            "SELECT d.vendor AS vendor, d.class AS class, d.running_digest AS running_digest, \
             d.running_version AS running_version, d.running_counter AS running_counter, ",
            may_run!(),
            ", COUNT(*) AS total, SUM(CASE WHEN d.last_seen >= $1 THEN 1 ELSE 0 END) AS lately",
            from_devices!(),
            "WHERE d.running_digest IS NOT NULL GROUP BY d.vendor, d.class, d.running_digest, \
             d.running_version, d.running_counter, l.digest, l.version, l.counter",
        ))
        .bind(lately)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let alike = |row: &AnyRow| {
            Ok(Alike {
                runs: runs(row)?,
                may_run: may_run(row)?,
                devices: column(row, "total")?,
                seen: column(row, "lately")?,
            })
        };
        rows.iter().map(alike).collect()
    }

    /// A page of all devices, each with what it may run instead of what it told.
    pub(crate) async fn devices_in_doubt(
        &self,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<(Device, Option<Build>)>> {
        let rows = sqlx::query(concat!(
            "SELECT d.*, ",
            may_run!(),
            from_devices!(),
            "WHERE d.id > $1 ORDER BY d.id LIMIT $2",
        ))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(|row| Ok((device(row)?, may_run(row)?))).collect()
    }

    /// How many approved devices, of this hardware or all, never said what they run.
    pub(crate) async fn devices_without_build(&self, hardware: Option<(Uuid, Uuid)>) -> Outcome<i64> {
        let (vendor, class) = hardware.unzip();
        let text = |uuid: Option<Uuid>| uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
        let row = sqlx::query(
            "SELECT COUNT(*) AS total FROM devices WHERE state = 'approved' AND running_digest IS NULL \
             AND ($1 = '' OR (vendor = $1 AND class = $2))",
        )
        .bind(text(vendor))
        .bind(text(class))
        .fetch_one(&mut *self.reader().await?)
        .await?;
        column(&row, "total")
    }
}
