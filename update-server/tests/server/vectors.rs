//! The golden images, most of them by imgtool: the server gives each the verdict a lock gives it, under the
//! same number. It runs the lock's own check; this says that it runs it on everything, and with the right policy.

use axum::http::StatusCode;
use latchkey_image::{Refusal, SecurityCounter, Uuid};
use serde::Deserialize;

use crate::support::Harness;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../signing/image/tests/vectors");
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../keys-example/policy.toml");

/// The floor that the verdicts assume.
const FLOOR: SecurityCounter = SecurityCounter(7);

#[derive(Deserialize)]
struct Vectors {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    file: String,
    verdict: u16,
    threshold: u8,
}

/// A server that trusts `threshold` of the example keys and whose one lock has the floor.
async fn server(threshold: u8) -> Harness {
    let harness = Harness::trying_out().await;
    let policy = std::fs::read_to_string(POLICY).unwrap();
    assert!(policy.contains("threshold = 2"));
    harness
        .trust(&policy.replace("threshold = 2", &format!("threshold = {threshold}")))
        .await;
    let mut lock = harness.lock().await;
    lock.floor = FLOOR;
    harness.check_in(&mut lock).await;
    harness
}

#[tokio::test]
async fn the_server_judges_every_golden_image_as_a_lock_does() {
    let list = std::fs::read_to_string(format!("{VECTORS}/vectors.toml")).unwrap();
    let vectors: Vectors = toml::from_str(&list).unwrap();
    // For other hardware: the server looks for that hardware's policy, and has none.
    let nobody = Uuid([0; 16]);
    let elsewhere = [
        Refusal::OtherVendor { vendor: nobody }.code(),
        Refusal::OtherClass { class: nobody }.code(),
    ];
    let (mut published, mut refused) = (0, 0);
    for vector in &vectors.vector {
        let harness = server(vector.threshold).await;
        let answer = harness
            .upload(std::fs::read(format!("{VECTORS}/{}", vector.file)).unwrap())
            .await;
        if vector.verdict == 0 {
            assert_eq!(answer.status, StatusCode::CREATED, "{}: {answer:?}", vector.file);
            published += 1;
            continue;
        }
        refused += 1;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", vector.file);
        if elsewhere.contains(&vector.verdict) {
            assert_eq!(answer.problem(), "policy-missing", "{}", vector.file);
        } else {
            assert_eq!(
                answer.json()["refusal_code"],
                vector.verdict,
                "{}: {answer:?}",
                vector.file
            );
        }
    }
    assert!(
        published >= 5 && refused >= 20,
        "{published} published, {refused} refused"
    );
}
