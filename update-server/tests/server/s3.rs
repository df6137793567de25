//! Images in a bucket: a real S3 server in this process, over real HTTP, with real signatures.
#![cfg(feature = "s3")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use futures_util::future::join_all;
use hyper_util::rt::TokioIo;
use latchkey_server::Settings;
use latchkey_server::limits::HEALTH_PATIENCE;
use latchkey_server::objects::Objects;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::support::{Answer, Draft, Harness, settings};

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

/// A store that takes connections, counts them, and answers none.
async fn silent_store() -> (Objects, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let count = count.clone();
        async move {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await.unwrap());
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let options = [
        ("AWS_ENDPOINT", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "tester"),
        ("AWS_SECRET_ACCESS_KEY", "right secret"),
    ];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    (Objects::from_url("s3://latchkey-images", options).unwrap(), count)
}

#[tokio::test]
async fn a_store_that_hangs_is_asked_once_by_all_who_ask_for_health() {
    install_tls();
    let (objects, count) = silent_store().await;
    let harness = Harness::on(tempfile::tempdir().unwrap(), objects).await;
    let began = Instant::now();
    let asked = (0..100).map(|_| ask(&harness, Method::GET, "/healthz", &[]));
    for answer in join_all(asked).await {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let told = answer.json();
        assert_eq!(
            (&told["database"], &told["store"]),
            (&serde_json::json!(true), &serde_json::json!(false))
        );
    }
    // More than it takes, on a machine with much else to do, and less than the store's own patience.
    assert!(began.elapsed() < HEALTH_PATIENCE * 4, "{:?}", began.elapsed());
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

/// A server that sends downloads to the bucket for a minute, one release, and the release's file.
async fn linking() -> (Harness, Draft, String) {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let options = s3(folder.path(), "right secret").await;
    let objects = Objects::from_url("s3://latchkey-images/fleet", options).unwrap();
    assert!(objects.signs_links());
    let minute = Settings {
        presigned_downloads: Some(Duration::from_secs(60)),
        ..settings()
    };
    let harness = Harness::with(folder, objects, minute).await;
    harness.set_policy().await;
    let draft = harness.publish_repository().await;
    let digest = harness.get("/api/v1/releases").await[0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    (harness, draft, digest)
}

async fn ask(harness: &Harness, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    harness.send(request.body(Body::empty()).unwrap()).await
}

/// What the bucket says to somebody without credentials.
async fn fetch(link: &str, headers: &[(HeaderName, &str)]) -> (StatusCode, Vec<u8>) {
    let mut request = reqwest::Client::builder().no_proxy().build().unwrap().get(link);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn phones_mirrors_and_tuf_clients_are_sent_to_the_bucket() {
    let (harness, draft, digest) = linking().await;
    let file = draft.file();
    let (name, target) = crate::tuf::target(&draft);
    let part = (header::RANGE, "bytes=100-299");
    for path in [
        format!("/owner/v1/images/{digest}"),
        format!("/tuf/targets/{}.{name}", target.hashes.sha256),
    ] {
        let sent = ask(&harness, Method::GET, &path, &[]).await;
        assert_eq!(sent.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(sent.header(header::CACHE_CONTROL), "no-store", "{path}");
        let link = sent.header(header::LOCATION);
        assert_eq!(fetch(link, &[]).await, (StatusCode::OK, file.clone()), "{path}");
        assert_eq!(
            fetch(link, std::slice::from_ref(&part)).await,
            (StatusCode::PARTIAL_CONTENT, file[100..300].to_vec()),
            "{path}"
        );

        // What carries no bytes, or names a tag of ours, is answered here.
        let head = ask(&harness, Method::HEAD, &path, &[]).await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
        assert_eq!(
            head.header(header::CONTENT_LENGTH),
            file.len().to_string(),
            "{path}"
        );
        let tag = head.header(header::ETAG);
        let known = ask(&harness, Method::GET, &path, &[(header::IF_NONE_MATCH, tag)]).await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED, "{path}");
        let beyond = ask(&harness, Method::GET, &path, &[(header::RANGE, "bytes=999999-")]).await;
        assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE, "{path}");
        let rest = ask(
            &harness,
            Method::GET,
            &path,
            &[part.clone(), (header::IF_RANGE, tag)],
        )
        .await;
        assert_eq!(
            (rest.status, &rest.body[..]),
            (StatusCode::PARTIAL_CONTENT, &file[100..300]),
            "{path}"
        );
    }
    let metrics = harness.call(Method::GET, "/metrics", Body::empty()).await.body;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    assert!(metrics.contains("latchkey_image_links_total 2"), "{metrics}");
}

#[tokio::test]
async fn locks_and_the_web_app_are_sent_nowhere() {
    let (harness, draft, digest) = linking().await;
    let release = latchkey_server::ids::digest(&digest).unwrap();
    harness.roll_out(release).await;
    // The path that the web app is told; and the one that a lock makes of the digest in its directive.
    let hardware = &draft.hardware;
    let asked = format!(
        "/owner/v1/update?vendor={}&class={}&version=1.0.0%2B0&counter=1",
        hardware.vendor, hardware.class
    );
    let update = harness.get(&asked).await["update"].clone();
    assert_eq!(update["download_path"], format!("/owner/v1/images/{digest}"));
    for path in [
        update["image_path"].as_str().unwrap().to_owned(),
        format!("/device/v1/images/{digest}"),
    ] {
        for headers in [vec![], vec![(header::RANGE, "bytes=0-")]] {
            let answer = ask(&harness, Method::GET, &path, &headers).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.status);
            assert_eq!(&answer.body[..], &draft.file()[..], "{path}");
        }
    }
}

#[tokio::test]
async fn a_link_opens_one_file_and_for_a_while_only() {
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let options = s3(folder.path(), "right secret").await;
    let objects = Objects::from_url("s3://latchkey-images/fleet", options).unwrap();
    let one = objects
        .put(bytes::Bytes::from_static(b"one image"))
        .await
        .unwrap();
    let other = objects.put(bytes::Bytes::from_static(b"another")).await.unwrap();
    let link = |hash, seconds| {
        let objects = objects.clone();
        async move {
            let link = objects.link(&hash, Duration::from_secs(seconds)).await;
            link.unwrap().unwrap().to_string()
        }
    };
    let good = link(one, 60).await;
    assert_eq!(fetch(&good, &[]).await, (StatusCode::OK, b"one image".to_vec()));

    let over = fetch(&link(one, 0).await, &[]).await;
    assert_eq!(over.0, StatusCode::FORBIDDEN);
    assert!(String::from_utf8_lossy(&over.1).contains("expired"), "{over:?}");
    let [one, other] = [one, other].map(|hash| hex::encode(hash.0));
    for tampered in [
        good.replace(&one, &other),
        good.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        good.split_once('?').unwrap().0.to_owned(),
    ] {
        assert_ne!(tampered, good);
        let (status, body) = fetch(&tampered, &[]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{tampered}");
        assert!(!body.ends_with(b"another"), "{tampered}");
    }
    // Nor does it write.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = client.put(&good).body("mine").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::FORBIDDEN);
    assert_eq!(fetch(&good, &[]).await.1, b"one image");
}
