//! Support dates: published for anybody, set by administrators, in the audit log.

use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::support::Harness;

pub(crate) async fn set(harness: &Harness, class: &str, day: &str) -> (StatusCode, Value) {
    let path = format!("/api/v1/support/{class}");
    let answer = harness
        .call(Method::PUT, &path, json!({ "ends_on": day }).to_string())
        .await;
    (answer.status, answer.json())
}

/// As anybody reads it, without a token.
async fn published(harness: &Harness) -> Value {
    let request = Request::builder().uri("/owner/v1/support").body("".into());
    let answer = harness.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

#[tokio::test]
async fn anybody_can_read_until_when_a_model_is_supported() {
    let harness = Harness::new().await;
    let models = published(&harness).await;
    assert!(
        models
            .as_array()
            .unwrap()
            .iter()
            .all(|model| model["ends_on"].is_null())
    );
    for day in ["2031-06-30", "2034-12-31"] {
        let (status, shown) = set(&harness, "lock-emulator-1", day).await;
        assert_eq!((status, &shown["ends_on"]), (StatusCode::OK, &json!(day)));
    }
    let models = published(&harness).await;
    let known: Vec<(&str, &Value)> = models
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["class_name"].as_str().unwrap(), &model["ends_on"]))
        .collect();
    assert!(
        known.contains(&("lock-emulator-1", &json!("2034-12-31"))),
        "{known:?}"
    );
    assert_eq!(
        known.iter().filter(|(_, day)| day.is_null()).count(),
        known.len() - 1
    );
    let log = harness.get("/api/v1/audit").await;
    let said = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "support.set");
    assert_eq!(said.count(), 2);
}

#[tokio::test]
async fn what_is_no_day_or_no_model_is_not_published() {
    let harness = Harness::new().await;
    for day in ["", "2032-02-30", "soon", "12032-12-31"] {
        assert_eq!(
            set(&harness, "lock-emulator-1", day).await.0,
            StatusCode::BAD_REQUEST,
            "{day}"
        );
    }
    assert_eq!(
        set(&harness, "lock-of-others", "2032-12-31").await.0,
        StatusCode::NOT_FOUND
    );
    assert!(
        published(&harness)
            .await
            .as_array()
            .unwrap()
            .iter()
            .all(|model| model["ends_on"].is_null())
    );
}
