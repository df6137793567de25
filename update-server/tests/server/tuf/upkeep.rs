//! What the server does by itself: it renews the timestamp once, in time, reminds engineers, and loses nothing
//! acknowledged when it is killed.

use std::sync::Arc;

use super::*;
use crate::kill::{Plug, chance, moment};
use crate::program::{Operator, Server};

/// How often the server is killed.
const KILLS: usize = 10;

#[tokio::test]
async fn the_timestamp_is_renewed_once_a_day_and_the_snapshot_when_it_must_be() {
    let (harness, _) = Harness::with_repository().await;
    assert!(
        !harness.service.renew_tuf().await.unwrap(),
        "it has three days left"
    );
    harness.clock.advance_ms(23 * HOUR_MS);
    assert!(
        !harness.service.renew_tuf().await.unwrap(),
        "it has more than two days left"
    );
    harness.clock.advance_ms(HOUR_MS);
    // As many instances as like may look at the same moment: one renews.
    let looks = (0..8).map(|_| {
        let service = harness.service.clone();
        tokio::spawn(async move { service.renew_tuf().await.unwrap() })
    });
    let mut renewed = 0;
    for look in looks.collect::<Vec<_>>() {
        renewed += u32::from(look.await.unwrap());
    }
    assert_eq!(renewed, 1);
    let seen = harness.walk(NOW_S + 24 * 3600).await;
    assert_eq!((seen.snapshot, seen.timestamp), (1, 2));
    for day in 2..=20_u64 {
        harness.clock.advance_ms(24 * HOUR_MS);
        assert!(harness.service.renew_tuf().await.unwrap(), "day {day}");
        harness.walk(NOW_S + day * 86_400).await;
    }
    let seen = harness.walk(NOW_S + 20 * 86_400).await;
    assert_eq!(
        (seen.snapshot, seen.timestamp),
        (2, 21),
        "the snapshot at half its life"
    );
    let log = harness.get("/api/v1/audit?limit=1000").await;
    let renewals = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "tuf.renew");
    assert!(renewals.clone().all(|line| line["actor"] == "clock"));
    assert_eq!(renewals.count(), 20);
}

#[tokio::test]
async fn engineers_are_reminded_before_anything_they_sign_expires() {
    let (harness, _) = Harness::with_repository().await;
    let to_do = async || harness.get("/api/v1/tuf").await["to_do"].to_string();
    assert_eq!(to_do().await, "[]");
    harness.clock.advance_ms(71 * 24 * HOUR_MS);
    assert!(to_do().await.contains("the root expires at"), "{}", to_do().await);
    harness.clock.advance_ms(30 * 24 * HOUR_MS);
    assert!(
        to_do().await.contains("the targets expired at"),
        "{}",
        to_do().await
    );
    // What is over is not made to look fresh by an upload; the next versions are taken.
    let draft = Draft::new(2, 7);
    harness
        .refuses_tuf(
            json!({ "targets": signed(targets(2, &[&draft]), &[1, 2]) }),
            "the root expired at",
        )
        .await;
}

/// Uploads versions of the targets one after the other, until the server is gone.
async fn upload_until_gone(operator: Operator, url: String, first: u64, plug: Arc<Plug<u64>>) {
    for version in first..first + 1000 {
        let body = json!({ "targets": signed_later(version) }).to_string();
        let request = operator.ask(reqwest::Method::POST, url.clone()).body(body);
        let Ok(answer) = request.send().await else { return };
        assert_eq!(answer.status(), StatusCode::CREATED);
        plug.acknowledge(version);
    }
}

fn far_away() -> Expires {
    Expires::day("2099-01-01").unwrap()
}

fn signed_later(version: u64) -> String {
    let mut list = targets(version, &[]);
    list.expires = far_away();
    signed(list, &[1, 2])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_server_while_it_publishes_leaves_one_whole_repository() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path()).await;
    let operator = Operator::new(server.token());
    let shown = operator.get(format!("{}/api/v1/tuf", server.url)).await;
    let key = Key::new(&latchkey_server::ids::hash(shown["server_key"].as_str().unwrap()).unwrap()).unwrap();
    let mut first = root(key);
    first.expires = far_away();
    let body = json!({ "root": signed(first, &[1, 2]), "targets": signed_later(1) }).to_string();
    let begun = operator
        .ask(reqwest::Method::POST, format!("{}/api/v1/tuf", server.url))
        .body(body);
    assert_eq!(begun.send().await.unwrap().status(), StatusCode::CREATED);
    let mut chance = chance("tuf");
    let plug = Plug::new();
    plug.acknowledge(1);
    let mut newest = 1;
    for _ in 0..KILLS {
        plug.arm(chance.usize(1..6));
        let url = format!("{}/api/v1/tuf", server.url);
        let uploads = tokio::spawn(upload_until_gone(operator.clone(), url, newest + 1, plug.clone()));
        plug.pull(server, moment(&mut chance, 15_000)).await;
        uploads.await.unwrap();
        server = Server::start(folder.path()).await;
        let acknowledged = *plug.all().last().unwrap();
        let fetch = async |path: String| {
            let answer = operator
                .http
                .get(format!("{}{path}", server.url))
                .send()
                .await
                .unwrap();
            match answer.status() {
                StatusCode::OK => Some(answer.bytes().await.unwrap().to_vec()),
                StatusCode::NOT_FOUND => None,
                other => panic!("{path}: {other}"),
            }
        };
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let seen = walk(fetch, now.as_secs()).await;
        let there = seen.targets.get().version;
        assert!(
            there == acknowledged || there == acknowledged + 1,
            "version {acknowledged} was acknowledged, {there} is there"
        );
        assert_eq!(
            (seen.snapshot, seen.timestamp),
            (there, there),
            "they go together"
        );
        newest = there;
    }
    println!("tuf: version {newest} after {KILLS} kills, none lost");
}
