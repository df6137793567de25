//! Reports: each counted once, each receipted as often as it is asked for.

use axum::http::StatusCode;
use latchkey_directive::{Event, ProblemCode, Receipt, Report, Sealed};
use latchkey_image::ImageDigest;
use latchkey_server::limits::REPORTS_PER_HOUR_MAX;

use crate::support::{Harness, Lock};

const REPORT: &str = "/device/v1/report";
const IMAGE: ImageDigest = ImageDigest([3; 32]);

#[tokio::test]
async fn a_report_sent_again_gets_the_same_receipt_and_counts_once() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let report = lock.report(Event::Reverted, IMAGE, 100);
    let sealed = lock.seal(&report);
    let mut receipts = Vec::new();
    for _ in 0..3 {
        let answer = harness.lock_says(REPORT, sealed.clone()).await;
        assert_eq!(answer.status, StatusCode::OK);
        receipts.push(answer.body);
        harness.clock.advance_ms(1000);
    }
    assert!(receipts.iter().all(|receipt| receipt == &receipts[0]));
    let reports = harness
        .get(&format!("/api/v1/devices/{}/reports", lock.id()))
        .await;
    assert_eq!(reports.as_array().unwrap().len(), 1);
    assert_eq!(reports[0]["event"], "reverted");
    assert!(reports[0]["reason_text"].is_string());
}

#[tokio::test]
async fn a_report_kept_back_by_a_cut_is_taken_after_later_check_ins() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let kept_back = lock.report(Event::Confirmed, IMAGE, 0);
    harness.check_in(&mut lock).await;
    let answer = harness.lock_says(REPORT, lock.seal(&kept_back)).await;
    let receipt: Receipt = Sealed::parse(&answer.body)
        .unwrap()
        .open(&harness.director)
        .unwrap();
    assert_eq!(receipt.sequence, kept_back.sequence);
}

#[tokio::test]
async fn another_report_under_the_same_number_is_refused() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let first = lock.report(Event::Confirmed, IMAGE, 0);
    assert_eq!(
        harness.lock_says(REPORT, lock.seal(&first)).await.status,
        StatusCode::OK
    );
    for other in [
        Report {
            event: Event::Reverted,
            ..first
        },
        Report { reason: 7, ..first },
        Report {
            image: ImageDigest([4; 32]),
            ..first
        },
    ] {
        let answer = harness.lock_says(REPORT, lock.seal(&other)).await;
        assert_eq!(
            (answer.status, answer.lock_problem()),
            (StatusCode::CONFLICT, ProblemCode::Replayed)
        );
    }
}

#[tokio::test]
async fn reports_of_strangers_and_forged_reports_are_refused() {
    let harness = Harness::ready().await;
    let lock = harness.lock().await;
    let mut stranger = Lock::new();
    let report = stranger.report(Event::Confirmed, IMAGE, 0);
    let answer = harness.lock_says(REPORT, stranger.seal(&report)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::UnknownDevice);
    let forged = Report {
        device: lock.id(),
        ..report
    };
    let answer = harness.lock_says(REPORT, stranger.seal(&forged)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::BadSignature);
}

#[tokio::test]
async fn a_lock_that_reports_without_end_is_told_to_wait() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    for _ in 0..REPORTS_PER_HOUR_MAX {
        harness.report(&mut lock, Event::RefusedByApp, IMAGE, 150).await;
    }
    let one_more = lock.report(Event::RefusedByApp, IMAGE, 150);
    let answer = harness.lock_says(REPORT, lock.seal(&one_more)).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::TOO_MANY_REQUESTS, ProblemCode::Busy)
    );
    harness.clock.advance_ms(3_600_000);
    assert_eq!(
        harness.lock_says(REPORT, lock.seal(&one_more)).await.status,
        StatusCode::OK
    );
}
