//! Clients that hang up in the middle: what they began is done wholly or not at all, and the next one is served.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::Event;
use latchkey_image::ImageDigest;

use crate::support::{Draft, Harness, Lock};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_dropped_at_any_moment_leave_no_half_done_work() {
    let seed = fastrand::u64(..);
    println!("hang-ups: seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let mut dropped = 0;
    for build in 0..60 {
        let mut draft = Draft::new(1, 7);
        draft.version.build = build;
        let stranger = Lock::new();
        let report = lock.report(Event::Confirmed, ImageDigest([1; 32]), 0);
        // Dropping a request is what the server sees when a client hangs up.
        let patience = Duration::from_micros(chance.u64(0..4_000));
        let work = async {
            match chance.u8(0..3) {
                0 => harness.upload(draft.file()).await,
                1 => harness.lock_says("/device/v1/report", lock.seal(&report)).await,
                _ => harness.lock_says("/device/v1/enrol", stranger.enrolment()).await,
            }
        };
        dropped += usize::from(tokio::time::timeout(patience, work).await.is_err());
        let next = harness
            .lock_says("/device/v1/enrol", Lock::new().enrolment())
            .await;
        assert_eq!(
            next.status,
            StatusCode::ACCEPTED,
            "after {build} requests, {dropped} dropped"
        );
    }
    println!("hang-ups: {dropped} of 60 requests were dropped midway");
    harness.service.check_database().await.unwrap();

    // The audit log tells of exactly what is there, without gaps.
    let audit = harness.get("/api/v1/audit").await;
    let audit = audit.as_array().unwrap();
    let count = |action: &str| audit.iter().filter(|line| line["action"] == action).count();
    let releases = harness.get("/api/v1/releases").await;
    let releases = releases.as_array().unwrap();
    assert_eq!(count("release.publish"), releases.len());
    assert_eq!(
        count("device.enrol"),
        harness.get("/api/v1/devices").await.as_array().unwrap().len()
    );
    for (line, number) in audit.iter().zip(1..) {
        assert_eq!(line["number"], number);
    }
    for release in releases {
        let path = release["image_path"].as_str().unwrap();
        let image = harness.call(Method::GET, path, Body::empty()).await;
        assert_eq!(
            image.body.len(),
            usize::try_from(release["size"].as_u64().unwrap()).unwrap()
        );
    }
}
