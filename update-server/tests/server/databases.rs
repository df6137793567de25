//! The database that the tests run on: SQLite in the test's folder or, with LATCHKEY_TEST_DATABASE=postgres, a
//! PostgreSQL of this program's own, with a database for each folder. `cargo xtask test` runs them all on both.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use latchkey_postgres::{Durability, Postgres};
use latchkey_server::store::Store;
use tokio::sync::OnceCell;

/// Which database the tests run on. Anything else than these two words is a mistake, and not SQLite.
pub(crate) fn is_postgres() -> bool {
    match std::env::var("LATCHKEY_TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("LATCHKEY_TEST_DATABASE={other}: write sqlite or postgres"),
    }
}

/// The URL of the database that belongs to a server's data folder: the same each time.
pub(crate) async fn of(data: &Path) -> String {
    static KNOWN: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);
    if !is_postgres() {
        return Store::url_of_file(&data.join("latchkey.db")).unwrap();
    }
    let known = |made: Option<String>| {
        let mut known = KNOWN.lock().unwrap();
        let known = known.get_or_insert_default();
        if let Some(made) = made {
            known.entry(data.to_owned()).or_insert(made);
        }
        known.get(data).cloned()
    };
    if let Some(url) = known(None) {
        return url;
    }
    known(Some(fresh_postgres().await)).unwrap()
}

/// An empty database with tables, in PostgreSQL whatever the tests run on.
pub(crate) async fn fresh_postgres() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(async || {
        let url = postgres().await.create(None).unwrap();
        Store::open(&url).await.unwrap().close().await;
        url
    });
    postgres().await.create(Some(template.await)).unwrap()
}

/// This program's PostgreSQL. It ends with the program.
pub(crate) async fn postgres() -> &'static Postgres {
    static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
    POSTGRES
        .get_or_init(async || Postgres::start(Durability::Process).unwrap())
        .await
}

/// Puts everything a database outside the folder holds into a file in it.
pub(crate) async fn dump_into(folder: &Path) {
    if !is_postgres() {
        return;
    }
    let programs = postgres().await.programs();
    let dumped = std::process::Command::new(programs.join("pg_dump"))
        .arg(of(folder).await)
        .arg("--file")
        .arg(folder.join("dump.sql"))
        .status();
    assert!(dumped.unwrap().success());
}
