//! Which database it is, and how each connection to it is set up.
//!
//! SQLite is a file with one writer, whose place is taken before anything is read for a change. PostgreSQL has many
//! writers, on several machines; there a change holds a lock of the whole database, and what a device told holds that
//! device's row. Either way nobody decides on what another is about to change.

use std::str::FromStr as _;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, Connection as _, Row as _};
use url::{Url, form_urlencoded};

use crate::limits::DATABASE_WAIT;

/// How many readers work side by side, in one instance.
const READERS: u32 = 8;

/// How many writers, where the database has room for more than one.
const WRITERS: u32 = 8;

/// SQLite: readers never wait for the writer. A commit is in the log file, and [`super::log`] brings that to disk
/// before the commit is reported.
const SQLITE_WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
                             PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;";
const SQLITE_READER: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000;";

/// PostgreSQL: the same, whatever the server's defaults are; a stricter default stays. Nobody waits for ever for a
/// lock, and an instance that is cut off in a transaction holds it no longer than half a minute.
const POSTGRES_WRITER: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                               WHERE current_setting('synchronous_commit') = 'off'; \
                               SET lock_timeout = '5s'; SET statement_timeout = '20s'; \
                               SET idle_in_transaction_session_timeout = '30s';";
/// PostgreSQL, while the tables are brought up to date: that takes as long as there are rows, and others wait for it.
/// But nobody idles between one statement of that and the next: an instance that does has gone, and holds up the others
/// no longer than any writer.
const POSTGRES_MIGRATOR: &str = "SET lock_timeout = 0; SET statement_timeout = 0;";
const POSTGRES_READER: &str = "SET default_transaction_read_only = on; SET statement_timeout = '20s';";

/// A connection that lay idle for so long is asked whether it still is one before it is used.
const DOUBTED_AFTER: Duration = Duration::from_secs(5);

/// The kinds of database there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    Sqlite,
}

/// A database that `--database` names.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) kind: Kind,
    /// With whatever password it holds: never shown.
    url: String,
}

impl Database {
    /// Reads `--database URL`.
    ///
    /// PostgreSQL that is reached over a network has to prove who it is, unless the URL says otherwise: it is trusted
    /// with what every lock gets.
    pub(super) fn named(url: &str) -> anyhow::Result<Self> {
        if url.starts_with("sqlite:") {
            let (_, query) = url.split_once('?').unwrap_or_default();
            anyhow::ensure!(
                form_urlencoded::parse(query.as_bytes()).all(|(key, _)| key != "mode"),
                "--database {}: leave `mode` out; a server reads and writes its file and makes one that is missing, and \
                 `--offline` makes none",
                shown(url)
            );
            let separator = if url.contains('?') { '&' } else { '?' };
            return Ok(Self {
                kind: Kind::Sqlite,
                url: format!("{url}{separator}mode=rwc"),
            });
        }
        let mut parsed = Url::parse(url)
            .ok()
            .filter(|parsed| matches!(parsed.scheme(), "postgres" | "postgresql"))
            .with_context(|| {
                format!(
                    "--database {}: this version knows sqlite:///path/to/file.db and postgres://user@host/name",
                    shown(url)
                )
            })?;
        let says = |name: &str| parsed.query_pairs().any(|(key, _)| key.replace('-', "") == name);
        if !says("sslmode") && !is_on_this_machine(&parsed) {
            parsed.query_pairs_mut().append_pair("sslmode", "verify-full");
        }
        Ok(Self {
            kind: Kind::Postgres,
            url: parsed.into(),
        })
    }

    /// The same, and SQLite's file is not made.
    pub(super) fn existing(mut self) -> Self {
        if self.kind == Kind::Sqlite {
            // The `c` of `mode=rwc`, which `named` puts at the end and nowhere else.
            self.url.pop();
        }
        self
    }

    /// Goes on only with tables as this version makes them, by so many migrations.
    pub(super) async fn must_be_current(&self, migrations: usize) -> anyhow::Result<()> {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect_with(&self.options()?)
            .await
            .with_context(|| format!("cannot open the database {}", shown(&self.url)))?;
        let row = sqlx::query("SELECT COUNT(*) AS made FROM _sqlx_migrations")
            .fetch_one(&mut connection)
            .await
            .with_context(|| format!("{} is no database of a Latchkey server", shown(&self.url)))?;
        connection.close().await?;
        let made: i64 = row.try_get("made")?;
        anyhow::ensure!(
            usize::try_from(made) == Ok(migrations),
            "{} was last used by another version of the server; use that version's program, or start a server of this one \
             first",
            shown(&self.url)
        );
        Ok(())
    }

    /// The connections that write. There is at least one when this returns.
    pub(super) async fn writers(&self) -> sqlx::Result<AnyPool> {
        let (connections, setup) = match self.kind {
            // Waiting for the one place here is orderly.
            Kind::Sqlite => (1, SQLITE_WRITER),
            Kind::Postgres => (WRITERS, POSTGRES_WRITER),
        };
        self.pool(connections, setup).connect_with(self.options()?).await
    }

    /// Brings the tables up to date, however long that takes.
    pub(super) async fn migrate(&self, migrator: &Migrator, writers: &AnyPool) -> anyhow::Result<()> {
        let mut connection = writers.acquire().await?;
        match self.kind {
            Kind::Sqlite => migrator.run(&mut *connection).await?,
            Kind::Postgres => {
                // So patient only for this.
                connection.close_on_drop();
                set_up(&mut connection, POSTGRES_MIGRATOR).await?;
                tracing::info!("the tables are brought up to date, after any other instance that is at it");
                migrator.run(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// The connections that only read, made as they are needed.
    pub(super) fn readers(&self) -> sqlx::Result<AnyPool> {
        let setup = match self.kind {
            Kind::Sqlite => SQLITE_READER,
            Kind::Postgres => POSTGRES_READER,
        };
        Ok(self.pool(READERS, setup).connect_lazy_with(self.options()?))
    }

    /// SQLite: a connection that is never used. As long as it is open, the log file stays, whichever others are closed.
    pub(super) async fn keeper(&self) -> sqlx::Result<AnyConnection> {
        let mut connection = AnyConnection::connect_with(&self.options()?).await?;
        set_up(&mut connection, SQLITE_READER).await?;
        // From the first read on it holds a lock on the file until it is closed.
        sqlx::query("SELECT COUNT(*) FROM sqlite_schema")
            .execute(&mut connection)
            .await?;
        Ok(connection)
    }

    fn options(&self) -> sqlx::Result<AnyConnectOptions> {
        AnyConnectOptions::from_str(&self.url)
    }

    fn pool(&self, connections: u32, setup: &'static str) -> AnyPoolOptions {
        let remote = self.kind == Kind::Postgres;
        let options = match self.kind {
            Kind::Postgres => AnyPoolOptions::new(),
            // On this machine, and as good as on the first day.
            Kind::Sqlite => AnyPoolOptions::new().idle_timeout(None).max_lifetime(None),
        };
        options
            .max_connections(connections)
            .acquire_timeout(DATABASE_WAIT)
            .test_before_acquire(false)
            .before_acquire(move |connection, about| {
                Box::pin(async move {
                    if remote {
                        return Ok(about.idle_for < DOUBTED_AFTER || connection.ping().await.is_ok());
                    }
                    // SQLite ends a transaction by itself when its disk is full, and the driver believes in it for ever:
                    // this connection begins no other.
                    Ok(!connection.is_in_transaction())
                })
            })
            .after_connect(move |connection, _| Box::pin(set_up(connection, setup)))
    }
}

async fn set_up(connection: &mut AnyConnection, setup: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(setup).execute(connection).await.map(|_| ())
}

/// A socket in the file system, or the loopback address.
fn is_on_this_machine(url: &Url) -> bool {
    let is_local = |host: &str| {
        host.is_empty()
            || host.starts_with('/')
            || host.starts_with("%2F")
            || matches!(host, "localhost" | "127.0.0.1" | "[::1]" | "::1")
    };
    let mut hosts = url
        .query_pairs()
        .filter(|(key, _)| matches!(&**key, "host" | "hostaddr"))
        .peekable();
    // What the query says goes before what stands at a host's place.
    if hosts.peek().is_some() {
        return hosts.all(|(_, host)| is_local(&host));
    }
    is_local(url.host_str().unwrap_or_default())
}

/// A database's URL for people to see: without its password.
#[must_use]
pub fn shown(url: &str) -> String {
    const HIDDEN: &str = "…";
    let Ok(mut parsed) = Url::parse(url) else {
        // What cannot be read cannot be told apart from a secret.
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        return if url.contains('@') || url.contains("password") {
            format!("{scheme}://{HIDDEN}")
        } else {
            url.to_owned()
        };
    };
    let secret = |key: &str| key == "password";
    if parsed.password().is_none() && !parsed.query_pairs().any(|(key, _)| secret(&key)) {
        return url.to_owned();
    }
    if parsed.password().is_some() && parsed.set_password(Some("hidden")).is_err() {
        return format!("{}://{HIDDEN}", parsed.scheme());
    }
    let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
    if !pairs.is_empty() {
        let hidden = |(key, value): (String, String)| {
            let value = if secret(&key) { "hidden".to_owned() } else { value };
            (key, value)
        };
        parsed
            .query_pairs_mut()
            .clear()
            .extend_pairs(pairs.into_iter().map(hidden));
    }
    parsed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(url: &str) -> String {
        Database::named(url).unwrap().url
    }

    #[test]
    fn databases_of_other_kinds_are_refused_by_name() {
        for url in ["mysql://x", "latchkey.db", "postgre://localhost/latchkey", ""] {
            let error = Database::named(url).err().unwrap().to_string();
            assert!(error.contains(&format!("--database {url}")), "{error}");
        }
    }

    #[test]
    fn whether_a_file_is_made_is_not_for_the_url_to_say() {
        for query in [
            "mode=rwc",
            "mode=ro",
            "cache=private&mode=memory",
            "mode=rw&cache=private",
            "%6Dode=rwc",
        ] {
            let error = Database::named(&format!("sqlite:///a.db?{query}")).err().unwrap();
            assert!(error.to_string().contains("leave `mode` out"), "{query}: {error}");
        }
        for url in ["sqlite:///mode=rwc.db", "sqlite:///a.db?cache=private"] {
            let made = Database::named(url).unwrap();
            assert!(made.url.ends_with("mode=rwc"), "{url}");
            assert!(made.existing().url.ends_with("mode=rw"), "{url}");
        }
    }

    #[test]
    fn a_database_across_a_network_must_prove_who_it_is() {
        for far in [
            "postgres://latchkey@db.example/latchkey",
            "postgresql://db.example",
            "postgres:///latchkey?host=10.0.0.1",
            "postgres://localhost/latchkey?hostaddr=10.0.0.1",
            "postgres://localhost.example/latchkey?application_name=sslmode",
        ] {
            assert!(made_of(far).ends_with("sslmode=verify-full"), "{far}");
        }
        for near in [
            "postgres://localhost/latchkey",
            "postgres://127.0.0.1:5433/latchkey",
            "postgres://[::1]/latchkey",
            "postgres:///latchkey?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/latchkey",
        ] {
            assert!(!made_of(near).contains("sslmode"), "{near}");
        }
        let chosen = "postgres://db.example/latchkey?sslmode=require";
        assert_eq!(made_of(chosen), chosen, "who says so knows why");
    }

    #[test]
    fn passwords_are_not_shown() {
        for url in [
            "postgres://latchkey:s3cret@db.example/latchkey",
            "postgres://db.example/latchkey?password=s3cret&application_name=x",
            "postgres://latchkey:s3cret@db.example:port/latchkey",
            "mysql://latchkey:s3cret@db.example/latchkey",
        ] {
            assert!(!shown(url).contains("s3cret"), "{}", shown(url));
            let error = Database::named(url).err().map(|error| format!("{error:#}"));
            assert!(!error.unwrap_or_default().contains("s3cret"));
        }
        for url in [
            "sqlite:///a%20b.db",
            "postgres://latchkey@db.example/latchkey",
            "x.db",
        ] {
            assert_eq!(shown(url), url);
        }
    }
}
