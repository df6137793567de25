//! What those who keep the server running look at: health, metrics, the audit log.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use latchkey_directive::Event;
use serde_json::json;

use crate::support::{Answer, Draft, Harness};

async fn health(harness: &Harness) -> Answer {
    let request = Request::builder().uri("/healthz").body(Body::empty());
    harness.send(request.unwrap()).await
}

#[tokio::test]
async fn a_server_that_cannot_work_says_so() {
    let harness = Harness::new().await;
    let well = health(&harness).await;
    assert_eq!(well.status, StatusCode::OK);
    assert_eq!(
        (&well.json()["database"], &well.json()["store"]),
        (&json!(true), &json!(true))
    );
    harness.service.close().await.unwrap();
    let ill = health(&harness).await;
    assert_eq!(ill.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&ill.json()["database"], &ill.json()["store"]),
        (&json!(false), &json!(true))
    );
    // Whoever asks for more than health is told that it is the storage, not why.
    let answer = harness.call(Method::GET, "/api/v1/devices", Body::empty()).await;
    assert_eq!(answer.problem(), "storage");
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut lock = harness.lock().await;
    harness.check_in(&mut lock).await;
    harness.roll_out(release).await;
    harness.check_in(&mut lock).await;
    harness.report(&mut lock, Event::Requested, release, 0).await;
    harness
        .call(Method::GET, "/no/such/thing/at/all", Body::empty())
        .await;
    let answer = harness.call(Method::GET, "/metrics", Body::empty()).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "latchkey_check_ins_total{kind=\"nothing\"} 1",
        "latchkey_check_ins_total{kind=\"install\"} 1",
        "latchkey_reports_total{kind=\"requested\"} 1",
        "latchkey_devices{kind=\"approved\"} 1",
        "latchkey_devices{kind=\"awaiting\"} 0",
        "latchkey_http_requests_total{route=\"/device/v1/check-in\",status=\"200\"} 2",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in {text}"
        );
    }
    assert!(!text.contains("/no/such"), "a stranger's path became a label");
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_audit_log_comes_in_pages_without_gaps() {
    let harness = Harness::ready().await;
    for _ in 0..5 {
        harness.lock().await;
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = harness.get(&format!("/api/v1/audit?after={after}&limit=4")).await;
        let Some(last) = page.as_array().unwrap().last() else {
            break;
        };
        after = last["number"].as_i64().unwrap();
        seen.extend(
            page.as_array()
                .unwrap()
                .iter()
                .map(|line| line["number"].as_i64().unwrap()),
        );
    }
    // The first token, the policy, and for each lock its enrolment and approval.
    assert_eq!(seen, (1..=12).collect::<Vec<i64>>());
}
