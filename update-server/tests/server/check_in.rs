//! Check-ins: bound to their nonce, worth something once, and never lost with what they told.

use axum::http::StatusCode;
use latchkey_directive::{BootOutcome, CheckIn, Directive, Event, ProblemCode, Report, Sealed};
use latchkey_image::SecurityCounter;

use crate::audit::tamper;
use crate::support::{Draft, Harness, Lock, version};

const CHECK_IN: &str = "/device/v1/check-in";

#[tokio::test]
async fn replayed_check_ins_get_no_directive() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let message = lock.check_in();
    let captured = lock.seal(&message);
    assert_eq!(
        harness.lock_says(CHECK_IN, captured.clone()).await.status,
        StatusCode::OK
    );
    for _ in 0..2 {
        let answer = harness.lock_says(CHECK_IN, captured.clone()).await;
        assert_eq!(
            (answer.status, answer.lock_problem()),
            (StatusCode::CONFLICT, ProblemCode::Replayed)
        );
        // Whether the sequence is still in memory or on disk must not matter.
        harness.service.write_presence().await.unwrap();
    }
    let older = CheckIn {
        sequence: 0,
        ..lock.check_in()
    };
    let answer = harness.lock_says(CHECK_IN, lock.seal(&older)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Replayed);
    harness.check_in(&mut lock).await;
}

#[tokio::test]
async fn two_copies_at_once_get_one_directive() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    for _ in 0..20 {
        let message = lock.check_in();
        let captured = lock.seal(&message);
        let answers =
            futures_util::future::join_all((0..4).map(|_| harness.lock_says(CHECK_IN, captured.clone())));
        let given = answers
            .await
            .iter()
            .filter(|answer| answer.status == StatusCode::OK)
            .count();
        assert_eq!(given, 1);
    }
}

/// Locks that call at once are looked up together.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_its_own_lock_s_misfortune() {
    let harness = Harness::ready().await;
    let data = harness.folder.path().to_str().unwrap();
    let image = harness.publish(&Draft::new(2, 7)).await;
    harness.roll_out(image).await;
    let mut locks = [harness.lock().await, harness.lock().await];
    locks.sort_by_key(|lock| lock.id().to_string());
    for damage in [
        "UPDATE rollout_offers SET standing = 'odd' WHERE device = (SELECT MIN(id) FROM devices)",
        "UPDATE devices SET state = 'odd' WHERE id = (SELECT MIN(id) FROM devices)",
    ] {
        for lock in &mut locks {
            harness.check_in(lock).await;
        }
        tamper(data, damage).await;
        let [damaged, whole] = locks.each_mut().map(|lock| {
            let message = lock.check_in();
            harness.lock_says(CHECK_IN, lock.seal(&message))
        });
        let (damaged, whole) = tokio::join!(damaged, whole);
        assert_eq!(damaged.lock_problem(), ProblemCode::Busy, "{damage}");
        assert_eq!(whole.status, StatusCode::OK, "{damage}");
        tamper(data, "UPDATE rollout_offers SET standing = 'offered'").await;
    }
}

#[tokio::test]
async fn a_sequence_beyond_all_counting_is_malformed() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let message = CheckIn {
        sequence: u64::MAX,
        ..lock.check_in()
    };
    let answer = harness.lock_says(CHECK_IN, lock.seal(&message)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Malformed);
}

#[tokio::test]
async fn a_message_for_another_purpose_is_refused() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let report = lock.report(Event::Confirmed, latchkey_image::ImageDigest([1; 32]), 0);
    let answer = harness.lock_says(CHECK_IN, lock.seal(&report)).await;
    assert!(matches!(
        answer.lock_problem(),
        ProblemCode::Malformed | ProblemCode::BadSignature
    ));
    let message = lock.check_in();
    let answer = harness.lock_says("/device/v1/report", lock.seal(&message)).await;
    assert!(matches!(
        answer.lock_problem(),
        ProblemCode::Malformed | ProblemCode::BadSignature
    ));
    let _: Report = report;
}

#[tokio::test]
async fn a_directive_is_for_one_lock_and_one_nonce() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let first = harness.check_in(&mut lock).await;
    let second = harness.check_in(&mut lock).await;
    assert_ne!(first.nonce, second.nonce);
    // No other key opens it, and no other purpose fits.
    let message = lock.check_in();
    let answer = harness.lock_says(CHECK_IN, lock.seal(&message)).await;
    let sealed = Sealed::parse(&answer.body).unwrap();
    let other =
        latchkey_directive::PublicKey::from_bytes(crate::support::release_key(9).verifying_key().as_bytes());
    assert!(sealed.open::<Directive>(&other.unwrap()).is_err());
    assert!(
        sealed
            .open::<latchkey_directive::Receipt>(&harness.director)
            .is_err()
    );
}

#[tokio::test]
async fn what_a_lock_tells_is_shown_and_the_decision_is_explained() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let rollout = harness.roll_out(release).await;
    lock.boot.outcome = BootOutcome::Refused;
    lock.boot.reason = 41;
    lock.floor = SecurityCounter(1);
    assert_eq!(harness.offered(&mut lock).await, Some(release));

    let device = harness.get(&format!("/api/v1/devices/{}", lock.id())).await;
    assert_eq!(device["told"]["version"], "1.1.0+0");
    assert_eq!(device["told"]["boot"]["outcome"], "refused");
    assert!(device["told"]["boot"]["reason_text"].is_string());
    assert_eq!(device["offered"], release.to_string());
    let decision = harness
        .get(&format!("/api/v1/devices/{}/decision", lock.id()))
        .await;
    assert_eq!(decision["install"], release.to_string());
    assert_eq!(decision["rollout"], rollout);
    assert_eq!(
        decision["explanation"],
        format!("rollout {rollout} of 1.2.0+0: offered")
    );
}

#[tokio::test]
async fn last_seen_is_written_even_when_nothing_else_changed() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    harness.check_in(&mut lock).await;
    harness.clock.advance_ms(60_000);
    harness.check_in(&mut lock).await;
    harness.service.write_presence().await.unwrap();
    let device = harness.get(&format!("/api/v1/devices/{}", lock.id())).await;
    assert_eq!(device["last_seen_ms"], crate::support::START_MS + 60_000);
}

#[tokio::test]
async fn a_lock_on_trial_is_left_alone() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let release = harness.publish(&Draft::new(3, 3)).await;
    harness.roll_out(release).await;
    lock.running.confirmed = false;
    lock.running.version = version(2);
    assert_eq!(harness.offered(&mut lock).await, None);
    lock.running.confirmed = true;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
}

#[tokio::test]
async fn enrolled_locks_of_one_server_are_strangers_to_another() {
    let (one, other) = (Harness::ready().await, Harness::ready().await);
    let mut lock = one.lock().await;
    let message = lock.check_in();
    let answer = other.lock_says(CHECK_IN, lock.seal(&message)).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::NOT_FOUND, ProblemCode::UnknownDevice)
    );
    let _: Lock = lock;
}
