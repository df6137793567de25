//! Rows of devices.

use std::collections::HashMap;
use std::sync::LazyLock;

use latchkey_directive::{BootReport, DeviceId, Hold, PublicKey, Running};
use latchkey_image::{ImageDigest, SecurityCounter, Uuid};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::statement::Statement;
use super::together::{Finds, Lookup};
use super::{Change, Look, Readers, Record, Store, column, foreign, number, spelled, spelled_if_any};
use crate::domain::access::Hash;
use crate::domain::clone::Evidence;
use crate::domain::decision::Facts;
use crate::domain::device::{Device, Filter, State, outcome_name, outcome_of};
use crate::domain::hours::Zone;
use crate::domain::presence::Seen;
use crate::domain::wishes::{Updates, Wishes};
use crate::failure::Outcome;
use crate::ids;
use crate::limits::STATEMENT_ROWS_MAX;

pub(super) fn device(row: &AnyRow) -> Outcome<Device> {
    let vendor = spelled_if_any(row, "vendor", ids::uuid)?;
    let class = spelled_if_any(row, "class", ids::uuid)?;
    let hardware = vendor.zip(class);
    let offered = spelled_if_any(row, "offered", ids::digest)?;
    let battery: Option<i64> = column(row, "battery")?;
    Ok(Device {
        id: spelled(row, "id", ids::device)?,
        key: spelled_if_any(row, "public_key", ids::public_key)?,
        token: spelled_if_any(row, "token_hash", |text| ids::hash(text).map(Hash))?,
        hardware,
        state: spelled(row, "state", State::parse)?,
        since: column(row, "since")?,
        sequence: column(row, "sequence")?,
        last_seen: column(row, "last_seen")?,
        battery_percent: battery.and_then(|percent| u8::try_from(percent).ok()),
        facts: match (hardware, column::<Option<i64>>(row, "boot_since")?) {
            (Some(hardware), Some(boot_since)) => Some(facts(row, hardware, boot_since)?),
            _ => None,
        },
        offered: offered.zip(column(row, "offered_at")?),
        wishes: Wishes {
            updates: spelled(row, "updates", Updates::parse)?,
            postponed_until: column(row, "postponed_until")?,
        },
        zone: spelled_if_any(row, "zone", |name| name.parse().ok())?,
        alarm: column(row, "alarm_at")?,
        numbering: column(row, "numbering")?,
        facts_due: column::<i64>(row, "facts_due")? != 0,
    })
}

fn facts(row: &AnyRow, (vendor, class): (Uuid, Uuid), boot_since: i64) -> Outcome<Facts> {
    let about = |text: &str| ids::device(text).map(|DeviceId(bytes)| bytes);
    Ok(Facts {
        vendor,
        class,
        running: Running {
            image: spelled(row, "running_digest", ids::digest)?,
            version: spelled(row, "running_version", ids::version)?,
            counter: number(row, "running_counter").map(SecurityCounter)?,
            confirmed: match column::<i64>(row, "running_confirmed")? {
                0 => false,
                1 => true,
                other => return Err(foreign("running_confirmed", &other.to_string())),
            },
        },
        floor: number(row, "floor").map(SecurityCounter)?,
        boot: BootReport {
            outcome: spelled(row, "boot_outcome", outcome_of)?,
            reason: number(row, "boot_reason")?,
            about: spelled(row, "boot_about", about)?,
            starts_left: number(row, "boot_starts_left")?,
        },
        boot_since,
        hold: column::<Option<i64>>(row, "hold")?
            .and_then(|hold| u8::try_from(hold).ok())
            .map(Hold),
    })
}

/// Devices, each with all that is known of it.
#[derive(Debug)]
pub(super) struct Devices {
    readers: Readers,
    statement: Statement,
}

impl Devices {
    pub(super) fn of(readers: &Readers) -> Self {
        Self {
            readers: readers.clone(),
            statement: by_names(),
        }
    }
}

impl Lookup for Devices {
    type Found = Device;

    async fn find(&self, devices: &[DeviceId]) -> Outcome<Finds<Device>> {
        let mut reader = self.readers.acquire().await?;
        let query = self
            .statement
            .about(devices, |query, id| query.bind(id.to_string()));
        let rows = query.fetch_all(&mut *reader).await?;
        drop(reader);
        let finds = rows
            .iter()
            .map(|row| Ok((spelled(row, "id", ids::device)?, device(row))));
        finds.collect()
    }
}

/// Devices by their names.
fn by_names() -> Statement {
    Statement::listing("SELECT * FROM devices WHERE id IN (", 1, ")")
}

static BY_NAMES: LazyLock<Statement> = LazyLock::new(by_names);

/// Those of these that are known.
async fn find_all(connection: &mut AnyConnection, ids: &[DeviceId]) -> Outcome<HashMap<DeviceId, Device>> {
    let mut known = HashMap::new();
    for ids in ids.chunks(STATEMENT_ROWS_MAX) {
        let query = BY_NAMES.about(ids, |query, id| query.bind(id.to_string()));
        for row in query.fetch_all(&mut *connection).await? {
            let device = device(&row)?;
            known.insert(device.id, device);
        }
    }
    Ok(known)
}

async fn find(connection: &mut AnyConnection, id: DeviceId) -> Outcome<Option<Device>> {
    let row = sqlx::query("SELECT * FROM devices WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(device).transpose()
}

impl Store {
    pub(crate) async fn device(&self, id: DeviceId) -> Outcome<Option<Device>> {
        self.devices.find(id).await
    }

    /// Those of these that are known.
    pub(crate) async fn known(&self, ids: &[DeviceId]) -> Outcome<HashMap<DeviceId, Device>> {
        find_all(&mut *self.reader().await?, ids).await
    }

    pub(crate) async fn devices(
        &self,
        filter: Filter,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<Device>> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows = sqlx::query(
            "SELECT * FROM devices WHERE id > $1 AND ($2 = '' OR state = $2) \
             AND ($3 = '' OR alarm_at IS NOT NULL) ORDER BY id LIMIT $4",
        )
        .bind(after)
        .bind(filter.state.map_or("", State::as_str))
        .bind(if filter.alarmed { "alarmed" } else { "" })
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(device).collect()
    }

    /// How many devices are in each state.
    pub(crate) async fn device_counts(&self) -> Outcome<Vec<(State, i64)>> {
        let rows = sqlx::query("SELECT state, COUNT(*) AS total FROM devices GROUP BY state")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter()
            .map(|row| Ok((spelled(row, "state", State::parse)?, column(row, "total")?)))
            .collect()
    }

    /// How many devices there is an alarm about.
    pub(crate) async fn alarmed_devices(&self) -> Outcome<i64> {
        let row = sqlx::query("SELECT COUNT(*) AS total FROM devices WHERE alarm_at IS NOT NULL")
            .fetch_one(&mut *self.reader().await?)
            .await?;
        column(&row, "total")
    }
}

impl Look {
    pub(crate) async fn device(&mut self, id: DeviceId) -> Outcome<Option<Device>> {
        find(&mut self.0, id).await
    }
}

impl Change {
    pub(crate) async fn put_wishes(
        &mut self,
        id: DeviceId,
        wishes: Wishes,
        zone: Option<&Zone>,
    ) -> Outcome<()> {
        sqlx::query("UPDATE devices SET updates = $1, postponed_until = $2, zone = $3 WHERE id = $4")
            .bind(wishes.updates.as_str())
            .bind(wishes.postponed_until)
            .bind(zone.map(Zone::name))
            .bind(id.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(crate) async fn put_alarm(&mut self, id: DeviceId, at: i64, shown_by: Evidence) -> Outcome<()> {
        let behind = match shown_by {
            Evidence::Behind(sequence) => Some(sequence),
            Evidence::Report(_) => None,
        };
        sqlx::query("UPDATE devices SET alarm_at = $1, alarm_sequence = $2 WHERE id = $3")
            .bind(at)
            .bind(behind)
            .bind(id.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Ends an alarm.
    pub(crate) async fn end_alarm(&mut self, id: DeviceId) -> Outcome<()> {
        sqlx::query("UPDATE devices SET alarm_at = NULL, alarm_sequence = NULL WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Begins another numbering; where a number behind raised the alarm, from that one.
    pub(crate) async fn begin_numbering(&mut self, id: DeviceId) -> Outcome<()> {
        sqlx::query(
            "UPDATE devices SET sequence = COALESCE(alarm_sequence, sequence), numbering = numbering + 1 WHERE id = $1",
        )
        .bind(id.to_string())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn device(&mut self, id: DeviceId) -> Outcome<Option<Device>> {
        find(&mut self.0, id).await
    }

    /// Those of these that are known.
    pub(crate) async fn known(&mut self, ids: &[DeviceId]) -> Outcome<HashMap<DeviceId, Device>> {
        find_all(&mut self.0, ids).await
    }

    pub(crate) async fn awaiting_devices(&mut self) -> Outcome<i64> {
        let row = sqlx::query("SELECT COUNT(*) AS total FROM devices WHERE state = 'awaiting'")
            .fetch_one(&mut *self.0)
            .await?;
        column(&row, "total")
    }

    pub(crate) async fn put_enrolment(
        &mut self,
        id: DeviceId,
        key: &PublicKey,
        (vendor, class): (Uuid, Uuid),
        state: State,
        now: i64,
    ) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO devices (id, public_key, vendor, class, state, since, sequence) \
             VALUES ($1, $2, $3, $4, $5, $6, -1) \
             ON CONFLICT (id) DO UPDATE SET public_key = excluded.public_key, vendor = excluded.vendor, \
             class = excluded.class, state = excluded.state, since = excluded.since",
        )
        .bind(id.to_string())
        .bind(hex::encode(key.as_bytes()))
        .bind(vendor.to_string())
        .bind(class.to_string())
        .bind(state.as_str())
        .bind(now)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Names devices, and the hardware of each where that is known, before they enrol.
    pub(crate) async fn put_expected(
        &mut self,
        devices: &[(DeviceId, Option<(Uuid, Uuid)>)],
        now: i64,
    ) -> Outcome<()> {
        for devices in devices.chunks(STATEMENT_ROWS_MAX) {
            let query = PUT_EXPECTED.about(devices, |query, (id, hardware)| {
                let (vendor, class) = hardware.unzip();
                query
                    .bind(id.to_string())
                    .bind(vendor.map(|vendor| vendor.to_string()))
                    .bind(class.map(|class| class.to_string()))
                    .bind(State::Expected.as_str())
                    .bind(now)
            });
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }

    /// Moves devices, none of which is named twice, to these states.
    pub(crate) async fn put_device_states(&mut self, devices: &[(DeviceId, State)], now: i64) -> Outcome<()> {
        for devices in devices.chunks(STATEMENT_ROWS_MAX) {
            let query = PUT_STATES.about(devices, |query, (id, state)| {
                query.bind(id.to_string()).bind(state.as_str()).bind(now)
            });
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }
}

/// Where a list has the last device several times, PostgreSQL would refuse to write that row again.
static PUT_EXPECTED: LazyLock<Statement> = LazyLock::new(|| {
    Statement::listing(
        "INSERT INTO devices (id, vendor, class, state, since, sequence) \
         SELECT DISTINCT column1, column2, column3, column4, column5, -1 FROM (VALUES",
        5,
        ") AS named WHERE TRUE \
         ON CONFLICT (id) DO UPDATE SET vendor = excluded.vendor, class = excluded.class",
    )
});

static PUT_STATES: LazyLock<Statement> = LazyLock::new(|| {
    Statement::listing(
        "INSERT INTO devices (id, state, since, sequence) \
         SELECT DISTINCT column1, column2, column3, -1 FROM (VALUES",
        3,
        ") AS named WHERE TRUE \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, since = excluded.since",
    )
});

/// Both databases call the columns of a list of values so.
static PUT_SEEN: LazyLock<Statement> = LazyLock::new(|| {
    Statement::listing(
        "UPDATE devices SET sequence = c.column2, last_seen = c.column3, battery = c.column4 FROM (VALUES",
        5,
        ") AS c WHERE devices.id = c.column1 AND devices.sequence < c.column2 AND devices.numbering = c.column5",
    )
});

impl Record {
    /// Keeps what a check-in told; `false` when a later one was quicker, or its numbers were set back meanwhile.
    pub(crate) async fn put_facts(
        &mut self,
        id: DeviceId,
        seen: Seen,
        facts: &Facts,
        offered: Option<(ImageDigest, i64)>,
    ) -> Outcome<bool> {
        let done = sqlx::query(
            "UPDATE devices SET sequence = $1, last_seen = $2, battery = $3, running_digest = $4, \
             running_version = $5, running_counter = $6, running_confirmed = $7, floor = $8, \
             boot_outcome = $9, boot_reason = $10, boot_about = $11, boot_starts_left = $12, \
             boot_since = $13, offered = $14, offered_at = $15, hold = $16 \
             WHERE id = $17 AND sequence < $1 AND numbering = $18",
        )
        .bind(seen.sequence)
        .bind(seen.at)
        .bind(seen.battery_percent.map(i64::from))
        .bind(facts.running.image.to_string())
        .bind(facts.running.version.to_string())
        .bind(i64::from(facts.running.counter.0))
        .bind(i64::from(facts.running.confirmed))
        .bind(i64::from(facts.floor.0))
        .bind(outcome_name(facts.boot.outcome))
        .bind(i64::from(facts.boot.reason))
        .bind(hex::encode(facts.boot.about))
        .bind(i64::from(facts.boot.starts_left))
        .bind(facts.boot_since)
        .bind(offered.map(|(image, _)| image.to_string()))
        .bind(offered.map(|(_, at)| at))
        .bind(facts.hold.map(|Hold(hold)| i64::from(hold)))
        .bind(id.to_string())
        .bind(seen.numbering)
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps when devices called; none is named twice.
    pub(crate) async fn put_seen(&mut self, calls: &[(DeviceId, Seen)]) -> Outcome<()> {
        for calls in calls.chunks(STATEMENT_ROWS_MAX) {
            let query = PUT_SEEN.about(calls, |query, (id, seen)| {
                query
                    .bind(id.to_string())
                    .bind(seen.sequence)
                    .bind(seen.at)
                    .bind(seen.battery_percent.map(i64::from))
                    .bind(seen.numbering)
            });
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }
}
