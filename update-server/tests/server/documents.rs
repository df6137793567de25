//! Bills of materials and advisories: added to a release, again as further versions, never changed; by the API and by
//! the program's commands.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::commands::{command, said};
use crate::program::{Operator, Server};
use crate::support::{Answer, Draft, Harness};

const SBOM: &str =
    r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"curve25519-dalek"}]}"#;
const ADVISORY: &str = "CVE-2026-1: whoever is near can open the door.\nInstall 1.2.0 now.\n";

impl Harness {
    async fn attach(&self, release: &str, kind: &str, file: impl Into<Body>) -> Answer {
        let path = format!("/api/v1/releases/{release}/documents/{kind}");
        self.call(Method::POST, &path, file).await
    }

    async fn actions(&self) -> Vec<String> {
        let log = self.get("/api/v1/audit?limit=1000").await;
        let lines = log.as_array().unwrap().iter();
        lines
            .map(|line| line["action"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn each_version_of_a_document_stays() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 7)).await.to_string();
    let path = format!("/api/v1/releases/{release}/documents");
    assert_eq!(harness.get(&path).await, json!([]));
    let added = harness.attach(&release, "sbom", SBOM).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert_eq!(
        (added.json()["format"].as_str(), added.json()["version"].as_i64()),
        (Some("CycloneDX 1.6"), Some(1))
    );
    let again = harness.attach(&release, "sbom", SBOM).await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, added.json()));
    let first = harness.attach(&release, "advisory", ADVISORY).await;
    let second = harness
        .attach(&release, "advisory", format!("{ADVISORY}CVSS 9.8\n"))
        .await;
    assert_eq!(
        (first.status, second.status),
        (StatusCode::CREATED, StatusCode::CREATED)
    );
    assert_eq!(harness.get(&path).await.as_array().unwrap().len(), 3);
    for (version, text) in [
        ("?version=1", ADVISORY.to_owned()),
        ("?version=2", format!("{ADVISORY}CVSS 9.8\n")),
        ("", format!("{ADVISORY}CVSS 9.8\n")),
    ] {
        let path = format!("{path}/advisory{version}");
        let answer = harness.call(Method::GET, &path, Body::empty()).await;
        assert_eq!(
            (answer.status, &answer.body[..]),
            (StatusCode::OK, text.as_bytes()),
            "{path}"
        );
        assert_eq!(answer.header(header::CONTENT_TYPE), "text/plain; charset=utf-8");
    }
    let sbom = harness
        .call(Method::GET, &format!("{path}/sbom"), Body::empty())
        .await;
    assert_eq!(
        (&sbom.body[..], sbom.header(header::CONTENT_TYPE)),
        (SBOM.as_bytes(), "application/json")
    );
    let added = harness
        .actions()
        .await
        .iter()
        .filter(|action| *action == "release.document")
        .count();
    assert_eq!(added, 3, "one line for each version, none for the repetition");
}

#[tokio::test]
async fn what_is_no_document_of_a_release_is_refused_by_name() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 7)).await.to_string();
    let before = harness.actions().await;
    let long = "a".repeat(64 * 1024 + 1);
    for (release, kind, file, status) in [
        (release.as_str(), "sbom", "{}", StatusCode::BAD_REQUEST),
        (&release, "sbom", "not JSON", StatusCode::BAD_REQUEST),
        (&release, "advisory", "", StatusCode::BAD_REQUEST),
        (&release, "advisory", "\u{1b}[2J", StatusCode::BAD_REQUEST),
        (&release, "advisory", &long, StatusCode::PAYLOAD_TOO_LARGE),
        (&release, "licence", "x", StatusCode::NOT_FOUND),
        (&"ab".repeat(32), "sbom", SBOM, StatusCode::NOT_FOUND),
        ("x", "sbom", SBOM, StatusCode::NOT_FOUND),
    ] {
        let answer = harness.attach(release, kind, file.to_owned()).await;
        assert_eq!(answer.status, status, "{kind} {file:?}: {answer:?}");
        answer.problem();
    }
    let huge = vec![b' '; 4 * 1024 * 1024 + 1];
    assert_eq!(
        harness.attach(&release, "sbom", huge).await.problem(),
        "too-large"
    );
    assert_eq!(harness.actions().await, before);
    for path in ["sbom", "advisory?version=1", "sbom?number=1"] {
        let path = format!("/api/v1/releases/{release}/documents/{path}");
        let answer = harness.call(Method::GET, &path, Body::empty()).await;
        assert!(answer.status.is_client_error(), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn the_commands_attach_list_and_print_documents() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    Operator::new(token.clone()).set_policy(&server).await;
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let image = file("1.img", &Draft::new(2, 7).file());
    let uploaded = said(&command(&["release", "upload", &image, "--json"], &with).await);
    let digest = &uploaded["digest"].as_str().unwrap()[..10];
    let (sbom, advisory) = (
        file("sbom.json", SBOM.as_bytes()),
        file("advisory.txt", ADVISORY.as_bytes()),
    );
    let arguments = [
        "release",
        "attach",
        digest,
        "--sbom",
        &sbom,
        "--advisory",
        &advisory,
        "--json",
    ];
    assert_eq!(
        said(&command(&arguments, &with).await).as_array().unwrap().len(),
        2
    );
    let listed = command(&["release", "documents", digest], &with).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("CycloneDX 1.6") && listed.contains("advisory"),
        "{listed}"
    );
    let printed = command(
        &["release", "document", digest, "advisory", "--version", "1"],
        &with,
    )
    .await;
    assert_eq!(printed.stdout, ADVISORY.as_bytes());
    let missing = command(
        &["release", "document", digest, "advisory", "--version", "2"],
        &with,
    )
    .await;
    assert_eq!(missing.status.code(), Some(1));
}
