//! What the server does beside answering: each work at once, and then again after its time, for as long as the server
//! runs. A round that fails is logged, and the next one comes all the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::Service;
use crate::courier::Courier;
use crate::failure::Outcome;

/// How often "last seen" is written.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is looked whether the TUF timestamp is to be renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(600);

/// Starts all of it; it ends when this is dropped.
pub(super) fn start(service: &Arc<Service>, courier: Courier, watch_interval: Duration) -> JoinSet<()> {
    let mut rounds = JoinSet::new();
    let each = service.clone();
    rounds.spawn(every(
        PRESENCE_INTERVAL,
        "who called when could not be written; it stays in memory",
        move || {
            let service = each.clone();
            async move { service.write_presence().await }
        },
    ));
    let each = service.clone();
    rounds.spawn(every(
        watch_interval,
        "the running rollouts could not be looked at; they are again in a while",
        move || {
            let service = each.clone();
            async move {
                service.watch_rollouts().await;
                Ok(())
            }
        },
    ));
    let each = service.clone();
    rounds.spawn(every(
        RENEW_INTERVAL,
        "the TUF timestamp could not be renewed; clients refuse it once it expires",
        move || {
            let service = each.clone();
            async move { service.renew_tuf().await.map(|_| ()) }
        },
    ));
    rounds.spawn(Arc::new(courier).work(service.clone()));
    rounds
}

/// Does a round of work now and whenever so much time has passed.
async fn every<R>(interval: Duration, trouble: &'static str, mut round: impl FnMut() -> R)
where
    R: Future<Output = Outcome<()>>,
{
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        if let Err(failure) = round().await {
            tracing::error!(%failure, "{trouble}");
        }
    }
}
