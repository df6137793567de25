//! The database: the only place with SQL.
//!
//! SQLite, or PostgreSQL with as many instances of this server as it has to serve; one set of statements, in what both
//! understand. Whoever changes the fleet gets a [`Change`], and the price of one is an audit entry that is written
//! first in the same transaction. There is one change at a time, of all instances, so the log has one order. What
//! devices tell goes through a [`Record`], one at a time for each device. Neither takes effect before its `commit`,
//! and a commit is on disk. Whoever acknowledges what others committed waits for the same, by `unchanged` or
//! [`Store::settled`]. Once SQLite's disk has failed, nothing is begun or read any more.

mod audit;
mod candidates;
mod cohorts;
mod database;
mod devices;
mod director;
mod documents;
mod fleet;
mod hawkbit;
mod hearing;
mod incidents;
mod lifetimes;
mod log;
mod offers;
mod policies;
mod releases;
mod reports;
mod rollouts;
mod sessions;
mod statement;
mod stories;
mod together;
mod tokens;
mod tuf;
mod webhooks;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use latchkey_directive::DeviceId;
use sqlx::any::AnyRow;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Row as _, SqlSafeStr as _, Transaction};

use crate::domain::audit::Entry;
use crate::domain::decision::Candidate;
use crate::domain::device::Device;
use crate::failure::{Failure, Outcome};
use crate::limits::DATABASE_WAIT;

use database::{Database, Kind};
use log::Log;
use together::Together;

pub use database::shown;
#[cfg(test)]
pub(crate) use log::tests::StuckDisk;

/// Every change to the tables, in order. What is here once is never edited, only added to.
const MIGRATIONS: [(i64, &str, &str); 22] = [
    (1, "first", include_str!("../../migrations/0001_first.sql")),
    (
        2,
        "audit chain",
        include_str!("../../migrations/0002_audit_chain.sql"),
    ),
    (
        3,
        "rollout gate",
        include_str!("../../migrations/0003_rollout_gate.sql"),
    ),
    (
        4,
        "release notes",
        include_str!("../../migrations/0004_release_notes.sql"),
    ),
    (5, "people", include_str!("../../migrations/0005_people.sql")),
    (6, "director", include_str!("../../migrations/0006_director.sql")),
    (7, "sessions", include_str!("../../migrations/0007_sessions.sql")),
    (8, "tuf", include_str!("../../migrations/0008_tuf.sql")),
    (
        9,
        "release documents",
        include_str!("../../migrations/0009_release_documents.sql"),
    ),
    (10, "rules", include_str!("../../migrations/0010_rules.sql")),
    (11, "support", include_str!("../../migrations/0011_support.sql")),
    (12, "webhooks", include_str!("../../migrations/0012_webhooks.sql")),
    (
        13,
        "numbering",
        include_str!("../../migrations/0013_numbering.sql"),
    ),
    (14, "logins", include_str!("../../migrations/0014_logins.sql")),
    (
        15,
        "audit head",
        include_str!("../../migrations/0015_audit_head.sql"),
    ),
    (16, "rounds", include_str!("../../migrations/0016_rounds.sql")),
    (17, "hawkbit", include_str!("../../migrations/0017_hawkbit.sql")),
    (18, "cohorts", include_str!("../../migrations/0018_cohorts.sql")),
    (
        19,
        "reports order",
        include_str!("../../migrations/0019_reports_order.sql"),
    ),
    (
        20,
        "rollouts by state",
        include_str!("../../migrations/0020_rollouts_by_state.sql"),
    ),
    (
        21,
        "facts due",
        include_str!("../../migrations/0021_facts_due.sql"),
    ),
    (22, "hearing", include_str!("../../migrations/0022_hearing.sql")),
];

/// Held by whoever makes a change, in PostgreSQL: a number that means this in Latchkey's databases.
const ONE_CHANGE_AT_A_TIME: &str = "SELECT 1 FROM pg_advisory_xact_lock(7809632)";

/// What sqlx calls PostgreSQL.
const POSTGRES: &str = "PostgreSQL";

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    kind: Kind,
    /// SQLite's, whose commits have yet to be brought to disk.
    log: Option<Arc<Log>>,
    writers: AnyPool,
    readers: Readers,
    devices: Together<Device>,
    candidates: Together<Vec<Candidate>>,
}

/// The connections that only read.
#[derive(Clone, Debug)]
struct Readers {
    pool: AnyPool,
    log: Option<Arc<Log>>,
}

impl Readers {
    /// Takes one, while what is committed can be brought to disk.
    async fn acquire(&self) -> Outcome<PoolConnection<Any>> {
        sound(self.log.as_ref())?;
        Ok(self.pool.acquire().await?)
    }
}

/// A look at what is there before it is changed: nobody else changes it meanwhile.
pub struct Look(Transaction<'static, Any>, Option<Arc<Log>>);

/// A change to the fleet. Its audit entry is in.
pub struct Change(Transaction<'static, Any>, Option<Arc<Log>>);

/// What a device told, to be kept.
pub struct Record(Transaction<'static, Any>, Option<Arc<Log>>);

impl Store {
    /// Opens the database of `--database URL`, makes it when it is a file that is missing, and brings its tables up to
    /// date.
    ///
    /// # Errors
    /// The URL is of another kind, the database cannot be used, or it was last used by a newer version. Passwords
    /// are not in the message.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        Self::open_as(url, Database::named(url)?).await
    }

    /// Opens a database that a server of this version has made.
    ///
    /// # Errors
    /// As [`Store::open`]; there is none, or it was last used by another version. Nothing was made or changed.
    pub async fn open_existing(url: &str) -> anyhow::Result<Self> {
        let database = Database::named(url)?.existing();
        database.must_be_current(MIGRATIONS.len()).await?;
        Self::open_as(url, database).await
    }

    async fn open_as(url: &str, database: Database) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        sqlx::any::install_default_drivers();
        let shown = database::shown(url);
        let writers = database
            .writers()
            .await
            .with_context(|| format!("cannot open the database {shown}"))?;
        database
            .migrate(&migrator(&MIGRATIONS), &writers)
            .await
            .with_context(|| format!("cannot bring the tables of {shown} up to date"))?;
        let log =
            match database.kind {
                Kind::Postgres => None,
                Kind::Sqlite => Some(log_of(&writers, database.keeper().await?).await.with_context(
                    || format!("cannot see to it that what is written to {shown} is on disk"),
                )?),
            };
        Ok(Self::of(database.kind, log, writers, database.readers()?))
    }

    fn of(kind: Kind, log: Option<Arc<Log>>, writers: AnyPool, readers: AnyPool) -> Self {
        let readers = Readers {
            pool: readers,
            log: log.clone(),
        };
        Self {
            kind,
            log,
            writers,
            devices: Together::by(devices::Devices::of(&readers)),
            candidates: Together::by(candidates::Candidates::of(&readers)),
            readers,
        }
    }

    /// The URL of a database in a file.
    ///
    /// # Errors
    /// The path cannot be made absolute, or is none.
    pub fn url_of_file(path: &Path) -> anyhow::Result<String> {
        let absolute = std::path::absolute(path)?;
        let url = url::Url::from_file_path(&absolute)
            .map_err(|()| anyhow::anyhow!("{} cannot be written as a URL", absolute.display()))?;
        Ok(format!("sqlite://{}", url.path()))
    }

    /// Begins a change: the audit entry first.
    ///
    /// # Errors
    /// Storage.
    pub async fn change(&self, entry: &Entry<'_>) -> Outcome<Change> {
        self.look().await?.change(entry).await
    }

    /// Begins with a look: what the audit entry is to say may rest on it.
    ///
    /// # Errors
    /// Storage.
    pub async fn look(&self) -> Outcome<Look> {
        let mut transaction = self.begin().await?;
        if self.kind == Kind::Postgres {
            sqlx::query(ONE_CHANGE_AT_A_TIME)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(Look(transaction, self.log.clone()))
    }

    /// Begins to keep what devices told, where the order does not matter.
    ///
    /// # Errors
    /// Storage.
    pub async fn record(&self) -> Outcome<Record> {
        Ok(Record(self.begin().await?, self.log.clone()))
    }

    /// Begins to keep what one device told. Until this is over, nobody else keeps anything of that device.
    ///
    /// # Errors
    /// Storage.
    pub async fn record_of(&self, device: DeviceId) -> Outcome<Record> {
        let mut transaction = self.begin().await?;
        hold_device(&mut transaction, device).await?;
        Ok(Record(transaction, self.log.clone()))
    }

    /// SQLite's `IMMEDIATE`: whoever is to write waits for the writer's place now, not halfway. In PostgreSQL each
    /// statement sees what was committed before it, so what is read behind a lock is what holds.
    async fn begin(&self) -> Outcome<Transaction<'static, Any>> {
        let statement = match self.kind {
            Kind::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Kind::Sqlite => "BEGIN IMMEDIATE",
        };
        let transaction = self.writers.begin_with(statement).await?;
        sound(self.log.as_ref())?;
        Ok(transaction)
    }

    async fn reader(&self) -> Outcome<PoolConnection<Any>> {
        self.readers.acquire().await
    }

    /// Waits until everything that was read before is on disk: what rests on it may be acknowledged then.
    ///
    /// # Errors
    /// Storage: it may not be there after a crash.
    pub async fn settled(&self) -> Outcome<()> {
        settled(self.log.as_ref()).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Outcome<()> {
        sqlx::query("SELECT 1")
            .execute(&mut *self.reader().await?)
            .await?;
        Ok(())
    }

    /// Waits for what is under way and closes the connections. The writer is the last: it tidies up.
    pub async fn close(&self) {
        self.readers.pool.close().await;
        if let Some(log) = &self.log {
            log.close().await;
        }
        self.writers.close().await;
    }
}

#[cfg(test)]
impl Store {
    /// From here on nothing is read but in a change.
    pub(crate) async fn close_readers(&self) {
        self.readers.pool.close().await;
    }
}

impl Look {
    /// Begins the change: the audit entry first.
    ///
    /// # Errors
    /// Storage.
    pub async fn change(mut self, entry: &Entry<'_>) -> Outcome<Change> {
        audit::append(&mut self.0, entry).await?;
        Ok(Change(self.0, self.1))
    }

    /// Nothing is to be changed. Waits until what was seen is on disk: that it is so already is an acknowledgement too.
    ///
    /// # Errors
    /// Storage.
    pub async fn unchanged(self) -> Outcome<()> {
        let Self(transaction, log) = self;
        transaction.rollback().await?;
        settled(log.as_ref()).await
    }
}

impl Change {
    /// Makes the change and its audit entry take effect, on disk.
    ///
    /// # Errors
    /// Storage. Nothing took effect, or, where the disk failed, nobody knows, and nothing is acknowledged any more.
    pub async fn commit(self) -> Outcome<()> {
        commit(self.0, self.1).await
    }

    /// As [`Look::unchanged`], and takes the audit entry back.
    ///
    /// # Errors
    /// Storage.
    pub async fn unchanged(self) -> Outcome<()> {
        Look(self.0, self.1).unchanged().await
    }
}

impl Record {
    /// Makes it last.
    ///
    /// # Errors
    /// As [`Change::commit`].
    pub async fn commit(self) -> Outcome<()> {
        commit(self.0, self.1).await
    }
}

/// What another connection was moving is looked at again after so long.
const LOG_AGAIN: Duration = Duration::from_millis(20);

/// The log of SQLite's file, with everything on disk that is in it so far.
async fn log_of(writers: &AnyPool, keeper: AnyConnection) -> anyhow::Result<Arc<Log>> {
    let row = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'")
        .fetch_one(writers)
        .await?;
    let file: String = row.try_get("file")?;
    anyhow::ensure!(!file.is_empty(), "it is in memory; name a file");
    // Written anew and not only synced: after a disk failed, the system shows what may not be on it, and a sync says no more.
    empty_log(writers).await?;
    let log = Arc::new(Log::of(&file, Some(keeper))?);
    log.sync().await?;
    Ok(log)
}

/// Has SQLite move everything that is in its log into the database's own file, and sync that. It cannot while somebody
/// reads what is in the log, nor while another connection is at the same.
async fn empty_log(writers: &AnyPool) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        // It waits for readers itself, as long as for a writer, but not for one that is at the same.
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(writers)
            .await?;
        if row.try_get::<i64, _>("busy")? == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            started.elapsed() < DATABASE_WAIT,
            "another program has it open and is reading, such as a backup or a shell with a transaction under way; let \
             that end, then try again"
        );
        tokio::time::sleep(LOG_AGAIN).await;
    }
}

/// Nobody else keeps or changes anything of this device until the transaction is over. SQLite has one writer anyway.
async fn hold_device(connection: &mut AnyConnection, device: DeviceId) -> Outcome<()> {
    if connection.backend_name() != POSTGRES {
        return Ok(());
    }
    sqlx::query("SELECT 1 FROM devices WHERE id = $1 FOR NO KEY UPDATE")
        .bind(device.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn commit(transaction: Transaction<'static, Any>, log: Option<Arc<Log>>) -> Outcome<()> {
    match log {
        Some(log) => log.commit(transaction).await,
        None => Ok(transaction.commit().await?),
    }
}

/// Goes on only while what is committed can be brought to disk.
fn sound(log: Option<&Arc<Log>>) -> Outcome<()> {
    log.map_or(Ok(()), |log| log.check())
}

/// PostgreSQL shows nothing to others before it is on disk.
async fn settled(log: Option<&Arc<Log>>) -> Outcome<()> {
    match log {
        Some(log) => log.settled().await,
        None => Ok(()),
    }
}

fn migrator(changes: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = changes.iter().map(|(version, name, sql)| {
        Migration::new(
            *version,
            (*name).into(),
            MigrationType::Simple,
            (*sql).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

/// Reads a column.
fn column<'r, T>(row: &'r AnyRow, name: &str) -> Outcome<T>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    Ok(row.try_get(name)?)
}

/// Reads a text column that holds something with a spelling of its own.
fn spelled<T>(row: &AnyRow, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Outcome<T> {
    let text: String = column(row, name)?;
    parse(&text).ok_or_else(|| foreign(name, &text))
}

/// The same for a column that may be empty.
fn spelled_if_any<T>(row: &AnyRow, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Outcome<Option<T>> {
    let text: Option<String> = column(row, name)?;
    let read = |text: String| parse(&text).ok_or_else(|| foreign(name, &text));
    text.map(read).transpose()
}

/// Reads a number that is stored wider than it is.
fn number<T: TryFrom<i64>>(row: &AnyRow, name: &str) -> Outcome<T> {
    let stored: i64 = column(row, name)?;
    T::try_from(stored).map_err(|_| foreign(name, &stored.to_string()))
}

/// The database holds what this program never wrote.
fn foreign(name: &str, value: &str) -> Failure {
    Failure::storage(format!(
        "the column {name} holds {value:?}, which this version does not know"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_with_an_odd_name_is_found_again_and_written_safely() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b?c%d.db");
        let url = Store::url_of_file(&path).unwrap();
        let store = Store::open(&url).await.unwrap();
        let pragma = |name: &'static str| {
            let pool = store.writers.clone();
            async move { sqlx::query(name).fetch_one(&pool).await.unwrap() }
        };
        assert_eq!(pragma("PRAGMA journal_mode").await.get::<String, _>(0), "wal");
        assert_eq!(pragma("PRAGMA synchronous").await.get::<i64, _>(0), 1, "NORMAL");
        store.close().await;
        assert!(path.exists());
        Store::open(&url).await.unwrap().check().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_in_the_log_already_is_written_anew_or_nothing_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let url = Store::url_of_file(&folder.path().join("x.db")).unwrap();
        let server = Store::open(&url).await.unwrap();
        let write = async || {
            let mut record = server.record().await.unwrap();
            sqlx::query("UPDATE audit_head SET number = number + 1")
                .execute(&mut *record.0)
                .await
                .unwrap();
            record.commit().await.unwrap();
        };
        write().await;
        // As `--offline` beside a server: both have it open, and nobody is reading.
        let beside = Store::open_existing(&url).await.unwrap();
        beside.check().await.unwrap();
        write().await;
        let mut backup = server.readers.pool.begin().await.unwrap();
        let read = sqlx::query("SELECT number FROM audit_head");
        read.fetch_one(&mut *backup).await.unwrap();
        let failure = format!("{:#}", Store::open(&url).await.unwrap_err());
        assert!(failure.contains("let that end, then try again"), "{failure}");
        backup.rollback().await.unwrap();
        Store::open(&url).await.unwrap().check().await.unwrap();
    }

    #[tokio::test]
    async fn after_a_disk_was_full_it_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.db");
        let store = Store::open(&Store::url_of_file(&path).unwrap()).await.unwrap();
        // The limit is one of the connection, and goes with it.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&store.writers)
            .await
            .unwrap();
        let long = "x".repeat(100_000);
        let write = async || {
            let mut record = store.record().await?;
            sqlx::query(
                "INSERT INTO tokens (id, name, role, hash, created_at) VALUES ('1', $1, 'viewer', 'h', 0)",
            )
            .bind(&long)
            .execute(&mut *record.0)
            .await?;
            record.commit().await
        };
        let failure = format!("{:?}", write().await.unwrap_err());
        assert!(failure.contains("full"), "{failure}");
        write().await.unwrap();
        assert!(
            log::tests::is_the_log_of(&store, &path),
            "what is brought to disk is what is written"
        );
    }

    #[tokio::test]
    async fn counts_that_an_older_version_got_wrong_are_put_right() {
        let folder = tempfile::tempdir().unwrap();
        let url = Store::url_of_file(&folder.path().join("old.db")).unwrap();
        sqlx::any::install_default_drivers();
        let old = Database::named(&url).unwrap().writers().await.unwrap();
        let before = MIGRATIONS.iter().filter(|(version, ..)| *version < 16);
        let before: Vec<_> = before.copied().collect();
        migrator(&before).run(&old).await.unwrap();
        sqlx::raw_sql(
            "INSERT INTO releases (digest, vendor, class, version, counter, size, file_sha256, published_at, \
             published_by) VALUES ('aa', 'v', 'c', '1.0.0', 1, 1, 'f', 0, 'x'); \
             INSERT INTO devices (id, state, since, sequence, boot_since) \
             VALUES ('d1', 'approved', 0, 1, 50), ('d2', 'approved', 0, 1, 60); \
             INSERT INTO rollouts (id, number, release, audience, state, created_at, created_by, changed_at, \
             judged_since, reached_at) VALUES ('r', 1, 'aa', 'all', 'running', 10, 'x', 10, 100, 200); \
             INSERT INTO rollout_tallies VALUES ('r', -3, 7, 0, -1); \
             INSERT INTO rollout_offers VALUES ('r', 'd1', 'confirmed', 150, NULL), ('r', 'd2', 'reverted', 90, 300); \
             INSERT INTO reports VALUES ('d2', 1, 'reverted', 'aa', 0, 250), ('d2', 2, 'reverted', 'aa', 0, 350), \
             ('d2', 3, 'refused-by-app', 'aa', 0, 260), ('d1', 1, 'requested', 'aa', 0, 9), \
             ('d1', 2, 'requested', 'aa', 0, 10);",
        )
        .execute(&old)
        .await
        .unwrap();
        old.close().await;

        let store = Store::open(&url).await.unwrap();
        let row = |statement: &'static str| {
            let pool = store.writers.clone();
            async move {
                let row = sqlx::query(statement).fetch_one(&pool).await.unwrap();
                let read = (0..row.len()).map(|column| row.get::<i64, _>(column));
                read.collect::<Vec<i64>>()
            }
        };
        let tallies = row("SELECT confirmed, refused, reverted, stage_confirmed FROM rollout_tallies").await;
        assert_eq!(
            tallies,
            [1, 0, 0, 0],
            "one confirmed in this round, nothing since it was widened"
        );
        let forgiven = "SELECT forgiven_reverts, forgiven_refusals, forgiven_boot FROM rollout_offers \
                        WHERE device = 'd2'";
        assert_eq!(row(forgiven).await, [1, 1, 60], "what came before the other try");
        let before = "SELECT MAX(sequence) FROM reports WHERE rollouts = 0";
        let after = "SELECT COUNT(*) FROM reports WHERE rollouts = 1";
        assert_eq!(
            row(before).await,
            [1],
            "by their times, as nothing else is known of them"
        );
        assert_eq!(row(after).await, [4]);
    }
}
