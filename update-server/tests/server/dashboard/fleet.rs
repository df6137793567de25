//! The first page: the fleet in numbers.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use latchkey_server::http::{App, routes};
use sha2::{Digest as _, Sha256};

use crate::audit::tamper;
use crate::clones::alarmed;
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

#[tokio::test]
async fn a_copied_key_is_told_first_and_leads_to_the_locks_it_is_about() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let whole = harness.lock().await.id().to_string();
    let is_told = |page: &str| page.contains("id=\"alarmed\"");
    let mark = "<span class=\"state alarmed\">alarmed</span>";
    assert!(!is_told(&visit.see("/dashboard").await));
    let copied = alarmed(&harness).await.0.id().to_string();
    let page = visit.see("/dashboard").await;
    let link = "<a href=\"/dashboard/devices?alarmed=true\">1 lock</a>";
    assert!(is_told(&page) && page.contains(link), "{page}");

    let all = visit.see("/dashboard/devices").await;
    assert!(all.contains(&whole) && all.contains(&copied), "{all}");
    assert_eq!(all.matches(mark).count(), 1, "{all}");
    let listed = visit.see("/dashboard/devices?alarmed=true").await;
    assert!(
        listed.contains(&copied) && !listed.contains(&whole) && listed.contains(mark),
        "{listed}"
    );
    let chosen = "<a href=\"/dashboard/devices?alarmed=true\" aria-current=\"true\">alarmed</a>";
    assert_eq!(listed.matches("aria-current=\"true\"").count(), 1, "{listed}");
    assert!(listed.contains(chosen), "{listed}");

    let _ = alarmed(&harness).await;
    assert!(visit.see("/dashboard").await.contains(">2 locks</a>"));
    let place = format!("/dashboard/devices/{copied}");
    let page = visit.see(&place).await;
    visit.press(&place, "settle", &page).await.leads_to();
    assert!(visit.see("/dashboard").await.contains(">1 lock</a>"));
}

#[tokio::test]
async fn what_is_to_be_done_about_the_tuf_repository_is_told_where_there_is_one() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let harness = Harness::ready().await;
    let first_page = async || Visit::new(&harness).await.see("/dashboard").await;
    assert!(
        !first_page().await.contains("id=\"tuf\""),
        "nobody has to have a repository"
    );
    harness.publish_repository().await;
    let _ = alarmed(&harness).await;
    assert!(!first_page().await.contains("id=\"tuf\""));
    for (days, says) in [(71, "the root expires at"), (30, "the root expired at")] {
        harness.clock.advance_ms(days * DAY_MS);
        let page = first_page().await;
        assert!(
            page.contains("id=\"tuf\"") && page.contains(&format!("<li>{says} ")),
            "no {says} in {page}"
        );
    }
    tamper(
        harness.folder.path().to_str().unwrap(),
        "UPDATE tuf_files SET document = 'no document' WHERE role = 'root'",
    )
    .await;
    let page = first_page().await;
    for text in [
        "The TUF repository is damaged or cannot be read.",
        ">1 lock</a>",
        "<b>1</b> locks in the fleet",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
}
