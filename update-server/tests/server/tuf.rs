//! The TUF repository: a client of the same rules walks it; every attack at the upload is refused under its name; the
//! timestamp is renewed once, in time; nothing acknowledged is lost when the server is killed.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use ed25519_dalek::SigningKey;
use latchkey_server::domain::access::Role as TokenRole;
use latchkey_tuf::{
    Custom, Document, Expires, Hash, Hashes, Key, Role, Root, Signers, Snapshot, Target, TargetName, Targets,
    Timestamp, Trusted,
};
use serde_json::{Value, json};

use crate::access::token;
use crate::audit::tamper;
use crate::kill::{Plug, chance, moment};
use crate::program::{Operator, Server};
use crate::support::{Answer, Draft, Harness, START_MS, release_key};

/// Something that is not so.
type Lie = fn(&mut Target);

/// How often the server is killed.
const KILLS: usize = 10;

const HOUR_MS: i64 = 3_600_000;
const NOW_S: u64 = START_MS as u64 / 1000;
const LATER: Expires = Expires::at(NOW_S + 100 * 86_400);

fn key(number: u8) -> Key {
    Key::new(&release_key(number).verifying_key().to_bytes()).unwrap()
}

/// Root and targets: 2 of the release keys 1, 2, 3 each. Snapshot and timestamp: this one.
fn root(server: Key) -> Root {
    let keys = [key(1), key(2), key(3)];
    let mut root = Root::new(1, LATER);
    root.roles.root = Signers::new(&keys, 2);
    root.roles.targets = Signers::new(&keys, 2);
    root.roles.snapshot = Signers::new([&server], 1);
    root.roles.timestamp = Signers::new([&server], 1);
    root.keys = keys
        .into_iter()
        .chain([server])
        .map(|key| (key.id(), key))
        .collect();
    root
}

pub(crate) fn target(draft: &Draft) -> (TargetName, Target) {
    let file = draft.file();
    let mut flash = latchkey_image::Bytes::new(&file);
    let image = latchkey_image::Image::parse(&mut flash).unwrap();
    let version = draft.version.to_string();
    let target = Target {
        custom: Custom {
            class: draft.hardware.class.to_string(),
            image_digest: image.digest().to_string(),
            security_counter: draft.counter,
            vendor: draft.hardware.vendor.to_string(),
            version: version.clone(),
        },
        hashes: Hashes {
            sha256: Hash::of(&file),
        },
        length: file.len() as u64,
    };
    (
        TargetName::of_image(draft.hardware.class_name, &version).unwrap(),
        target,
    )
}

fn targets(version: u64, drafts: &[&Draft]) -> Targets {
    let mut targets = Targets::new(version, LATER);
    targets.targets = drafts.iter().map(|draft| target(draft)).collect();
    targets
}

fn signed<R: Role>(role: R, signers: &[u8]) -> String {
    signed_by(role, signers.iter().map(|number| release_key(*number)))
}

fn signed_by<R: Role>(role: R, keys: impl IntoIterator<Item = SigningKey>) -> String {
    let mut document = Document::new(role).unwrap();
    for key in keys {
        document.sign(&key).unwrap();
    }
    String::from_utf8(document.to_file()).unwrap()
}

impl Harness {
    async fn server_key(&self) -> Key {
        let shown = self.get("/api/v1/tuf").await["server_key"]
            .as_str()
            .unwrap()
            .to_owned();
        Key::new(&latchkey_server::ids::hash(&shown).unwrap()).unwrap()
    }

    async fn publish_tuf(&self, body: Value) -> Answer {
        self.call(Method::POST, "/api/v1/tuf", body.to_string()).await
    }

    async fn fetch(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A server whose repository has one image.
    pub(crate) async fn with_repository() -> (Self, Draft) {
        let harness = Self::ready().await;
        let draft = harness.publish_repository().await;
        (harness, draft)
    }

    /// Publishes an image and a repository that lists it.
    pub(crate) async fn publish_repository(&self) -> Draft {
        let draft = Draft::new(2, 7);
        self.publish(&draft).await;
        let root = signed(root(self.server_key().await), &[1, 2]);
        let targets = signed(targets(1, &[&draft]), &[2, 3]);
        let answer = self
            .publish_tuf(json!({ "root": root, "targets": targets }))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        draft
    }

    /// Refused, and nothing has changed, not even the log.
    async fn refuses_tuf(&self, body: Value, says: &str) {
        let before = (self.get("/api/v1/tuf").await, self.get("/api/v1/audit").await);
        let answer = self.publish_tuf(body).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{says}: {answer:?}"
        );
        assert_eq!(answer.problem(), "metadata-refused");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{says}: {detail}");
        assert!(detail.ends_with("Nothing was published"), "{detail}");
        assert_eq!(
            before,
            (self.get("/api/v1/tuf").await, self.get("/api/v1/audit").await),
            "{says}"
        );
    }
}

/// What a client sees, verified from the root on.
struct Seen {
    root: Trusted<Root>,
    targets: Trusted<Targets>,
    snapshot: u64,
    timestamp: u64,
}

/// A TUF client by this project's own rules, over any way to fetch files. `None` is 404.
async fn walk(fetch: impl AsyncFn(String) -> Option<Vec<u8>>, now_s: u64) -> Seen {
    let first = fetch("/tuf/metadata/1.root.json".to_owned()).await.unwrap();
    let mut root = Trusted::pinned(Document::parse(&first).unwrap()).unwrap();
    loop {
        let next = format!("/tuf/metadata/{}.root.json", root.get().version + 1);
        let Some(next) = fetch(next).await else { break };
        root = root.succeed(Document::parse(&next).unwrap()).unwrap();
    }
    let file = fetch("/tuf/metadata/timestamp.json".to_owned()).await.unwrap();
    let timestamp = root
        .timestamp(Document::<Timestamp>::parse(&file).unwrap())
        .unwrap();
    let named = timestamp.get().meta.snapshot;
    let file = fetch(format!("/tuf/metadata/{}.snapshot.json", named.version))
        .await
        .unwrap();
    assert_eq!(
        (Hash::of(&file), file.len() as u64),
        (named.hashes.sha256, named.length)
    );
    let snapshot = root
        .snapshot(Document::<Snapshot>::parse(&file).unwrap())
        .unwrap();
    timestamp.check_snapshot(&snapshot).unwrap();
    let named = snapshot.get().meta.targets;
    let file = fetch(format!("/tuf/metadata/{}.targets.json", named.version))
        .await
        .unwrap();
    let targets = root.targets(Document::<Targets>::parse(&file).unwrap()).unwrap();
    snapshot.check_targets(&targets).unwrap();
    for fresh in [
        root.check_fresh(now_s),
        timestamp.check_fresh(now_s),
        snapshot.check_fresh(now_s),
        targets.check_fresh(now_s),
    ] {
        fresh.unwrap();
    }
    for (name, target) in &targets.get().targets {
        let image = fetch(format!("/tuf/targets/{}.{name}", target.hashes.sha256))
            .await
            .unwrap();
        assert_eq!(Hash::of(&image), target.hashes.sha256, "{name}");
    }
    Seen {
        snapshot: snapshot.get().version,
        timestamp: timestamp.get().version,
        root,
        targets,
    }
}

impl Harness {
    async fn walk(&self, now_s: u64) -> Seen {
        let fetch = async |path: String| {
            let answer = self.fetch(&path).await;
            match answer.status {
                StatusCode::OK => Some(answer.body.to_vec()),
                StatusCode::NOT_FOUND => None,
                _ => panic!("{path}: {answer:?}"),
            }
        };
        walk(fetch, now_s).await
    }
}

#[tokio::test]
async fn published_releases_are_a_repository() {
    let (harness, draft) = Harness::with_repository().await;
    let seen = harness.walk(NOW_S).await;
    assert_eq!((seen.snapshot, seen.timestamp), (1, 1));
    let listed = seen.targets.get().targets.iter().next().unwrap();
    assert_eq!((listed.0.clone(), listed.1.clone()), target(&draft));

    let next = Draft::new(3, 8);
    harness.publish(&next).await;
    let list = signed(targets(2, &[&draft, &next]), &[1, 2]);
    let answer = harness.publish_tuf(json!({ "targets": list })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let seen = harness.walk(NOW_S).await;
    assert_eq!(
        (seen.snapshot, seen.timestamp, seen.targets.get().targets.len()),
        (2, 2, 2)
    );

    let again = harness.publish_tuf(json!({ "targets": list })).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "the same files again change nothing: {again:?}"
    );
    assert_eq!(harness.walk(NOW_S).await.timestamp, 2);
    let said = harness.get("/api/v1/audit").await;
    let published: Vec<_> = said
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "tuf.publish")
        .map(|line| line["subject"].as_str().unwrap())
        .collect();
    assert_eq!(published, ["root 1, targets 1", "targets 2"]);
}

#[tokio::test]
async fn what_is_listed_no_more_is_served_no_more() {
    let (harness, draft) = Harness::with_repository().await;
    let (name, target) = target(&draft);
    let path = format!("/tuf/targets/{}.{name}", target.hashes.sha256);
    assert_eq!(harness.fetch(&path).await.status, StatusCode::OK);
    let answer = harness
        .publish_tuf(json!({ "targets": signed(targets(2, &[]), &[1, 2]) }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(harness.fetch(&path).await.status, StatusCode::NOT_FOUND);
    assert!(harness.walk(NOW_S).await.targets.get().targets.is_empty());
}

#[tokio::test]
async fn files_are_kept_by_caches_exactly_as_long_as_they_may_be() {
    let (harness, draft) = Harness::with_repository().await;
    let (name, target) = target(&draft);
    let image = format!("/tuf/targets/{}.{name}", target.hashes.sha256);
    for (path, keep) in [
        ("/tuf/metadata/1.root.json", "public, max-age=31536000, immutable"),
        (
            "/tuf/metadata/1.targets.json",
            "public, max-age=31536000, immutable",
        ),
        (
            "/tuf/metadata/1.snapshot.json",
            "public, max-age=31536000, immutable",
        ),
        ("/tuf/metadata/timestamp.json", "no-cache"),
        (&image, "public, max-age=31536000, immutable"),
    ] {
        let whole = harness.fetch(path).await;
        assert_eq!(whole.status, StatusCode::OK, "{path}");
        assert_eq!(whole.header(header::CACHE_CONTROL), keep, "{path}");
        let tag = whole.header(header::ETAG).to_owned();
        assert_eq!(tag, format!("\"{}\"", Hash::of(&whole.body)), "{path}");
        let request = Request::get(path)
            .header(header::IF_NONE_MATCH, &tag)
            .body(Body::empty());
        let again = harness.send(request.unwrap()).await;
        assert_eq!(
            (again.status, again.body.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{path}"
        );
        let head = Request::head(path).body(Body::empty()).unwrap();
        let head = harness.send(head).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
    }
    let part = Request::get(&image)
        .header(header::RANGE, "bytes=0-9")
        .body(Body::empty());
    assert_eq!(harness.send(part.unwrap()).await.body.len(), 10);
    for path in [
        "/tuf/metadata/2.root.json",
        "/tuf/metadata/0.root.json",
        "/tuf/metadata/root.json",
        "/tuf/metadata/1.timestamp.json",
        "/tuf/metadata/..%2Ftuf.pem",
        &format!("/tuf/targets/{name}"),
        &format!("/tuf/targets/{}.other.img", target.hashes.sha256),
        &format!("/tuf/targets/{}.{name}", "0".repeat(64)),
        "/tuf/targets/x",
    ] {
        let answer = harness.fetch(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        answer.problem();
    }
}

#[tokio::test]
async fn before_the_first_upload_there_is_nothing_and_only_an_administrator_begins() {
    let harness = Harness::ready().await;
    assert_eq!(
        harness.fetch("/tuf/metadata/1.root.json").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        harness.fetch("/tuf/metadata/timestamp.json").await.status,
        StatusCode::NOT_FOUND
    );
    assert!(!harness.service.renew_tuf().await.unwrap());
    let first = root(harness.server_key().await);
    harness
        .refuses_tuf(
            json!({ "targets": signed(targets(1, &[]), &[1, 2]) }),
            "no root yet",
        )
        .await;
    let mut second = first.clone();
    second.version = 2;
    harness
        .refuses_tuf(
            json!({ "root": signed(second, &[1, 2]) }),
            "the one to follow 0 is 1",
        )
        .await;
    let (_, token) = token(&harness, TokenRole::ReleaseEngineer).await;
    let body = json!({ "root": signed(first.clone(), &[1, 2]) }).to_string();
    let answer = harness
        .call_as(&token, Method::POST, "/api/v1/tuf", body.clone())
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(
        harness
            .publish_tuf(json!({ "root": signed(first, &[1, 2]) }))
            .await
            .status,
        StatusCode::CREATED
    );
    let body = json!({ "targets": signed(targets(1, &[]), &[1, 2]) }).to_string();
    let answer = harness.call_as(&token, Method::POST, "/api/v1/tuf", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    harness.walk(NOW_S).await;
}

#[tokio::test]
async fn attacks_by_upload_are_refused_by_name() {
    let (harness, draft) = Harness::with_repository().await;
    let server = harness.server_key().await;
    let list = |version| targets(version, &[&draft]);
    for (version, current) in [(3, 1), (9, 1)] {
        harness
            .refuses_tuf(
                json!({ "targets": signed(list(version), &[1, 2]) }),
                &format!("the one to follow {current}"),
            )
            .await;
    }
    for signers in [&[][..], &[1], &[4, 5], &[1, 9]] {
        harness
            .refuses_tuf(json!({ "targets": signed(list(2), signers) }), "of 2 needed")
            .await;
    }
    // The same signature three times.
    let one = signed(list(2), &[1]);
    let mut thrice: Value = serde_json::from_str(&one).unwrap();
    let signature = thrice["signatures"][0].clone();
    thrice["signatures"] = json!([signature, signature, signature]);
    harness
        .refuses_tuf(json!({ "targets": thrice.to_string() }), "signed more than once")
        .await;
    // Sub-second expires, and letters that clients read in two ways: signed by somebody else's tool.
    let good = signed(list(2), &[1, 2]);
    for (from, to, says) in [
        (
            LATER.to_string(),
            LATER.to_string().replace('Z', ".049640005Z"),
            "whole seconds",
        ),
        (
            "\"1.2.0+0\"".to_owned(),
            "\"u\u{308}\"".to_owned(),
            "not printable ASCII",
        ),
        (
            "\"spec_version\":\"1.0.31\"".to_owned(),
            "\"spec_version\":\"2.0\"".to_owned(),
            "only 1.0",
        ),
    ] {
        assert!(good.contains(&from), "{from} in {good}");
        harness
            .refuses_tuf(json!({ "targets": good.replace(&from, &to) }), says)
            .await;
    }
    // Over.
    let mut over = list(2);
    over.expires = Expires::at(NOW_S);
    harness
        .refuses_tuf(json!({ "targets": signed(over, &[1, 2]) }), "expired at")
        .await;
    // Root 2 with one signature, with none of the old root's, with the server's key for more, for another server.
    let mut second = root(server);
    second.version = 2;
    let mut rotated = second.clone();
    rotated.keys.insert(key(4).id(), key(4));
    rotated.keys.insert(key(5).id(), key(5));
    rotated.roles.root = Signers::new(&[key(4), key(5)], 2);
    for (role, signers, says) in [
        (&second, &[1][..], "of 2 needed"),
        (&rotated, &[4, 5], "by the keys of root version 1"),
        (&rotated, &[1, 2, 4], "by the keys of root version 2"),
    ] {
        harness
            .refuses_tuf(json!({ "root": signed(role.clone(), signers) }), says)
            .await;
    }
    let mut other = root(key(6));
    other.version = 2;
    harness
        .refuses_tuf(
            json!({ "root": signed(other, &[1, 2]) }),
            "does not let this server's key",
        )
        .await;
    let mut over = second.clone();
    over.expires = Expires::at(NOW_S);
    harness
        .refuses_tuf(json!({ "root": signed(over, &[1, 2]) }), "the root expired at")
        .await;
    let mut left = second.clone();
    left.roles.targets = Signers::new(&[key(1), key(2)], 2);
    harness
        .refuses_tuf(
            json!({ "root": signed(left, &[1, 2]) }),
            "would no longer be signed",
        )
        .await;
    for body in [json!({}), json!({ "root": null })] {
        assert_eq!(
            harness.publish_tuf(body).await.status,
            StatusCode::OK,
            "nothing is nothing new"
        );
    }
    let answer = harness.publish_tuf(json!({ "snapshot": "{}" })).await;
    assert_eq!(answer.problem(), "invalid");
    assert_eq!(harness.walk(NOW_S).await.timestamp, 1);
}

#[tokio::test]
async fn targets_that_say_other_than_the_releases_are_refused() {
    let (harness, draft) = Harness::with_repository().await;
    let unpublished = Draft::new(9, 9);
    harness
        .refuses_tuf(
            json!({ "targets": signed(targets(2, &[&unpublished]), &[1, 2]) }),
            "is no published release",
        )
        .await;
    let lies: [(&str, Lie); 6] = [
        ("length", |target| target.length += 1),
        ("vendor", |target| target.custom.vendor = "v".to_owned()),
        ("class", |target| target.custom.class = "c".to_owned()),
        ("version", |target| target.custom.version = "9.9.9+9".to_owned()),
        ("security_counter", |target| target.custom.security_counter += 1),
        ("image_digest", |target| {
            target.custom.image_digest = "00".repeat(32)
        }),
    ];
    for (what, lie) in lies {
        let mut list = targets(2, &[&draft]);
        list.targets.values_mut().for_each(lie);
        harness
            .refuses_tuf(
                json!({ "targets": signed(list, &[1, 2]) }),
                &format!("says {what} "),
            )
            .await;
    }
    let mut list = targets(2, &[]);
    let (_, target) = target(&draft);
    let name = TargetName::try_from("lock-emulator-1-9.9.9-9.img".to_owned()).unwrap();
    list.targets.insert(name, target);
    harness
        .refuses_tuf(
            json!({ "targets": signed(list, &[1, 2]) }),
            "its name says otherwise",
        )
        .await;
}

#[tokio::test]
async fn a_rotated_root_takes_the_targets_along() {
    let (harness, draft) = Harness::with_repository().await;
    let server = harness.server_key().await;
    let mut second = root(server);
    second.version = 2;
    second.keys.remove(&key(3).id());
    second.keys.insert(key(4).id(), key(4));
    second.roles.root = Signers::new(&[key(1), key(2), key(4)], 2);
    second.roles.targets = second.roles.root.clone();
    let (root, list) = (signed(second, &[1, 4, 2]), signed(targets(2, &[&draft]), &[1, 4]));
    harness
        .refuses_tuf(json!({ "root": root }), "would no longer be signed")
        .await;
    harness
        .refuses_tuf(json!({ "targets": list }), "of 2 needed")
        .await;
    let answer = harness
        .publish_tuf(json!({ "root": root, "targets": list }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let seen = harness.walk(NOW_S).await;
    assert_eq!(
        (
            seen.root.get().version,
            seen.targets.get().version,
            seen.timestamp
        ),
        (2, 2, 2)
    );
}

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

#[tokio::test]
async fn when_each_file_expires_is_told_as_a_metric() {
    let gauges = async |harness: &Harness| -> Vec<String> {
        let told = harness.call(Method::GET, "/metrics", Body::empty()).await.body;
        let told = String::from_utf8(told.to_vec()).unwrap();
        let lines = told
            .lines()
            .filter(|line| line.starts_with("latchkey_tuf_expiry"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(gauges(&Harness::ready().await).await, [""; 0], "no repository");

    let (harness, _) = Harness::with_repository().await;
    let mut expected: Vec<String> = harness.get("/api/v1/tuf").await["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let (role, expires) = (file["role"].as_str().unwrap(), file["expires"].as_str().unwrap());
            let seconds = expires.parse::<Expires>().unwrap().unix_s();
            format!("latchkey_tuf_expiry_timestamp_seconds{{role=\"{role}\"}} {seconds}")
        })
        .collect();
    expected.sort();
    assert_eq!(expected.len(), 4, "{expected:?}");
    let mut told = gauges(&harness).await;
    told.sort();
    assert_eq!(told, expected);

    // A timestamp that is renewed is told of anew.
    harness.clock.advance_ms(48 * HOUR_MS);
    assert!(harness.service.renew_tuf().await.unwrap());
    let mut renewed = gauges(&harness).await;
    renewed.sort();
    let changed: Vec<_> = renewed
        .iter()
        .zip(&told)
        .filter(|(after, before)| after != before)
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].0.contains("timestamp\"}"), "{changed:?}");

    // One that is damaged is told of, with all the rest.
    let all = async || {
        let answer = harness.call(Method::GET, "/metrics", Body::empty()).await;
        assert_eq!(answer.status, StatusCode::OK);
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    assert!(all().await.contains("latchkey_tuf_readable 1\n"));
    tamper(
        harness.folder.path().to_str().unwrap(),
        "UPDATE tuf_files SET document = 'no document' WHERE role = 'root'",
    )
    .await;
    let damaged = harness.call(Method::GET, "/api/v1/tuf", Body::empty()).await;
    assert!(damaged.status.is_server_error());
    let told = all().await;
    assert!(told.contains("latchkey_tuf_readable 0\n"), "{told}");
    assert!(told.contains("latchkey_devices{kind=\"approved\"} 0\n"), "{told}");
    assert_eq!(gauges(&harness).await, [""; 0], "what was so before is not told");
}
