//! Several instances behind one PostgreSQL: what one begins, another finishes, once; and real programs with real options.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::http::{StatusCode, header};
use reqwest::redirect::Policy;
use url::Url;

use super::provider::{CLIENT, Op, SECRET};
use crate::commands::command;
use crate::program::{PATIENCE, Server};
use crate::{databases, instances};

struct Pair {
    op: Op,
    database: String,
    folder: tempfile::TempDir,
    browser: reqwest::Client,
}

impl Pair {
    async fn new() -> Self {
        let op = Op::new().await;
        op.go_by_the_clock();
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        let browser = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none());
        Self {
            op,
            database: databases::fresh_postgres().await,
            folder,
            browser: browser.build().unwrap(),
        }
    }

    fn options(&self, role: &str) -> Vec<String> {
        let secret = self.folder.path().join("secret");
        let mut options = instances::options(self.folder.path(), &self.database).to_vec();
        options.extend(
            [
                "--public-url",
                "https://updates.example",
                "--oidc-issuer",
                &self.op.issuer,
                "--oidc-client-id",
                CLIENT,
                "--oidc-client-secret-file",
                secret.to_str().unwrap(),
                "--oidc-role",
                role,
            ]
            .map(str::to_owned),
        );
        options
    }

    async fn start(&self, name: &str, role: &str) -> Server {
        let options = self.options(role);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Server::start_with(&self.folder.path().join(name), &options).await
    }

    async fn get(&self, server: &Server, path: &str, cookie: &str) -> reqwest::Response {
        let request = self.browser.get(format!("{}{path}", server.url));
        request.header(header::COOKIE, cookie).send().await.unwrap()
    }
}

/// The first cookie of this name that an answer sets.
fn cookie(answer: &reqwest::Response, name: &str) -> Option<String> {
    let set = answer.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs
        .into_iter()
        .find(|pair| pair.starts_with(&format!("{name}=")))
}

fn is_in(answer: &reqwest::Response) -> bool {
    answer.status() == StatusCode::OK
}

#[tokio::test]
async fn one_instance_begins_and_another_finishes_once() {
    let pair = Pair::new().await;
    let one = pair.start("one", "lock-ops=operator").await;
    let two = pair.start("two", "lock-ops=operator").await;
    let sent = pair.get(&one, "/dashboard/sign-in/provider", "").await;
    let address = Url::parse(sent.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    let attempt = cookie(&sent, "latchkey-sign-in").unwrap();
    let back = format!("/dashboard/sign-in/callback?{}", pair.op.signs_in(&address));
    // At the same time, as when somebody who saw it is as quick as the browser.
    let (a, b) = tokio::join!(pair.get(&one, &back, &attempt), pair.get(&two, &back, &attempt));
    let sessions = [&a, &b].map(|answer| cookie(answer, "latchkey"));
    let mut sessions = sessions.into_iter().flatten();
    let session = sessions.next().unwrap();
    assert_eq!(sessions.next(), None);
    for server in [&one, &two] {
        assert!(is_in(&pair.get(server, "/dashboard", &session).await));
        let again = pair.get(server, &back, &attempt).await;
        assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    }
    // What the session is worth is what its group is worth where it is shown.
    let three = pair.start("three", "others=operator").await;
    assert!(!is_in(&pair.get(&three, "/dashboard", &session).await));
    let four = pair.start("four", "lock-ops=viewer").await;
    assert!(is_in(&pair.get(&four, "/dashboard", &session).await));
    let form = pair.get(&four, "/dashboard/rollouts/new", &session).await;
    assert_eq!(form.status(), StatusCode::FORBIDDEN);
}

async fn complaint(options: &[String], data: &Path) -> String {
    let mut arguments = vec![
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ];
    arguments.extend(options.iter().map(String::as_str));
    let output = command(&arguments, &[]).await;
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_the_start() {
    let pair = Pair::new().await;
    let good = pair.options("lock-ops=operator");
    let data = pair.folder.path().join("data");
    let without = |name: &str| {
        let mut options = good.clone();
        let at = options.iter().position(|option| option == name).unwrap();
        options.drain(at..at + 2);
        options
    };
    for name in [
        "--public-url",
        "--oidc-client-id",
        "--oidc-client-secret-file",
        "--oidc-role",
    ] {
        let said = complaint(&without(name), &data).await;
        assert!(said.contains(name), "{said}");
    }
    for role in ["lock-ops", "=operator", "lock-ops=root"] {
        let said = complaint(&pair.options(role), &data).await;
        assert!(said.contains("--oidc-role"), "{said}");
    }
    let secret = pair.folder.path().join("secret");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    let said = complaint(&good, &data).await;
    assert!(said.contains("chmod 600"), "{said}");
}
