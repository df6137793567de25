//! The TUF repository, and a client of the same rules that walks it: what it is made of in all these tests.

mod served;
mod upkeep;
mod uploads;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use ed25519_dalek::SigningKey;
use latchkey_tuf::{
    Custom, Document, Expires, Hash, Hashes, Key, Role, Root, Signers, Snapshot, Target, TargetName, Targets,
    Timestamp, Trusted,
};
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness, START_MS, release_key};

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
