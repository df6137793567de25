//! Rows of offers, and what they add up to.
//!
//! An outcome belongs to the round and the widening of its rollout in which it came: numbers that grow with each start
//! and each widening. A rollout's one row of tallies says which round and which widening it counts. Moving an offer is
//! two statements: the tallies are changed by what they hold at that moment, which also locks them, and the offer is
//! then written with the numbers found there. So whether a report or a start comes first, the tallies are what counting
//! the offers would give. Whoever moves offers holds the device's row before, and takes tallies by their rollouts'
//! names: no two wait for each other.

use latchkey_directive::DeviceId;
use latchkey_image::ImageDigest;
use sqlx::AnyConnection;

use super::{Change, Record, Store, column, hold_device, number, spelled};
use crate::domain::decision::Facts;
use crate::domain::gate::Health;
use crate::domain::rollout::Rollout;
use crate::domain::watch::Standing;
use crate::failure::Outcome;
use crate::ids;

impl Store {
    /// What a rollout is judged by, and how many devices have confirmed since it reaches as far as it does. Outcomes are
    /// counted as they come, so only those open for longer than the limit are looked at here.
    ///
    /// Silent is a device that is approved and has its key for itself, of which nothing was heard within the limit, and
    /// that went with the release: it was told of it when it called last, ran it on trial then, or has asked its
    /// bootloader for it since. Once and for all: who was silent already when the rollout was last started does not
    /// count.
    pub(crate) async fn outcomes(&self, rollout: &Rollout, now: i64) -> Outcome<(Health, u32)> {
        let mut reader = self.reader().await?;
        let tally = sqlx::query("SELECT * FROM rollout_tallies WHERE rollout = $1")
            .bind(&rollout.id)
            .fetch_one(&mut *reader)
            .await?;
        let silence_ms = rollout.gate.silence_ms;
        let silent = sqlx::query(
            "SELECT COUNT(*) AS silent FROM rollout_offers o JOIN devices d ON d.id = o.device \
             WHERE o.rollout = $1 AND o.standing IN ('offered', 'requested') \
             AND (d.offered = $4 OR (d.running_digest = $4 AND d.running_confirmed = 0) \
             OR (o.standing = 'requested' AND o.since >= COALESCE(d.last_seen, 0))) \
             AND o.since < $2 AND COALESCE(d.last_seen, 0) < $2 AND (o.since >= $3 OR d.last_seen >= $3) \
             AND d.state = 'approved' AND d.alarm_at IS NULL",
        )
        .bind(&rollout.id)
        .bind(now.saturating_sub(silence_ms))
        .bind(rollout.judged_since.saturating_sub(silence_ms))
        .bind(rollout.release.to_string())
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
    pub(crate) async fn health(&self, rollout: &Rollout, now: i64) -> Outcome<(Health, u32)> {
        let (mut health, stage_confirmed) = self.outcomes(rollout, now).await?;
        let rows = sqlx::query(
            "SELECT o.standing AS standing, COUNT(*) AS total FROM rollout_offers o JOIN devices d ON d.id = o.device \
             WHERE o.rollout = $1 AND o.standing IN ('declined', 'deferred', 'offered', 'requested') \
             AND d.state = 'approved' GROUP BY o.standing",
        )
        .bind(&rollout.id)
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let mut open: u32 = 0;
        for row in &rows {
            let total: u32 = number(row, "total")?;
            match spelled(row, "standing", Standing::parse)? {
                Standing::Declined => health.declined = total,
                Standing::Deferred => health.deferred = total,
                Standing::Offered | Standing::Requested => open = open.saturating_add(total),
                Standing::Confirmed | Standing::Lapsed | Standing::Refused | Standing::Reverted => {}
            }
        }
        health.under_way = open.saturating_sub(health.silent);
        Ok((health, stage_confirmed))
    }
}

impl Change {
    /// Gives a device that refused or reverted a rollout's release another try: what it did so far, and what its
    /// bootloader says of it now, count no more. Says whether there was anything to forgive.
    pub(crate) async fn retry_offer(
        &mut self,
        Rollout { id, release, .. }: &Rollout,
        device: DeviceId,
        now: i64,
    ) -> Outcome<bool> {
        let rollout = id.as_str();
        hold_device(&mut self.0, device).await?;
        let row = sqlx::query(super::candidates::FARED)
            .bind(rollout)
            .bind(device.to_string())
            .fetch_optional(&mut *self.0)
            .await?;
        let Some(fared) = row else { return Ok(false) };
        let (reverts, refusals): (i64, i64) = (column(&fared, "reverts")?, column(&fared, "refusals")?);
        let (made_at, forgiven) = (column(&fared, "made_at")?, column(&fared, "forgiven_boot")?);
        let facts = self.device(device).await?.and_then(|found| found.facts);
        let said = facts.and_then(|facts| facts.says_against(*release, made_at, forgiven));
        let fared = (reverts, refusals) != (0, 0) || said.is_some();
        let offers = offers(&mut self.0, device).await?;
        match offers.iter().find(|offer| offer.rollout == rollout) {
            // A report that came after its bootloader's word may say otherwise.
            Some(offer) if offer.standing.is_failure() || said.is_some() => {
                move_offer(&mut self.0, offer, device, Standing::Lapsed, now).await?;
            }
            // It came by the release in another way than by this rollout's offer.
            Some(offer) if fared && offer.standing.is_open() => {}
            None if fared => insert_offer(&mut self.0, rollout, device, Standing::Lapsed, now).await?,
            Some(_) | None => return Ok(false),
        }
        sqlx::query(
            "UPDATE rollout_offers SET forgiven_reverts = forgiven_reverts + $1, \
             forgiven_refusals = forgiven_refusals + $2, \
             forgiven_boot = (SELECT d.boot_since FROM devices d WHERE d.id = rollout_offers.device) \
             WHERE rollout = $3 AND device = $4",
        )
        .bind(reverts)
        .bind(refusals)
        .bind(rollout)
        .bind(device.to_string())
        .execute(&mut *self.0)
        .await?;
        Ok(true)
    }
}

impl Record {
    /// Notes that a device was offered a rollout's release, or why it was not; unless something else became of the
    /// offer since `before` was read.
    pub(crate) async fn put_offer(
        &mut self,
        rollout: &str,
        device: DeviceId,
        before: Option<Standing>,
        standing: Standing,
        now: i64,
    ) -> Outcome<()> {
        let Some(before) = before else {
            return insert_offer(&mut self.0, rollout, device, standing, now).await;
        };
        sqlx::query(
            "UPDATE rollout_offers SET standing = $1, since = $2 WHERE rollout = $3 AND device = $4 AND standing = $5",
        )
        .bind(standing.as_str())
        .bind(now)
        .bind(rollout)
        .bind(device.to_string())
        .bind(before.as_str())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Notes what a device reported of an image, in its offers of it. Asking for it again is no news after an outcome;
    /// failing again is, and counts where the rollout was started since.
    pub(crate) async fn put_standing(
        &mut self,
        device: DeviceId,
        image: ImageDigest,
        standing: Standing,
        now: i64,
    ) -> Outcome<()> {
        let offers = offers(&mut self.0, device).await?;
        for offer in offers.iter().filter(|offer| offer.release == image) {
            let news = if standing == Standing::Requested {
                offer.standing.is_open()
            } else {
                offer.standing != standing || standing.is_failure()
            };
            if news {
                move_offer(&mut self.0, offer, device, standing, now).await?;
            }
        }
        Ok(())
    }

    /// Notes what a device's call makes of its offers, whether their rollouts run or not, as a report would. Says whether
    /// any of that is a failure.
    pub(crate) async fn put_told(&mut self, device: DeviceId, facts: &Facts, now: i64) -> Outcome<bool> {
        let mut fails = false;
        for offer in offers(&mut self.0, device).await? {
            let told = facts.says_of(offer.release, offer.made_at, offer.forgiven_boot);
            if let Some(news) = told.filter(|told| *told != offer.standing) {
                move_offer(&mut self.0, &offer, device, news, now).await?;
                fails |= news.is_failure();
            }
        }
        Ok(fails)
    }
}

/// An offer as it stands. It stays so as long as its device is held.
struct Offer {
    rollout: String,
    release: ImageDigest,
    made_at: i64,
    forgiven_boot: Option<i64>,
    standing: Standing,
    round: i64,
    widening: i64,
}

/// All that a device was ever offered.
async fn offers(connection: &mut AnyConnection, device: DeviceId) -> Outcome<Vec<Offer>> {
    let rows = sqlx::query(
        "SELECT o.rollout AS rollout, r.release AS release, r.created_at AS made_at, \
         o.forgiven_boot AS forgiven_boot, o.standing AS standing, o.round AS round, o.widening AS widening \
         FROM rollout_offers o JOIN rollouts r ON r.id = o.rollout WHERE o.device = $1 ORDER BY o.rollout",
    )
    .bind(device.to_string())
    .fetch_all(connection)
    .await?;
    let read = |row| {
        Ok(Offer {
            rollout: column(row, "rollout")?,
            release: spelled(row, "release", ids::digest)?,
            made_at: column(row, "made_at")?,
            forgiven_boot: column(row, "forgiven_boot")?,
            standing: spelled(row, "standing", Standing::parse)?,
            round: column(row, "round")?,
            widening: column(row, "widening")?,
        })
    };
    rows.iter().map(read).collect()
}

async fn insert_offer(
    connection: &mut AnyConnection,
    rollout: &str,
    device: DeviceId,
    standing: Standing,
    now: i64,
) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO rollout_offers (rollout, device, standing, since) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (rollout, device) DO NOTHING",
    )
    .bind(rollout)
    .bind(device.to_string())
    .bind(standing.as_str())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves an offer on: what it was, as far as that counted, does not any more; what it is now does.
async fn move_offer(
    connection: &mut AnyConnection,
    offer: &Offer,
    device: DeviceId,
    to: Standing,
    now: i64,
) -> Outcome<()> {
    let now_is = |standing: Standing| i64::from(to == standing);
    let was = |standing: Standing| i64::from(offer.standing == standing);
    sqlx::query(
        "UPDATE rollout_tallies SET \
         confirmed = confirmed + $1 - CASE WHEN round = $7 THEN $2 ELSE 0 END, \
         refused = refused + $3 - CASE WHEN round = $7 THEN $4 ELSE 0 END, \
         reverted = reverted + $5 - CASE WHEN round = $7 THEN $6 ELSE 0 END, \
         stage_confirmed = stage_confirmed + $1 - CASE WHEN widening = $8 THEN $2 ELSE 0 END \
         WHERE rollout = $9",
    )
    .bind(now_is(Standing::Confirmed))
    .bind(was(Standing::Confirmed))
    .bind(now_is(Standing::Refused))
    .bind(was(Standing::Refused))
    .bind(now_is(Standing::Reverted))
    .bind(was(Standing::Reverted))
    .bind(offer.round)
    .bind(offer.widening)
    .bind(&offer.rollout)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE rollout_offers SET standing = $1, since = $2, \
         round = (SELECT t.round FROM rollout_tallies t WHERE t.rollout = $3), \
         widening = (SELECT t.widening FROM rollout_tallies t WHERE t.rollout = $3) \
         WHERE rollout = $3 AND device = $4",
    )
    .bind(to.as_str())
    .bind(now)
    .bind(&offer.rollout)
    .bind(device.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
