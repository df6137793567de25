//! The real program as a process, and an operator at the other end of a real connection.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::http::StatusCode;
use latchkey_directive::PublicKey;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::databases;
use crate::support::policy;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_latchkey-server");

/// Longer than anything here takes, on a machine with much else to do. Reached only by a server that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) log: BufReader<ChildStderr>,
    pub(crate) url: String,
    pub(crate) started: Value,
}

impl Server {
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    pub(crate) async fn start_with(data: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args([
                "serve",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--check-in-interval",
                "60",
                "--data",
            ])
            .arg(data)
            .args(options)
            .env("LATCHKEY_DATABASE", databases::of(data).await)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, said.read_line(&mut line))
            .await
            .unwrap()
            .unwrap();
        let started: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("said {line:?}"));
        let url = started["listening"].as_str().unwrap().to_owned();
        Self {
            child,
            log,
            url,
            started,
        }
    }

    pub(crate) fn token(&self) -> String {
        self.started["admin_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn director(&self) -> PublicKey {
        latchkey_server::ids::public_key(self.started["director_public"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// Reads the log until a line holds `text`.
    pub(crate) async fn logged(&mut self, text: &str) {
        let reading = async {
            let mut line = String::new();
            while !line.contains(text) {
                line.clear();
                assert_ne!(
                    self.log.read_line(&mut line).await.unwrap(),
                    0,
                    "the log ended before {text:?}"
                );
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap();
    }
}

/// An operator at the other end of a real connection.
#[derive(Clone)]
pub(crate) struct Operator {
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

impl Operator {
    pub(crate) fn new(token: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { http, token }
    }

    pub(crate) fn ask(&self, method: reqwest::Method, url: String) -> reqwest::RequestBuilder {
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, url: String) -> Value {
        let answer = self.ask(reqwest::Method::GET, url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub(crate) async fn set_policy(&self, server: &Server) {
        let url = format!("{}/api/v1/policies/lock-emulator-1", server.url);
        let body = json!({ "document": policy() });
        let answer = self
            .ask(reqwest::Method::PUT, url)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}
