//! Devices by others, over hawkBit's interface.

mod entry;
mod feedback;
mod offers;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_image::ImageDigest;
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness};

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

    /// Whether it is asked what it runs.
    async fn is_asked(&self) -> bool {
        self.polls().await["configData"]["href"].is_string()
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
