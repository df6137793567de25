//! Uploads: what no lock would boot is refused by the lock's own name for it, and one of two wins.

use axum::http::{Method, StatusCode, header};
use latchkey_image::{Hardware, Refusal, SecurityCounter};
use serde_json::json;

use crate::support::{Draft, Harness, policy, release_key};

async fn refusal(harness: &Harness, file: Vec<u8>) -> u16 {
    let answer = harness.upload(file).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    assert_eq!(answer.problem(), "image-refused");
    assert_eq!(
        harness.get("/api/v1/releases").await,
        json!([]),
        "something was published"
    );
    let images = harness.folder.path().join("images");
    assert_eq!(
        std::fs::read_dir(images).unwrap().count(),
        0,
        "something was stored"
    );
    u16::try_from(answer.json()["refusal_code"].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn a_good_image_is_published_and_found() {
    let harness = Harness::ready().await;
    let draft = Draft::new(2, 7);
    let file = draft.file();
    let answer = harness.upload(file.clone()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let release = answer.json();
    assert_eq!(release["version"], "1.2.0+0");
    assert_eq!(release["security_counter"], 7);
    assert_eq!(release["class_name"], "lock-emulator-1");
    assert_eq!(release["size"], file.len());
    assert_eq!(harness.get(answer.header(header::LOCATION)).await, release);
    assert_eq!(harness.get("/api/v1/releases").await, json!([release]));
    let audit = harness.get("/api/v1/audit").await;
    let last = audit.as_array().unwrap().last().unwrap();
    assert_eq!(last["action"], "release.publish");
    assert_eq!(last["subject"], release["digest"]);
}

#[tokio::test]
async fn what_no_lock_would_boot_is_refused_by_name() {
    let harness = Harness::ready().await;
    let good = || Draft::new(2, 7);

    let one_signer = Draft {
        signers: vec![1],
        ..good()
    };
    let code = refusal(&harness, one_signer.file()).await;
    assert_eq!(code, Refusal::TooFewSigners { have: 1, need: 2 }.code());

    let unsigned = Draft {
        signers: vec![],
        ..good()
    };
    assert_eq!(refusal(&harness, unsigned.file()).await, Refusal::Unsigned.code());

    let strangers = Draft {
        signers: vec![8, 9],
        ..good()
    };
    assert_eq!(
        refusal(&harness, strangers.file()).await,
        Refusal::UnknownSigner.code()
    );

    let mut flipped = good().file();
    flipped[0x300] ^= 1;
    assert_eq!(refusal(&harness, flipped).await, Refusal::DigestMismatch.code());

    let mut encrypted = good().file();
    encrypted[0x10] |= 0x04;
    assert_eq!(refusal(&harness, encrypted).await, Refusal::Encrypted.code());

    let mut for_no_memory = good();
    for_no_memory.payload[..4].copy_from_slice(&0_u32.to_le_bytes());
    let code = refusal(&harness, for_no_memory.file()).await;
    assert_eq!(code, Refusal::StackPointer { value: 0 }.code());

    // Linked for the other board, signed as if it were for this one.
    let mut elsewhere = good();
    elsewhere.payload[4..8].copy_from_slice(&(Hardware::NRF52840.slot.address + 0x209).to_le_bytes());
    let code = refusal(&harness, elsewhere.file()).await;
    assert_eq!(code, Refusal::ResetHandler { value: 0 }.code());

    let mut truncated = good().file();
    truncated.truncate(truncated.len() - 1);
    assert_eq!(
        refusal(&harness, truncated).await,
        Refusal::TooLarge { room: 0 }.code()
    );

    assert_eq!(
        refusal(&harness, b"MZ\x90\x00".repeat(20)).await,
        Refusal::NotAnImage.code()
    );
}

#[tokio::test]
async fn bytes_behind_the_image_are_refused() {
    let harness = Harness::ready().await;
    let mut file = Draft::new(2, 7).file();
    file.push(0);
    let answer = harness.upload(file).await;
    assert_eq!(answer.problem(), "image-refused");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("1 byte(s) follow")
    );
}

#[tokio::test]
async fn an_image_that_fills_the_slot_is_taken_and_one_byte_more_is_not() {
    let harness = Harness::ready().await;
    let room = latchkey_server::limits::IMAGE_BYTES_MAX;
    assert_eq!(room, Hardware::EMULATOR.slot.size as usize);
    let mut draft = Draft::new(2, 7);
    draft.payload.resize(room, 0);
    let overhead = draft.file().len() - room;
    draft.payload.resize(room - overhead + 1, 0);
    let answer = harness.upload(draft.file()).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "too-large")
    );
    draft.payload.pop();
    let answer = harness.upload(draft.file()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.json()["size"], room);
}

#[tokio::test]
async fn an_image_below_every_locks_floor_is_refused() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    lock.floor = SecurityCounter(5);
    lock.running.counter = SecurityCounter(5);
    harness.check_in(&mut lock).await;
    let code = refusal(&harness, Draft::new(2, 4).file()).await;
    let below = Refusal::BelowFloor {
        offered: SecurityCounter(4),
        floor: SecurityCounter(5),
    };
    assert_eq!(code, below.code());
    harness.publish(&Draft::new(2, 5)).await;
}

#[tokio::test]
async fn without_a_policy_nothing_is_published() {
    let harness = Harness::new().await;
    let answer = harness.upload(Draft::new(2, 7).file()).await;
    assert_eq!(answer.problem(), "policy-missing");
    assert!(answer.json()["detail"].as_str().unwrap().contains("policy set"));
    let other_class = Draft {
        hardware: Hardware::NRF52840,
        ..Draft::new(2, 7)
    };
    harness.set_policy().await;
    assert_eq!(
        harness.upload(other_class.file()).await.problem(),
        "policy-missing"
    );
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_and_another_of_that_name_loses() {
    let harness = Harness::ready().await;
    let draft = Draft::new(2, 7);
    let digest = harness.publish(&draft).await;
    let again = harness.upload(draft.file()).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["digest"], digest.to_string());

    let same_version = Draft {
        counter: 8,
        ..Draft::new(2, 7)
    };
    let same_digest_other_signers = Draft {
        signers: vec![1, 3],
        ..Draft::new(2, 7)
    };
    for rival in [same_version, same_digest_other_signers] {
        let answer = harness.upload(rival.file()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::CONFLICT, "conflict")
        );
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .contains(&digest.to_string()),
            "names the winner"
        );
    }
    let audit = harness.get("/api/v1/audit").await;
    let published = audit
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "release.publish");
    assert_eq!(published.count(), 1);
}

#[tokio::test]
async fn two_uploads_of_one_name_race_to_one_winner() {
    let harness = Harness::ready().await;
    for minor in 2..12 {
        let rivals = (0..4_u32).map(|rival| {
            Draft {
                counter: 7 + rival,
                ..Draft::new(minor, 0)
            }
            .file()
        });
        let answers = futures_util::future::join_all(rivals.map(|file| harness.upload(file))).await;
        let (winners, losers): (Vec<_>, Vec<_>) = answers
            .iter()
            .partition(|answer| answer.status == StatusCode::CREATED);
        assert_eq!(winners.len(), 1, "{answers:?}");
        let winner = winners[0].json()["digest"].as_str().unwrap().to_owned();
        for loser in losers {
            assert_eq!(loser.problem(), "conflict");
            assert!(loser.json()["detail"].as_str().unwrap().contains(&winner));
        }
        // And the very same file, several times at once: all are told of the one release.
        let file = Draft {
            counter: 7,
            ..Draft::new(minor + 100, 0)
        }
        .file();
        let same = futures_util::future::join_all((0..4).map(|_| harness.upload(file.clone()))).await;
        let created = same
            .iter()
            .filter(|answer| answer.status == StatusCode::CREATED)
            .count();
        assert_eq!(created, 1);
        assert!(same.iter().all(|answer| answer.status.is_success()));
    }
}

#[tokio::test]
async fn policies_are_refused_when_no_lock_should_trust_by_them() {
    let harness = Harness::new().await;
    let set = |class: &'static str, document: String| {
        let body = json!({ "document": document }).to_string();
        let path = format!("/api/v1/policies/{class}");
        let harness = &harness;
        async move { harness.call(Method::PUT, &path, body).await }
    };
    for document in [
        String::new(),
        "threshold = 0".to_owned(),
        policy().replace("threshold = 2", "threshold = 0"),
        policy().replace("threshold = 2", "threshold = 4"),
        policy().replace("PUBLIC KEY", "PRIVATE KEY"),
    ] {
        assert_eq!(set("lock-emulator-1", document).await.problem(), "policy-refused");
    }
    let example = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../keys-example/policy.toml"
    ));
    let answer = set("lock-emulator-1", example.unwrap()).await;
    assert_eq!(answer.problem(), "policy-refused");
    assert!(answer.json()["detail"].as_str().unwrap().contains("example keys"));
    assert_eq!(set("lock-of-nobody", policy()).await.problem(), "not-found");
    assert_eq!(harness.get("/api/v1/policies").await, json!([]));

    assert_eq!(set("lock-emulator-1", policy()).await.status, StatusCode::OK);
    let policies = harness.get("/api/v1/policies").await;
    assert_eq!(policies[0]["threshold"], 2);
    assert_eq!(
        policies[0]["keys"][0],
        hex::encode(release_key(1).verifying_key().as_bytes())
    );
}
