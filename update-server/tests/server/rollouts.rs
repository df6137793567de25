//! Rollouts: who gets what, and what stops it.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::{BootOutcome, Event};
use latchkey_image::Hardware;
use serde_json::{Value, json};

use crate::support::{Draft, Harness, Lock, version};

async fn step(harness: &Harness, rollout: &str, step: &str) -> String {
    let path = format!("/api/v1/rollouts/{rollout}/{step}");
    let answer = harness.call(Method::POST, &path, Body::empty()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rollout_runs_pauses_resumes_and_ends() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    assert_eq!(
        harness.offered(&mut lock).await,
        None,
        "published is not rolled out"
    );
    let rollout = harness.roll_out(release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    assert_eq!(step(&harness, &rollout, "pause").await, "paused");
    assert_eq!(harness.offered(&mut lock).await, None);
    assert_eq!(step(&harness, &rollout, "resume").await, "running");
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    assert_eq!(step(&harness, &rollout, "abort").await, "aborted");
    assert_eq!(
        step(&harness, &rollout, "abort").await,
        "aborted",
        "twice is no error"
    );
    assert_eq!(harness.offered(&mut lock).await, None);
    for again in ["resume", "pause"] {
        let path = format!("/api/v1/rollouts/{rollout}/{again}");
        let answer = harness.call(Method::POST, &path, Body::empty()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::CONFLICT, "conflict")
        );
    }
}

#[tokio::test]
async fn a_list_means_these_and_no_others() {
    let harness = Harness::ready().await;
    let (mut on, mut off) = (harness.lock().await, harness.lock().await);
    let release = harness.publish(&Draft::new(2, 2)).await;
    let list = json!([on.id().to_string(), on.id().to_string()]);
    harness
        .roll_out_to(json!({ "release": release.to_string(), "to": "list", "devices": list }))
        .await;
    assert_eq!(harness.offered(&mut on).await, Some(release));
    assert_eq!(harness.offered(&mut off).await, None);
}

#[tokio::test]
async fn a_rollout_that_names_nobody_or_the_wrong_ones_is_not_made() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await.to_string();
    let lock = harness.lock().await.id().to_string();
    let other = {
        let mut other = Lock::new();
        other.hardware = Hardware::NRF52840;
        harness.lock_says("/device/v1/enrol", other.enrolment()).await;
        other.id().to_string()
    };
    let stranger = Lock::new().id().to_string();
    for (body, problem) in [
        (json!({ "release": release }), "invalid"),
        (json!({ "release": release, "to": "everyone" }), "invalid"),
        (json!({ "release": release, "to": "list" }), "invalid"),
        (
            json!({ "release": release, "to": "list", "devices": [] }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "list", "devices": ["x"] }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "all", "devices": [lock] }),
            "invalid",
        ),
        (json!({ "release": release, "to": "all", "part": 5 }), "invalid"),
        (
            json!({ "release": release, "to": "all", "stages": [0] }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "all", "stages": [1, 100.5] }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "all", "stages": [5, 5] }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "all", "advance": { "confirmed": 0, "soak_hours": 1 } }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "all", "halt": { "failures": 0 } }),
            "invalid",
        ),
        (
            json!({ "release": release, "to": "all", "halt": { "silence_hours": 10_000 } }),
            "invalid",
        ),
        (json!({ "release": "latest", "to": "all" }), "invalid"),
        (json!({ "release": "0".repeat(64), "to": "all" }), "not-found"),
        (
            json!({ "release": release, "to": "list", "devices": [lock, stranger] }),
            "not-found",
        ),
        (
            json!({ "release": release, "to": "list", "devices": [lock, other] }),
            "conflict",
        ),
    ] {
        let answer = harness
            .call(Method::POST, "/api/v1/rollouts", body.to_string())
            .await;
        assert_eq!(answer.problem(), problem, "{body}");
    }
    assert_eq!(harness.get("/api/v1/rollouts").await, json!([]));
    let audit = harness.get("/api/v1/audit").await;
    let made = audit
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "rollout.create");
    assert_eq!(made.count(), 0, "the audit log tells of what did not happen");
}

#[tokio::test]
async fn a_lock_that_reverted_is_not_offered_the_image_again_until_a_new_rollout() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let first = harness.roll_out(release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    harness.report(&mut lock, Event::Requested, release, 0).await;
    harness.report(&mut lock, Event::Reverted, release, 100).await;
    assert_eq!(harness.offered(&mut lock).await, None);
    let decision = harness
        .get(&format!("/api/v1/devices/{}/decision", lock.id()))
        .await;
    assert!(
        decision["explanation"]
            .as_str()
            .unwrap()
            .contains("reverted it 1 time(s)"),
        "{decision}"
    );
    let progress = harness.get(&format!("/api/v1/rollouts/{first}")).await["progress"].clone();
    let expected = json!({
        "included": 1, "offered": 0, "requested": 1, "on_trial": 0, "confirmed": 0, "refused": 0, "reverted": 1,
    });
    assert_eq!(progress, expected);

    harness.clock.advance_ms(1);
    harness.roll_out(release).await;
    assert_eq!(
        harness.offered(&mut lock).await,
        Some(release),
        "a new rollout is a new try"
    );
}

#[tokio::test]
async fn what_was_reported_before_a_rollout_was_made_does_not_count_and_what_came_after_does_whatever_clocks_say()
 {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    // The next rollout is made in the same moment as the report before it came; then by an instance whose clock is
    // behind, then by one whose clock is ahead of the one that hears of the next report.
    for (before, after) in [(0, 0), (-60_000, 0), (60_000, -60_000)] {
        harness.clock.advance_ms(before);
        let rollout = harness.roll_out(release).await;
        harness.clock.advance_ms(after);
        let progress = async || {
            let rollout = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
            (
                rollout["progress"]["requested"].clone(),
                rollout["progress"]["reverted"].clone(),
            )
        };
        assert_eq!(progress().await, (json!(0), json!(0)), "{before} {after}");
        assert_eq!(
            harness.offered(&mut lock).await,
            Some(release),
            "what was before does not count: {before} {after}"
        );
        harness.report(&mut lock, Event::Requested, release, 0).await;
        harness.report(&mut lock, Event::Reverted, release, 100).await;
        assert_eq!(
            harness.offered(&mut lock).await,
            None,
            "what came after counts: {before} {after}"
        );
        assert_eq!(progress().await, (json!(1), json!(1)), "{before} {after}");
    }
}

#[tokio::test]
async fn rollouts_come_in_pages_newest_first() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(harness.roll_out(release).await);
    }
    made.reverse();
    let ids = |page: &Value| -> Vec<String> {
        let rollouts = page.as_array().unwrap().iter();
        rollouts
            .map(|rollout| rollout["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&harness.get("/api/v1/rollouts").await), made);
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = ids(&harness.get(&format!("/api/v1/rollouts?limit=2{after}")).await);
        assert!(page.len() <= 2 && seen.len() <= made.len(), "{seen:?}");
        let Some(last) = page.last() else { break };
        after = format!("&after={last}");
        seen.extend(page);
    }
    assert_eq!(seen, made);
    for (asked, problem) in [
        ("after=nobody", "not-found"),
        ("limit=x", "invalid"),
        ("before=1", "invalid"),
    ] {
        let path = format!("/api/v1/rollouts?{asked}");
        let answer = harness.call(Method::GET, &path, Body::empty()).await;
        assert_eq!(answer.problem(), problem, "{asked}");
    }
}

#[tokio::test]
async fn the_bootloaders_word_stops_it_before_the_report_comes() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    harness.roll_out(release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    lock.boot.outcome = BootOutcome::Reverted;
    lock.boot.reason = 100;
    lock.boot.about.copy_from_slice(&release.0[..16]);
    assert_eq!(harness.offered(&mut lock).await, None);
    assert_eq!(harness.offered(&mut lock).await, None, "and stays stopped");
}

#[tokio::test]
async fn three_refusals_are_enough() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    harness.roll_out(release).await;
    for event in [
        Event::RefusedByApp,
        Event::RefusedByBootloader,
        Event::RefusedByApp,
    ] {
        assert_eq!(harness.offered(&mut lock).await, Some(release));
        harness.report(&mut lock, event, release, 150).await;
        harness.clock.advance_ms(24 * 3_600_000); // longer than it is left alone
    }
    assert_eq!(harness.offered(&mut lock).await, None);
}

#[tokio::test]
async fn a_whole_update_is_seen_through() {
    let harness = Harness::ready().await;
    let (mut lock, mut other) = (harness.lock().await, harness.lock().await);
    let release = harness.publish(&Draft::new(2, 2)).await;
    let rollout = harness.roll_out(release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    assert_eq!(harness.offered(&mut other).await, Some(release));
    harness.report(&mut lock, Event::Requested, release, 0).await;
    lock.runs(release, 2, 2);
    harness.report(&mut lock, Event::Confirmed, release, 0).await;
    assert_eq!(harness.offered(&mut lock).await, None);
    let status = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(status["progress"]["included"], 2);
    assert_eq!(status["progress"]["offered"], 1);
    assert_eq!(status["progress"]["requested"], 1);
    assert_eq!(status["progress"]["confirmed"], 1);
    let events = harness
        .get(&format!("/api/v1/devices/{}/reports", lock.id()))
        .await;
    let events: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|report| report["event"].clone())
        .collect();
    assert_eq!(events, ["confirmed", "requested"]);
}

#[tokio::test]
async fn nothing_older_is_offered_and_stepping_stones_come_first() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let old = harness.publish(&Draft::new(1, 1)).await;
    let step = harness.publish(&Draft::new(3, 1)).await;
    let far = harness
        .publish(&Draft {
            min_version: Some(version(3)),
            ..Draft::new(4, 2)
        })
        .await;
    harness.roll_out(step).await;
    harness.roll_out(far).await;
    harness.roll_out(old).await;
    assert_eq!(harness.offered(&mut lock).await, Some(step));
    lock.runs(step, 3, 1);
    assert_eq!(harness.offered(&mut lock).await, Some(far));
    lock.runs(far, 4, 2);
    assert_eq!(harness.offered(&mut lock).await, None);
    let decision = harness
        .get(&format!("/api/v1/devices/{}/decision", lock.id()))
        .await;
    let why = decision["explanation"].as_str().unwrap();
    assert!(
        why.contains("the device runs it") && why.contains("below the device's floor"),
        "{why}"
    );
}

#[tokio::test]
async fn too_many_open_rollouts_of_a_class_are_refused() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut last = String::new();
    for _ in 0..latchkey_server::limits::OPEN_ROLLOUTS_MAX {
        last = harness.roll_out(release).await;
    }
    let body = json!({ "release": release.to_string(), "to": "all" }).to_string();
    let answer = harness.call(Method::POST, "/api/v1/rollouts", body).await;
    assert_eq!(answer.problem(), "conflict");
    step(&harness, &last, "abort").await;
    harness.roll_out(release).await;
}
