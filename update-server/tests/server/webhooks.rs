//! Webhooks: signed, in order, at least once, across failures and kills; never where only the server can reach.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::post;
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use latchkey_server::courier::Courier;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::{AnyConnection, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::databases;
use crate::program::{Operator, PATIENCE, Server};
use crate::support::Harness;

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
    // Before the test hears of it, and goes on to what is to be answered next.
    let status = StatusCode::from_u16(answers.load(Ordering::SeqCst)).unwrap();
    told.send((headers, body)).unwrap();
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
    let options = ["--allow-internal-webhooks"];
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
    // Told at least once: the same id is the same message.
    let mut ids = Vec::new();
    let mut names = Vec::new();
    while ids.len() < 2 {
        let (id, told) = verified(&receiver.next().await, &secret);
        if ids.last() != Some(&id) {
            ids.push(id);
            names.push(told["data"]["detail"]["name"].clone());
        }
    }
    assert_eq!(ids[0], second);
    assert_eq!(names, ["second", "third"]);
    drop(server);
}

/// Makes a webhook of a server in memory that is told of new tokens; gives its secret.
async fn hook(harness: &Harness, address: SocketAddr) -> String {
    let wanted = json!({ "url": format!("http://{address}/hook"), "events": ["token."] });
    let made = harness
        .call(Method::POST, "/api/v1/webhooks", wanted.to_string())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()["secret"].as_str().unwrap().to_owned()
}

async fn tell_of(harness: &Harness, name: &str) {
    let wanted = json!({ "name": name, "role": "viewer" });
    let made = harness
        .call(Method::POST, "/api/v1/tokens", wanted.to_string())
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
}

fn courier(internal: bool, patience: Duration) -> Courier {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Courier::with_patience(internal, patience).unwrap()
}

/// Far longer than any test: who waits for this receiver waits for ever.
const ENDLESS: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nobody() {
    let harness = Harness::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    hook(&harness, silent.local_addr().unwrap()).await;
    let mut receiver = Receiver::start().await;
    let secret = hook(&harness, receiver.address).await;
    let courier = Arc::new(courier(true, ENDLESS));
    let work = tokio::spawn(courier.work(harness.service.clone()));
    let mut held = None;
    for name in ["first", "second", "third"] {
        tell_of(&harness, name).await;
        let (_, told) = verified(&receiver.next().await, &secret);
        assert_eq!(told["data"]["detail"]["name"], name);
        if held.is_none() {
            // From now on it has been called, and waits.
            let called = tokio::time::timeout(PATIENCE, silent.accept()).await;
            held = Some(called.unwrap().unwrap());
        }
    }
    work.abort();
}

#[tokio::test]
async fn an_instance_that_took_too_long_does_not_undo_what_another_one_told() {
    let harness = Harness::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    hook(&harness, address).await;
    tell_of(&harness, "x").await;
    let service = harness.service.clone();
    let take = async || {
        let mut taken = service.take_webhooks(9).await.unwrap();
        assert!(taken.len() <= 1);
        taken.pop()
    };
    let slow = take().await.unwrap();
    assert!(take().await.is_none(), "it is taken");
    let courier = courier(true, ENDLESS);
    let (slow_is_over, ()) = tokio::join!(courier.tell(&service, &slow), async {
        // While the first waits for an answer, its time is over, and another one goes on and is answered.
        let (connection, _) = silent.accept().await.unwrap();
        harness.clock.advance_ms(3_600_000);
        let quick = take().await.unwrap();
        let answer = async {
            let (mut connection, _) = silent.accept().await.unwrap();
            assert_ne!(connection.read(&mut [0; 1024]).await.unwrap(), 0);
            connection
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
            connection
        };
        let (told, _connection) = tokio::join!(courier.tell(&service, &quick), answer);
        told.unwrap();
        drop(connection);
    });
    slow_is_over.unwrap();
    let webhook = &harness.get("/api/v1/webhooks").await[0];
    assert_eq!(
        (&webhook["failures"], &webhook["trouble"]),
        (&json!(0), &Value::Null)
    );
    assert!(webhook["told"].as_i64().unwrap() > slow.told, "{webhook}");
    assert!(take().await.is_none(), "and has nothing to tell it");
}

#[tokio::test]
async fn a_webhook_that_was_taken_is_told_though_the_next_cannot_be() {
    let harness = Harness::new().await;
    let address = "127.0.0.1:1".parse().unwrap();
    hook(&harness, address).await;
    harness.clock.advance_ms(1);
    hook(&harness, address).await;
    tell_of(&harness, "x").await;
    let webhooks = harness.get("/api/v1/webhooks").await;
    let [first, second] = [0, 1].map(|number| webhooks[number]["id"].as_str().unwrap());
    let refusal = if databases::is_postgres() {
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'busy'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON webhooks FOR EACH ROW WHEN (OLD.id = 'ID') EXECUTE FUNCTION refuse()"
    } else {
        "CREATE TRIGGER refuse BEFORE UPDATE ON webhooks WHEN OLD.id = 'ID' \
         BEGIN SELECT RAISE(ABORT, 'busy'); END"
    };
    let url = databases::of(harness.folder.path()).await;
    let mut database = AnyConnection::connect(&url).await.unwrap();
    let refusal = sqlx::AssertSqlSafe(refusal.replace("ID", second));
    sqlx::raw_sql(refusal).execute(&mut database).await.unwrap();
    let taken = harness.service.take_webhooks(9).await.unwrap();
    let taken: Vec<_> = taken.iter().map(|webhook| webhook.id.as_str()).collect();
    assert_eq!(taken, [first]);
    // Where nothing was taken, whoever asked is told why.
    harness.service.take_webhooks(9).await.unwrap_err();
}

#[tokio::test]
async fn a_name_that_leads_into_the_servers_own_network_is_not_followed() {
    let harness = Harness::new().await;
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = own.local_addr().unwrap().port();
    let wanted = json!({ "url": format!("https://localhost:{port}/"), "events": ["token."] });
    let made = harness
        .call(Method::POST, "/api/v1/webhooks", wanted.to_string())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "where a name leads shows later");
    // And an address that was taken when the rule was another one.
    hook(&harness, own.local_addr().unwrap()).await;
    tell_of(&harness, "x").await;
    let courier = courier(false, PATIENCE);
    for webhook in harness.service.take_webhooks(9).await.unwrap() {
        courier.tell(&harness.service, &webhook).await.unwrap();
    }
    let webhooks = harness.get("/api/v1/webhooks").await;
    let troubles = webhooks.as_array().unwrap().iter();
    let troubles: Vec<&str> = troubles
        .map(|webhook| webhook["trouble"].as_str().unwrap())
        .collect();
    assert_eq!(troubles.len(), 2);
    for trouble in troubles {
        assert!(trouble.contains("--allow-internal-webhooks"), "{trouble}");
    }
    let called = futures_util::poll!(std::pin::pin!(own.accept()));
    assert!(called.is_pending(), "nobody was called");
}

/// Everybody who may look on reads the audit log; many receivers know their callers by a secret in the address.
#[tokio::test]
async fn the_audit_log_says_whom_a_webhook_tells_and_none_of_its_secrets() {
    let harness = Harness::new().await;
    let address = "https://hooks.example.com:8443/services/T0/secret-path?key=secret-query";
    let wanted = json!({ "url": address, "events": ["token."] });
    let made = harness
        .call(Method::POST, "/api/v1/webhooks", wanted.to_string())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(harness.get("/api/v1/webhooks").await[0]["url"], address);
    let log = harness.get("/api/v1/audit").await;
    let mut lines = log.as_array().unwrap().iter();
    let line = lines.find(|line| line["action"] == "webhook.create").unwrap();
    assert_eq!(
        line["detail"],
        json!({ "origin": "https://hooks.example.com:8443", "events": ["token."] })
    );
    assert!(!log.to_string().contains("secret-"), "{log}");
}

#[tokio::test]
async fn addresses_within_reach_of_the_server_alone_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let operator = Operator::new(server.token());
    for url in [
        "http://127.0.0.1:1/",
        "https://127.0.0.1:1/",
        "https://192.168.0.1/",
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
