//! Devices by others, over hawkBit's interface: what they are told, what what they say is worth, and who is turned away.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_image::ImageDigest;
use latchkey_server::http::{Access, InTheClear, Peer};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::documents::swu;
use crate::support::{Answer, Draft, Harness, Lock};
use crate::visit::Visit;

/// Every route of the interface, below a device's own path.
const ROUTES: [(&str, &str); 7] = [
    ("GET", ""),
    ("PUT", "/configData"),
    ("GET", "/deploymentBase/{action}"),
    ("POST", "/deploymentBase/{action}/feedback"),
    ("GET", "/cancelAction/{action}"),
    ("POST", "/cancelAction/{action}/feedback"),
    ("GET", "/softwaremodules/{action}/artifacts/{file}"),
];

const BASE: &str = "/DEFAULT/controller/v1/";

/// A device by others.
struct Stranger<'h> {
    harness: &'h Harness,
    id: String,
    token: String,
}

impl<'h> Stranger<'h> {
    async fn new(harness: &'h Harness) -> Self {
        let class = json!({ "class": "lock-emulator-1" }).to_string();
        let answer = harness.call(Method::POST, "/api/v1/devices/hawkbit", class).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        let made = answer.json();
        assert_eq!(made["hawkbit"], true);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            harness,
            id: text("id"),
            token: text("token"),
        }
    }

    /// One that has told that it runs 1.1.0 with counter 1.
    async fn told(harness: &'h Harness) -> Self {
        let stranger = Self::new(harness).await;
        assert_eq!(stranger.tells("1.1.0", 1).await.status, StatusCode::OK);
        stranger
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{}{path}", self.id))
            .header(header::AUTHORIZATION, format!("TargetToken {}", self.token))
            .body(body.into());
        self.harness.send(request.unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Body::empty()).await
    }

    /// The one file that an action tells it to install: its description, and its path below the device's own.
    async fn told_to_install(&self, action: u64) -> (Value, String) {
        let deployment = self.get(&format!("/deploymentBase/{action}")).await.json();
        let chunks = deployment["deployment"]["chunks"].as_array().unwrap();
        let artifacts = chunks[0]["artifacts"].as_array().unwrap();
        assert_eq!(
            (chunks.len(), artifacts.len()),
            (1, 1),
            "some clients take no more"
        );
        let links = &artifacts[0]["_links"];
        assert_eq!(links["download"], links["download-http"]);
        let own = format!("https://updates.example.com/base{BASE}{}", self.id);
        let link = links["download"]["href"].as_str().unwrap();
        (artifacts[0].clone(), link.strip_prefix(&own).unwrap().to_owned())
    }

    async fn tells(&self, version: &str, counter: u32) -> Answer {
        let data = json!({ "mode": "merge", "data": { "version": version, "counter": counter.to_string() } });
        self.call(Method::PUT, "/configData", data.to_string()).await
    }

    /// The links that it is given.
    async fn polls(&self) -> Value {
        let answer = self.get("").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let reply = answer.json();
        let sleep = reply["config"]["polling"]["sleep"].as_str().unwrap();
        assert!(("00:15:00".."00:18:30").contains(&sleep), "{sleep}");
        reply["_links"].clone()
    }

    /// The action that it is told to install.
    async fn offered(&self) -> Option<u64> {
        self.action("deploymentBase").await
    }

    /// The action that it is told to leave.
    async fn canceled(&self) -> Option<u64> {
        self.action("cancelAction").await
    }

    async fn action(&self, kind: &str) -> Option<u64> {
        let links = self.polls().await;
        let link = links[kind]["href"].as_str()?;
        let own = format!("https://updates.example.com/base{BASE}{}/{kind}/", self.id);
        link.strip_prefix(&own).unwrap().parse().ok()
    }

    async fn says(&self, action: u64, execution: &str, finished: &str) -> Answer {
        let path = format!("/deploymentBase/{action}/feedback");
        self.call(Method::POST, &path, said(execution, finished)).await
    }

    async fn leaves(&self, action: u64) -> Answer {
        let path = format!("/cancelAction/{action}/feedback");
        self.call(Method::POST, &path, said("closed", "success")).await
    }

    /// What an operator sees of it.
    async fn seen(&self) -> Value {
        self.harness.get(&format!("/api/v1/devices/{}", self.id)).await
    }

    async fn reports(&self) -> Vec<(String, String)> {
        let reports = self
            .harness
            .get(&format!("/api/v1/devices/{}/reports", self.id))
            .await;
        let text = |report: &Value, name: &str| report[name].as_str().unwrap().to_owned();
        let reports = reports.as_array().unwrap().iter();
        reports
            .map(|report| (text(report, "event"), text(report, "image")))
            .collect()
    }
}

fn said(execution: &str, finished: &str) -> String {
    json!({
        "id": 1, "time": "20260101T000000",
        "status": { "execution": execution, "result": { "finished": finished }, "details": ["a line of its log"] },
    })
    .to_string()
}

async fn published(harness: &Harness, minor: u8) -> (ImageDigest, Vec<u8>) {
    let draft = Draft::new(minor, minor.into());
    (harness.publish(&draft).await, draft.file())
}

async fn health(harness: &Harness, rollout: &str) -> Value {
    harness.get(&format!("/api/v1/rollouts/{rollout}")).await["health"].clone()
}

async fn step(harness: &Harness, rollout: &str, step: &str) {
    let path = format!("/api/v1/rollouts/{rollout}/{step}");
    let answer = harness.call(Method::POST, &path, Body::empty()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_server_that_was_not_told_to_has_no_such_interface() {
    let harness = Harness::ready().await;
    let stranger = Stranger::new(&harness).await;
    assert!(!harness.table.iter().any(|route| route.access == Access::Target));
    for (method, path) in ROUTES {
        let path = path.replace("{action}", "1").replace("{file}", "x");
        let answer = stranger.call(method.parse().unwrap(), &path, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_token_of_the_very_device() {
    let harness = Harness::with_hawkbit().await;
    let routed = harness
        .table
        .iter()
        .filter(|route| route.access == Access::Target);
    let routed: Vec<_> = routed.map(|route| (route.method.as_str(), route.path)).collect();
    let expected = ROUTES.map(|(method, path)| (method, format!("{BASE}{{device}}{path}")));
    let expected: Vec<_> = expected
        .iter()
        .map(|(method, path)| (*method, path.as_str()))
        .collect();
    assert_eq!(routed, expected, "this test knows every route");

    let (stranger, other, revoked) = (
        Stranger::told(&harness).await,
        Stranger::told(&harness).await,
        Stranger::told(&harness).await,
    );
    let path = format!("/api/v1/devices/{}/revoke", revoked.id);
    assert_eq!(
        harness.call(Method::POST, &path, Body::empty()).await.status,
        StatusCode::OK
    );
    let lock = harness.lock().await.id().to_string();
    let operator = harness.admin.clone();
    let nobody = "ab".repeat(16);
    let bad = [
        (stranger.id.as_str(), None),
        (&stranger.id, Some(format!("TargetToken {}", other.token))),
        (&stranger.id, Some(format!("TargetToken {}0", stranger.token))),
        (&stranger.id, Some("TargetToken ".to_owned())),
        (&stranger.id, Some(format!("GatewayToken {}", stranger.token))),
        (&stranger.id, Some(format!("Bearer {}", stranger.token))),
        (&stranger.id, Some(format!("Bearer {operator}"))),
        (&revoked.id, Some(format!("TargetToken {}", revoked.token))),
        (&lock, Some(format!("TargetToken {}", stranger.token))),
        (&lock, Some("TargetToken ".to_owned())),
        (&nobody, Some(format!("TargetToken {}", stranger.token))),
        ("..", Some(format!("TargetToken {}", stranger.token))),
    ];
    for (method, path) in ROUTES {
        let path = path.replace("{action}", "1").replace("{file}", "x");
        for (id, authorization) in &bad {
            let mut request = Request::builder().method(method).uri(format!("{BASE}{id}{path}"));
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let answer = harness.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{method} {id}{path} {authorization:?}"
            );
        }
    }
    assert_eq!(stranger.get("").await.status, StatusCode::OK);
    let other_tenant = Request::builder()
        .uri(format!("/OTHER/controller/v1/{}", stranger.id))
        .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
        .body(Body::empty());
    assert_eq!(
        harness.send(other_tenant.unwrap()).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_token_is_kept_as_a_hash_and_opens_nothing_else() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let answer = harness
        .call_as(&stranger.token, Method::GET, "/api/v1/devices", Body::empty())
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    for path in [
        format!("/api/v1/devices/{}", stranger.id),
        "/api/v1/audit".to_owned(),
    ] {
        let shown = harness.get(&path).await.to_string();
        assert!(!shown.contains(&stranger.token), "{shown}");
    }
    let audit = harness.get("/api/v1/audit").await.to_string();
    assert!(audit.contains("device.hawkbit"), "{audit}");
    // It has no key, so no message of Latchkey's own can be its.
    let mut lock = Lock::new();
    let mut check_in = lock.check_in();
    check_in.device = latchkey_server::ids::device(&stranger.id).unwrap();
    let answer = harness
        .lock_says("/device/v1/check-in", lock.seal(&check_in))
        .await;
    assert_eq!(
        answer.lock_problem(),
        latchkey_directive::ProblemCode::UnknownDevice
    );
}

#[tokio::test]
async fn a_device_is_asked_what_it_runs_and_told_what_to_install() {
    let harness = Harness::with_hawkbit().await;
    let (release, file) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let stranger = Stranger::new(&harness).await;
    assert!(stranger.polls().await["configData"]["href"].is_string());
    assert_eq!(stranger.offered().await, None, "nothing is decided without facts");
    assert_eq!(stranger.tells("1.1.0", 1).await.status, StatusCode::OK);
    assert_eq!(stranger.offered().await, Some(1));
    assert_eq!(stranger.offered().await, Some(1), "the same as before");

    let deployment = stranger.get("/deploymentBase/1?c=-1").await;
    assert_eq!(deployment.status, StatusCode::OK, "{deployment:?}");
    assert_eq!(deployment.json()["id"], "1");
    let (artifact, path) = stranger.told_to_install(1).await;
    let path = &path;
    assert_eq!(artifact["size"], file.len());
    assert_eq!(artifact["hashes"]["sha256"], hex::encode(Sha256::digest(&file)));
    assert_eq!(artifact["hashes"]["sha1"].as_str().unwrap().len(), 40);
    assert_eq!(artifact["hashes"]["md5"].as_str().unwrap().len(), 32);
    assert_eq!(stranger.get(path).await.body, file);
    let head = stranger.call(Method::HEAD, path, Body::empty()).await;
    assert_eq!(head.header(header::CONTENT_LENGTH), file.len().to_string());
    assert_eq!(
        stranger.get("/softwaremodules/1/artifacts/other").await.status,
        StatusCode::NOT_FOUND
    );

    for _ in 0..3 {
        assert_eq!(
            stranger.says(1, "proceeding", "none").await.status,
            StatusCode::OK
        );
    }
    assert_eq!(health(&harness, &rollout).await["under_way"], 1);
    assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
    assert_eq!(health(&harness, &rollout).await["confirmed"], 1);
    let told = stranger.seen().await["told"].clone();
    assert_eq!(
        (&told["running"], &told["security_counter"]),
        (&json!(release.to_string()), &json!(2))
    );
    assert_eq!(told["boot"], json!(null), "nobody said how it starts");
    let visit = Visit::new(&harness).await;
    let page = visit.see(&format!("/dashboard/devices/{}", stranger.id)).await;
    assert!(
        page.contains("confirmed by its own word") && !page.contains("Last start"),
        "{page}"
    );
    assert_eq!(stranger.polls().await, json!({}));
    let events: Vec<_> = stranger
        .reports()
        .await
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    assert_eq!(events, ["confirmed", "requested"], "each once");
    assert_eq!(
        stranger.get(path).await.status,
        StatusCode::NOT_FOUND,
        "it is over"
    );
    assert_eq!(
        stranger.get("/deploymentBase/1").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_release_with_a_swu_is_offered_as_that() {
    let harness = Harness::with_hawkbit().await;
    let (release, image) = published(&harness, 2).await;
    harness.roll_out(release).await;
    let stranger = Stranger::told(&harness).await;
    assert_eq!(stranger.offered().await, Some(1));
    let (_, as_image) = stranger.told_to_install(1).await;
    let (first, second) = (swu(&image, b"signed"), swu(&image, b"signed again"));
    let release = release.to_string();
    let mut paths = vec![(as_image, image)];
    for file in [first, second] {
        let added = harness.attach(&release, "swu", file.clone()).await;
        assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
        let (artifact, path) = stranger.told_to_install(1).await;
        assert!(path.ends_with(".swu"), "{path}: SWUpdate goes by that");
        assert_eq!(artifact["size"], file.len());
        assert_eq!(artifact["hashes"]["sha256"], hex::encode(Sha256::digest(&file)));
        assert_eq!(artifact["hashes"]["sha1"], hex::encode(Sha1::digest(&file)));
        paths.push((path, file));
    }
    for (path, file) in &paths {
        assert_eq!(
            stranger.get(path).await.body,
            *file,
            "{path}: links given before stay good"
        );
        let head = stranger.call(Method::HEAD, path, Body::empty()).await;
        assert_eq!(head.header(header::CONTENT_LENGTH), file.len().to_string());
        assert!(head.body.is_empty());
        let range = Request::builder()
            .uri(format!("{BASE}{}{path}", stranger.id))
            .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
            .header(header::RANGE, "bytes=1000-");
        let rest = harness.send(range.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (rest.status, &rest.body[..]),
            (StatusCode::PARTIAL_CONTENT, &file[1000..])
        );
    }
    assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
    for (path, _) in &paths {
        assert_eq!(
            stranger.get(path).await.status,
            StatusCode::NOT_FOUND,
            "it is over"
        );
    }
}

#[tokio::test]
async fn the_decision_is_that_of_any_lock() {
    let harness = Harness::with_hawkbit().await;
    let (stranger, other) = (Stranger::told(&harness).await, Stranger::new(&harness).await);
    let (old, _) = published(&harness, 1).await;
    harness.roll_out(old).await;
    assert_eq!(stranger.offered().await, None, "nothing that is not newer");
    let (release, _) = published(&harness, 2).await;
    let rollout = harness
        .roll_out_to(json!({ "release": release.to_string(), "to": "list", "devices": [other.id] }))
        .await;
    assert_eq!(stranger.offered().await, None, "it is not for this one");
    step(&harness, &rollout, "abort").await;
    harness.roll_out(release).await;
    let wishes = format!("/api/v1/devices/{}/wishes", stranger.id);
    let none = json!({ "updates": "none" }).to_string();
    harness.call(Method::PUT, &wishes, none).await;
    assert_eq!(stranger.offered().await, None, "its owner wants none");
    harness.call(Method::PUT, &wishes, "{}").await;
    assert_eq!(stranger.offered().await, Some(1));
    let decision = harness
        .get(&format!("/api/v1/devices/{}/decision", stranger.id))
        .await;
    assert_eq!(decision["install"], release.to_string(), "{decision}");
}

#[tokio::test]
async fn failures_count_rest_and_halt() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let halt = json!({ "release": release.to_string(), "to": "all", "halt": { "failures": 2 } });
    let rollout = harness.roll_out_to(halt).await;
    let (first, second) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let action = first.offered().await.unwrap();
    assert_eq!(
        first.says(action, "closed", "failure").await.status,
        StatusCode::OK
    );
    assert_eq!(
        first.says(action, "closed", "failure").await.status,
        StatusCode::OK,
        "it did not hear"
    );
    assert_eq!(health(&harness, &rollout).await["refused"], 1, "once");
    assert_eq!(first.offered().await, None, "it is left alone for an hour");
    harness.clock.advance_ms(3_600_000);
    let again = first.offered().await.unwrap();
    assert_ne!(again, action, "another try is another action");
    assert_eq!(
        first.says(action, "closed", "failure").await.status,
        StatusCode::OK
    );
    assert_eq!(
        first.offered().await,
        Some(again),
        "what is said of the old one is not said of it"
    );

    let action = second.offered().await.unwrap();
    assert_eq!(
        second.says(action, "canceled", "none").await.status,
        StatusCode::OK
    );
    let status = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(status["state"], "halted", "{status}");
    assert_eq!(
        first.get(&format!("/deploymentBase/{again}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(first.canceled().await, Some(again));
}

#[tokio::test]
async fn what_was_aborted_is_left_and_what_runs_is_believed() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let (obeys, quick) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    for stranger in [&obeys, &quick] {
        assert_eq!(stranger.offered().await, Some(1));
        assert_eq!(
            stranger.get("/cancelAction/1").await.status,
            StatusCode::NOT_FOUND,
            "nobody asks that"
        );
        assert_eq!(stranger.leaves(1).await.status, StatusCode::NOT_FOUND);
        assert_eq!(stranger.says(1, "download", "none").await.status, StatusCode::OK);
    }
    step(&harness, &rollout, "abort").await;

    assert_eq!(obeys.canceled().await, Some(1));
    let cancel = obeys.get("/cancelAction/1").await.json();
    assert_eq!(cancel, json!({ "id": "1", "cancelAction": { "stopId": "1" } }));
    let path = "/cancelAction/1/feedback";
    let not_yet = obeys.call(Method::POST, path, said("rejected", "none")).await;
    assert_eq!(not_yet.status, StatusCode::OK);
    assert_eq!(obeys.canceled().await, Some(1), "it is asked again");
    assert_eq!(obeys.leaves(1).await.status, StatusCode::OK);
    assert_eq!(obeys.polls().await, json!({}));
    assert_eq!(obeys.says(1, "closed", "success").await.problem(), "gone");
    assert_eq!(obeys.seen().await["told"]["version"], "1.1.0+0");

    assert_eq!(
        quick.says(1, "closed", "success").await.status,
        StatusCode::OK,
        "it runs it"
    );
    assert_eq!(quick.seen().await["told"]["version"], "1.2.0+0");
    assert_eq!(quick.polls().await, json!({}));
    let (next, _) = published(&harness, 3).await;
    harness.roll_out(next).await;
    assert_eq!(obeys.offered().await, Some(2), "another is another");
}

#[tokio::test]
async fn a_newer_rollout_waits_until_the_older_is_left() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let (release, _) = published(&harness, 2).await;
    harness.roll_out(release).await;
    assert_eq!(stranger.offered().await, Some(1));
    let (next, _) = published(&harness, 3).await;
    harness.roll_out(next).await;
    assert_eq!(
        stranger.polls().await.as_object().unwrap().len(),
        1,
        "one thing after another"
    );
    assert_eq!(stranger.canceled().await, Some(1));
    assert_eq!(stranger.leaves(1).await.status, StatusCode::OK);
    assert_eq!(stranger.offered().await, Some(2));
}

#[tokio::test]
async fn what_runs_an_older_image_again_has_reverted() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    assert_eq!(stranger.offered().await, Some(1));
    stranger.says(1, "closed", "success").await;
    assert_eq!(
        stranger.tells("1.2.0", 2).await.status,
        StatusCode::OK,
        "nothing new"
    );
    assert_eq!(health(&harness, &rollout).await["confirmed"], 1);
    assert_eq!(stranger.tells("1.1.0", 1).await.status, StatusCode::OK);
    let health = health(&harness, &rollout).await;
    assert_eq!(
        (&health["confirmed"], &health["reverted"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(stranger.offered().await, None, "not again in this rollout");
    assert_eq!(
        stranger.reports().await[0],
        ("reverted".to_owned(), release.to_string())
    );
}

#[tokio::test]
async fn hostile_feedback_changes_nothing() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let (stranger, other) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    assert_eq!(other.offered().await, Some(1));
    assert_eq!(
        stranger.says(1, "closed", "success").await.status,
        StatusCode::NOT_FOUND,
        "it is another's"
    );
    assert_eq!(
        stranger
            .get("/softwaremodules/1/artifacts/lock-emulator-1-1.2.0-0.img")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(stranger.offered().await, Some(1));
    for action in ["0", "2", "-1", "01", "+1", "99999999999999999999", "x", "%2e%2e"] {
        for path in [
            format!("/deploymentBase/{action}"),
            format!("/cancelAction/{action}"),
            format!("/softwaremodules/{action}/artifacts/lock-emulator-1-1.2.0-0.img"),
        ] {
            assert_eq!(stranger.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
            harness.clock.advance_ms(60_000); // a device may not ask without end
        }
        let path = format!("/deploymentBase/{action}/feedback");
        let answer = stranger
            .call(Method::POST, &path, said("closed", "success"))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let long = said("closed", &"x".repeat(70_000));
    let path = "/deploymentBase/1/feedback";
    assert_eq!(
        stranger.call(Method::POST, path, long).await.problem(),
        "too-large"
    );
    for body in [
        String::new(),
        "{}".to_owned(),
        "[".repeat(60_000),
        said("closed", "none"),
        said("closed", "perhaps"),
        said("done", "success"),
        json!({ "status": { "execution": "closed" } }).to_string(),
        json!({ "status": { "execution": ["closed"], "result": { "finished": "success" } } }).to_string(),
    ] {
        assert_eq!(stranger.call(Method::POST, path, body).await.problem(), "invalid");
    }
    for data in [
        "",
        "{}",
        r#"{"data":{"version":"9.9.9"}}"#,
        r#"{"data":{"version":"\u0000","counter":"1"}}"#,
    ] {
        assert_eq!(
            stranger.call(Method::PUT, "/configData", data).await.problem(),
            "invalid"
        );
    }
    let health = health(&harness, &rollout).await;
    assert_eq!((&health["confirmed"], &health["refused"]), (&json!(0), &json!(0)));
    assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
    assert_eq!(
        stranger.says(1, "closed", "success").await.status,
        StatusCode::OK,
        "said again"
    );
    for (execution, finished) in [
        ("closed", "failure"),
        ("proceeding", "none"),
        ("rejected", "none"),
    ] {
        assert_eq!(
            stranger.says(1, execution, finished).await.problem(),
            "gone",
            "{execution}"
        );
    }
    assert_eq!(stranger.reports().await.len(), 1, "nothing counts twice");
}

#[tokio::test]
async fn who_asks_without_end_and_who_guesses_is_told_to_come_back() {
    let harness = Harness::with_hawkbit().await;
    let (stranger, other) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(stranger.get("").await.status);
    }
    assert_eq!(answers.first(), Some(&StatusCode::OK));
    assert_eq!(answers.last(), Some(&StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(
        other.get("").await.status,
        StatusCode::OK,
        "nobody else pays for it"
    );

    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let guess = |token: String| {
        let request = Request::builder()
            .uri(format!("{BASE}{}", other.id))
            .header(header::AUTHORIZATION, format!("TargetToken {token}"))
            .extension(Peer(address))
            .body(Body::empty());
        harness.send(request.unwrap())
    };
    for number in 0..200 {
        assert_eq!(
            guess(format!("{number:064x}")).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        guess(other.token.clone()).await.problem(),
        "busy",
        "right or wrong"
    );
    assert_eq!(other.get("").await.status, StatusCode::OK, "from elsewhere");
}

#[tokio::test]
async fn who_reports_without_end_is_heard_once_it_ends() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let stranger = Stranger::told(&harness).await;
    assert_eq!(stranger.offered().await, Some(1));
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(stranger.says(1, "proceeding", "none").await.status);
    }
    assert_eq!(answers.first(), Some(&StatusCode::OK));
    assert_eq!(answers.last(), Some(&StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(stranger.says(1, "rejected", "none").await.problem(), "busy");
    assert_eq!(
        stranger.says(2, "closed", "success").await.problem(),
        "busy",
        "it has no such action"
    );
    assert_eq!(
        stranger.says(1, "closed", "success").await.status,
        StatusCode::OK,
        "a client may say so only once"
    );
    assert_eq!(health(&harness, &rollout).await["confirmed"], 1);
    assert_eq!(
        stranger.says(1, "closed", "success").await.problem(),
        "busy",
        "again is too often"
    );
}

#[tokio::test]
async fn no_device_s_token_is_taken_in_the_clear_where_there_is_tls() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let request = Request::builder()
        .uri(format!("{BASE}{}", stranger.id))
        .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
        .extension(InTheClear)
        .body(Body::empty());
    assert_eq!(harness.send(request.unwrap()).await.problem(), "unauthenticated");
}
