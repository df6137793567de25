//! TLS: tokens are safe on the way, and taken in no other.

use axum::http::StatusCode;
use reqwest::Certificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::commands::{command, said};
use crate::program::{Operator, PATIENCE, Server};
use crate::support::Lock;

/// A server with a certificate of its own making.
struct Scene {
    server: Server,
    certificate: String,
    https: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let file = |name: &str, content: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let certificate = file("server.pem", made.cert.pem());
        let key = file("server.key", made.signing_key.serialize_pem());
        let server = Server::start_with(
            &folder.path().join("data"),
            &[
                "--tls-listen",
                "127.0.0.1:0",
                "--tls-certificate",
                &certificate,
                "--tls-key",
                &key,
            ],
        )
        .await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .tls_certs_only([Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()])
            .build()
            .unwrap();
        Self {
            https: server.started["listening_tls"].as_str().unwrap().to_owned(),
            server,
            certificate,
            http,
            _folder: folder,
        }
    }

    async fn devices(&self, base: &str) -> reqwest::Response {
        let request = self.http.get(format!("{base}/api/v1/devices"));
        request.bearer_auth(self.server.token()).send().await.unwrap()
    }
}

#[tokio::test]
async fn tokens_are_taken_over_tls_only() {
    let scene = Scene::new().await;
    assert_eq!(scene.devices(&scene.https).await.status(), StatusCode::OK);
    let refused = scene.devices(&scene.server.url).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.text().await.unwrap().contains("over TLS only"));

    // Locks prove themselves without it, and find what they need where they were built to look.
    for base in [&scene.server.url, &scene.https] {
        let enrol = scene
            .http
            .post(format!("{base}/device/v1/enrol"))
            .body(Lock::new().enrolment());
        assert_eq!(enrol.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn commands_trust_the_authority_that_they_are_given_and_no_other() {
    let scene = Scene::new().await;
    let token = scene.server.token();
    let with = [
        ("LATCHKEY_SERVER", scene.https.as_str()),
        ("LATCHKEY_TOKEN", &token),
    ];
    let list = ["device", "list", "--json"];
    let known = ["--ca", scene.certificate.as_str()];
    said(&command(&[&list[..], &known].concat(), &with).await);
    let unknown = command(&list, &with).await;
    assert_eq!(unknown.status.code(), Some(3), "{unknown:?}");
}

#[tokio::test]
async fn who_speaks_no_tls_is_dropped_and_the_next_one_served() {
    let scene = Scene::new().await;
    let address = scene.https.strip_prefix("https://").unwrap();
    for hello in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 0xff, 0xff],
        &[0; 64],
    ] {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(hello).await.unwrap();
        stranger.shutdown().await.unwrap();
        let mut said = Vec::new();
        let reading = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut said));
        // An alert, an end or a reset: what counts is that it is over, and that no HTTP came of it.
        let _ = reading.await.unwrap();
        assert!(!said.starts_with(b"HTTP"), "{said:?}");
    }
    assert_eq!(scene.devices(&scene.https).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_at_the_start() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = folder.path().join("other.key");
    std::fs::write(&other, stranger.signing_key.serialize_pem()).unwrap();
    let (data, other) = (folder.path().to_str().unwrap(), other.to_str().unwrap());
    for (key, complaint) in [
        (other, "do not belong together"),
        (&scene.certificate, "cannot use"),
    ] {
        let started = command(
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--data",
                data,
                "--tls-listen",
                "127.0.0.1:0",
                "--tls-certificate",
                &scene.certificate,
                "--tls-key",
                key,
            ],
            &[],
        )
        .await;
        assert_eq!(started.status.code(), Some(1), "{started:?}");
        assert!(String::from_utf8(started.stderr).unwrap().contains(complaint));
    }
    // And the operator's own helper keeps working in the clear where there is no TLS.
    let plain = Server::start(&folder.path().join("plain")).await;
    let operator = Operator::new(plain.token());
    operator.get(format!("{}/api/v1/devices", plain.url)).await;
}
