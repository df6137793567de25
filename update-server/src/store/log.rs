//! SQLite's log, on disk: one sync for all commits that wait for one.
//!
//! With `synchronous = NORMAL` a commit is in the log file when SQLite is done with it, whole, and not yet on disk.
//! SQLite syncs that file only before it moves pages from it into the database. So whoever has committed waits here
//! until a sync that began afterwards is over; a disk that can do a few hundred syncs in a second then keeps thousands
//! of commits. Readers may see a commit a moment before it is on disk, so whoever acknowledges what was only read waits
//! here too ([`Log::settled`]).
//!
//! After a sync that failed, nobody knows what is on disk, and a second sync would not tell. From then on everything is
//! refused, also where the one that asked for that sync had gone by then.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::{Any, AnyConnection, Connection as _, Transaction};
use tokio::sync::Mutex;

use crate::failure::{Failure, Outcome};

/// The log file of an open database.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// Keeps the file: the last connection to be closed takes it with it, and a file that is not there any more would
    /// be brought to disk.
    keeper: Mutex<Option<AnyConnection>>,
    /// Commits that SQLite works on: a reader may see them, and they are not counted yet.
    at_work: AtomicU64,
    /// Commits so far, and whoever else waited.
    committed: AtomicU64,
    /// As many of them are on disk for certain.
    on_disk: AtomicU64,
    /// Who syncs. The others wait, and mostly find it done.
    turn: Arc<Mutex<()>>,
    /// A sync failed.
    failed: AtomicBool,
}

/// A commit that SQLite works on. However that ends, it is counted then.
struct AtWork(Arc<Log>);

impl AtWork {
    fn begin(log: &Arc<Log>) -> Self {
        log.at_work.fetch_add(1, Ordering::SeqCst);
        Self(log.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.committed.fetch_add(1, Ordering::SeqCst);
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Log {
    /// The log beside the database file at `path`, which `keeper` has open: the file stays the same as long.
    pub(super) fn of(path: &str, keeper: Option<AnyConnection>) -> std::io::Result<Self> {
        let file = File::options().write(true).open(format!("{path}-wal"))?;
        if let Some(folder) = Path::new(path).parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self {
            file,
            keeper: Mutex::new(keeper),
            at_work: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            on_disk: AtomicU64::new(0),
            turn: Arc::default(),
            failed: AtomicBool::new(false),
        })
    }

    /// Lets the file go.
    pub(super) async fn close(&self) {
        if let Some(keeper) = self.keeper.lock().await.take() {
            // As when it is dropped, but awaited.
            let _ = keeper.close().await;
        }
    }

    /// Goes on only while everything that was committed could be brought to disk.
    pub(super) fn check(&self) -> Outcome<()> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(Failure::storage(
                "an earlier commit could not be brought to disk; look at the disk, then restart the server",
            ));
        }
        Ok(())
    }

    /// Commits, and waits until that is on disk.
    pub(super) async fn commit(self: &Arc<Self>, transaction: Transaction<'static, Any>) -> Outcome<()> {
        let at_work = AtWork::begin(self);
        let log = self.clone();
        // SQLite goes on when whoever waits here has gone, and readers see what it did: so that is brought to disk all the
        // same, however long nobody else commits.
        let on_disk = tokio::spawn(async move {
            let committed = transaction.commit().await;
            drop(at_work);
            committed?;
            log.sync().await
        });
        on_disk.await.map_err(Failure::storage)?
    }

    /// Waits until everything that could be read before is on disk. Mostly it is.
    pub(super) async fn settled(self: &Arc<Self>) -> Outcome<()> {
        let idle = self.at_work.load(Ordering::SeqCst) == 0;
        let committed = self.committed.load(Ordering::SeqCst);
        if idle && self.on_disk.load(Ordering::SeqCst) >= committed {
            return self.check();
        }
        self.sync().await
    }

    /// Waits until whatever was committed before is on disk.
    pub(super) async fn sync(self: &Arc<Self>) -> Outcome<()> {
        let mine = self.committed.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let turn = self.turn.clone().lock_owned().await;
        self.check()?;
        if self.on_disk.load(Ordering::SeqCst) >= mine {
            return Ok(());
        }
        let log = self.clone();
        // The turn goes along: should nobody wait for this sync any more, what came of it is noted before the next one.
        let synced = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            log.sync_now()
        });
        synced.await.unwrap_or_else(|gone| self.fail(gone))
    }

    fn sync_now(&self) -> Outcome<()> {
        let all = self.committed.load(Ordering::SeqCst);
        self.file.sync_data().or_else(|error| self.fail(error))?;
        self.on_disk.store(all, Ordering::SeqCst);
        Ok(())
    }

    fn fail(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Outcome<()> {
        self.failed.store(true, Ordering::SeqCst);
        Err(Failure::storage(cause))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt as _;
    use latchkey_directive::DeviceId;

    use super::*;
    use crate::store::Store;

    fn log() -> (tempfile::TempDir, Arc<Log>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        File::create(folder.path().join("x.db-wal")).unwrap();
        let log = Log::of(path.to_str().unwrap(), None).unwrap();
        (folder, Arc::new(log))
    }

    /// Whether it is the file that SQLite writes.
    pub(crate) fn is_the_log_of(store: &Store, path: &Path) -> bool {
        let ours = store.log.as_ref().unwrap().file.metadata().unwrap();
        let there = std::fs::metadata(path.with_extension("db-wal")).unwrap();
        std::os::unix::fs::MetadataExt::ino(&ours) == std::os::unix::fs::MetadataExt::ino(&there)
    }

    /// From here on nothing comes to disk: a pipe cannot be synced. Gives the good file.
    fn break_disk(log: &mut Arc<Log>) -> File {
        let (_reader, writer) = std::io::pipe().unwrap();
        let broken = File::from(std::os::fd::OwnedFd::from(writer));
        std::mem::replace(&mut Arc::get_mut(log).unwrap().file, broken)
    }

    /// While this is there, nothing comes to disk, and whoever waits for that waits.
    pub(crate) struct StuckDisk {
        log: Arc<Log>,
        waited: u64,
        _turn: tokio::sync::OwnedMutexGuard<()>,
    }

    impl StuckDisk {
        pub(crate) async fn of(store: &Store) -> Self {
            let log = store.log.clone().unwrap();
            Self {
                _turn: log.turn.clone().lock_owned().await,
                waited: log.committed.load(Ordering::SeqCst),
                log,
            }
        }

        /// Until so many have waited for the disk; a commit counts once more.
        pub(crate) async fn waited_for(&self, count: u64) {
            while self
                .log
                .committed
                .load(Ordering::SeqCst)
                .saturating_sub(self.waited)
                < count
            {
                tokio::task::yield_now().await;
            }
        }
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
        log.settled().await.unwrap();
        let good = break_disk(&mut log);
        assert!(log.sync().await.is_err());
        Arc::get_mut(&mut log).unwrap().file = good;
        assert!(log.sync().await.is_err());
        assert!(log.settled().await.is_err());
        assert!(log.check().is_err());
    }

    #[tokio::test]
    async fn a_failure_shows_also_when_whoever_asked_for_the_sync_has_gone() {
        let (_folder, mut log) = log();
        let good = break_disk(&mut log);
        // Gone once the sync has begun, however quickly that fails.
        let _ = log.sync().now_or_never();
        let turn = log.turn.clone().lock_owned().await;
        assert!(log.check().is_err());
        drop((turn, good));
    }

    #[tokio::test]
    async fn what_a_commit_left_to_be_synced_is_not_settled_until_it_is() {
        let (_folder, mut log) = log();
        let at_work = AtWork::begin(&log);
        log.settled().await.unwrap();
        assert_eq!(log.on_disk.load(Ordering::SeqCst), 1, "it may be seen already");
        drop(at_work);
        log.settled().await.unwrap();
        let settled = log.on_disk.load(Ordering::SeqCst);
        log.settled().await.unwrap();
        assert_eq!(
            log.on_disk.load(Ordering::SeqCst),
            settled,
            "nothing new, so nothing to sync"
        );
        drop(AtWork::begin(&log)); // whoever committed has gone before it synced
        break_disk(&mut log);
        assert!(log.settled().await.is_err());
    }

    #[tokio::test]
    async fn a_commit_comes_to_disk_also_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let url = Store::url_of_file(&folder.path().join("x.db")).unwrap();
        let store = Store::open(&url).await.unwrap();
        let log = store.log.clone().unwrap();
        let before = log.committed.load(Ordering::SeqCst);
        let stuck = StuckDisk::of(&store).await;
        let mut commit = Box::pin(store.record().await.unwrap().commit());
        assert!(futures_util::poll!(&mut commit).is_pending());
        drop(commit);
        assert_eq!(log.at_work.load(Ordering::SeqCst), 1, "SQLite works on it still");
        while log.at_work.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        let counted = log.committed.load(Ordering::SeqCst) - before;
        assert_eq!(counted, 2, "it is done, and waits for the disk");
        drop(stuck);
        // Turns are taken in order: this one comes behind that sync.
        drop(log.turn.lock().await);
        assert_eq!(log.on_disk.load(Ordering::SeqCst), before + counted);
    }

    #[tokio::test]
    async fn a_store_whose_disk_failed_is_neither_written_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        let url = Store::url_of_file(&folder.path().join("x.db")).unwrap();
        let store = Store::open(&url).await.unwrap();
        let (_folder, mut log) = log();
        break_disk(&mut log);
        let store = Store::of(store.kind, Some(log), store.writers, store.readers.pool);
        let device = DeviceId([1; 16]);
        store.check().await.unwrap();
        store.device(device).await.unwrap();
        store.candidates(device).await.unwrap();
        assert!(store.record().await.unwrap().commit().await.is_err());
        assert!(store.record().await.is_err());
        assert!(store.look().await.is_err());
        assert!(store.check().await.is_err(), "whoever watches it hears of it");
        assert!(store.device(device).await.is_err());
        assert!(store.candidates(device).await.is_err());
    }
}
