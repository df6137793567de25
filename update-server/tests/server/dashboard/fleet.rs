//! The first page: the fleet in numbers.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use latchkey_server::http::{App, routes};
use sha2::{Digest as _, Sha256};

use crate::lifetimes::set;
use crate::support::{Draft, Harness};
use crate::visit::Visit;

#[tokio::test]
async fn the_fleet_by_version_and_by_when_it_was_heard_of() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    assert!(visit.see("/dashboard").await.contains("No locks yet"));

    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut locks = harness.locks(4).await;
    locks[0].runs(release, 2, 2);
    for lock in &mut locks[..3] {
        harness.check_in(lock).await;
    }
    harness.service.write_presence().await.unwrap();
    let page = visit.see("/dashboard").await;
    for text in [
        "<b>4</b> locks in the fleet",
        "lock-emulator-1 <span class=\"quiet\">4</span>",
        "aria-label=\"Versions on lock-emulator-1: 1 run 1.2.0+0, 2 run 1.1.0+0, 1 have not told yet\"",
        "aria-label=\"Last heard of: 3 on time, 0 late, within a day, 0 within a week, 0 longer ago, 1 never\"",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    harness.clock.advance_ms(8 * 24 * 3_600_000);
    let visit = Visit::new(&harness).await;
    assert!(visit.see("/dashboard").await.contains("3 longer ago, 1 never"));
}

#[tokio::test]
async fn files_are_those_that_are_said_to_be_there() {
    let harness = Harness::new().await;
    let visit = Visit::new(&harness).await;
    let readme = include_str!("../../../assets/dashboard/README.md");
    for (name, kind) in [
        ("htmx.min.js", "text/javascript; charset=utf-8"),
        ("hx-sse.min.js", "text/javascript; charset=utf-8"),
        ("dashboard.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let answer = visit.get(&format!("/dashboard/assets/{name}")).await;
        assert_eq!(
            (answer.status, answer.header(header::CONTENT_TYPE)),
            (StatusCode::OK, kind)
        );
        let sum = hex::encode(Sha256::digest(&answer.body));
        let theirs = name.ends_with(".min.js");
        assert_eq!(
            readme.contains(&format!("| {name} | {sum} |")),
            theirs,
            "{name} {sum}"
        );
    }
    for (name, problem) in [
        ("none.js", "not-found"),
        ("..%2F..%2FCargo.toml", "not-found"),
        ("%FF", "invalid"),
    ] {
        let answer = visit.get(&format!("/dashboard/assets/{name}")).await;
        assert_eq!(answer.page_problem(), problem, "{name}");
        assert!(answer.status.is_client_error());
    }
}

#[tokio::test]
async fn a_file_that_a_busy_server_cannot_give_is_a_page_too() {
    let mut harness = Harness::new().await;
    let full = App::new(harness.service.clone()).with_requests_max(0);
    harness.router = routes(&full).0;
    let asked = |path: &str| Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = harness.send(asked("/dashboard/assets/style.css")).await;
    assert_eq!(answer.page_problem(), "busy");
    // Programs at other places for anybody are told as programs are.
    let answer = harness.send(asked("/owner/v1/support")).await;
    assert_eq!(answer.problem(), "busy");
}

#[tokio::test]
async fn the_bare_address_leads_to_the_dashboard() {
    let harness = Harness::new().await;
    let visit = Visit::new(&harness).await;
    let answer = visit.get("/").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header(header::LOCATION), "/dashboard");
}

#[tokio::test]
async fn a_model_says_until_when_it_is_supported() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    harness.lock().await;
    let page = visit.see("/dashboard").await;
    assert!(
        page.contains("nobody has said until when it is supported"),
        "{page}"
    );
    let (status, _) = set(&harness, "lock-emulator-1", "2034-12-31").await;
    assert_eq!(status, StatusCode::OK);
    let page = visit.see("/dashboard").await;
    assert!(page.contains("supported until 2034-12-31"), "{page}");
}
