//! Bounds on waiting: whoever sends slowly, or not at all, or with too many others, is told or shown the door.
//!
//! Time stands still here and jumps when nothing else is to do, so no test waits for real.

use std::task::Poll;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use latchkey_directive::ProblemCode;
use latchkey_server::limits::{BUSY_RETRY_S, HEAD_TIMEOUT, REQUESTS_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::Harness;

/// A body of which nothing ever comes. Says so each time it is asked for.
fn stalled(asked: mpsc::UnboundedSender<()>) -> Body {
    Body::from_stream(stream::poll_fn(move |_| {
        // Nobody listens any more when the test has what it wants.
        let _ = asked.send(());
        Poll::<Option<std::io::Result<Bytes>>>::Pending
    }))
}

fn enrol(body: Body) -> Request<Body> {
    Request::post("/device/v1/enrol").body(body).unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let harness = Harness::new().await;
    tokio::time::pause();
    let (asked, _keep) = mpsc::unbounded_channel();
    let answer = harness.send(enrol(stalled(asked))).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Busy)
    );
    let again_s: u32 = answer.header(header::RETRY_AFTER).parse().unwrap();
    assert!((BUSY_RETRY_S..2 * BUSY_RETRY_S).contains(&again_s));
}

#[tokio::test]
async fn more_requests_than_there_are_places_are_told_to_come_back() {
    let harness = Harness::new().await;
    tokio::time::pause();
    let (asked, mut begun) = mpsc::unbounded_channel();
    let mut holding = Vec::new();
    for _ in 0..REQUESTS_MAX {
        let (router, body) = (harness.router.clone(), stalled(asked.clone()));
        holding.push(tokio::spawn(async move {
            tower::ServiceExt::oneshot(router, enrol(body))
                .await
                .unwrap()
                .status()
        }));
        begun.recv().await.unwrap();
    }
    let answer = harness.lock_says("/device/v1/enrol", vec![0]).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Busy)
    );
    let people = Request::get("/openapi.json").body(Body::empty()).unwrap();
    assert_eq!(harness.send(people).await.problem(), "busy");
    // Each place is free again once its request is given up.
    for held in holding {
        assert_eq!(held.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let answer = harness.lock_says("/device/v1/enrol", vec![0]).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Malformed);
}

#[tokio::test]
async fn connections_that_say_nothing_or_never_finish_are_closed() {
    let harness = Harness::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // One place: who comes next is served only because the one before was shown the door.
    let door = latchkey_server::http::Door {
        listener,
        router: harness.router.clone(),
        tls: None,
    };
    let serving = latchkey_server::http::serve(vec![door], 1, std::future::pending());
    tokio::spawn(serving);
    tokio::time::pause();
    for said in [
        "",
        "GET /openapi.json HT",
        "GET /openapi.json HTTP/1.1\r\nhost: x\r\nx-a: b\r\n",
    ] {
        let began = Instant::now();
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Ends only because the server ends it; how it does is its own affair.
        let _ = connection.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said:?}");
        assert!(
            began.elapsed() >= HEAD_TIMEOUT,
            "closed for another reason: {said:?}"
        );
    }
}

#[test]
fn there_are_never_more_connections_than_descriptors_for_them() {
    let connections = latchkey_server::limits::connections();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert!((1..=latchkey_server::limits::CONNECTIONS_MAX).contains(&connections));
    assert!(
        limit
            .current
            .is_none_or(|current| connections as u64 * 2 < current)
    );
}
