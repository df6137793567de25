//! What those who keep the server running look at: health, metrics, the audit log.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use latchkey_directive::Event;
use latchkey_server::limits::HEALTH_KNOWN;
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
    let still = health(&harness).await;
    assert_eq!(still.status, StatusCode::OK, "what was found a moment ago");
    tokio::time::pause();
    tokio::time::advance(HEALTH_KNOWN).await;
    tokio::time::resume();
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
async fn what_alerts_look_for_is_there_before_anything_has_happened() {
    let harness = Harness::new().await;
    let answer = harness.call(Method::GET, "/metrics", Body::empty()).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        r#"latchkey_check_ins_total{kind="nothing"} 0"#,
        r#"latchkey_check_ins_total{kind="install"} 0"#,
        r#"latchkey_reports_total{kind="reverted"} 0"#,
        r#"latchkey_device_refusals_total{kind="replayed"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
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

/// Names of metrics in a text.
fn metrics_in(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words
        .filter(|word| word.starts_with("latchkey_"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_metric_in_the_example_alerts_is_one_that_the_server_tells() {
    let (harness, _) = Harness::with_repository().await;
    let mut lock = harness.lock().await;
    let message = lock.check_in();
    let sealed = lock.seal(&message);
    for _ in 0..2 {
        harness.lock_says("/device/v1/check-in", sealed.clone()).await;
    }
    let image = latchkey_image::ImageDigest([1; 32]);
    harness
        .report(&mut lock, latchkey_directive::Event::Reverted, image, 0)
        .await;
    let told = harness.call(Method::GET, "/metrics", Body::empty()).await.body;
    let told = metrics_in(std::str::from_utf8(&told).unwrap());
    let alerts = include_str!("../../alerts.example.yml");
    let expressions: Vec<&str> = alerts.lines().filter(|line| line.contains("expr:")).collect();
    assert!(expressions.len() >= 5);
    for expression in expressions {
        let named = metrics_in(expression);
        assert!(!named.is_empty(), "{expression}");
        for name in named {
            assert!(told.contains(&name), "{name} is not among {told:?}");
        }
    }
}
