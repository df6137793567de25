//! Enrolment: proof of possession, approval, pre-registration, revocation.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::{CheckIn, Enrolment, ProblemCode};
use latchkey_image::Hardware;
use serde_json::json;

use crate::support::{AWAITING_MAX, Harness, Lock};

const ENROL: &str = "/device/v1/enrol";
const CHECK_IN: &str = "/device/v1/check-in";

async fn check_in_problem(harness: &Harness, lock: &mut Lock) -> ProblemCode {
    let message = lock.check_in();
    harness
        .lock_says(CHECK_IN, lock.seal(&message))
        .await
        .lock_problem()
}

#[tokio::test]
async fn a_new_lock_waits_for_approval_and_enrolling_again_changes_nothing() {
    let harness = Harness::ready().await;
    let mut lock = Lock::new();
    assert_eq!(
        check_in_problem(&harness, &mut lock).await,
        ProblemCode::UnknownDevice
    );
    for _ in 0..2 {
        assert_eq!(
            harness.lock_says(ENROL, lock.enrolment()).await.status,
            StatusCode::ACCEPTED
        );
    }
    assert_eq!(
        check_in_problem(&harness, &mut lock).await,
        ProblemCode::AwaitingApproval
    );
    harness.approve(lock.id()).await;
    assert_eq!(
        harness.lock_says(ENROL, lock.enrolment()).await.status,
        StatusCode::OK
    );
    harness.check_in(&mut lock).await;

    let audit = harness.get("/api/v1/audit").await;
    let of_device = audit
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["subject"] == lock.id().to_string());
    let actions: Vec<_> = of_device.map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["device.enrol", "device.approve"]);
}

#[tokio::test]
async fn an_expected_lock_is_let_in_at_once() {
    let harness = Harness::ready().await;
    let mut lock = Lock::new();
    let name = lock.id().to_string();
    let body = json!({ "devices": [name, name] }).to_string();
    let answer = harness.call(Method::POST, "/api/v1/devices", body.clone()).await;
    assert_eq!(answer.json(), json!({ "changed": 1 }), "named twice, one lock");
    let answer = harness.call(Method::POST, "/api/v1/devices", body).await;
    assert_eq!(answer.json(), json!({ "changed": 0 }));
    assert_eq!(
        check_in_problem(&harness, &mut lock).await,
        ProblemCode::UnknownDevice
    );
    assert_eq!(
        harness.lock_says(ENROL, lock.enrolment()).await.status,
        StatusCode::OK
    );
    harness.check_in(&mut lock).await;
}

#[tokio::test]
async fn naming_a_waiting_lock_lets_it_in() {
    let harness = Harness::ready().await;
    let mut lock = Lock::new();
    harness.lock_says(ENROL, lock.enrolment()).await;
    let body = json!({ "devices": [lock.id().to_string()] }).to_string();
    harness.call(Method::POST, "/api/v1/devices", body).await;
    harness.check_in(&mut lock).await;
}

#[tokio::test]
async fn another_locks_key_cannot_be_enrolled() {
    let harness = Harness::ready().await;
    let (victim, thief) = (Lock::new(), Lock::new());
    let claimed: Enrolment = {
        let bytes = victim.enrolment();
        let key = victim.public_key();
        latchkey_directive::Sealed::parse(&bytes)
            .unwrap()
            .open(&key)
            .unwrap()
    };
    // The thief signs what the victim would say.
    let answer = harness.lock_says(ENROL, thief.seal(&claimed)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::BadSignature);
    assert_eq!(harness.get("/api/v1/devices").await, json!([]));
}

#[tokio::test]
async fn a_revoked_lock_stays_out() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let path = format!("/api/v1/devices/{}", lock.id());
    let answer = harness
        .call(Method::POST, &format!("{path}/revoke"), Body::empty())
        .await;
    assert_eq!(answer.json()["state"], "revoked");
    assert_eq!(check_in_problem(&harness, &mut lock).await, ProblemCode::Revoked);
    let answer = harness.lock_says(ENROL, lock.enrolment()).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Revoked);
    let answer = harness
        .call(Method::POST, &format!("{path}/approve"), Body::empty())
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::CONFLICT, "conflict")
    );
    let body = json!({ "devices": [lock.id().to_string()] }).to_string();
    assert_eq!(
        harness.call(Method::POST, "/api/v1/devices", body).await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn a_key_does_not_move_to_other_hardware() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    lock.hardware = Hardware::NRF52840;
    let answer = harness.lock_says(ENROL, lock.enrolment()).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Malformed);
    assert_eq!(
        check_in_problem(&harness, &mut lock).await,
        ProblemCode::Malformed
    );
}

#[tokio::test]
async fn a_stranger_learns_nothing_about_a_locks_standing() {
    let harness = Harness::ready().await;
    let lock = harness.lock().await;
    let path = format!("/api/v1/devices/{}/revoke", lock.id());
    harness.call(Method::POST, &path, Body::empty()).await;
    let mut stranger = Lock::new();
    let message = CheckIn {
        device: lock.id(),
        ..stranger.check_in()
    };
    let answer = harness.lock_says(CHECK_IN, stranger.seal(&message)).await;
    assert_eq!(answer.lock_problem(), ProblemCode::BadSignature);
}

#[tokio::test]
async fn listings_come_in_pages_and_by_state() {
    let harness = Harness::ready().await;
    let mut names = Vec::new();
    for _ in 0..5 {
        names.push(harness.lock().await.id().to_string());
    }
    let waiting = Lock::new();
    harness.lock_says(ENROL, waiting.enrolment()).await;
    names.sort();
    let ids = |page: serde_json::Value| -> Vec<String> {
        let devices = page.as_array().unwrap().iter();
        devices
            .map(|device| device["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = ids(harness.get("/api/v1/devices?state=approved&limit=3").await);
    let second = ids(harness
        .get(&format!(
            "/api/v1/devices?state=approved&limit=3&after={}",
            first[2]
        ))
        .await);
    assert_eq!([first, second].concat(), names);
    assert_eq!(
        ids(harness.get("/api/v1/devices?state=awaiting").await),
        [waiting.id().to_string()]
    );
    let answer = harness
        .call(Method::GET, "/api/v1/devices?state=odd", Body::empty())
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::BAD_REQUEST, "invalid")
    );
}

#[tokio::test]
async fn a_crowd_of_strangers_shuts_out_no_lock_that_is_expected() {
    let harness = Harness::ready().await;
    let early = Lock::new();
    harness.lock_says(ENROL, early.enrolment()).await;
    for _ in 1..AWAITING_MAX {
        let answer = harness.lock_says(ENROL, Lock::new().enrolment()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    let late = Lock::new();
    let answer = harness.lock_says(ENROL, late.enrolment()).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Busy);
    let answer = harness.lock_says(ENROL, early.enrolment()).await;
    assert_eq!(
        answer.status,
        StatusCode::ACCEPTED,
        "who waits already needs no second place"
    );
    let expected = Lock::new();
    let body = json!({ "devices": [expected.id().to_string()] }).to_string();
    harness.call(Method::POST, "/api/v1/devices", body).await;
    let answer = harness.lock_says(ENROL, expected.enrolment()).await;
    assert_eq!(answer.status, StatusCode::OK);
    harness.approve(early.id()).await;
    let answer = harness.lock_says(ENROL, late.enrolment()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "a place came free");
}
