//! Whether database and image store answer: one look for all who ask.
//!
//! Anybody may ask, and a look costs: a query, and at a bucket a request that the operator pays for. So what a look finds
//! is everybody's for [`HEALTH_KNOWN`] from when it began. It is over within [`HEALTH_PATIENCE`], which is shorter, so
//! there is one at a time; and it goes on when whoever began it hangs up, so hanging up begins no other.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::problem;
use crate::Service;
use crate::failure::{Failure, Outcome};
use crate::limits::{HEALTH_KNOWN, HEALTH_PATIENCE};

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether the database answers.
    pub(super) database: bool,
    /// Whether the image store answers.
    pub(super) store: bool,
}

/// The latest look.
#[derive(Default)]
pub(super) struct Looks(Mutex<Option<Begun>>);

struct Begun {
    at: Instant,
    /// `None` until it is over.
    found: watch::Receiver<Option<Found>>,
}

impl Looks {
    /// What is found now, or was a moment ago.
    pub(super) async fn found(&self, service: &Arc<Service>) -> Found {
        let service = service.clone();
        self.shared(async move { look(&service).await }).await
    }

    /// What the latest look finds. `look` is made where that is too old.
    async fn shared(&self, look: impl Future<Output = Found> + Send + 'static) -> Found {
        let mut latest = self.latest(look);
        let found = latest.wait_for(Option::is_some).await;
        // A look that broke off found nothing that answers.
        found.ok().and_then(|found| *found).unwrap_or_default()
    }

    fn latest(&self, look: impl Future<Output = Found> + Send + 'static) -> watch::Receiver<Option<Found>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = held.as_ref().filter(|begun| begun.at.elapsed() < HEALTH_KNOWN) {
            return begun.found.clone();
        }
        let (tell, found) = watch::channel(None);
        // In the log it stands with whoever began it.
        let look = async move { tell.send_replace(Some(look.await)) };
        tokio::spawn(look.in_current_span());
        *held = Some(Begun {
            at: Instant::now(),
            found: found.clone(),
        });
        found
    }
}

async fn look(service: &Service) -> Found {
    let (database, store) = tokio::join!(
        answers("the database", service.check_database()),
        answers("the image store", service.check_store()),
    );
    Found { database, store }
}

/// Whether a part answers in time; the log says why it does not.
async fn answers(part: &str, check: impl Future<Output = Outcome<()>>) -> bool {
    let checked = timeout(HEALTH_PATIENCE, check).await;
    let checked = checked.unwrap_or_else(|_| {
        let late = format!("{part} gave no answer within {HEALTH_PATIENCE:?}");
        Err(Failure::storage(late))
    });
    checked.inspect_err(problem::log).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::{join_all, pending};

    use super::*;

    const WELL: Found = Found {
        database: true,
        store: true,
    };

    /// A look that takes so long, and is counted when it begins.
    fn counted(count: &Arc<AtomicUsize>, takes: Duration) -> impl Future<Output = Found> + Send + 'static {
        let count = count.clone();
        async move {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(takes).await;
            WELL
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_share_a_look_and_later_ones_have_another() {
        let (looks, count) = (Looks::default(), Arc::default());
        for round in 1..=3 {
            let asked = (0..1000).map(|_| looks.shared(counted(&count, HEALTH_PATIENCE)));
            assert!(join_all(asked).await.iter().all(|found| *found == WELL));
            assert_eq!(looks.shared(counted(&count, Duration::ZERO)).await, WELL);
            assert_eq!(count.load(Ordering::Relaxed), round);
            tokio::time::sleep(HEALTH_KNOWN - HEALTH_PATIENCE).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_begins_a_look_and_hangs_up_begins_no_other() {
        let (looks, count) = (Looks::default(), Arc::default());
        for _ in 0..3 {
            let hung_up = timeout(
                HEALTH_PATIENCE / 4,
                looks.shared(counted(&count, HEALTH_PATIENCE)),
            );
            hung_up.await.unwrap_err();
        }
        let began = Instant::now();
        assert_eq!(looks.shared(counted(&count, HEALTH_PATIENCE)).await, WELL);
        assert!(began.elapsed() <= HEALTH_PATIENCE / 4 + Duration::from_millis(1));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_not_well_and_what_fails_is_not_either() {
        let began = Instant::now();
        assert!(!answers("the store", pending()).await);
        assert!(began.elapsed() <= HEALTH_PATIENCE + Duration::from_millis(1));
        assert!(!answers("the store", async { Err(Failure::storage("gone")) }).await);
        assert!(answers("the store", async { Ok(()) }).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_breaks_off_is_not_well() {
        let looks = Looks::default();
        let broken = looks.shared(async { panic!("a test's") });
        assert_eq!(broken.await, Found::default());
        tokio::time::sleep(HEALTH_KNOWN).await;
        assert_eq!(looks.shared(async { WELL }).await, WELL);
    }
}
