//! Devices from CSV: all or none, each mistake with its line, a dry run that does nothing; and what it means for locks.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::ProblemCode;
use latchkey_image::Hardware;
use latchkey_server::domain::device::State;
use latchkey_server::limits::{LIST_FILE_BYTES_MAX, LISTED_DEVICES_MAX};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _};

use crate::commands::{command, said};
use crate::databases;
use crate::program::Server;
use crate::support::{Answer, Harness, Lock};

const ENROL: &str = "/device/v1/enrol";

impl Harness {
    async fn import(&self, query: &str, file: impl Into<Body>) -> Answer {
        self.call(Method::POST, &format!("/api/v1/devices/import{query}"), file)
            .await
    }

    async fn known(&self) -> (Value, Value) {
        (self.get("/api/v1/devices").await, self.get("/api/v1/audit").await)
    }
}

fn counts(answer: &Answer) -> (u64, u64, u64) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let body = answer.json();
    let count = |name| body[name as &str].as_u64().unwrap();
    (count("expected"), count("approved"), count("unchanged"))
}

#[tokio::test]
async fn locks_of_a_file_are_let_in_as_they_come() {
    let harness = Harness::ready().await;
    let (new, waiting, mut known) = (Lock::new(), Lock::new(), harness.lock().await);
    assert_eq!(
        harness.lock_says(ENROL, waiting.enrolment()).await.status,
        StatusCode::ACCEPTED
    );
    let file = format!(
        "class,id\nlock-emulator-1,{}\n,{}\n,{}\n",
        new.id(),
        waiting.id(),
        known.id()
    );
    let before = harness.known().await;
    assert_eq!(
        counts(&harness.import("?dry_run=true", file.clone()).await),
        (1, 1, 1)
    );
    assert_eq!(harness.known().await, before, "a dry run does nothing");
    assert_eq!(counts(&harness.import("", file.clone()).await), (1, 1, 1));
    assert_eq!(counts(&harness.import("", file).await), (0, 0, 3), "again");
    for lock in [&new, &waiting] {
        assert_eq!(
            harness.lock_says(ENROL, lock.enrolment()).await.status,
            StatusCode::OK
        );
    }
    harness.check_in(&mut known).await;
    let log = harness.get("/api/v1/audit").await;
    let line = log
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["action"] == "device.import")
        .unwrap();
    assert_eq!(line["subject"], "3 device(s)");
    assert_eq!(line["detail"]["devices"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_lock_that_comes_as_other_hardware_is_not_let_in() {
    let harness = Harness::ready().await;
    let mut lock = Lock::new();
    let file = format!("id,class\n{},lock-emulator-1\n", lock.id());
    assert_eq!(counts(&harness.import("", file).await), (1, 0, 0));
    let shown = harness.get(&format!("/api/v1/devices/{}", lock.id())).await;
    assert_eq!(
        (shown["state"].as_str(), shown["class_name"].as_str()),
        (Some("expected"), Some("lock-emulator-1"))
    );
    lock.hardware = Hardware::NRF52840;
    assert_eq!(
        harness.lock_says(ENROL, lock.enrolment()).await.lock_problem(),
        ProblemCode::Malformed
    );
    lock.hardware = Hardware::EMULATOR;
    assert_eq!(
        harness.lock_says(ENROL, lock.enrolment()).await.status,
        StatusCode::OK
    );
    let other = format!("id,class\n{},lock-nrf52840-1\n", lock.id());
    let answer = harness.import("", other).await;
    assert_eq!(answer.problem(), "invalid");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("line 2: is known as other hardware")
    );
}

#[tokio::test]
async fn one_wrong_line_imports_nothing_and_all_are_told() {
    let harness = Harness::ready().await;
    let (good, revoked) = (Lock::new(), harness.lock().await);
    let path = format!("/api/v1/devices/{}/revoke", revoked.id());
    assert_eq!(
        harness.call(Method::POST, &path, Body::empty()).await.status,
        StatusCode::OK
    );
    let before = harness.known().await;
    let file = format!("id\n{}\nxyz\n{}\n", good.id(), revoked.id());
    let answer = harness.import("", file.clone()).await;
    assert_eq!(answer.problem(), "invalid");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("line 3: \"xyz\" is no id"),
        "{answer:?}"
    );
    let dry = harness.import("?dry_run=true", file).await;
    assert_eq!(counts(&dry), (1, 0, 0));
    let lines: Vec<_> = dry.json()["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["line"].clone())
        .collect();
    assert_eq!(lines, [3, 4]);
    let answer = harness
        .import("", format!("id\n{}\n{}\n", good.id(), revoked.id()))
        .await;
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("line 3: is revoked for good"),
        "{answer:?}"
    );
    assert_eq!(harness.known().await, before);
    assert_eq!(
        harness
            .import("", vec![b'a'; LIST_FILE_BYTES_MAX + 1])
            .await
            .problem(),
        "too-large"
    );
    assert_eq!(harness.import("?dryrun=true", "id\n").await.problem(), "invalid");
}

/// Locks, each as a row with every column.
fn rows(count: usize) -> Vec<String> {
    let row = |number: usize| {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let lock = Lock::from_seed(seed);
        let key = hex::encode(lock.public_key().as_bytes());
        format!("{},{key},lock-emulator-1\n", lock.id())
    };
    (0..count).map(row).collect()
}

#[tokio::test]
async fn the_longest_file_is_taken_whole() {
    let harness = Harness::ready().await;
    let all = LISTED_DEVICES_MAX as u64;
    let rows = rows(LISTED_DEVICES_MAX + 100);
    // As many as one may name; those from this number on.
    let longest = |from: usize| {
        let rows = &rows[from..from + LISTED_DEVICES_MAX];
        format!("id,public_key,class\n{}", rows.concat())
    };
    assert_eq!(
        counts(&harness.import("?dry_run=true", longest(0)).await),
        (all, 0, 0)
    );
    assert_eq!(counts(&harness.import("", longest(0)).await), (all, 0, 0));
    assert_eq!(
        counts(&harness.import("", longest(100)).await),
        (100, 0, all - 100),
        "those that are new"
    );
    assert_eq!(
        harness.service.fleet().await.unwrap().states,
        [(State::Expected, 10_100)]
    );
    let id = rows[10_099].split(',').next().unwrap();
    let last = harness.get(&format!("/api/v1/devices/{id}")).await;
    assert_eq!(last["class_name"], "lock-emulator-1");
    let body = json!({ "name": "all" }).to_string();
    let made = harness.call(Method::POST, "/api/v1/cohorts", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let filled = harness
        .call(Method::POST, "/api/v1/cohorts/all/import", longest(100))
        .await;
    assert_eq!(filled.json()["devices"], all, "{filled:?}");
}

#[tokio::test]
async fn a_dry_run_waits_for_nobody_who_changes_something() {
    let harness = Harness::ready().await;
    let file = format!("id\n{}\n", Lock::new().id());
    let url = databases::of(harness.folder.path()).await;
    let mut other = AnyConnection::connect(&url).await.unwrap();
    let hold = if databases::is_postgres() {
        "SELECT 1 FROM pg_advisory_lock(7809632)"
    } else {
        "BEGIN IMMEDIATE"
    };
    sqlx::query(hold).execute(&mut other).await.unwrap();
    assert_eq!(counts(&harness.import("?dry_run=true", file).await), (1, 0, 0));
    other.close().await.unwrap();
}

#[tokio::test]
async fn the_command_says_what_came_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    let path = folder.path().join("locks.csv");
    let path = path.to_str().unwrap();
    std::fs::write(path, format!("id\n{}\n", Lock::new().id())).unwrap();
    let dry = command(&["device", "import", path, "--dry-run"], &with).await;
    assert_eq!(
        String::from_utf8_lossy(&dry.stdout),
        "1 device(s) would be expected, 0 would be approved, 0 known before\n"
    );
    assert_eq!(
        said(&command(&["device", "import", path, "--json"], &with).await)["expected"],
        1
    );
    std::fs::write(path, "id\nxyz\n").unwrap();
    for arguments in [
        &["device", "import", path, "--dry-run"][..],
        &["device", "import", path],
    ] {
        let failed = command(arguments, &with).await;
        assert_eq!(failed.status.code(), Some(1), "{arguments:?}");
        let all = [failed.stdout, failed.stderr].concat();
        assert!(String::from_utf8_lossy(&all).contains("xyz"), "{arguments:?}");
    }
}
