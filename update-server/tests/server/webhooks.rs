//! Webhooks: signed, in order, at least once, across failures and kills; never where only the server can reach.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::program::{Operator, PATIENCE, Server};

type Told = (HeaderMap, Bytes);

/// Somebody who is told.
struct Receiver {
    address: SocketAddr,
    told: UnboundedReceiver<Told>,
    /// What it answers.
    answers: Arc<AtomicU16>,
}

async fn take(
    State((told, answers)): State<(UnboundedSender<Told>, Arc<AtomicU16>)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    told.send((headers, body)).unwrap();
    let status = StatusCode::from_u16(answers.load(Ordering::SeqCst)).unwrap();
    (status, [("location", "/elsewhere")])
}

async fn elsewhere() -> StatusCode {
    panic!("a redirect was followed")
}

impl Receiver {
    async fn start() -> Self {
        let (sender, told) = unbounded_channel();
        let answers = Arc::new(AtomicU16::new(204));
        let router = Router::new()
            .route("/hook", post(take))
            .route("/elsewhere", post(elsewhere))
            .with_state((sender, answers.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            told,
            answers,
        }
    }

    async fn next(&mut self) -> Told {
        tokio::time::timeout(PATIENCE, self.told.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

/// Checks a message as Standard Webhooks says; gives its id and what it tells.
fn verified((headers, body): &Told, secret: &str) -> (String, Value) {
    let header = |name: &str| headers[name].to_str().unwrap();
    let key = Base64::decode_vec(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(body);
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    mac.verify_slice(&Base64::decode_vec(signature).unwrap()).unwrap();
    (
        header("webhook-id").to_owned(),
        serde_json::from_slice(body).unwrap(),
    )
}

async fn make(operator: &Operator, server: &Server, url: String, events: Value) -> (StatusCode, Value) {
    let request = operator.ask(reqwest::Method::POST, format!("{}/api/v1/webhooks", server.url));
    let answer = request
        .json(&json!({ "url": url, "events": events }))
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn make_token(operator: &Operator, server: &Server, name: &str) {
    let request = operator.ask(reqwest::Method::POST, format!("{}/api/v1/tokens", server.url));
    let answer = request
        .json(&json!({ "name": name, "role": "viewer" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_is_told_in_order_again_after_failures_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--allow-loopback-webhooks"];
    let mut server = Server::start_with(folder.path(), &options).await;
    let operator = Operator::new(server.token());
    let mut receiver = Receiver::start().await;
    let url = format!("http://{}/hook", receiver.address);
    make_token(&operator, &server, "before").await;
    let (status, made) = make(&operator, &server, url, json!(["token."])).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = made["secret"].as_str().unwrap().to_owned();
    let listed = operator.get(format!("{}/api/v1/webhooks", server.url)).await;
    assert!(!listed.to_string().contains(&secret));

    operator.set_policy(&server).await; // of which it does not want to hear
    make_token(&operator, &server, "first").await;
    let (first, told) = verified(&receiver.next().await, &secret);
    assert_eq!(
        (&told["type"], &told["data"]["detail"]["name"]),
        (&json!("token.create"), &json!("first"))
    );

    // A redirect is a failure, and is not followed; what could not be told is told again, under the same id.
    receiver.answers.store(307, Ordering::SeqCst);
    make_token(&operator, &server, "second").await;
    let (second, _) = verified(&receiver.next().await, &secret);
    assert_ne!(first, second);
    make_token(&operator, &server, "third").await;
    server.kill().await;
    receiver.answers.store(204, Ordering::SeqCst);
    server = Server::start_with(folder.path(), &options).await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let (id, told) = verified(&receiver.next().await, &secret);
        if names.is_empty() {
            assert_eq!(id, second);
        }
        names.push(told["data"]["detail"]["name"].clone());
    }
    assert_eq!(names, ["second", "third"]);
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_answers_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--allow-loopback-webhooks"]).await;
    let operator = Operator::new(server.token());
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut receiver = Receiver::start().await;
    let mut secret = Value::Null;
    for address in [silent.local_addr().unwrap(), receiver.address] {
        let (status, made) = make(
            &operator,
            &server,
            format!("http://{address}/hook"),
            json!(["token."]),
        )
        .await;
        assert_eq!(status, StatusCode::CREATED);
        secret = made["secret"].clone();
    }
    make_token(&operator, &server, "told").await;
    let (_, told) = verified(&receiver.next().await, secret.as_str().unwrap());
    assert_eq!(told["data"]["detail"]["name"], "told");
}

#[tokio::test]
async fn addresses_within_reach_of_the_server_alone_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let operator = Operator::new(server.token());
    for url in [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://name:password@example.com/",
    ] {
        let (status, answer) = make(&operator, &server, url.to_owned(), json!(["token."])).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{url}: {answer}");
    }
    let listed = operator.get(format!("{}/api/v1/webhooks", server.url)).await;
    assert_eq!(listed, json!([]));
}
