//! Connections: accepted up to a limit, each with time limits, and ended in order when the server stops.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use super::gate::Peer;
use super::tls::Tls;
use crate::limits::{CONNECTION_AGE_MAX, HEAD_TIMEOUT, SHUTDOWN_GRACE};

/// How long to wait when the system has no connection to give, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A place to knock at.
pub struct Door {
    /// Where connections come in.
    pub listener: TcpListener,
    /// What can be asked there.
    pub router: Router,
    /// With a certificate, or in the clear.
    pub tls: Option<Tls>,
}

/// Serves at most `connections` at one time until `stop` is ready, then lets the requests under way finish, for
/// [`SHUTDOWN_GRACE`] at most.
pub async fn serve(doors: Vec<Door>, connections: usize, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&doors, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, door, place)) => hold(stream, peer, door, place, &graceful),
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(doors);
    if tokio::time::timeout(SHUTDOWN_GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// A place first, then a connection: what has no place waits in the system's queue, which is bounded.
async fn accept<'d>(
    doors: &'d [Door],
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, &'d Door, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (accepted, door) = poll_fn(|context| {
        let knocked = doors
            .iter()
            .find_map(|door| match door.listener.poll_accept(context) {
                Poll::Ready(accepted) => Some((accepted, door)),
                Poll::Pending => None,
            });
        knocked.map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    let (stream, address) = accepted?;
    Ok((stream, Peer(address.ip()), door, place))
}

fn hold(
    stream: TcpStream,
    peer: Peer,
    door: &Door,
    place: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    // Answers are small or streamed in large pieces; waiting for more to send helps neither.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let (router, tls, watcher) = (door.router.clone(), door.tls.clone(), graceful.watcher());
    tokio::spawn(async move {
        let _place = place;
        match tls {
            None => speak(stream, peer, router, watcher).await,
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => speak(stream, peer, router, watcher).await,
                Err(error) => tracing::debug!(%error, "a connection came to no TLS"),
            },
        }
    });
}

async fn speak<S>(stream: S, peer: Peer, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    match tokio::time::timeout(CONNECTION_AGE_MAX, watcher.watch(connection)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended badly"),
        Err(_) => tracing::debug!("a connection was ended for its age"),
    }
}
