//! Several instances behind one PostgreSQL: they share everything, and the database decides every race.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use futures_util::future::join_all;
use latchkey_directive::{Action, Directive, Event, ProblemCode, PublicKey, Receipt, Report, Sealed};
use latchkey_image::ImageDigest;
use latchkey_server::store::Store;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _, Row as _};
use tokio::sync::Notify;

use crate::commands::{command, said};
use crate::databases;
use crate::program::{Operator, Server};
use crate::support::{Draft, Lock};

/// Two instances on one database, with one image store and one director key.
struct Pair {
    instances: [Server; 2],
    operator: Operator,
    director: PublicKey,
    database: String,
    folder: tempfile::TempDir,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What an instance is given so that it serves the same fleet as others in this folder.
pub(crate) fn options(folder: &Path, database: &str) -> [String; 6] {
    [
        "--database".to_owned(),
        database.to_owned(),
        "--store".to_owned(),
        format!("file://{}", folder.join("images").display()),
        "--director-key".to_owned(),
        text(&folder.join("director.pem")).to_owned(),
    ]
}

async fn start(folder: &Path, name: &str, database: &str) -> Server {
    let options = options(folder, database);
    Server::start_with(&folder.join(name), &options.each_ref().map(String::as_str)).await
}

impl Pair {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = databases::fresh_postgres().await;
        let key = folder.path().join("director.pem");
        let data = folder.path().join("a");
        let arguments = [
            "director-key",
            "--json",
            "--data",
            text(&data),
            "--director-key",
            text(&key),
        ];
        said(&command(&arguments, &[]).await);
        // At the same time, as when a whole fleet of servers is rolled out.
        let (a, b) = tokio::join!(
            start(folder.path(), "a", &database),
            start(folder.path(), "b", &database)
        );
        let tokens = [&a, &b].map(|server| server.started.get("admin_token").cloned());
        let mut tokens: Vec<Value> = tokens.into_iter().flatten().collect();
        let token = tokens.pop().unwrap().as_str().unwrap().to_owned();
        assert!(tokens.is_empty(), "there is one first administrator");
        let operator = Operator::new(token);
        operator.set_policy(&a).await;
        Self {
            operator,
            director: a.director(),
            instances: [a, b],
            database,
            folder,
        }
    }

    fn url(&self, instance: usize, path: &str) -> String {
        format!("{}{path}", self.instances[instance].url)
    }

    async fn post(&self, instance: usize, path: &str, body: Value) -> Value {
        let request = self.operator.ask(reqwest::Method::POST, self.url(instance, path));
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json().await.unwrap()
    }

    /// Locks that are let in: named to one instance, enrolled at the other.
    async fn locks(&self, count: usize) -> Vec<Lock> {
        let locks: Vec<Lock> = (0..count).map(|_| Lock::new()).collect();
        let names: Vec<String> = locks.iter().map(|lock| lock.id().to_string()).collect();
        self.post(0, "/api/v1/devices", json!({ "devices": names })).await;
        for lock in &locks {
            let answer = self.lock_says(1, "enrol", lock.enrolment()).await.unwrap();
            assert_eq!(answer.0, StatusCode::OK);
        }
        locks
    }

    /// Status and body; nothing where the instance is gone.
    async fn lock_says(&self, instance: usize, what: &str, body: Vec<u8>) -> Option<(StatusCode, Vec<u8>)> {
        let url = self.url(instance, &format!("/device/v1/{what}"));
        let answer = self.operator.http.post(url).body(body).send().await.ok()?;
        let status = answer.status();
        Some((status, answer.bytes().await.ok()?.to_vec()))
    }

    /// Publishes at one instance and rolls out at the other.
    async fn roll_out(&self, wanted: Value) -> (ImageDigest, String) {
        let upload = self
            .operator
            .ask(reqwest::Method::POST, self.url(1, "/api/v1/releases"));
        let answer = upload.body(Draft::new(2, 7).file()).send().await.unwrap();
        let release: Value = answer.json().await.unwrap();
        let digest = release["digest"].as_str().unwrap();
        let mut body = json!({ "release": digest, "to": "all" });
        body.as_object_mut()
            .unwrap()
            .extend(wanted.as_object().unwrap().clone());
        let rollout = self.post(0, "/api/v1/rollouts", body).await;
        let digest = latchkey_server::ids::digest(digest).unwrap();
        (digest, rollout["id"].as_str().unwrap().to_owned())
    }

    /// Lines of the audit log with this action, after the chain was found whole.
    async fn audited(&self, instance: usize, action: &str) -> usize {
        let with = [
            ("LATCHKEY_SERVER", self.instances[instance].url.as_str()),
            ("LATCHKEY_TOKEN", self.operator.token.as_str()),
        ];
        said(&command(&["audit", "verify", "--json"], &with).await);
        let lines = self.operator.get(self.url(instance, "/api/v1/audit")).await;
        let lines = lines.as_array().unwrap().iter();
        lines.filter(|line| line["action"] == action).count()
    }
}

fn sequence_of(receipt: &[u8], director: &PublicKey) -> u64 {
    let receipt: Receipt = Sealed::parse(receipt).unwrap().open(director).unwrap();
    receipt.sequence
}

/// The rollout in which an instance is killed: what was acknowledged, and when to pull the plug.
struct Story<'p> {
    pair: &'p Pair,
    image: ImageDigest,
    receipted: Mutex<Vec<Report>>,
    /// Receipts until the first instance is killed.
    left: AtomicUsize,
    plug: Notify,
}

impl Story<'_> {
    /// Asks one instance and, when it is gone, the other.
    async fn ask(&self, first: usize, what: &str, body: &[u8]) -> (StatusCode, Vec<u8>) {
        for instance in [first, 1] {
            if let Some(answer) = self.pair.lock_says(instance, what, body.to_vec()).await {
                return answer;
            }
        }
        panic!("the instance that was left alone does not answer");
    }

    /// A lock's whole update. It does what its client does: what was not acknowledged is sent again.
    async fn update(&self, mut lock: Lock, first: usize) {
        let check_in = lock.check_in();
        let (mut status, mut body) = self.ask(first, "check-in", &lock.seal(&check_in)).await;
        if status == StatusCode::CONFLICT {
            // The instance died behind its commit; a number is never used twice.
            let again = lock.check_in();
            (status, body) = self.ask(first, "check-in", &lock.seal(&again)).await;
        }
        assert_eq!(status, StatusCode::OK);
        let directive: Directive = Sealed::parse(&body).unwrap().open(&self.pair.director).unwrap();
        assert!(matches!(directive.action, Action::Install(install) if install.image == self.image));
        for event in [Event::Requested, Event::Confirmed] {
            let report = lock.report(event, self.image, 0);
            let (status, body) = self.ask(first, "report", &lock.seal(&report)).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(sequence_of(&body, &self.pair.director), report.sequence);
            self.receipted.lock().unwrap().push(report);
            if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.plug.notify_one();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_killed_in_a_rollout_takes_nothing_with_it() {
    const LOCKS: usize = 40;
    let mut pair = Pair::new().await;
    let locks = pair.locks(LOCKS).await;
    let (image, rollout) = pair.roll_out(json!({})).await;
    let victim = pair.instances[0].child.id().unwrap().to_string();
    let story = Story {
        pair: &pair,
        image,
        receipted: Mutex::default(),
        left: AtomicUsize::new(LOCKS / 2),
        plug: Notify::new(),
    };
    let updates = locks
        .into_iter()
        .enumerate()
        .map(|(number, lock)| story.update(lock, number % 2));
    let pull = async {
        story.plug.notified().await;
        let killed = tokio::process::Command::new("kill")
            .args(["-9", &victim])
            .status();
        assert!(killed.await.unwrap().success());
    };
    tokio::join!(join_all(updates), pull);
    let receipted = story.receipted.into_inner().unwrap();
    assert_eq!(receipted.len(), 2 * LOCKS);
    let ended = pair.instances[0].child.wait().await.unwrap();
    assert!(!ended.success(), "it was killed: {ended}");

    let status = pair
        .operator
        .get(pair.url(1, &format!("/api/v1/rollouts/{rollout}")))
        .await;
    assert_eq!(status["health"]["confirmed"], LOCKS, "{status}");
    for report in &receipted {
        let path = format!("/api/v1/devices/{}/reports", report.device);
        let kept = pair.operator.get(pair.url(1, &path)).await;
        let kept = kept.as_array().unwrap().iter();
        let found = kept.filter(|kept| kept["sequence"] == report.sequence).count();
        assert_eq!(found, 1, "{report:?} was receipted and must be there, once");
    }
    assert_eq!(pair.audited(1, "rollout.create").await, 1);

    // Another takes its place, and has all it needs from the database and the key's file.
    let third = start(pair.folder.path(), "c", &pair.database).await;
    assert_eq!(third.director(), pair.director);
    assert!(third.started.get("admin_token").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_halt_a_rollout_once() {
    let pair = Pair::new().await;
    let mut locks = pair.locks(12).await;
    let (image, rollout) = pair.roll_out(json!({ "halt": { "failures": 5 } })).await;
    for (number, lock) in locks.iter_mut().enumerate() {
        let check_in = lock.check_in();
        let answer = pair.lock_says(number % 2, "check-in", lock.seal(&check_in)).await;
        assert_eq!(answer.unwrap().0, StatusCode::OK);
    }
    let failures = locks.iter_mut().enumerate().map(|(number, lock)| {
        let report = lock.report(Event::Reverted, image, 0);
        pair.lock_says(number % 2, "report", lock.seal(&report))
    });
    for answer in join_all(failures).await {
        assert_eq!(answer.unwrap().0, StatusCode::OK);
    }
    for instance in [0, 1] {
        let path = format!("/api/v1/rollouts/{rollout}");
        let status = pair.operator.get(pair.url(instance, &path)).await;
        assert_eq!(status["state"], "halted", "{status}");
        assert_eq!(pair.audited(instance, "rollout.halt").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_to_both_at_once_counts_once() {
    let pair = Pair::new().await;
    for mut lock in pair.locks(12).await {
        // News, so what the answer rests on goes to the database first.
        let check_in = lock.check_in();
        let message = lock.seal(&check_in);
        let (a, b) = tokio::join!(
            pair.lock_says(0, "check-in", message.clone()),
            pair.lock_says(1, "check-in", message)
        );
        let mut answers = [a.unwrap(), b.unwrap()];
        answers.sort_by_key(|(status, _)| *status);
        assert_eq!(answers[0].0, StatusCode::OK);
        let problem: latchkey_directive::Problem = minicbor::decode(&answers[1].1).unwrap();
        assert_eq!(problem.code, ProblemCode::Replayed);

        let report = lock.report(Event::Confirmed, ImageDigest([1; 32]), 0);
        let message = lock.seal(&report);
        let (a, b) = tokio::join!(
            pair.lock_says(0, "report", message.clone()),
            pair.lock_says(1, "report", message)
        );
        for (status, receipt) in [a.unwrap(), b.unwrap()] {
            assert_eq!(status, StatusCode::OK);
            assert_eq!(sequence_of(&receipt, &pair.director), report.sequence);
        }
        let path = format!("/api/v1/devices/{}/reports", lock.id());
        let kept = pair.operator.get(pair.url(0, &path)).await;
        assert_eq!(kept.as_array().unwrap().len(), 1);
    }
    // And changes of both, side by side, make one chain.
    let changes = (0..40).map(|number| {
        let body = json!({ "name": format!("token {number}"), "role": "viewer" });
        pair.post(number % 2, "/api/v1/tokens", body)
    });
    join_all(changes).await;
    assert_eq!(pair.audited(0, "token.create").await, 41);
}

impl Pair {
    /// A lock calls an instance; what it is to repeat, it repeats in its next check-in.
    async fn call(&self, instance: usize, lock: &mut Lock) -> StatusCode {
        let check_in = lock.check_in();
        let (status, body) = self
            .lock_says(instance, "check-in", lock.seal(&check_in))
            .await
            .unwrap();
        if status == StatusCode::CONFLICT {
            let problem: latchkey_directive::Problem = minicbor::decode(&body).unwrap();
            lock.echo = problem.challenge;
        }
        status
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_settled_at_one_instance_is_settled_at_the_others() {
    const SETTLED: [StatusCode; 2] = [StatusCode::CONFLICT, StatusCode::OK];
    let pair = Pair::new().await;
    let mut original = pair.locks(1).await.remove(0);
    let mut copy = original.copied();
    for _ in 0..5 {
        assert_eq!(pair.call(1, &mut original).await, StatusCode::OK);
    }
    for _ in 0..2 {
        assert_eq!(pair.call(1, &mut copy).await, StatusCode::CONFLICT);
    }
    let path = format!("/api/v1/devices/{}", copy.id());
    let alarm = async |instance| pair.operator.get(pair.url(instance, &path)).await["alarm_since_ms"].clone();
    assert!(alarm(0).await.is_i64());
    pair.post(0, &format!("{path}/settle"), json!({})).await;
    // The other one saw higher numbers a moment ago, and remembers them.
    for instance in [1, 0, 1] {
        for expected in SETTLED {
            assert_eq!(pair.call(instance, &mut copy).await, expected);
        }
    }
    assert_eq!(alarm(1).await, Value::Null);
    assert_eq!(pair.audited(1, "device.alarm").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_with_another_director_key_does_not_start() {
    let pair = Pair::new().await;
    let own = pair.folder.path().join("own");
    let given = options(pair.folder.path(), &pair.database);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", text(&own)];
    let without_key: Vec<&str> = serve
        .into_iter()
        .chain(given[..4].iter().map(String::as_str))
        .collect();
    let refused = async |arguments: &[&str]| {
        let output = command(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&without_key).await;
    assert!(said.contains("put that key's file there"), "{said}");
    assert!(
        !own.join("director.pem").exists(),
        "and no key is made that no lock knows"
    );

    crate::commands::said(&command(&["director-key", "--json", "--data", text(&own)], &[]).await);
    let said = refused(&without_key).await;
    assert!(said.contains("Give every instance the same file"), "{said}");

    let replace = ["--database", &given[1], "--replace-director-key"];
    let replacing = Server::start_with(&own, &replace).await;
    assert_ne!(replacing.director(), pair.director);
    assert_eq!(pair.audited(0, "director.set").await, 2);
}

#[tokio::test]
async fn an_instance_that_starts_waits_for_another_that_brings_the_tables_up_to_date() {
    sqlx::any::install_default_drivers();
    let url = databases::fresh_postgres().await;
    let mut other = AnyConnection::connect(&url).await.unwrap();
    let locked = "BEGIN; LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(locked).execute(&mut other).await.unwrap();
    // Longer than whoever makes a change waits for a lock.
    let holds = sqlx::raw_sql("SELECT pg_sleep(6); COMMIT").execute(&mut other);
    let folder = tempfile::tempdir().unwrap();
    let (held, mut instance) = tokio::join!(holds, start(folder.path(), "a", &url));
    held.unwrap();
    instance.logged("after any other instance that is at it").await;
}

#[tokio::test]
async fn an_instance_that_goes_while_it_makes_the_tables_does_not_keep_the_others_waiting() {
    sqlx::any::install_default_drivers();
    let url = databases::postgres().await.create(None).unwrap();
    let mut watcher = AnyConnection::connect(&url).await.unwrap();
    let watch = "CREATE TABLE seen (patience TEXT); \
                 CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
                 INSERT INTO seen VALUES (current_setting('idle_in_transaction_session_timeout')); END $$; \
                 CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch()";
    sqlx::raw_sql(watch).execute(&mut watcher).await.unwrap();
    Store::open(&url).await.unwrap().close().await;
    let seen = sqlx::query("SELECT DISTINCT patience FROM seen");
    let seen = seen.fetch_all(&mut watcher).await.unwrap();
    let seen: Vec<String> = seen.iter().map(|row| row.get("patience")).collect();
    assert_eq!(seen, ["30s"], "in which PostgreSQL ends what it has begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_another_holds_up_is_told_that_nothing_was_done() {
    let pair = Pair::new().await;
    let lock = pair.locks(1).await.remove(0);
    let path = format!("/api/v1/devices/{}", lock.id());
    let mut other = AnyConnection::connect(&pair.database).await.unwrap();
    sqlx::query("SELECT 1 FROM pg_advisory_lock(7809632)")
        .execute(&mut other)
        .await
        .unwrap();
    let asked = || {
        let url = pair.url(0, &format!("{path}/revoke"));
        pair.operator.ask(reqwest::Method::POST, url).send()
    };
    let answer = asked().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = answer.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        problem["type"].as_str().unwrap().ends_with("busy") && detail.contains("nothing was done"),
        "{problem}"
    );
    let state = async || pair.operator.get(pair.url(1, &path)).await["state"].clone();
    assert_eq!(state().await, "approved");
    other.close().await.unwrap();
    assert_eq!(asked().await.unwrap().status(), StatusCode::OK);
    assert_eq!(state().await, "revoked");
}
