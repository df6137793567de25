//! The OpenAPI document: locked, and in step with the routes.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, header};
use latchkey_server::http::{Access, document};

use crate::support::{Answer, Harness};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_document_is_the_one_in_the_repository() {
    let now = document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("LATCHKEY_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(SNAPSHOT, &now).unwrap();
    }
    let locked = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        now == locked,
        "the API has changed; if that is meant, run this test once with LATCHKEY_UPDATE_SNAPSHOTS=1 and review \
         what changed in update-server/openapi.json"
    );
}

async fn served(harness: &Harness) -> Answer {
    let request = Request::builder()
        .method(Method::GET)
        .uri("/openapi.json")
        .body(Body::empty());
    harness.send(request.unwrap()).await
}

/// Anybody may ask for it, as often as they like.
#[tokio::test]
async fn the_document_is_made_once() {
    let harness = Harness::new().await;
    let (first, second) = (served(&harness).await, served(&harness).await);
    assert_eq!(first.header(header::CONTENT_TYPE), "application/json");
    assert_eq!(first.json(), serde_json::to_value(document()).unwrap());
    assert_eq!(first.body.as_ptr(), second.body.as_ptr());
}

#[tokio::test]
async fn the_document_names_every_route_with_its_access() {
    let harness = Harness::new().await;
    let served = served(&harness).await.json();
    let mut documented = BTreeSet::new();
    for (path, operations) in served["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let guarded = operation.get("security").is_some();
            documented.insert((method.to_uppercase(), path.clone(), guarded));
        }
    }
    // Pages are for people.
    let page = |path: &str| path == "/" || path.starts_with("/dashboard");
    let routed: BTreeSet<_> = harness
        .table
        .iter()
        .filter(|route| !page(route.path))
        .map(|route| {
            let guarded = matches!(route.access, Access::Token(_));
            (route.method.to_string(), route.path.to_owned(), guarded)
        })
        .collect();
    assert_eq!(documented, routed);
}

/// Programs that make clients name their functions by it.
#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut names = BTreeSet::new();
    for operation in operations {
        let name = operation["operationId"].as_str().unwrap();
        assert!(
            names.insert(name),
            "{name} is the name of two; give one `operation_id`"
        );
    }
}
