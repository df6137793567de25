//! Lookups that go together: who asks while a query runs is answered by the next one, all of them by one.
//!
//! To find one device costs little beside the way to the database and back: two changes of thread for SQLite, a round
//! trip for PostgreSQL. When many devices call at once, that way is made once for all of them. When one calls alone, it
//! waits for nobody. Knows nothing about what is looked up. Keeps: a query begins after the question it answers, so an
//! answer is never older than its question; there is one query of a kind at a time, of so many devices at most, and
//! however it ends, those behind it are answered.

use std::collections::HashMap;
use std::future::Future;
use std::iter;

use latchkey_directive::DeviceId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use crate::failure::{Failure, Outcome};
use crate::limits::{LOOKUP_TIME, REQUESTS_MAX, STATEMENT_ROWS_MAX};

/// What there is, by the device.
pub(super) type Finds<F> = HashMap<DeviceId, Outcome<F>>;

/// What is looked up of a device.
pub(super) trait Lookup: Send + 'static {
    /// What there is of one device.
    type Found: Clone + Send + 'static;

    /// Finds it for as many devices as are named: [`STATEMENT_ROWS_MAX`] at most, none twice. Those of which there is
    /// nothing are left out; what cannot be read of one is that one's failure.
    fn find(&self, devices: &[DeviceId]) -> impl Future<Output = Outcome<Finds<Self::Found>>> + Send;
}

struct Question<F> {
    device: DeviceId,
    /// What it is asked for.
    span: Span,
    answer: oneshot::Sender<Outcome<Option<F>>>,
}

/// Where lookups of one kind meet.
#[derive(Clone, Debug)]
pub(super) struct Together<F>(mpsc::Sender<Question<F>>);

impl<F: Clone + Send + 'static> Together<F> {
    /// Begins to answer, until nobody can ask any more. Belongs to the runtime that it is called in.
    pub(super) fn by(lookup: impl Lookup<Found = F> + Sync) -> Self {
        let (ask, questions) = mpsc::channel(REQUESTS_MAX);
        tokio::spawn(answer(lookup, questions));
        Self(ask)
    }

    /// What there is of a device, as it is now or later.
    pub(super) async fn find(&self, device: DeviceId) -> Outcome<Option<F>> {
        let gone = || Failure::storage("lookups are not answered any more");
        let (answer, answered) = oneshot::channel();
        let span = Span::current();
        let question = Question { device, span, answer };
        self.0.send(question).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn answer<L: Lookup>(lookup: L, mut questions: mpsc::Receiver<Question<L::Found>>) {
    let mut asked = Vec::with_capacity(STATEMENT_ROWS_MAX);
    while let Some(question) = questions.recv().await {
        asked.push(question);
        // Whoever is ready to ask asks first: on few cores most wait for their turn, not for an answer.
        tokio::task::yield_now().await;
        let more = iter::from_fn(|| questions.try_recv().ok());
        asked.extend(more.take(STATEMENT_ROWS_MAX.saturating_sub(1)));
        let mut devices: Vec<DeviceId> = asked.iter().map(|question| question.device).collect();
        devices.sort_unstable();
        devices.dedup();
        // In the log it stands with the first who asked.
        let span = asked.first().map_or_else(Span::none, |first| first.span.clone());
        let found = timeout(LOOKUP_TIME, lookup.find(&devices).instrument(span)).await;
        let found = found.unwrap_or_else(|late| Err(Failure::storage(late)));
        for Question { device, answer, .. } in asked.drain(..) {
            let told = match &found {
                Ok(found) => match found.get(&device) {
                    Some(Ok(found)) => Ok(Some(found.clone())),
                    Some(Err(failure)) => Err(failure.once_more()),
                    None => Ok(None),
                },
                Err(failure) => Err(failure.once_more()),
            };
            // Who asked may have gone by now.
            let _ = answer.send(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::failure::Kind;

    /// Finds each device's first byte where that is even; fails for 99, and never ends for 98.
    #[derive(Clone, Default)]
    struct FirstBytes {
        queries: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Lookup for FirstBytes {
        type Found = u8;

        async fn find(&self, devices: &[DeviceId]) -> Outcome<Finds<u8>> {
            let first: Vec<u8> = devices.iter().map(|device| device.0[0]).collect();
            self.queries.lock().unwrap().push(first.clone());
            // As a database does: others come meanwhile.
            tokio::task::yield_now().await;
            if first.contains(&98) {
                std::future::pending::<()>().await;
            }
            if first.contains(&99) {
                return Err(Failure::new(Kind::Busy, "later").because("a reason"));
            }
            let even = devices.iter().filter(|device| device.0[0] % 2 == 0);
            Ok(even.map(|device| (*device, Ok(device.0[0]))).collect())
        }
    }

    fn device(first: u8) -> DeviceId {
        DeviceId([first; 16])
    }

    #[tokio::test]
    async fn who_asks_while_a_query_runs_is_answered_by_the_next_one() {
        let lookup = FirstBytes::default();
        let queries = lookup.queries.clone();
        let together = Together::by(lookup);
        let asked = [2, 4, 5, 4].map(|first| together.find(device(first)));
        let found = futures_util::future::try_join_all(asked).await.unwrap();
        assert_eq!(found, [Some(2), Some(4), None, Some(4)]);
        assert_eq!(together.find(device(6)).await.unwrap(), Some(6));
        assert_eq!(*queries.lock().unwrap(), [vec![2, 4, 5], vec![6]]);
    }

    #[tokio::test]
    async fn a_query_names_a_bounded_number_of_devices() {
        let lookup = FirstBytes::default();
        let queries = lookup.queries.clone();
        let together = Together::by(lookup);
        let devices = (0..200).map(|number| DeviceId([number; 16]));
        let asked = devices.map(|device| together.find(device));
        futures_util::future::join_all(asked).await;
        let queries = queries.lock().unwrap();
        assert!(queries.len() > 1);
        assert!(queries.iter().all(|devices| devices.len() <= STATEMENT_ROWS_MAX));
    }

    #[tokio::test]
    async fn a_failure_meets_all_who_asked_and_nobody_later() {
        let together = Together::by(FirstBytes::default());
        let asked = [2, 99].map(|first| together.find(device(first)));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.unwrap_err().kind, Kind::Busy);
        }
        assert_eq!(together.find(device(2)).await.unwrap(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_never_ends_keeps_nobody_behind_it_waiting_for_ever() {
        let together = Together::by(FirstBytes::default());
        let stuck = together.find(device(98));
        let behind = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            together.find(device(2)).await
        };
        let (stuck, behind) = tokio::join!(stuck, behind);
        assert_eq!(stuck.unwrap_err().kind, Kind::Storage);
        assert_eq!(behind.unwrap(), Some(2));
    }

    #[tokio::test]
    async fn who_goes_away_keeps_nobody_from_an_answer() {
        let together = Together::by(FirstBytes::default());
        let gone = tokio::spawn({
            let together = together.clone();
            async move { together.find(device(2)).await }
        });
        let stays = together.find(device(4));
        gone.abort();
        assert_eq!(stays.await.unwrap(), Some(4));
    }
}
