//! Rows of actions of devices that speak hawkBit's interface, and those devices' tokens.

use latchkey_directive::DeviceId;
use latchkey_image::Uuid;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Change, Record, Store, column, spelled};
use crate::domain::access::Hash;
use crate::domain::device::State;
use crate::domain::hawkbit::{Action, Progress};
use crate::failure::Outcome;
use crate::ids;

/// The device's actions of which this holds.
macro_rules! actions {
    ($which:literal) => {
        concat!(
            "SELECT a.number AS number, a.rollout AS rollout, a.progress AS progress, r.release AS release ",
            "FROM hawkbit_actions a JOIN rollouts r ON r.id = a.rollout WHERE a.device = $1 AND ",
            $which
        )
    };
}

fn action(row: &AnyRow) -> Outcome<Action> {
    Ok(Action {
        number: column(row, "number")?,
        rollout: column(row, "rollout")?,
        release: spelled(row, "release", ids::digest)?,
        progress: spelled(row, "progress", Progress::parse)?,
    })
}

async fn find(connection: &mut AnyConnection, device: DeviceId, number: i64) -> Outcome<Option<Action>> {
    let row = sqlx::query(actions!("a.number = $2"))
        .bind(device.to_string())
        .bind(number)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(action).transpose()
}

async fn open(connection: &mut AnyConnection, device: DeviceId) -> Outcome<Option<Action>> {
    let row = sqlx::query(actions!("a.progress IN ('open', 'requested')"))
        .bind(device.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(action).transpose()
}

impl Store {
    pub(crate) async fn hawkbit_action(&self, device: DeviceId, number: i64) -> Outcome<Option<Action>> {
        find(&mut *self.reader().await?, device, number).await
    }

    pub(crate) async fn open_hawkbit_action(&self, device: DeviceId) -> Outcome<Option<Action>> {
        open(&mut *self.reader().await?, device).await
    }
}

impl Change {
    pub(crate) async fn insert_hawkbit_device(
        &mut self,
        id: DeviceId,
        (vendor, class): (Uuid, Uuid),
        token: &Hash,
        now: i64,
    ) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO devices (id, vendor, class, state, since, sequence, token_hash) \
             VALUES ($1, $2, $3, $4, $5, -1, $6)",
        )
        .bind(id.to_string())
        .bind(vendor.to_string())
        .bind(class.to_string())
        .bind(State::Approved.as_str())
        .bind(now)
        .bind(hex::encode(token.0))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

impl Record {
    pub(crate) async fn hawkbit_action(&mut self, device: DeviceId, number: i64) -> Outcome<Option<Action>> {
        find(&mut self.0, device, number).await
    }

    pub(crate) async fn open_hawkbit_action(&mut self, device: DeviceId) -> Outcome<Option<Action>> {
        open(&mut self.0, device).await
    }

    /// Opens the device's next action; gives its number.
    pub(crate) async fn open_hawkbit(&mut self, device: DeviceId, rollout: &str, now: i64) -> Outcome<i64> {
        let row =
            sqlx::query("SELECT COALESCE(MAX(number), 0) + 1 AS next FROM hawkbit_actions WHERE device = $1")
                .bind(device.to_string())
                .fetch_one(&mut *self.0)
                .await?;
        let number: i64 = column(&row, "next")?;
        sqlx::query(
            "INSERT INTO hawkbit_actions (device, number, rollout, progress, opened_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(device.to_string())
        .bind(number)
        .bind(rollout)
        .bind(Progress::Open.as_str())
        .bind(now)
        .execute(&mut *self.0)
        .await?;
        Ok(number)
    }

    /// Notes how far an action is. When it ends, the device is to be asked what it runs.
    pub(crate) async fn put_hawkbit_progress(
        &mut self,
        device: DeviceId,
        number: i64,
        progress: Progress,
    ) -> Outcome<()> {
        sqlx::query("UPDATE hawkbit_actions SET progress = $1 WHERE device = $2 AND number = $3")
            .bind(progress.as_str())
            .bind(device.to_string())
            .bind(number)
            .execute(&mut *self.0)
            .await?;
        if progress.is_open() {
            return Ok(());
        }
        self.put_facts_due(device, true).await
    }

    /// Notes whether a device is to be asked what it runs.
    pub(crate) async fn put_facts_due(&mut self, device: DeviceId, due: bool) -> Outcome<()> {
        sqlx::query("UPDATE devices SET facts_due = $1 WHERE id = $2")
            .bind(i64::from(due))
            .bind(device.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
