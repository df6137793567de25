//! Rows of rollouts, and the two questions asked of them: what may this device get, and how does it go.

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Uuid};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::devices::device;
use super::releases::release;
use super::{Change, Look, Record, Store, column, foreign, number, spelled, spelled_if_any};
use crate::domain::decision::{Candidate, Terms};
use crate::domain::device::Device;
use crate::domain::gate::{Gate, Health};
use crate::domain::release::Release;
use crate::domain::rollout::{Progress, Rollout, State};
use crate::domain::second::{Asked, What};
use crate::domain::share::{Place, Share};
use crate::domain::stage::{Advance, Stages};
use crate::domain::watch::Standing;
use crate::failure::{Failure, Outcome};
use crate::ids;

pub(super) fn rollout(row: &AnyRow) -> Outcome<Rollout> {
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
        terms: terms(row)?,
        two_persons: column::<i64>(row, "two_persons")? != 0,
        asked: asked(row)?,
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

fn terms(row: &AnyRow) -> Outcome<Terms> {
    Ok(Terms {
        battery_min: number(row, "battery_min")?,
        not_before: column(row, "not_before")?,
        hours: spelled_if_any(row, "hours", |text| text.parse().ok())?,
    })
}

fn asked(row: &AnyRow) -> Outcome<Option<Asked>> {
    let at: Option<i64> = column(row, "asked_at")?;
    at.map(|at| {
        let what = match number::<u16>(row, "asked_share")? {
            0 => What::Start,
            _ => What::Widen(share(row, "asked_share")?),
        };
        Ok(Asked {
            what,
            by: column(row, "asked_by")?,
            person: column(row, "asked_person")?,
            at,
        })
    })
    .transpose()
}

/// A device's standing in a rollout, from a row with its offer and its reports.
fn candidate(
    row: &AnyRow,
    device: DeviceId,
    rollout: String,
    share: Share,
    terms: Terms,
    release: Release,
) -> Outcome<Candidate> {
    Ok(Candidate {
        share,
        place: Place::of(device, &rollout),
        standing: spelled_if_any(row, "standing", Standing::parse)?,
        rollout,
        tries_since: column(row, "tries_since")?,
        release,
        terms,
        reverts: number(row, "reverts")?,
        refusals: number(row, "refusals")?,
        refused_at: column(row, "refused_at")?,
    })
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

    /// What a rollout is judged by, and how many devices have confirmed since it reaches as far as it does. Costs the
    /// same however many offers there are: outcomes are counted as they come, and only those silent for too long are
    /// counted here.
    pub(crate) async fn outcomes(&self, rollout: &Rollout, now: i64) -> Outcome<(Health, u32)> {
        let mut reader = self.reader().await?;
        let tally = sqlx::query("SELECT * FROM rollout_tallies WHERE rollout = $1")
            .bind(&rollout.id)
            .fetch_one(&mut *reader)
            .await?;
        let silent = sqlx::query(
            "SELECT COUNT(*) AS silent FROM rollout_offers WHERE rollout = $1 \
             AND standing IN ('offered', 'requested') AND since >= $2 AND since < $3",
        )
        .bind(&rollout.id)
        .bind(rollout.judged_since)
        .bind(now.saturating_sub(rollout.gate.silence_ms))
        .fetch_one(&mut *reader)
        .await?;
        let health = Health {
            confirmed: number(&tally, "confirmed")?,
            refused: number(&tally, "refused")?,
            reverted: number(&tally, "reverted")?,
            silent: number(&silent, "silent")?,
            ..Health::default()
        };
        Ok((health, number(&tally, "stage_confirmed")?))
    }

    /// The same, with those whose outcome is open.
    pub(crate) async fn health(&self, rollout: &Rollout, now: i64) -> Outcome<Health> {
        let (health, _) = self.outcomes(rollout, now).await?;
        let rows = sqlx::query(
            "SELECT standing, COUNT(*) AS total FROM rollout_offers WHERE rollout = $1 \
             AND standing IN ('declined', 'deferred', 'offered', 'requested') GROUP BY standing",
        )
        .bind(&rollout.id)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let mut health = health;
        let mut open: u32 = 0;
        for row in &rows {
            let total: u32 = number(row, "total")?;
            match spelled(row, "standing", Standing::parse)? {
                Standing::Declined => health.declined = total,
                Standing::Deferred => health.deferred = total,
                Standing::Offered | Standing::Requested => open = open.saturating_add(total),
                Standing::Confirmed | Standing::Refused | Standing::Reverted => {}
            }
        }
        health.under_way = open.saturating_sub(health.silent);
        Ok(health)
    }

    /// The running rollouts whose audience a device is in, newest first, with what it has reported about each.
    pub(crate) async fn candidates(
        &self,
        device: DeviceId,
        vendor: Uuid,
        class: Uuid,
    ) -> Outcome<Vec<Candidate>> {
        let rows = sqlx::query(
            "SELECT r.id AS rollout, r.share AS share, r.battery_min AS battery_min, r.not_before AS not_before, \
             r.hours AS hours, l.*, o.standing AS standing, \
             COALESCE(o.retried_at, r.created_at) AS tries_since, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.received_at >= COALESCE(o.retried_at, r.created_at) AND p.event = 'reverted') AS reverts, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.received_at >= COALESCE(o.retried_at, r.created_at) \
              AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refusals, \
             (SELECT MAX(p.received_at) FROM reports p WHERE p.device = $1 AND p.image = r.release \
              AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refused_at \
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
            candidate(
                row,
                device,
                rollout,
                share(row, "share")?,
                terms(row)?,
                release(row)?,
            )
        });
        candidates.collect()
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
            "SELECT d.*, o.standing AS standing, o.since AS offer_since, \
             COALESCE(o.retried_at, $1) AS tries_since, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = d.id AND p.image = $2 \
              AND p.received_at >= COALESCE(o.retried_at, $1) AND p.event = 'reverted') AS reverts, \
             (SELECT COUNT(*) FROM reports p WHERE p.device = d.id AND p.image = $2 \
              AND p.received_at >= COALESCE(o.retried_at, $1) \
              AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refusals, \
             (SELECT MAX(p.received_at) FROM reports p WHERE p.device = d.id AND p.image = $2 \
              AND p.event IN ('refused-by-app', 'refused-by-bootloader')) AS refused_at \
             FROM devices d LEFT JOIN rollout_offers o ON o.rollout = $3 AND o.device = d.id \
             WHERE d.vendor = $4 AND d.class = $5 AND d.state = 'approved' AND d.id > $6 \
             AND ($7 = '' OR o.standing = $7) AND ($8 = 'all' OR EXISTS \
             (SELECT 1 FROM rollout_devices m WHERE m.rollout = $3 AND m.device = d.id)) \
             ORDER BY d.id LIMIT $9",
        )
        .bind(rollout.created_at)
        .bind(rollout.release.to_string())
        .bind(&rollout.id)
        .bind(release.vendor.to_string())
        .bind(release.class.to_string())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(standing.map_or("", Standing::as_str))
        .bind(audience(rollout))
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let members = rows.iter().map(|row| {
            let device = device(row)?;
            let id = rollout.id.clone();
            let candidate = candidate(row, device.id, id, rollout.share, rollout.terms, release.clone())?;
            Ok((device, candidate, column(row, "offer_since")?))
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

impl Look {
    pub(crate) async fn rollout(&mut self, id: &str) -> Outcome<Option<Rollout>> {
        find(&mut self.0, id).await
    }
}

impl Change {
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
             advance_confirmed, advance_soak_ms, reached_at, battery_min, not_before, hours, two_persons) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
             $21, $22)",
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
        .bind(i64::from(rollout.terms.battery_min))
        .bind(rollout.terms.not_before)
        .bind(rollout.terms.hours.map(|hours| hours.to_string()))
        .bind(i64::from(rollout.two_persons))
        .execute(&mut *self.0)
        .await?;
        sqlx::query(
            "INSERT INTO rollout_tallies (rollout, confirmed, refused, reverted, stage_confirmed) \
             VALUES ($1, 0, 0, 0, 0)",
        )
        .bind(&rollout.id)
        .execute(&mut *self.0)
        .await?;
        self.put_rollout(rollout).await
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
        let failed = [Standing::Refused, Standing::Reverted];
        let offer = offers(&mut self.0, device, Of::Rollout(id)).await?;
        let Some(offer) = offer.into_iter().find(|offer| failed.contains(&offer.standing)) else {
            return Ok(false);
        };
        move_offer(&mut self.0, &offer, device, Standing::Offered, now).await?;
        sqlx::query("UPDATE rollout_offers SET retried_at = $1 WHERE rollout = $2 AND device = $3")
            .bind(now)
            .bind(id)
            .bind(device.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(true)
    }

    /// Writes down what may change of a rollout: how far it reaches, where it stands and what is asked for. What is
    /// counted from a new beginning on begins anew.
    pub(crate) async fn put_rollout(&mut self, rollout: &Rollout) -> Outcome<()> {
        let asked = rollout.asked.as_ref();
        sqlx::query(
            "UPDATE rollout_tallies SET \
             confirmed = CASE WHEN r.judged_since = $1 THEN rollout_tallies.confirmed ELSE 0 END, \
             refused = CASE WHEN r.judged_since = $1 THEN rollout_tallies.refused ELSE 0 END, \
             reverted = CASE WHEN r.judged_since = $1 THEN rollout_tallies.reverted ELSE 0 END, \
             stage_confirmed = CASE WHEN r.reached_at = $2 THEN rollout_tallies.stage_confirmed ELSE 0 END \
             FROM rollouts r WHERE rollout_tallies.rollout = $3 AND r.id = $3",
        )
        .bind(rollout.judged_since)
        .bind(rollout.reached_at)
        .bind(&rollout.id)
        .execute(&mut *self.0)
        .await?;
        sqlx::query(
            "UPDATE rollouts SET state = $1, share = $2, changed_at = $3, judged_since = $4, halted_because = $5, \
             reached_at = $6, asked_share = $7, asked_by = $8, asked_person = $9, asked_at = $10 WHERE id = $11",
        )
        .bind(rollout.state.as_str())
        .bind(i64::from(rollout.share.hundredths()))
        .bind(rollout.changed_at)
        .bind(rollout.judged_since)
        .bind(&rollout.halted_because)
        .bind(rollout.reached_at)
        .bind(asked.map(|asked| match asked.what {
            What::Start => 0,
            What::Widen(share) => i64::from(share.hundredths()),
        }))
        .bind(asked.map(|asked| asked.by.as_str()))
        .bind(asked.map(|asked| asked.person.as_str()))
        .bind(asked.map(|asked| asked.at))
        .bind(&rollout.id)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

impl Record {
    /// Notes that a device was offered a rollout's release, or why it was not, as long as it has done nothing about it.
    pub(crate) async fn put_offer(
        &mut self,
        rollout: &str,
        device: DeviceId,
        standing: Standing,
        now: i64,
    ) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO rollout_offers (rollout, device, standing, since) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (rollout, device) DO UPDATE SET standing = excluded.standing, since = excluded.since \
             WHERE rollout_offers.standing IN ('declined', 'deferred', 'offered')",
        )
        .bind(rollout)
        .bind(device.to_string())
        .bind(standing.as_str())
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
        for offer in offers(&mut self.0, device, Of::Release(image)).await? {
            let news = standing != Standing::Requested || offer.standing.is_open();
            if news && offer.standing != standing {
                move_offer(&mut self.0, &offer, device, standing, now).await?;
            }
        }
        Ok(())
    }
}

/// An offer as it stands, and since when its rollout counts what.
struct Offer {
    rollout: String,
    standing: Standing,
    since: i64,
    judged_since: i64,
    reached_at: i64,
}

/// Which of a device's offers.
#[derive(Clone, Copy)]
enum Of<'r> {
    Release(ImageDigest),
    Rollout(&'r str),
}

async fn offers(connection: &mut AnyConnection, device: DeviceId, of: Of<'_>) -> Outcome<Vec<Offer>> {
    let (release, rollout) = match of {
        Of::Release(image) => (image.to_string(), ""),
        Of::Rollout(id) => (String::new(), id),
    };
    let rows = sqlx::query(
        "SELECT o.rollout AS rollout, o.standing AS standing, o.since AS since, r.judged_since AS judged_since, \
         r.reached_at AS reached_at FROM rollout_offers o JOIN rollouts r ON r.id = o.rollout \
         WHERE o.device = $1 AND (r.release = $2 OR r.id = $3)",
    )
    .bind(device.to_string())
    .bind(release)
    .bind(rollout)
    .fetch_all(connection)
    .await?;
    let read = |row: &AnyRow| {
        Ok(Offer {
            rollout: column(row, "rollout")?,
            standing: spelled(row, "standing", Standing::parse)?,
            since: column(row, "since")?,
            judged_since: column(row, "judged_since")?,
            reached_at: column(row, "reached_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Moves an offer on, and counts it where its rollout is judged by: what it was, as far as that counted, not any more;
/// what it is now, once more.
async fn move_offer(
    connection: &mut AnyConnection,
    offer: &Offer,
    device: DeviceId,
    to: Standing,
    now: i64,
) -> Outcome<()> {
    let change = |standing: Standing, from: i64| {
        let was = i64::from(offer.standing == standing && offer.since >= from);
        i64::from(to == standing).saturating_sub(was)
    };
    sqlx::query("UPDATE rollout_offers SET standing = $1, since = $2 WHERE rollout = $3 AND device = $4")
        .bind(to.as_str())
        .bind(now)
        .bind(&offer.rollout)
        .bind(device.to_string())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE rollout_tallies SET confirmed = confirmed + $1, refused = refused + $2, \
         reverted = reverted + $3, stage_confirmed = stage_confirmed + $4 WHERE rollout = $5",
    )
    .bind(change(Standing::Confirmed, offer.judged_since))
    .bind(change(Standing::Refused, offer.judged_since))
    .bind(change(Standing::Reverted, offer.judged_since))
    .bind(change(Standing::Confirmed, offer.reached_at))
    .bind(&offer.rollout)
    .execute(connection)
    .await?;
    Ok(())
}

const fn audience(rollout: &Rollout) -> &'static str {
    if rollout.to_all { "all" } else { "list" }
}
