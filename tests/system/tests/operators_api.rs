//! The operator API, for programs that know its OpenAPI document and nothing else.

use std::process::Command;

use latchkey_lab::{Server, Variant, peer_program};
use latchkey_system_tests::World;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../update-server/openapi.json");
const OPERATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/generated_client.py");

/// Runs a program of others; its output when it ends well.
fn run(command: &mut Command) -> String {
    let ran = command.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success(),
        "{command:?}: {}\n{told}\n{said}",
        ran.status
    );
    told.into_owned()
}

#[test]
fn a_client_generated_from_the_document_operates_the_server() {
    let world = World::new();
    let server = Server::start(&world.path("server")).unwrap();
    server.trust_example_policy().unwrap();
    let image = world.path("v1.bin");
    std::fs::write(&image, world.release(Variant::V1, 1).bytes).unwrap();
    let (settings, folder) = (world.path("settings.yaml"), world.path("client"));
    // No formatter over it: what was generated is what runs.
    std::fs::write(&settings, "post_hooks: []\n").unwrap();
    std::fs::create_dir(&folder).unwrap();
    run(Command::new(peer_program("openapi-python-client").unwrap())
        .args(["generate", "--meta", "none", "--path", DOCUMENT])
        .arg("--config")
        .arg(settings)
        .arg("--output-path")
        .arg(folder.join("generated")));
    let told = run(Command::new(peer_program("python").unwrap())
        .arg(OPERATE)
        .arg(folder)
        .args([server.url(), server.token()])
        .arg(image));
    assert_eq!(told.trim(), "operated");
}

/// schemathesis makes requests from the document, good and bad, and holds the answers against it.
#[test]
fn whatever_the_document_allows_is_answered_as_it_says() {
    let world = World::new();
    let server = Server::start(&world.path("server")).unwrap();
    server.trust_example_policy().unwrap();
    server.approve(&"0f".repeat(16)).unwrap();
    let image = world.release(Variant::V1, 1);
    server.publish(&image).unwrap();
    server.roll_out(&image).unwrap();
    run(Command::new(peer_program("schemathesis").unwrap())
        .arg("run")
        .arg(format!("{}/openapi.json", server.url()))
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", server.token()))
        .args([
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            "10",
            "--seed",
            "1",
        ])
        .args([
            "--generation-database",
            "none",
            "--continue-on-failure",
            "--no-color",
        ])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance",
        ])
        .args([
            "--checks",
            "response_headers_conformance,response_schema_conformance,ignored_auth",
        ])
        // Locks speak signed CBOR, which no schema describes.
        .args(["--exclude-tag", "locks"])
        .current_dir(world.path("")));
}
