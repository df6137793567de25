//! Connections: accepted up to a limit, in all and of one address, each with time limits. Each is asked to end when it is old or the server stops,
//! and is then given time for the request under way, so that no answer is lost.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::crowd::{Crowd, Guest};
use super::gate::Peer;
use super::progress::Progress;
use super::tls::Tls;
use crate::limits::{
    CONNECTION_AGE_MAX, CONNECTION_BUFFER_BYTES, HEAD_TIMEOUT, REQUEST_TIMEOUT, SHUTDOWN_GRACE,
    WRITE_STALL_MAX,
};

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

/// What bounds connections.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// So many at one time.
    pub connections: usize,
    /// So many of them from one address.
    pub of_one_address: usize,
    /// Addresses of proxies, through which everybody comes: they may have all.
    pub proxies: Arc<[IpAddr]>,
    /// One that is older takes no further request.
    pub age_max: Duration,
    /// One that has something to take and takes nothing of it for so long is cut off.
    pub stall_max: Duration,
}

impl Bounds {
    /// What is usual for so many connections.
    #[must_use]
    pub fn usual(connections: usize) -> Self {
        Self {
            connections,
            of_one_address: connections.div_ceil(2),
            proxies: Arc::new([]),
            age_max: CONNECTION_AGE_MAX,
            stall_max: WRITE_STALL_MAX,
        }
    }
}

/// Serves until `stop` is ready, then lets the requests under way finish, for [`SHUTDOWN_GRACE`] at most.
pub async fn serve(doors: Vec<Door>, bounds: Bounds, stop: impl Future<Output = ()>) {
    let connections = u32::try_from(bounds.connections).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(bounds.connections));
    let crowd = Crowd::of(bounds.of_one_address, bounds.proxies);
    let stopping = CancellationToken::new();
    let mut stop = std::pin::pin!(stop);
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&doors, next, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, door, place)) => {
                // A crowd at one door keeps nobody from the others.
                next = door.saturating_add(1);
                let Some(door) = doors.get(door) else { continue };
                let Some(guest) = crowd.admit(peer.0) else {
                    tracing::debug!(peer = %peer.0, "this address has as many connections as it may");
                    continue;
                };
                let end = End {
                    age_max: bounds.age_max,
                    stall_max: bounds.stall_max,
                    stopping: stopping.clone(),
                };
                hold(stream, peer, door, (place, guest), end);
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(doors);
    stopping.cancel();
    // Who has all places has outlived all connections.
    if timeout(SHUTDOWN_GRACE, places.acquire_many(connections))
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// A place first, then a connection, from the first door behind `next` at which there is one: what has no place waits in
/// the system's queue, which is bounded. Gives the door's number.
async fn accept(
    doors: &[Door],
    next: usize,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, usize, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (accepted, door) = poll_fn(|context| {
        let turns = doors.iter().enumerate().cycle().skip(next).take(doors.len());
        let mut turns = turns.map(|(number, door)| (number, door.listener.poll_accept(context)));
        let knocked = turns.find_map(|(number, polled)| match polled {
            Poll::Ready(accepted) => Some((accepted, number)),
            Poll::Pending => None,
        });
        knocked.map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    let (stream, address) = accepted?;
    Ok((stream, Peer(address.ip()), door, place))
}

fn hold(stream: TcpStream, peer: Peer, door: &Door, place: (OwnedSemaphorePermit, Guest), end: End) {
    // Answers are small or streamed in large pieces; waiting for more to send helps neither.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let stream = Progress::new(stream, end.stall_max);
    let (router, tls) = (door.router.clone(), door.tls.clone());
    tokio::spawn(async move {
        let _place = place;
        match tls {
            None => speak(stream, peer, router, end).await,
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => speak(stream, peer, router, end).await,
                Err(error) => tracing::debug!(%error, "a connection came to no TLS"),
            },
        }
    });
}

/// What a connection ends for.
struct End {
    age_max: Duration,
    stall_max: Duration,
    stopping: CancellationToken,
}

async fn speak<S>(stream: S, peer: Peer, router: Router, end: End)
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
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = end.asked() => {
            connection.as_mut().graceful_shutdown();
            timeout(REQUEST_TIMEOUT, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended badly"),
        Err(_) => tracing::debug!("a connection was asked to end and did not, and was cut off"),
    }
}

impl End {
    async fn asked(&self) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = sleep(self.age_max) => tracing::debug!("a connection is old and asked to end"),
        }
    }
}
