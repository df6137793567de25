//! Whatever comes in, an answer goes out: no panic, no storage of rubbish, no status that means "I broke".

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::stream;
use proptest::prelude::*;

use crate::support::{Answer, Draft, Harness};

const LOCK_ROUTES: [&str; 3] = ["/device/v1/enrol", "/device/v1/check-in", "/device/v1/report"];

/// A lock's request failed as it may.
fn check_lock_answer(answer: &Answer) {
    assert!(answer.status.is_client_error(), "{answer:?}");
    answer.lock_problem();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

#[test]
fn random_bytes_from_locks_end_in_a_named_problem() {
    let runtime = runtime();
    let harness = runtime.block_on(Harness::ready());
    proptest!(ProptestConfig::with_cases(300), |(route in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..600))| {
        let answer = runtime.block_on(harness.lock_says(LOCK_ROUTES[route], bytes));
        check_lock_answer(&answer);
    });
}

#[test]
fn changed_messages_of_a_real_lock_are_refused() {
    let runtime = runtime();
    let harness = runtime.block_on(Harness::ready());
    let mut lock = runtime.block_on(harness.lock());
    let message = lock.check_in();
    proptest!(ProptestConfig::with_cases(300), |(at in any::<prop::sample::Index>(), bit in 0..8_u8)| {
        let mut sealed = lock.seal(&message);
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        let answer = runtime.block_on(harness.lock_says("/device/v1/check-in", sealed));
        check_lock_answer(&answer);
    });
    // None of that has used up the message's sequence number.
    lock.sequence = 0;
    runtime.block_on(harness.check_in(&mut lock));
}

#[test]
fn changed_images_are_refused_whole() {
    let runtime = runtime();
    let harness = runtime.block_on(Harness::ready());
    let good = Draft::new(2, 7).file();
    proptest!(ProptestConfig::with_cases(200), |(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<Option<prop::sample::Index>>())| {
        let mut file = good.clone();
        let index = at.index(file.len());
        file[index] ^= 1 << bit;
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let answer = runtime.block_on(harness.upload(file));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    });
    assert_eq!(
        runtime.block_on(harness.get("/api/v1/releases")),
        serde_json::json!([])
    );
}

#[test]
fn random_json_from_operators_ends_in_a_named_problem() {
    let runtime = runtime();
    let harness = runtime.block_on(Harness::ready());
    let routes = [
        (Method::POST, "/api/v1/tokens"),
        (Method::POST, "/api/v1/devices"),
        (Method::POST, "/api/v1/rollouts"),
        (Method::PUT, "/api/v1/policies/lock-emulator-1"),
    ];
    proptest!(ProptestConfig::with_cases(200), |(route in 0..4_usize, text in ".{0,300}")| {
        let (method, path) = &routes[route];
        let answer = runtime.block_on(harness.call(method.clone(), path, text));
        assert_eq!(answer.problem(), "invalid");
    });
    // Nesting without end is not followed without end.
    let deep = "[".repeat(100_000);
    let answer = runtime.block_on(harness.call(Method::POST, "/api/v1/tokens", deep));
    assert_eq!(answer.problem(), "invalid");
}

/// A body that says nothing about its length and never ends.
fn endless() -> Body {
    Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 4096])))
}

#[tokio::test]
async fn endless_bodies_are_cut_off_by_every_route() {
    let harness = Harness::ready().await;
    let mut tried = 0;
    for route in harness.table.iter().filter(|route| route.method != Method::GET) {
        let path = route
            .path
            .replace("{id}", &"ab".repeat(16))
            .replace("{class}", "lock-emulator-1");
        let answer = harness.call(route.method.clone(), &path, endless()).await;
        assert!(
            answer.status.is_client_error(),
            "{} {}: {answer:?}",
            route.method,
            route.path
        );
        tried += 1;
    }
    assert!(tried >= 13, "only {tried} routes were tried");
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let harness = Harness::ready().await;
    let id = "ab".repeat(16);
    for (method, path) in [
        (Method::GET, "/nothing".to_owned()),
        (Method::GET, "/api/v1/nothing".to_owned()),
        (Method::PATCH, "/api/v1/devices".to_owned()),
        (Method::GET, format!("/api/v1/devices/{id}")),
        (Method::GET, format!("/api/v1/devices/{id}/decision")),
        (Method::GET, format!("/api/v1/devices/{id}/reports")),
        (Method::POST, format!("/api/v1/devices/{id}/approve")),
        (Method::POST, format!("/api/v1/devices/{id}/revoke")),
        (Method::GET, format!("/api/v1/rollouts/{id}")),
        (Method::POST, format!("/api/v1/rollouts/{id}/abort")),
        (Method::DELETE, format!("/api/v1/tokens/{id}")),
        (Method::GET, format!("/api/v1/releases/{id}")),
    ] {
        let answer = harness.call(method.clone(), &path, Body::empty()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::NOT_FOUND, "not-found"),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn answers_carry_an_id_to_find_them_in_the_log_by() {
    let harness = Harness::new().await;
    let mut ids = Vec::new();
    for path in ["/healthz", "/openapi.json", "/api/v1/devices"] {
        let request = Request::builder().uri(path).body(Body::empty());
        let answer = harness.send(request.unwrap()).await;
        ids.push(answer.headers["x-request-id"].to_str().unwrap().to_owned());
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}
