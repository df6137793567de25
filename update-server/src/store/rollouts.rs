//! Rows of rollouts. Never removed.

use std::sync::LazyLock;

use latchkey_directive::DeviceId;
use latchkey_image::Uuid;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::statement::Statement;
use super::{Change, Look, Store, column, foreign, number, spelled, spelled_if_any};
use crate::domain::cohort::CohortName;
use crate::domain::decision::Terms;
use crate::domain::gate::Gate;
use crate::domain::rollout::{Rollout, State};
use crate::domain::second::{Asked, What};
use crate::domain::share::Share;
use crate::domain::stage::{Advance, Reach, Stages};
use crate::failure::Outcome;
use crate::ids;
use crate::limits::STATEMENT_ROWS_MAX;

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
        cohorts: spelled(row, "cohorts", cohorts)?,
        cohorts_reached: number(row, "cohorts_reached")?,
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
        round: column(row, "round")?,
        widening: column(row, "widening")?,
        halted_because: column(row, "halted_because")?,
    })
}

/// Names with commas between.
fn cohorts(text: &str) -> Option<Vec<CohortName>> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(CohortName::parse).collect()
}

fn cohorts_text(rollout: &Rollout) -> String {
    let names: Vec<&str> = rollout.cohorts.iter().map(CohortName::as_str).collect();
    names.join(",")
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

pub(super) fn terms(row: &AnyRow) -> Outcome<Terms> {
    Ok(Terms {
        battery_min: number(row, "battery_min")?,
        not_before: column(row, "not_before")?,
        hours: spelled_if_any(row, "hours", |text| text.parse().ok())?,
    })
}

fn asked(row: &AnyRow) -> Outcome<Option<Asked>> {
    let at: Option<i64> = column(row, "asked_at")?;
    at.map(|at| {
        let what = match (column(row, "asked_cohorts")?, share(row, "asked_share")?) {
            (Some::<i64>(_), _) => What::Widen(Reach::Cohorts(number(row, "asked_cohorts")?)),
            (None, Share::NOBODY) => What::Start,
            (None, share) => What::Widen(Reach::Share(share)),
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

pub(super) fn share(row: &AnyRow, name: &str) -> Outcome<Share> {
    match number(row, name)? {
        0 => Ok(Share::NOBODY),
        hundredths => Share::of_hundredths(hundredths).ok_or_else(|| foreign(name, &hundredths.to_string())),
    }
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

    pub(crate) async fn running_rollouts(&self) -> Outcome<Vec<Rollout>> {
        let rows = sqlx::query("SELECT * FROM rollouts WHERE state = 'running' ORDER BY number")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(rollout).collect()
    }
}

impl Look {
    pub(crate) async fn rollout(&mut self, id: &str) -> Outcome<Option<Rollout>> {
        find(&mut self.0, id).await
    }
}

static INSERT_DEVICES: LazyLock<Statement> = LazyLock::new(|| {
    Statement::listing(
        "INSERT INTO rollout_devices (rollout, device) VALUES",
        2,
        "ON CONFLICT DO NOTHING",
    )
});

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
             advance_confirmed, advance_soak_ms, reached_at, battery_min, not_before, hours, two_persons, cohorts) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
             $21, $22, $23)",
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
        .bind(cohorts_text(rollout))
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

    pub(crate) async fn insert_rollout_devices(
        &mut self,
        rollout: &str,
        devices: &[DeviceId],
    ) -> Outcome<()> {
        for devices in devices.chunks(STATEMENT_ROWS_MAX) {
            let query = INSERT_DEVICES.about(devices, |query, device| {
                query.bind(rollout.to_owned()).bind(device.to_string())
            });
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }

    /// Writes down what may change of a rollout: how far it reaches, where it stands and what is asked for. What is
    /// counted in a new round or behind a new widening begins anew.
    pub(crate) async fn put_rollout(&mut self, rollout: &Rollout) -> Outcome<()> {
        let asked = rollout.asked.as_ref();
        sqlx::query(
            "UPDATE rollout_tallies SET round = $1, widening = $2, \
             confirmed = CASE WHEN round = $1 THEN confirmed ELSE 0 END, \
             refused = CASE WHEN round = $1 THEN refused ELSE 0 END, \
             reverted = CASE WHEN round = $1 THEN reverted ELSE 0 END, \
             stage_confirmed = CASE WHEN widening = $2 THEN stage_confirmed ELSE 0 END WHERE rollout = $3",
        )
        .bind(rollout.round)
        .bind(rollout.widening)
        .bind(&rollout.id)
        .execute(&mut *self.0)
        .await?;
        sqlx::query(
            "UPDATE rollouts SET state = $1, share = $2, changed_at = $3, judged_since = $4, halted_because = $5, \
             reached_at = $6, asked_share = $7, asked_by = $8, asked_person = $9, asked_at = $10, round = $11, \
             widening = $12, cohorts_reached = $13, asked_cohorts = $14 WHERE id = $15",
        )
        .bind(rollout.state.as_str())
        .bind(i64::from(rollout.share.hundredths()))
        .bind(rollout.changed_at)
        .bind(rollout.judged_since)
        .bind(&rollout.halted_because)
        .bind(rollout.reached_at)
        .bind(asked.map(|asked| match asked.what {
            What::Start | What::Widen(Reach::Cohorts(_)) => 0,
            What::Widen(Reach::Share(share)) => i64::from(share.hundredths()),
        }))
        .bind(asked.map(|asked| asked.by.as_str()))
        .bind(asked.map(|asked| asked.person.as_str()))
        .bind(asked.map(|asked| asked.at))
        .bind(rollout.round)
        .bind(rollout.widening)
        .bind(i64::from(rollout.cohorts_reached))
        .bind(asked.and_then(|asked| match asked.what {
            What::Widen(Reach::Cohorts(reached)) => Some(i64::from(reached)),
            What::Start | What::Widen(Reach::Share(_)) => None,
        }))
        .bind(&rollout.id)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

pub(super) const fn audience(rollout: &Rollout) -> &'static str {
    if rollout.to_all { "all" } else { "list" }
}
