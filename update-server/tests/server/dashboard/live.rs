//! Pages that are kept fresh: what a reader of the stream gets, and when it ends.

use std::pin::pin;

use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request, StatusCode, header};
use futures_util::StreamExt as _;
use latchkey_server::domain::access::Role;
use latchkey_server::http::{App, routes};
use latchkey_server::limits::LIVE_READERS_MAX;
use tower::ServiceExt as _;

use crate::access::token;
use crate::clones::alarmed;
use crate::support::{Draft, Harness};
use crate::visit::{HOST, Visit};

struct Reader(BodyDataStream);

impl Reader {
    async fn open(visit: &Visit<'_>, path: &str) -> Result<Self, StatusCode> {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::ACCEPT, "text/html, text/event-stream")
            .header(header::COOKIE, &visit.cookie)
            .body(Body::empty())
            .unwrap();
        let response = visit.harness.router.clone().oneshot(request).await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let mut reader = Self(response.into_body().into_data_stream());
        assert_eq!(reader.next().await.unwrap(), "retry: 3000\n\n");
        Ok(reader)
    }

    async fn next(&mut self) -> Option<String> {
        let piece = pin!(self.0.next()).await?;
        Some(String::from_utf8(piece.unwrap().to_vec()).unwrap())
    }
}

/// A server whose pulse is the test's.
async fn live() -> (Harness, App) {
    let mut harness = Harness::ready().await;
    let app = App::new(harness.service.clone());
    harness.router = routes(&app).0;
    (harness, app)
}

#[tokio::test]
async fn a_rollouts_page_is_told_what_changes() {
    let (harness, app) = live().await;
    let visit = Visit::new(&harness).await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut lock = harness.lock().await;
    let rollout = harness.roll_out(release).await;
    let mut reader = Reader::open(&visit, &format!("/dashboard/rollouts/{rollout}/live"))
        .await
        .unwrap();
    app.refresh_dashboards();
    let first = reader.next().await.unwrap();
    assert!(first.starts_with("data: ") && first.ends_with("\n\n"));
    assert!(
        first.contains("id=\"halt\"") && first.contains("0 under way"),
        "{first}"
    );
    assert!(!first.contains("csrf"), "what is shared carries nobody's mark");

    assert_eq!(harness.offered(&mut lock).await, Some(release));
    app.refresh_dashboards();
    let next = reader.next().await.unwrap();
    assert!(next.contains("1 under way"), "{next}");
    harness
        .call(
            Method::POST,
            &format!("/api/v1/rollouts/{rollout}/abort"),
            Body::empty(),
        )
        .await;
    // Whoever comes now has a page that says so, and is not sent what others were sent before.
    let mut late = Reader::open(&visit, &format!("/dashboard/rollouts/{rollout}/live"))
        .await
        .unwrap();
    app.refresh_dashboards();
    for reader in [&mut reader, &mut late] {
        let next = reader.next().await.unwrap();
        assert!(next.contains("aborted"), "{next}");
    }
}

#[tokio::test]
async fn the_fleets_page_is_told_of_a_copied_key() {
    let (harness, app) = live().await;
    let visit = Visit::new(&harness).await;
    let mut reader = Reader::open(&visit, "/dashboard/live").await.unwrap();
    let _ = alarmed(&harness).await;
    app.refresh_dashboards();
    let next = reader.next().await.unwrap();
    assert!(next.contains("/dashboard/devices?alarmed=true"), "{next}");
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_the_server() {
    let (harness, app) = live().await;
    let (id, secret) = token(&harness, Role::Viewer).await;
    let visit = Visit::with(&harness, &secret).await;
    let other = Visit::new(&harness).await;
    let mut reader = Reader::open(&visit, "/dashboard/live").await.unwrap();
    let mut others = Reader::open(&other, "/dashboard/live").await.unwrap();
    app.refresh_dashboards();
    reader.next().await.unwrap();
    others.next().await.unwrap();
    harness
        .call(Method::DELETE, &format!("/api/v1/tokens/{id}"), Body::empty())
        .await;
    app.refresh_dashboards();
    assert_eq!(reader.next().await, None, "the token was revoked");
    assert_eq!(
        Reader::open(&visit, "/dashboard/live").await.err(),
        Some(StatusCode::UNAUTHORIZED),
        "and no page comes in its place"
    );
    app.end_dashboards();
    assert_eq!(others.next().await, None, "the server stops");
}

#[tokio::test]
async fn so_many_pages_are_kept_fresh_and_one_that_is_left_makes_room() {
    let (harness, app) = live().await;
    let visit = Visit::new(&harness).await;
    let mut readers = Vec::new();
    for _ in 0..LIVE_READERS_MAX {
        readers.push(Reader::open(&visit, "/dashboard/live").await.unwrap());
    }
    assert_eq!(
        Reader::open(&visit, "/dashboard/live").await.err(),
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
    readers.pop();
    // That it went away is noticed by its own task, which has yet to run.
    let mut again = Reader::open(&visit, "/dashboard/live").await;
    while again.is_err() {
        tokio::task::yield_now().await;
        again = Reader::open(&visit, "/dashboard/live").await;
    }
    drop(app);
}

#[tokio::test]
async fn what_is_not_there_is_told_as_a_page() {
    let (harness, _app) = live().await;
    let visit = Visit::new(&harness).await;
    let path = format!("/dashboard/rollouts/{}/live", "ab".repeat(8));
    assert_eq!(visit.get(&path).await.page_problem(), "not-found");
}
