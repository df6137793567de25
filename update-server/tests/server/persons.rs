//! Two persons: who may start and widen, and that stopping takes one.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness};

const HOUR_MS: i64 = 3_600_000;

struct Scene {
    harness: Harness,
    rollout: String,
    ana: String,
    ana_at_home: String,
    ben: String,
}

async fn token(harness: &Harness, name: &str, person: &str) -> String {
    let body = json!({ "name": name, "person": person, "role": "operator" }).to_string();
    let made = harness.call(Method::POST, "/api/v1/tokens", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()["secret"].as_str().unwrap().to_owned()
}

impl Scene {
    async fn new() -> Self {
        let harness = Harness::ready().await;
        let ana = token(&harness, "ana at work", "Ana").await;
        let ana_at_home = token(&harness, "ana at home", "ana").await;
        let ben = token(&harness, "ben", "Ben").await;
        let release = harness.publish(&Draft::new(2, 2)).await;
        let wanted = json!({
            "release": release.to_string(), "to": "all", "stages": [1], "two_persons": true,
        });
        let made = harness
            .call_as(&ana, Method::POST, "/api/v1/rollouts", wanted.to_string())
            .await;
        assert_eq!(made.status, StatusCode::CREATED);
        let made = made.json();
        assert_eq!(
            (&made["state"], &made["asked"]["what"]),
            (&json!("paused"), &json!("start"))
        );
        assert_eq!(made["asked"]["person"], "Ana");
        Self {
            harness,
            rollout: made["id"].as_str().unwrap().to_owned(),
            ana,
            ana_at_home,
            ben,
        }
    }

    async fn post(&self, token: &str, step: &str, body: Value) -> Answer {
        let path = format!("/api/v1/rollouts/{}/{step}", self.rollout);
        let body = if body.is_null() {
            Body::empty()
        } else {
            body.to_string().into()
        };
        self.harness.call_as(token, Method::POST, &path, body).await
    }

    async fn started() -> Self {
        let scene = Self::new().await;
        let started = scene.post(&scene.ben, "resume", Value::Null).await.json();
        assert_eq!(
            (&started["state"], &started["asked"]),
            (&json!("running"), &Value::Null)
        );
        scene
    }

    async fn widen(&self, token: &str, percent: u8) -> Value {
        let answer = self.post(token, "widen", json!({ "percent": percent })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()["percent"].clone()
    }

    async fn actions(&self) -> Vec<String> {
        let log = self.harness.get("/api/v1/audit").await;
        let lines = log.as_array().unwrap().iter();
        let actions = lines.map(|line| line["action"].as_str().unwrap().to_owned());
        actions.filter(|action| action.starts_with("rollout.")).collect()
    }
}

#[tokio::test]
async fn one_person_with_two_tokens_is_one_person() {
    let scene = Scene::new().await;
    for token in [&scene.ana, &scene.ana_at_home, &scene.ana] {
        let answer = scene.post(token, "resume", Value::Null).await;
        assert_eq!(answer.json()["state"], "paused");
    }
    assert_eq!(
        scene.post(&scene.ben, "resume", Value::Null).await.json()["state"],
        "running"
    );
}

#[tokio::test]
async fn widening_takes_the_same_wish_of_another_person() {
    let scene = Scene::started().await;
    assert_eq!(scene.widen(&scene.ana, 50).await, 1.0);
    assert_eq!(scene.widen(&scene.ana_at_home, 50).await, 1.0);
    // Ben wants less: that is another wish, and now Ana's is gone.
    assert_eq!(scene.widen(&scene.ben, 20).await, 1.0);
    assert_eq!(scene.widen(&scene.ana, 50).await, 1.0);
    assert_eq!(scene.widen(&scene.ben, 50).await, 50.0);
    let actions = scene.actions().await;
    let wishes = actions
        .iter()
        .filter(|action| *action == "rollout.widen.ask")
        .count();
    let done = actions.iter().filter(|action| *action == "rollout.widen").count();
    assert_eq!((wishes, done), (4, 1), "{actions:?}");
}

#[tokio::test]
async fn a_wish_waits_for_a_day_and_no_longer() {
    let scene = Scene::started().await;
    scene.widen(&scene.ana, 50).await;
    scene.harness.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(scene.widen(&scene.ben, 50).await, 1.0, "that is Ben's wish now");
    scene.harness.clock.advance_ms(24 * HOUR_MS - 1);
    assert_eq!(scene.widen(&scene.ana, 50).await, 50.0);
}

#[tokio::test]
async fn halting_takes_one_person_and_ends_what_was_asked_for() {
    let scene = Scene::started().await;
    scene.widen(&scene.ana, 100).await;
    let paused = scene.post(&scene.ben, "pause", Value::Null).await.json();
    assert_eq!(
        (&paused["state"], &paused["asked"]),
        (&json!("paused"), &Value::Null)
    );
    // A wish from before the halt must not be what carries on after it.
    assert_eq!(scene.widen(&scene.ben, 100).await, 1.0);
    assert_eq!(
        scene.post(&scene.ben, "resume", Value::Null).await.json()["state"],
        "paused"
    );
    assert_eq!(
        scene.post(&scene.ana, "resume", Value::Null).await.json()["state"],
        "running"
    );
    assert_eq!(
        scene.post(&scene.ana, "abort", Value::Null).await.json()["state"],
        "aborted"
    );
}

#[tokio::test]
async fn whoever_only_looks_on_is_no_second_person() {
    let scene = Scene::new().await;
    let body = json!({ "name": "eve", "role": "viewer" }).to_string();
    let made = scene
        .harness
        .call(Method::POST, "/api/v1/tokens", body)
        .await
        .json();
    let eve = made["secret"].as_str().unwrap();
    assert_eq!(
        scene.post(eve, "resume", Value::Null).await.status,
        StatusCode::FORBIDDEN
    );
    let path = format!("/api/v1/rollouts/{}", scene.rollout);
    assert_eq!(scene.harness.get(&path).await["state"], "paused");
}
