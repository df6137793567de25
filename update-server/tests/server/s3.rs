//! Images in a bucket: a real S3 server in this process, over real HTTP, with real signatures.
#![cfg(feature = "s3")]

use axum::http::StatusCode;
use hyper_util::rt::TokioIo;
use latchkey_server::objects::Objects;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::support::{Draft, Harness};

/// Starts the S3 server with an empty bucket; gives the options that reach it.
async fn s3(folder: &std::path::Path, secret: &str) -> Vec<(String, String)> {
    let root = folder.join("s3");
    std::fs::create_dir_all(root.join("latchkey-images")).unwrap();
    let service = {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        builder.set_auth(SimpleAuth::from_single("tester", "right secret"));
        builder.build()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    [
        ("AWS_ENDPOINT", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "tester".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        // What else the environment holds is ignored.
        ("HOME", "/nowhere".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

fn install_tls() {
    // The second test to come by finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn releases_live_in_a_bucket() {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let options = s3(folder.path(), "right secret").await;
    let objects = Objects::from_url("s3://latchkey-images/fleet", options).unwrap();
    let bucket = folder.path().join("s3/latchkey-images/fleet/sha256");
    let harness = Harness::on(folder, objects).await;
    harness.set_policy().await;
    harness.service.check_store().await.unwrap();

    let draft = Draft::new(2, 7);
    let file = draft.file();
    let digest = harness.publish(&draft).await;
    assert_eq!(std::fs::read_dir(bucket).unwrap().count(), 1);
    let path = format!("/device/v1/images/{digest}");
    let request = axum::http::Request::builder()
        .uri(&path)
        .header("range", "bytes=100-299");
    let part = harness
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(
        (part.status, &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, &file[100..300])
    );
    let request = axum::http::Request::builder()
        .uri(&path)
        .body(axum::body::Body::empty());
    let whole = harness.send(request.unwrap()).await;
    assert_eq!((whole.status, &whole.body[..]), (StatusCode::OK, &file[..]));
    assert_eq!(
        harness.upload(draft.file()).await.status,
        StatusCode::OK,
        "the same again"
    );
}

#[tokio::test]
async fn a_bucket_that_refuses_us_publishes_nothing() {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let options = s3(folder.path(), "wrong secret").await;
    let objects = Objects::from_url("s3://latchkey-images", options).unwrap();
    let harness = Harness::on(folder, objects).await;
    harness.set_policy().await;
    assert!(harness.service.check_store().await.is_err());
    let answer = harness.upload(Draft::new(2, 7).file()).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, "storage")
    );
    let told = answer.json().to_string();
    assert!(
        !told.contains("127.0.0.1") && !told.contains("tester"),
        "the cause is for the log: {told}"
    );
    assert_eq!(harness.get("/api/v1/releases").await, serde_json::json!([]));
}
