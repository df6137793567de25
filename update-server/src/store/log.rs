//! SQLite's log, on disk: one sync for all commits that wait for one.
//!
//! With `synchronous = NORMAL` a commit is in the log file when SQLite is done with it, whole, and not yet on disk.
//! SQLite syncs that file only before it moves pages from it into the database. So whoever has committed waits here
//! until a sync that began afterwards is over; a disk that can do a few hundred syncs in a second then keeps thousands
//! of commits. Readers may see a commit a moment before it is on disk; nobody is told that it is done before.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::failure::{Failure, Outcome};

/// The log file of an open database.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<File>,
    /// Commits so far.
    committed: AtomicU64,
    /// As many of them are on disk for certain.
    on_disk: AtomicU64,
    /// Who syncs. The others wait, and mostly find it done.
    turn: Mutex<()>,
    /// A sync failed. What the system made of the bytes is not known, and a second sync would not tell.
    failed: AtomicBool,
}

impl Log {
    /// The log beside the database file at `path`, which is open: the file stays the same until it is closed.
    pub(super) fn of(path: &str) -> std::io::Result<Self> {
        let file = File::options().write(true).open(format!("{path}-wal"))?;
        if let Some(folder) = Path::new(path).parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self {
            file: Arc::new(file),
            committed: AtomicU64::new(0),
            on_disk: AtomicU64::new(0),
            turn: Mutex::new(()),
            failed: AtomicBool::new(false),
        })
    }

    /// Waits until what this caller has committed is on disk.
    pub(super) async fn sync(&self) -> Outcome<()> {
        let mine = self.committed.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let _turn = self.turn.lock().await;
        if self.failed.load(Ordering::SeqCst) {
            return Err(Failure::storage(
                "an earlier commit could not be brought to disk; restart the server and look at its disk",
            ));
        }
        if self.on_disk.load(Ordering::SeqCst) >= mine {
            return Ok(());
        }
        let all = self.committed.load(Ordering::SeqCst);
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        if let Err(error) = synced.unwrap_or_else(|gone| Err(std::io::Error::other(gone))) {
            self.failed.store(true, Ordering::SeqCst);
            return Err(Failure::storage(error));
        }
        self.on_disk.store(all, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn log() -> (tempfile::TempDir, Log) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        File::create(folder.path().join("x.db-wal")).unwrap();
        let log = Log::of(path.to_str().unwrap()).unwrap();
        (folder, log)
    }

    #[tokio::test]
    async fn a_sync_covers_every_commit_before_it_and_none_behind() {
        let (_folder, log) = log();
        let done = AtomicUsize::new(0);
        let commit = async || {
            log.sync().await.unwrap();
            assert!(log.on_disk.load(Ordering::SeqCst) > done.fetch_add(1, Ordering::SeqCst) as u64);
        };
        futures_util::future::join_all((0..50).map(|_| commit())).await;
        assert_eq!(log.on_disk.load(Ordering::SeqCst), 50);
        commit().await;
        assert_eq!(log.on_disk.load(Ordering::SeqCst), 51);
    }

    #[tokio::test]
    async fn after_a_sync_that_failed_nothing_is_acknowledged_any_more() {
        let (_folder, mut log) = log();
        log.sync().await.unwrap();
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().unwrap();
        let good = std::mem::replace(
            &mut log.file,
            Arc::new(File::from(std::os::fd::OwnedFd::from(writer))),
        );
        assert!(log.sync().await.is_err());
        log.file = good;
        assert!(log.sync().await.is_err());
    }
}
