//! Bills of materials, advisories and files for SWUpdate: added to a release, again as further versions, never changed; by
//! the API and by the program's commands.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::commands::{command, said};
use crate::program::{Operator, Server};
use crate::support::{Answer, Draft, Harness};

const SBOM: &str =
    r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"curve25519-dalek"}]}"#;
const ADVISORY: &str = "CVE-2026-1: whoever is near can open the door.\nInstall 1.2.0 now.\n";

/// An archive of these members, as cpio writes the form `newc`.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in members.iter().chain(&[("TRAILER!!!", &b""[..])]) {
        let mut numbers = [0; 13];
        (numbers[1], numbers[6], numbers[11]) = (0o10_0644, bytes.len(), name.len() + 1);
        let numbers: String = numbers.iter().map(|number| format!("{number:08x}")).collect();
        for part in [format!("070701{numbers}{name}\0").as_bytes(), bytes] {
            archive.extend_from_slice(part);
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
    }
    archive
}

/// A `.swu` of this image: who signed it is not the server's business.
pub(crate) fn swu(image: &[u8], signature: &[u8]) -> Vec<u8> {
    archive(&[
        ("sw-description", b"software = {};"),
        ("sw-description.sig", signature),
        ("app.img", image),
    ])
}

impl Harness {
    pub(crate) async fn attach(&self, release: &str, kind: &str, file: impl Into<Body>) -> Answer {
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
async fn a_swu_is_taken_with_the_very_image_of_its_release() {
    let harness = Harness::ready().await;
    let (draft, other) = (Draft::new(2, 7), Draft::new(3, 7));
    let release = harness.publish(&draft).await.to_string();
    let before = harness.actions().await;
    let (image, text) = (draft.file(), &b"software = {};"[..]);
    let mut bent = image.clone();
    bent[700] ^= 1;
    let (description, signature) = (("sw-description", text), ("sw-description.sig", text));
    for (file, why) in [
        (swu(&other.file(), b""), "not this release"),
        (swu(&bent, b""), "not this release"),
        (image.clone(), "no header"),
        (Vec::new(), "no header"),
        (
            archive(&[description, ("app.img", &image)]),
            "not `sw-description.sig`",
        ),
        (
            archive(&[description, signature, ("app.img", &image), ("run.sh", b"")]),
            "has more than",
        ),
        (
            archive(&[description, signature, ("../app.img", &image)]),
            "no plain name",
        ),
    ] {
        let answer = harness.attach(&release, "swu", file).await;
        assert_eq!(answer.problem(), "invalid");
        let detail = answer.json()["detail"].to_string();
        assert!(
            detail.contains(why) && detail.contains("Nothing was added"),
            "{detail}"
        );
    }
    let long = swu(&image, &vec![0; 512 * 1024]);
    assert_eq!(harness.attach(&release, "swu", long).await.problem(), "too-large");
    assert_eq!(harness.actions().await, before);

    let file = swu(&image, b"a signature");
    let added = harness.attach(&release, "swu", file.clone()).await;
    assert_eq!(
        (added.status, added.json()["format"].as_str()),
        (StatusCode::CREATED, Some("SWUpdate newc"))
    );
    let path = format!("/api/v1/releases/{release}/documents/swu");
    let got = harness.call(Method::GET, &path, Body::empty()).await;
    assert_eq!(
        (&got.body[..], got.header(header::CONTENT_TYPE)),
        (&file[..], "application/octet-stream")
    );
    assert_eq!(
        harness.actions().await.len(),
        before.len() + 1,
        "and it is in the audit log"
    );
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
    // One that cannot be read, and one that the server refuses.
    let further = file("further.json", SBOM.replace("1.6", "1.5").as_bytes());
    let no_swu = file("none.swu", b"no archive");
    for (other, there_are, why) in [
        (
            ["--advisory", "/nowhere/at/all"],
            2,
            "cannot read /nowhere/at/all",
        ),
        (
            ["--swu", no_swu.as_str()],
            3,
            "before that sbom version 2 was added, and stays",
        ),
    ] {
        let arguments = [&["release", "attach", digest, "--sbom", &further][..], &other].concat();
        let failed = command(&arguments, &with).await;
        assert_eq!(failed.status.code(), Some(1));
        let complaint = String::from_utf8(failed.stderr).unwrap();
        assert!(complaint.contains(why), "{complaint}");
        let listed = command(&["release", "documents", digest, "--json"], &with).await;
        assert_eq!(said(&listed).as_array().unwrap().len(), there_are, "{complaint}");
    }
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
