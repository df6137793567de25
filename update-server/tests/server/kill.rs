//! `kill -9` at random moments: whatever was acknowledged is there afterwards, and whatever is there is whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use latchkey_directive::{Event, PublicKey, Receipt, Report, Sealed};
use latchkey_image::ImageDigest;
use serde_json::json;

use crate::audit::tamper;
use crate::program::{Operator, PATIENCE, Server};
use crate::support::{Draft, Lock};

/// How often the server is killed in each test.
const KILLS: usize = 12;

/// The seed of a test with chance in it: from LATCHKEY_SEED, or new. Printed, so that a failure can be repeated.
pub(crate) fn chance(test: &str) -> fastrand::Rng {
    let given = std::env::var("LATCHKEY_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("{test}: LATCHKEY_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

pub(crate) fn moment(chance: &mut fastrand::Rng, longest_us: u64) -> Duration {
    let later = if chance.bool() {
        0
    } else {
        chance.u64(..longest_us)
    };
    Duration::from_micros(later)
}

/// What was acknowledged, and when to pull the plug: after so many acknowledgements, a random moment later.
pub(crate) struct Plug<T> {
    acknowledged: Mutex<Vec<T>>,
    this_round: AtomicUsize,
    reached: tokio::sync::Notify,
    after: AtomicUsize,
}

impl<T: Clone> Plug<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            acknowledged: Mutex::default(),
            this_round: AtomicUsize::new(0),
            reached: tokio::sync::Notify::new(),
            after: AtomicUsize::new(usize::MAX),
        })
    }

    pub(crate) fn arm(&self, after: usize) {
        self.this_round.store(0, Ordering::Relaxed);
        self.after.store(after, Ordering::Relaxed);
    }

    pub(crate) fn acknowledge(&self, what: T) {
        self.acknowledged.lock().unwrap().push(what);
        if self.this_round.fetch_add(1, Ordering::Relaxed) + 1 == self.after.load(Ordering::Relaxed) {
            self.reached.notify_one();
        }
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// The moment itself is chance: every other time right behind an acknowledgement, where what was promised
    /// too early is lost; else anywhere in the work on a request.
    pub(crate) async fn pull(&self, server: Server, later: Duration) {
        tokio::time::timeout(PATIENCE, self.reached.notified())
            .await
            .unwrap();
        tokio::time::sleep(later).await;
        server.kill().await;
    }
}

/// Uploads files one after the other, until the server is gone.
async fn upload(operator: Operator, url: String, files: Vec<Vec<u8>>, plug: Arc<Plug<ImageDigest>>) {
    for file in files {
        let mut flash = latchkey_image::Bytes::new(&file);
        let digest = latchkey_image::Image::parse(&mut flash).unwrap().digest();
        let request = operator.ask(reqwest::Method::POST, url.clone()).body(file);
        let Ok(answer) = request.send().await else { return };
        assert_eq!(answer.status(), StatusCode::CREATED);
        plug.acknowledge(digest);
    }
}

/// Everything acknowledged is listed; everything listed is whole, acknowledged or not.
async fn check_releases(operator: &Operator, server: &Server, acknowledged: &[ImageDigest]) {
    let listed = operator.get(format!("{}/api/v1/releases", server.url)).await;
    let listed: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|release| release["digest"].as_str().unwrap())
        .collect();
    for digest in acknowledged {
        let digest = digest.to_string();
        assert!(
            listed.contains(&digest.as_str()),
            "{digest} was acknowledged and is lost"
        );
    }
    for digest in listed {
        let url = format!("{}/device/v1/images/{digest}", server.url);
        let answer = operator.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{digest}");
        let tag = answer.headers()["etag"]
            .to_str()
            .unwrap()
            .trim_matches('"')
            .to_owned();
        let bytes = answer.bytes().await.unwrap();
        let hash = latchkey_server::objects::FileHash::of(&bytes);
        assert_eq!(hex::encode(hash.0), tag, "{digest} is damaged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_server_during_uploads_loses_nothing_acknowledged() {
    let mut chance = chance("uploads");
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path()).await;
    let operator = Operator::new(server.token());
    operator.set_policy(&server).await;
    let plug = Plug::new();
    let mut build = 0;
    for _ in 0..KILLS {
        plug.arm(chance.usize(1..4));
        let mut file = || {
            build += 1;
            let mut draft = Draft::new(1, 7);
            draft.version.build = build;
            draft.payload.resize(chance.usize(1000..100_000), 1);
            draft.file()
        };
        let url = format!("{}/api/v1/releases", server.url);
        let uploads: Vec<_> = (0..3)
            .map(|_| {
                let files = (0..8).map(|_| file()).collect();
                tokio::spawn(upload(operator.clone(), url.clone(), files, plug.clone()))
            })
            .collect();
        plug.pull(server, moment(&mut chance, 15_000)).await;
        for upload in uploads {
            upload.await.unwrap();
        }
        server = Server::start(folder.path()).await;
        check_releases(&operator, &server, &plug.all()).await;
    }
    let total = plug.all().len();
    println!("uploads: {total} acknowledged over {KILLS} kills, none lost");
    assert!(total >= KILLS, "only {total} uploads were acknowledged");
}

/// A lock that is let in.
async fn let_in(operator: &Operator, server: &Server, chance: &mut fastrand::Rng) -> Lock {
    let lock = Lock::from_seed(chance.u128(..).to_le_bytes().repeat(2).try_into().unwrap());
    let expected = operator
        .ask(reqwest::Method::POST, format!("{}/api/v1/devices", server.url))
        .json(&json!({ "devices": [lock.id().to_string()] }));
    assert_eq!(expected.send().await.unwrap().status(), StatusCode::OK);
    let enrol = operator
        .http
        .post(format!("{}/device/v1/enrol", server.url))
        .body(lock.enrolment());
    assert_eq!(enrol.send().await.unwrap().status(), StatusCode::OK);
    lock
}

/// Sends reports one after the other, until the server is gone.
async fn report(
    http: reqwest::Client,
    url: String,
    mut lock: Lock,
    director: PublicKey,
    plug: Arc<Plug<Report>>,
) {
    // Fewer than a lock may send in an hour.
    for _ in 0..100 {
        let report = lock.report(Event::Confirmed, ImageDigest([1; 32]), 0);
        let Ok(answer) = http.post(&url).body(lock.seal(&report)).send().await else {
            return;
        };
        assert_eq!(answer.status(), StatusCode::OK);
        let Ok(body) = answer.bytes().await else { return };
        let receipt: Receipt = Sealed::parse(&body).unwrap().open(&director).unwrap();
        assert_eq!(receipt.sequence, report.sequence);
        plug.acknowledge(report);
    }
}

/// Every report that was receipted is listed.
async fn check_reports(operator: &Operator, server: &Server, receipted: &[Report]) {
    let mut devices: Vec<_> = receipted.iter().map(|report| report.device).collect();
    devices.sort();
    devices.dedup();
    for device in devices {
        let url = format!("{}/api/v1/devices/{device}/reports", server.url);
        let kept = operator.get(url).await;
        let kept: Vec<u64> = kept
            .as_array()
            .unwrap()
            .iter()
            .map(|report| report["sequence"].as_u64().unwrap())
            .collect();
        for report in receipted.iter().filter(|report| report.device == device) {
            assert!(
                kept.contains(&report.sequence),
                "{report:?} was receipted and is lost"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_server_during_reports_loses_nothing_acknowledged() {
    let mut chance = chance("reports");
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path()).await;
    let operator = Operator::new(server.token());
    let director = server.director();
    let plug = Plug::new();
    for round in 0..KILLS {
        plug.arm(chance.usize(1..30));
        let mut senders = Vec::new();
        for _ in 0..4 {
            let lock = let_in(&operator, &server, &mut chance).await;
            let url = format!("{}/device/v1/report", server.url);
            let sender = report(operator.http.clone(), url, lock, director, plug.clone());
            senders.push(tokio::spawn(sender));
        }
        plug.pull(server, moment(&mut chance, 5_000)).await;
        for sender in senders {
            sender.await.unwrap();
        }
        server = Server::start(folder.path()).await;
        assert_eq!(
            server.director(),
            director,
            "the director key survives in round {round}"
        );
        check_reports(&operator, &server, &plug.all()).await;
    }
    let total = plug.all().len();
    println!("reports: {total} receipted over {KILLS} kills, none lost");
    assert!(total >= KILLS, "only {total} reports were receipted");
}

/// Posts as an operator; gives the answer.
async fn post(operator: &Operator, url: String, body: serde_json::Value) -> serde_json::Value {
    let answer = operator
        .ask(reqwest::Method::POST, url)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_was_kept_halts_its_rollout_whenever_the_server_was_killed() {
    let mut chance = chance("halts");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut server = Server::start(folder.path()).await;
    let operator = Operator::new(server.token());
    operator.set_policy(&server).await;
    let file = Draft::new(2, 2).file();
    let published = operator
        .ask(reqwest::Method::POST, format!("{}/api/v1/releases", server.url))
        .body(file);
    let release: serde_json::Value = published.send().await.unwrap().json().await.unwrap();
    let image = latchkey_server::ids::digest(release["digest"].as_str().unwrap()).unwrap();
    let mut halted = 0;
    for round in 0..KILLS {
        let mut lock = let_in(&operator, &server, &mut chance).await;
        let wanted = json!({ "release": release["digest"], "to": "all", "halt": { "failures": 1 } });
        let rollout = post(&operator, format!("{}/api/v1/rollouts", server.url), wanted).await;
        let rollout = rollout["id"].as_str().unwrap();
        let check_in = lock.check_in();
        let offered = operator.http.post(format!("{}/device/v1/check-in", server.url));
        let offered = offered.body(lock.seal(&check_in)).send().await.unwrap();
        assert_eq!(offered.status(), StatusCode::OK);
        let report = lock.report(Event::Reverted, image, 0);
        let sent = operator
            .http
            .post(format!("{}/device/v1/report", server.url))
            .body(lock.seal(&report));
        let sent = tokio::spawn(sent.send());
        if round == 0 {
            // Once, the cut lies between the report and what follows from it, by hand.
            assert_eq!(sent.await.unwrap().unwrap().status(), StatusCode::OK);
            server.kill().await;
            tamper(
                data,
                "UPDATE rollouts SET state = 'running', halted_because = NULL WHERE state = 'halted'",
            )
            .await;
        } else {
            tokio::time::sleep(moment(&mut chance, 8_000)).await;
            server.kill().await;
            let _ = sent.await;
        }
        server = Server::start(folder.path()).await;
        let shown = operator
            .get(format!("{}/api/v1/rollouts/{rollout}", server.url))
            .await;
        let kept = operator
            .get(format!("{}/api/v1/devices/{}/reports", server.url, lock.id()))
            .await;
        if kept.as_array().unwrap().is_empty() {
            assert_eq!(shown["state"], "running", "round {round}: nothing was reported");
        } else {
            assert_eq!(shown["state"], "halted", "round {round}: it was reported");
            halted += 1;
        }
        post(
            &operator,
            format!("{}/api/v1/rollouts/{rollout}/abort", server.url),
            json!(null),
        )
        .await;
    }
    println!("halts: {halted} of {KILLS} reports were kept, and each halted its rollout");
    assert!(halted > 0);
}
