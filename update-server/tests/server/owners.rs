//! What owners are told who ask for updates.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_image::Hardware;
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness, START_MS};

fn path(version: &str, counter: u32) -> String {
    let Hardware { vendor, class, .. } = Hardware::EMULATOR;
    let version = version.replace('+', "%2B");
    format!("/owner/v1/update?vendor={vendor}&class={class}&version={version}&counter={counter}")
}

/// Asks as an owner does: without a token.
async fn ask(harness: &Harness, path: &str, known: Option<&str>) -> Answer {
    let mut request = Request::builder().method(Method::GET).uri(path);
    if let Some(known) = known {
        request = request.header(header::IF_NONE_MATCH, known);
    }
    harness.send(request.body(Body::empty()).unwrap()).await
}

async fn told(harness: &Harness, version: &str, counter: u32) -> Value {
    let answer = ask(harness, &path(version, counter), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["update"].clone()
}

#[tokio::test]
async fn an_owner_hears_of_what_is_rolled_out_to_all_while_it_is() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    assert_eq!(told(&harness, "1.1.0+0", 1).await, Value::Null, "published only");
    let lock = harness.lock().await;
    let list = json!([lock.id().to_string()]);
    harness
        .roll_out_to(json!({ "release": release.to_string(), "to": "list", "devices": list }))
        .await;
    assert_eq!(told(&harness, "1.1.0+0", 1).await, Value::Null, "for a few only");
    let rollout = harness.roll_out(release).await;
    let update = told(&harness, "1.1.0+0", 1).await;
    assert_eq!(update["digest"], release.to_string());
    assert_eq!(
        (&update["version"], &update["security_counter"]),
        (&json!("1.2.0+0"), &json!(2))
    );
    assert_eq!(told(&harness, "1.2.0+0", 2).await, Value::Null, "it runs already");
    for (step, told_of) in [("pause", false), ("resume", true), ("abort", false)] {
        let path = format!("/api/v1/rollouts/{rollout}/{step}");
        harness.call(Method::POST, &path, Body::empty()).await;
        assert_eq!(told(&harness, "1.1.0+0", 1).await.is_object(), told_of, "{step}");
    }
}

#[tokio::test]
async fn an_owner_hears_of_nothing_before_its_time() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let terms = json!({ "not_before_ms": START_MS + 1000 });
    harness
        .roll_out_to(json!({ "release": release.to_string(), "to": "all", "terms": terms }))
        .await;
    harness.clock.advance_ms(999);
    assert_eq!(told(&harness, "1.1.0+0", 1).await, Value::Null);
    harness.clock.advance_ms(1);
    assert_eq!(told(&harness, "1.1.0+0", 1).await["digest"], release.to_string());
}

#[tokio::test]
async fn what_is_told_is_what_can_be_fetched() {
    let harness = Harness::ready().await;
    let file = Draft::new(2, 2).file();
    let release = harness.publish(&Draft::new(2, 2)).await;
    harness.roll_out(release).await;
    let update = told(&harness, "1.1.0+0", 1).await;
    let image = ask(&harness, update["image_path"].as_str().unwrap(), None).await;
    assert_eq!(image.body, file);
    assert_eq!(update["size"], file.len());
    assert_eq!(
        image.header(header::ETAG),
        format!("\"{}\"", update["file_sha256"].as_str().unwrap())
    );
}

#[tokio::test]
async fn answers_can_be_cached_and_say_when_nothing_changed() {
    let harness = Harness::ready().await;
    let path = path("1.1.0+0", 1);
    let before = ask(&harness, &path, None).await;
    assert!(before.header(header::CACHE_CONTROL).contains("max-age=300"));
    let tag = before.header(header::ETAG).to_owned();
    let again = ask(&harness, &path, Some(&tag)).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let release = harness.publish(&Draft::new(2, 2)).await;
    harness.roll_out(release).await;
    let changed = ask(&harness, &path, Some(&tag)).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn nonsense_is_named_and_names_of_owners_are_not_even_taken() {
    let harness = Harness::ready().await;
    let good = path("1.1.0+0", 1);
    for wrong in [
        "/owner/v1/update".to_owned(),
        good.replace("%2B", "+"),
        good.replace("1.1.0", "1.1"),
        good.replace("counter=1", "counter=-1"),
        good.replace("vendor=", "vendor=x"),
        format!("{good}&owner=ann"),
    ] {
        let answer = ask(&harness, &wrong, None).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn notes_reach_the_owner_and_are_bounded() {
    let harness = Harness::ready().await;
    let upload = |notes: String| {
        let path = format!("/api/v1/releases?notes={notes}");
        let harness = &harness;
        async move { harness.call(Method::POST, &path, Draft::new(2, 2).file()).await }
    };
    for wrong in ["%20".to_owned(), "a".repeat(2_001), "a%1Bb".to_owned()] {
        let answer = upload(wrong).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid")
        );
    }
    let published = upload("Quieter%20motor.%0ALonger%20battery%20life.".to_owned()).await;
    assert_eq!(published.status, StatusCode::CREATED, "{published:?}");
    let release = latchkey_server::ids::digest(published.json()["digest"].as_str().unwrap()).unwrap();
    harness.roll_out(release).await;
    let update = told(&harness, "1.1.0+0", 1).await;
    assert_eq!(update["notes"], "Quieter motor.\nLonger battery life.");
    // A release never changes, so its notes do not either.
    let again = upload("Other%20words.".to_owned()).await;
    assert_eq!(
        (again.status, &again.json()["notes"]),
        (StatusCode::OK, &update["notes"])
    );
}
