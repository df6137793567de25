//! Who may get what: the rollouts whose audience a device is in, and the devices in a rollout's audience.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Uuid};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::devices::device;
use super::releases::{self, release};
use super::rollouts::{audience, share, terms};
use super::statement::Statement;
use super::together::{Finds, Lookup};
use super::{Readers, Store, column, number, spelled, spelled_if_any};
use crate::domain::decision::{Candidate, Terms};
use crate::domain::device::Device;
use crate::domain::release::Release;
use crate::domain::rollout::{Progress, Rollout};
use crate::domain::share::{Place, Share};
use crate::domain::watch::Standing;
use crate::failure::{Failure, Outcome};
use crate::ids;

/// Most releases that are kept in memory.
const RELEASES_KEPT: usize = 1_000;

/// How device `d` has fared with rollout `r`, whose offer to it is `o`: what it reported since the rollout was made, by
/// the order in which both came to the database, less what an operator has forgiven it.
macro_rules! fared {
    () => {
        "o.standing AS standing, o.since AS offer_since, o.forgiven_boot AS forgiven_boot, r.created_at AS made_at, \
         (SELECT COUNT(*) FROM reports p WHERE p.device = d.id AND p.image = r.release \
          AND p.rollouts >= r.number AND p.event = 'reverted') \
          - COALESCE(o.forgiven_reverts, 0) AS reverts, \
         (SELECT COUNT(*) FROM reports p WHERE p.device = d.id AND p.image = r.release \
          AND p.rollouts >= r.number AND p.event IN ('refused-by-app', 'refused-by-bootloader')) \
          - COALESCE(o.forgiven_refusals, 0) AS refusals, \
         (SELECT MAX(p.received_at) FROM reports p WHERE p.device = d.id AND p.image = r.release \
          AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refused_at, \
         (SELECT n.stage FROM rollout_cohort_devices n WHERE n.rollout = r.id AND n.device = d.id) AS cohort"
    };
}

/// How one device has fared with one rollout.
pub(super) const FARED: &str = concat!(
    "SELECT ",
    fared!(),
    " FROM rollouts r JOIN devices d ON d.id = $2 \
     LEFT JOIN rollout_offers o ON o.rollout = r.id AND o.device = d.id WHERE r.id = $1"
);

/// A device's standing in a rollout, from a row with its offer and its reports.
fn candidate(
    row: &AnyRow,
    device: DeviceId,
    rollout: String,
    (cohorts_reached, share): (u16, Share),
    terms: Terms,
    release: Arc<Release>,
) -> Outcome<Candidate> {
    Ok(Candidate {
        share,
        place: Place::of(device, &rollout),
        cohort: cohort(row)?,
        cohorts_reached,
        standing: spelled_if_any(row, "standing", Standing::parse)?,
        rollout,
        made_at: column(row, "made_at")?,
        forgiven_boot: column(row, "forgiven_boot")?,
        release,
        terms,
        reverts: number(row, "reverts")?,
        refusals: number(row, "refusals")?,
        refused_at: column(row, "refused_at")?,
    })
}

fn cohort(row: &AnyRow) -> Outcome<Option<u16>> {
    let stored: Option<i64> = column(row, "cohort")?;
    stored.map(|_| number(row, "cohort")).transpose()
}

/// The running rollouts whose audience devices are in, newest first, with what each has reported about them.
#[derive(Debug)]
pub(super) struct Candidates {
    readers: Readers,
    statement: Statement,
    /// Those that were rolled out lately, which never change.
    releases: Mutex<HashMap<ImageDigest, Arc<Release>>>,
}

impl Candidates {
    pub(super) fn of(readers: &Readers) -> Self {
        Self {
            readers: readers.clone(),
            // Devices by their names, before anything else: without statistics PostgreSQL would go from a release to
            // all devices of its hardware.
            statement: Statement::listing(
                "WITH d AS MATERIALIZED (SELECT id, vendor, class FROM devices WHERE id IN (",
                1,
                concat!(
                    ")) SELECT d.id AS device, r.id AS rollout, r.release AS release, \
                     r.cohorts_reached AS cohorts_reached, r.share AS share, r.battery_min AS battery_min, \
                     r.not_before AS not_before, r.hours AS hours, ",
                    fared!(),
                    " FROM d JOIN releases l ON l.vendor = d.vendor AND l.class = d.class \
                     JOIN rollouts r ON r.release = l.digest AND r.state = 'running' \
                     LEFT JOIN rollout_offers o ON o.rollout = r.id AND o.device = d.id \
                     WHERE r.audience = 'all' OR EXISTS \
                     (SELECT 1 FROM rollout_devices m WHERE m.rollout = r.id AND m.device = d.id) \
                     ORDER BY r.number DESC"
                ),
            ),
            releases: Mutex::default(),
        }
    }

    async fn candidate(
        &self,
        reader: &mut AnyConnection,
        row: &AnyRow,
        device: DeviceId,
    ) -> Outcome<Candidate> {
        let rollout: String = column(row, "rollout")?;
        let reached = (number(row, "cohorts_reached")?, share(row, "share")?);
        let release = self
            .release(reader, spelled(row, "release", ids::digest)?)
            .await?;
        candidate(row, device, rollout, reached, terms(row)?, release)
    }

    async fn release(&self, reader: &mut AnyConnection, digest: ImageDigest) -> Outcome<Arc<Release>> {
        let known = self.releases().get(&digest).cloned();
        if let Some(release) = known {
            return Ok(release);
        }
        let release = releases::find(reader, digest).await?;
        let release = Arc::new(release.ok_or_else(|| Failure::storage("a rollout's release is gone"))?);
        let mut releases = self.releases();
        if releases.len() >= RELEASES_KEPT {
            releases.clear();
        }
        releases.insert(digest, release.clone());
        Ok(release)
    }

    /// A panic elsewhere leaves the map as whole as it was.
    fn releases(&self) -> MutexGuard<'_, HashMap<ImageDigest, Arc<Release>>> {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookup for Candidates {
    type Found = Vec<Candidate>;

    async fn find(&self, devices: &[DeviceId]) -> Outcome<Finds<Vec<Candidate>>> {
        let mut reader = self.readers.acquire().await?;
        let query = self
            .statement
            .about(devices, |query, id| query.bind(id.to_string()));
        let rows = query.fetch_all(&mut *reader).await?;
        let mut found = Finds::new();
        for row in &rows {
            let device = spelled(row, "device", ids::device)?;
            let candidates = found.entry(device).or_insert_with(|| Ok(Vec::new()));
            match (
                candidates.as_mut(),
                self.candidate(&mut reader, row, device).await,
            ) {
                (Ok(candidates), Ok(candidate)) => candidates.push(candidate),
                (Ok(_), Err(failure)) => *candidates = Err(failure),
                (Err(_), _) => {}
            }
        }
        Ok(found)
    }
}

impl Store {
    /// The running rollouts whose audience a device is in, newest first, with what it has reported about each.
    pub(crate) async fn candidates(&self, device: DeviceId) -> Outcome<Vec<Candidate>> {
        Ok(self.candidates.find(device).await?.unwrap_or_default())
    }

    /// A page of a rollout's audience: each device, the rollout as its candidate, and since when its offer stands so.
    pub(crate) async fn members(
        &self,
        rollout: &Rollout,
        release: &Release,
        standing: Option<Standing>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<(Device, Candidate, Option<i64>)>> {
        let rows = sqlx::query(
            concat!(
                "SELECT d.*, ",
                fared!(),
                " FROM rollouts r JOIN devices d ON d.vendor = $2 AND d.class = $3 AND d.state = 'approved' \
                 LEFT JOIN rollout_offers o ON o.rollout = r.id AND o.device = d.id \
                 WHERE r.id = $1 AND d.id > $4 AND ($5 = '' OR o.standing = $5) AND (r.audience = 'all' OR EXISTS \
                 (SELECT 1 FROM rollout_devices m WHERE m.rollout = r.id AND m.device = d.id)) \
                 ORDER BY d.id LIMIT $6"
            ),
        )
        .bind(&rollout.id)
        .bind(release.vendor.to_string())
        .bind(release.class.to_string())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(standing.map_or("", Standing::as_str))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let release = Arc::new(release.clone());
        let members = rows.iter().map(|row| {
            let device = device(row)?;
            let id = rollout.id.clone();
            let reached = (rollout.cohorts_reached, rollout.share);
            let candidate = candidate(row, device.id, id, reached, rollout.terms, release.clone())?;
            Ok((device, candidate, column(row, "offer_since")?))
        });
        members.collect()
    }

    /// Releases that running rollouts bring by now to devices of this hardware that nobody had to list, and how many of
    /// them each has reached.
    pub(crate) async fn rolled_out(
        &self,
        vendor: Uuid,
        class: Uuid,
        now: i64,
    ) -> Outcome<Vec<(Share, Release)>> {
        let rows = sqlx::query(
            "SELECT r.share AS share, l.* FROM rollouts r JOIN releases l ON l.digest = r.release \
             WHERE r.state = 'running' AND r.audience = 'all' AND l.vendor = $1 AND l.class = $2 \
             AND (r.not_before IS NULL OR r.not_before <= $3)",
        )
        .bind(vendor.to_string())
        .bind(class.to_string())
        .bind(now)
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
              AND p.rollouts >= $2 AND p.event = 'requested') THEN 1 END) AS requested, \
             COUNT(CASE WHEN EXISTS (SELECT 1 FROM reports p WHERE p.device = d.id AND p.image = $1 \
              AND p.rollouts >= $2 AND p.event IN ('refused-by-app', 'refused-by-bootloader')) \
              THEN 1 END) AS refused, \
             COUNT(CASE WHEN EXISTS (SELECT 1 FROM reports p WHERE p.device = d.id AND p.image = $1 \
              AND p.rollouts >= $2 AND p.event = 'reverted') THEN 1 END) AS reverted \
             FROM devices d WHERE d.vendor = $3 AND d.class = $4 AND d.state = 'approved' AND ($5 = 'all' OR \
             EXISTS (SELECT 1 FROM rollout_devices m WHERE m.rollout = $6 AND m.device = d.id))",
        )
        .bind(rollout.release.to_string())
        .bind(rollout.number)
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
