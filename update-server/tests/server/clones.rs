//! Two devices with one key: alarmed about, and told apart from what only looks like it.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::{Event, Nonce, Problem, ProblemCode, Report};
use latchkey_image::ImageDigest;
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness, Lock};

const CHECK_IN: &str = "/device/v1/check-in";

async fn call(harness: &Harness, lock: &mut Lock) -> Answer {
    let check_in = lock.check_in();
    let answer = harness.lock_says(CHECK_IN, lock.seal(&check_in)).await;
    // As a lock does: what it is to repeat, it repeats in its next check-in.
    if answer.status == StatusCode::CONFLICT {
        lock.echo = challenge(&answer);
    }
    answer
}

fn challenge(answer: &Answer) -> Option<Nonce> {
    let problem: Problem = minicbor::decode(&answer.body).unwrap();
    assert_eq!(problem.code, ProblemCode::Replayed);
    problem.challenge
}

/// A lock, and a copy of its flash in another one: the same key and counter.
async fn cloned(harness: &Harness) -> (Lock, Lock) {
    let seed = [0x5e; 32];
    let mut original = Lock::from_seed(seed);
    harness.lock_says("/device/v1/enrol", original.enrolment()).await;
    harness.approve(original.id()).await;
    harness.check_in(&mut original).await;
    let mut copy = Lock::from_seed(seed);
    copy.sequence = original.sequence;
    (original, copy)
}

async fn alarm(harness: &Harness, lock: &Lock) -> Value {
    harness.get(&format!("/api/v1/devices/{}", lock.id())).await["alarm_since_ms"].clone()
}

async fn audited(harness: &Harness, action: &str) -> usize {
    let log = harness.get("/api/v1/audit").await;
    let lines = log.as_array().unwrap().iter();
    lines.filter(|line| line["action"] == action).count()
}

#[tokio::test]
async fn a_copied_key_raises_the_alarm_and_gets_nothing_any_more() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    for _ in 0..3 {
        harness.check_in(&mut original).await;
    }
    assert_eq!(
        call(&harness, &mut copy).await.lock_problem(),
        ProblemCode::Replayed
    );
    assert_eq!(
        alarm(&harness, &copy).await,
        Value::Null,
        "it may be an old message"
    );
    assert_eq!(
        call(&harness, &mut copy).await.lock_problem(),
        ProblemCode::Replayed
    );
    assert!(alarm(&harness, &copy).await.is_i64(), "it was signed just now");
    assert_eq!(audited(&harness, "device.alarm").await, 1);
    call(&harness, &mut copy).await;
    assert_eq!(audited(&harness, "device.alarm").await, 1, "alarmed once");

    harness.roll_out(release).await;
    assert_eq!(harness.offered(&mut original).await, None);
    let path = format!("/api/v1/devices/{}/decision", original.id());
    let why = harness.get(&path).await["explanation"].to_string();
    assert!(why.contains("two devices seem to have its key"), "{why}");
    let listed = harness.get("/api/v1/devices?alarmed=true").await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let metrics = harness.call(Method::GET, "/metrics", Body::empty()).await.body;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    for line in [
        "latchkey_clone_alarms_total 1",
        "latchkey_devices_alarmed 1",
        "latchkey_device_refusals_total{kind=\"replayed\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn the_copy_that_is_ahead_does_not_hide_the_one_it_left_behind() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    copy.sequence += 1 << 32; // one start more
    harness.check_in(&mut copy).await;
    for _ in 0..2 {
        call(&harness, &mut original).await;
    }
    assert!(alarm(&harness, &original).await.is_i64());
}

#[tokio::test]
async fn old_check_ins_sent_again_by_a_listener_raise_no_alarm() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let mut captured = Vec::new();
    for _ in 0..5 {
        let check_in = lock.check_in();
        captured.push(lock.seal(&check_in));
        harness
            .lock_says(CHECK_IN, captured.last().unwrap().clone())
            .await;
    }
    for message in captured.iter().chain(&captured) {
        let answer = harness.lock_says(CHECK_IN, message.clone()).await;
        assert_eq!(answer.lock_problem(), ProblemCode::Replayed);
        let shown = challenge(&answer).unwrap();
        // The listener has the challenge, and no key to sign it with.
        assert!(!message.windows(16).any(|window| window == shown.0));
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
    harness.check_in(&mut lock).await;
}

#[tokio::test]
async fn a_challenge_is_one_devices_and_grows_old() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    harness.check_in(&mut original).await;
    let mut other = harness.lock().await;
    harness.check_in(&mut other).await;
    other.sequence = 0;
    call(&harness, &mut other).await;
    copy.echo = other.echo;
    copy.sequence = 0;
    call(&harness, &mut copy).await;
    assert_eq!(
        alarm(&harness, &copy).await,
        Value::Null,
        "another device's challenge"
    );
    harness.clock.advance_ms(3 * 24 * 3_600_000);
    copy.sequence = 0;
    call(&harness, &mut copy).await;
    assert_eq!(
        alarm(&harness, &copy).await,
        Value::Null,
        "a challenge of three days ago"
    );
    copy.sequence = 0;
    harness.clock.advance_ms(24 * 3_600_000);
    call(&harness, &mut copy).await;
    assert!(alarm(&harness, &copy).await.is_i64(), "one of yesterday");
}

#[tokio::test]
async fn a_server_set_back_to_an_older_database_raises_no_alarm() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    harness.check_in(&mut lock).await;
    // The lock has gone on meanwhile: its numbers are ahead of what this database knows.
    lock.sequence += 50_000;
    for _ in 0..3 {
        harness.check_in(&mut lock).await;
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
}

#[tokio::test]
async fn two_reports_under_one_number_raise_the_alarm_and_one_sent_twice_does_not() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let report = lock.report(Event::Requested, ImageDigest([3; 32]), 0);
    for _ in 0..2 {
        let answer = harness.lock_says("/device/v1/report", lock.seal(&report)).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
    let other = Report {
        image: ImageDigest([4; 32]),
        ..report
    };
    let answer = harness.lock_says("/device/v1/report", lock.seal(&other)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Replayed);
    assert!(alarm(&harness, &lock).await.is_i64());
}

#[tokio::test]
async fn an_alarm_ends_when_it_is_settled_and_the_one_behind_can_be_the_one_to_stay() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    let settle = |id| format!("/api/v1/devices/{id}/settle");
    let nothing = harness
        .call(Method::POST, &settle(copy.id()), Body::empty())
        .await;
    assert_eq!(nothing.problem(), "conflict");
    harness.check_in(&mut original).await;
    harness.check_in(&mut original).await;
    harness.check_in(&mut original).await;
    for _ in 0..2 {
        call(&harness, &mut copy).await;
    }
    assert!(alarm(&harness, &copy).await.is_i64());
    // The operator has the original in hand, takes it out of service, and lets the other one go on.
    let settled = harness
        .call(Method::POST, &settle(copy.id()), Body::empty())
        .await;
    assert_eq!(settled.json()["alarm_since_ms"], json!(null));
    assert_eq!(audited(&harness, "device.settle").await, 1);
    harness.check_in(&mut copy).await;
    // Should both still be there, it does not take long.
    original.sequence = copy.sequence - 1;
    for _ in 0..2 {
        harness.check_in(&mut copy).await;
        call(&harness, &mut original).await;
    }
    assert!(alarm(&harness, &copy).await.is_i64());
    assert_eq!(audited(&harness, "device.alarm").await, 2);
}
