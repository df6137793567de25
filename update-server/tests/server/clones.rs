//! Two devices with one key: alarmed about, and told apart from what only looks like it.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::{Event, Nonce, Problem, ProblemCode, Report};
use latchkey_image::ImageDigest;
use latchkey_lock::settings::Settings;
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness, Lock};

const CHECK_IN: &str = "/device/v1/check-in";

pub(crate) async fn call(harness: &Harness, lock: &mut Lock) -> Answer {
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
pub(crate) async fn cloned(harness: &Harness) -> (Lock, Lock) {
    let mut original = harness.lock().await;
    harness.check_in(&mut original).await;
    let copy = original.copied();
    (original, copy)
}

/// The same, and the server has seen both.
pub(crate) async fn alarmed(harness: &Harness) -> (Lock, Lock) {
    let (mut original, mut copy) = cloned(harness).await;
    for _ in 0..3 {
        harness.check_in(&mut original).await;
    }
    for _ in 0..2 {
        call(harness, &mut copy).await;
    }
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

/// Sends a captured message again, and gives the challenge that the sender hears.
async fn replay(harness: &Harness, message: &[u8]) -> Nonce {
    let answer = harness.lock_says(CHECK_IN, message.to_vec()).await;
    challenge(&answer).unwrap()
}

/// A check-in that the lock was made to repeat this in; captured, and not delivered.
fn repeating(lock: &mut Lock, challenge: Nonce) -> Vec<u8> {
    lock.echo = Some(challenge);
    let check_in = lock.check_in();
    lock.seal(&check_in)
}

#[tokio::test]
async fn a_listener_who_hands_the_lock_real_challenges_raises_no_alarm() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let first = lock.check_in();
    let mut captured = vec![lock.seal(&first)];
    harness.lock_says(CHECK_IN, captured[0].clone()).await;
    for _ in 0..4 {
        // The listener asks the server for a challenge, gives it to the lock as if he were the server, and captures what
        // the lock signs: one message goes on to the server, another he keeps for later.
        let given = replay(&harness, &captured[0]).await;
        let delivered = repeating(&mut lock, given);
        captured.push(repeating(&mut lock, given));
        let answer = harness.lock_says(CHECK_IN, delivered.clone()).await;
        assert_eq!(answer.status, StatusCode::OK);
        captured.push(delivered);
        harness.check_in(&mut lock).await;
    }
    // Again, late and out of order.
    for message in captured.iter().rev().chain(&captured) {
        replay(&harness, message).await;
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
    harness.check_in(&mut lock).await;
}

#[tokio::test]
async fn a_listener_who_hands_the_lock_challenges_of_his_own_making_raises_no_alarm() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let mut other = harness.lock().await;
    for _ in 0..3 {
        harness.check_in(&mut other).await;
        harness.check_in(&mut lock).await;
    }
    let again = other.check_in();
    harness.lock_says(CHECK_IN, other.seal(&again)).await;
    let others = replay(&harness, &other.seal(&again)).await;
    // A number that the lock has yet to reach, under another device's seal, a guessed one, and none.
    let mut higher = others.0;
    higher[..8].copy_from_slice(&1000_i64.to_be_bytes());
    let mut negative = others.0;
    negative[0] = 0xff;
    for made in [others.0, higher, negative, [0; 16], [0xff; 16]] {
        let message = repeating(&mut lock, Nonce(made));
        let answer = harness.lock_says(CHECK_IN, message.clone()).await;
        assert_eq!(answer.status, StatusCode::OK);
        for _ in 0..2 {
            replay(&harness, &message).await;
        }
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
}

#[tokio::test]
async fn an_answer_that_is_lost_and_a_message_that_comes_late_or_twice_raise_no_alarm() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    harness.check_in(&mut lock).await;
    // Its answer is lost: the lock asks again, under another number.
    let unanswered = lock.check_in();
    let unanswered = lock.seal(&unanswered);
    harness.lock_says(CHECK_IN, unanswered.clone()).await;
    harness.check_in(&mut lock).await;
    // Held up on its way, it arrives behind one that was sent later, and then once more.
    let late = lock.check_in();
    let late = lock.seal(&late);
    harness.check_in(&mut lock).await;
    for message in [&late, &unanswered, &late] {
        lock.echo = Some(replay(&harness, message).await);
    }
    harness.check_in(&mut lock).await;
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
}

#[tokio::test]
async fn power_cuts_before_and_behind_the_count_of_starts_raise_no_alarm() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let mut flash = Settings::default();
    // As the client does: the start is counted on flash before anything is signed. A cut leaves the old or the new.
    let mut start = |lock: &mut Lock, is_cut: bool| {
        let mut counted = flash.clone();
        counted.count_start();
        if !is_cut {
            flash = counted;
        }
        lock.sequence = u64::from(flash.starts()) << 32;
        !is_cut
    };
    for is_cut in [false, true, false, false, true, true, false] {
        if start(&mut lock, is_cut) {
            let first = lock.check_in();
            let first = lock.seal(&first);
            harness.lock_says(CHECK_IN, first.clone()).await;
            lock.echo = Some(replay(&harness, &first).await);
            harness.check_in(&mut lock).await;
        }
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
}

#[tokio::test]
async fn nothing_that_was_signed_before_an_alarm_was_settled_counts_or_alarms() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    let mut captured = Vec::new();
    for _ in 0..6 {
        let check_in = original.check_in();
        captured.push(original.seal(&check_in));
        harness
            .lock_says(CHECK_IN, captured.last().unwrap().clone())
            .await;
    }
    let old = replay(&harness, &captured[5]).await;
    for _ in 0..3 {
        let check_in = original.check_in();
        captured.push(original.seal(&check_in)); // held back until now
    }
    for _ in 0..2 {
        call(&harness, &mut copy).await;
    }
    let settle = format!("/api/v1/devices/{}/settle", copy.id());
    harness.call(Method::POST, &settle, Body::empty()).await;

    let report = copy.report(Event::Requested, ImageDigest([3; 32]), 0);
    harness.lock_says("/device/v1/report", copy.seal(&report)).await;
    for message in &captured {
        replay(&harness, message).await;
    }
    // A challenge of before is none any more: what repeats it may be of before too.
    let message = repeating(&mut copy, old);
    copy.echo = Some(replay(&harness, &message).await);
    let fresh = copy.check_in();
    let fresh = copy.seal(&fresh);
    assert_eq!(
        harness.lock_says(CHECK_IN, fresh.clone()).await.status,
        StatusCode::OK
    );
    for message in captured.iter().chain([&message, &fresh, &fresh]) {
        replay(&harness, message).await;
    }
    copy.echo = Some(replay(&harness, &fresh).await);
    harness.check_in(&mut copy).await;
    // A number of the other one's, used for another report.
    let reused = Report {
        image: ImageDigest([4; 32]),
        ..report
    };
    let answer = harness.lock_says("/device/v1/report", copy.seal(&reused)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Replayed);
    assert_eq!(alarm(&harness, &copy).await, Value::Null);
}

#[tokio::test]
async fn revoking_the_key_ends_the_alarm() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    for _ in 0..3 {
        harness.check_in(&mut original).await;
    }
    for _ in 0..2 {
        call(&harness, &mut copy).await;
    }
    assert!(alarm(&harness, &copy).await.is_i64());
    let path = format!("/api/v1/devices/{}/revoke", copy.id());
    let revoked = harness.call(Method::POST, &path, Body::empty()).await.json();
    assert_eq!(revoked["alarm_since_ms"], json!(null));
    assert_eq!(harness.get("/api/v1/devices?alarmed=true").await, json!([]));
    let log = harness.get("/api/v1/audit").await;
    let last = log.as_array().unwrap().last().unwrap();
    assert_eq!(last["action"], "device.revoke");
    assert!(last["detail"]["alarmed_at_ms"].is_i64(), "{last}");
    for lock in [&mut original, &mut copy] {
        let answer = call(&harness, lock).await;
        assert_eq!(answer.lock_problem(), ProblemCode::Revoked);
    }
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
async fn a_challenge_is_one_devices_alone_and_shows_the_same_however_late() {
    let harness = Harness::ready().await;
    let (mut original, mut copy) = cloned(&harness).await;
    harness.check_in(&mut original).await;
    let mut other = harness.lock().await;
    for _ in 0..2 {
        harness.check_in(&mut other).await;
    }
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
    harness.clock.advance_ms(400 * 24 * 3_600_000);
    copy.sequence = 0;
    call(&harness, &mut copy).await;
    assert!(alarm(&harness, &copy).await.is_i64(), "one of last year");
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

/// After an alarm a lock counts on from a lower number; what it asked for before has a higher one.
#[tokio::test]
async fn what_a_lock_asked_for_before_its_numbers_were_set_back_is_over_once_it_calls() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let rollout = harness.roll_out(release).await;
    let (mut original, mut copy) = cloned(&harness).await;
    for _ in 0..9 {
        harness.check_in(&mut original).await;
    }
    harness.report(&mut original, Event::Requested, release, 0).await;
    for _ in 0..2 {
        call(&harness, &mut copy).await;
    }
    let settle = format!("/api/v1/devices/{}/settle", copy.id());
    let settled = harness.call(Method::POST, &settle, Body::empty()).await;
    assert_eq!(settled.status, StatusCode::OK, "{settled:?}");
    let may_run = async || {
        harness.service.write_presence().await.unwrap();
        let report = harness.get("/api/v1/incidents/affected?from=1.2").await;
        harness.clock.advance_ms(1_000);
        report["may_run"].as_i64()
    };
    assert_eq!(may_run().await, Some(1), "nobody has called since");
    harness.pause(&rollout).await;
    for _ in 0..2 {
        call(&harness, &mut copy).await;
    }
    assert_eq!(may_run().await, Some(0));
    harness.report(&mut copy, Event::Requested, release, 0).await;
    assert_eq!(may_run().await, Some(1));
}

#[tokio::test]
async fn a_report_that_raised_an_alarm_raises_none_once_that_was_settled() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let report = lock.report(Event::Requested, ImageDigest([3; 32]), 0);
    let other = Report {
        image: ImageDigest([4; 32]),
        ..report
    };
    let captured = [lock.seal(&report), lock.seal(&other)];
    for message in &captured {
        harness.lock_says("/device/v1/report", message.clone()).await;
    }
    assert!(alarm(&harness, &lock).await.is_i64());
    let settle = format!("/api/v1/devices/{}/settle", lock.id());
    harness.call(Method::POST, &settle, Body::empty()).await;
    for message in &captured {
        harness.lock_says("/device/v1/report", message.clone()).await;
    }
    assert_eq!(alarm(&harness, &lock).await, Value::Null);
    // The lock that is left goes on, by a call more.
    assert_eq!(
        call(&harness, &mut lock).await.lock_problem(),
        ProblemCode::Replayed
    );
    harness.check_in(&mut lock).await;
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
    assert_eq!(
        call(&harness, &mut copy).await.lock_problem(),
        ProblemCode::Replayed,
        "it has to show that it signs now"
    );
    harness.check_in(&mut copy).await;
    // Should both still be there, it does not take long.
    original.sequence = copy.sequence + 5;
    for _ in 0..3 {
        call(&harness, &mut original).await;
        call(&harness, &mut copy).await;
    }
    assert!(alarm(&harness, &copy).await.is_i64());
    assert_eq!(audited(&harness, "device.alarm").await, 2);
}
