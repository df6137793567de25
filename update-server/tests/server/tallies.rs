//! What a rollout is judged by is what counting its offers would give: after any moves, in any order, in the same moment.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use latchkey_directive::Event;
use latchkey_image::ImageDigest;
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::databases;
use crate::support::{Draft, Harness, Lock, START_MS};

const HOUR_MS: i64 = 3_600_000;

/// Four numbers of each rollout: as its tallies say and as counting its offers gives.
async fn counted(harness: &Harness) -> Vec<([i64; 4], [i64; 4])> {
    let mut database = AnyConnection::connect(&databases::of(harness.folder.path()).await)
        .await
        .unwrap();
    let rows = sqlx::query(
        "SELECT t.confirmed, t.refused, t.reverted, t.stage_confirmed, \
         (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.round = r.round \
          AND o.standing = 'confirmed'), \
         (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.round = r.round \
          AND o.standing = 'refused'), \
         (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.round = r.round \
          AND o.standing = 'reverted'), \
         (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.widening = r.widening \
          AND o.standing = 'confirmed') \
         FROM rollouts r JOIN rollout_tallies t ON t.rollout = r.id ORDER BY r.number",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    database.close().await.unwrap();
    let four = |row: &sqlx::any::AnyRow, from: usize| [0, 1, 2, 3].map(|at| row.get::<i64, _>(from + at));
    rows.iter().map(|row| (four(row, 0), four(row, 4))).collect()
}

/// Locks, and rollouts of one release that never halt.
struct Scene {
    harness: Harness,
    locks: Vec<Lock>,
    release: ImageDigest,
}

impl Scene {
    async fn new(locks: usize) -> Self {
        let harness = Harness::ready().await;
        let release = harness.publish(&Draft::new(2, 2)).await;
        let made = harness.locks(locks).await;
        Self {
            harness,
            locks: made,
            release,
        }
    }

    async fn roll_out(&self, percent: u8) -> String {
        let never = json!({ "failures": 1_000_000, "percent": 100, "sample": 1_000_000, "silence_hours": 1 });
        let release = self.release.to_string();
        self.harness
            .roll_out_to(json!({ "release": release, "to": "all", "stages": [percent], "halt": never }))
            .await
    }

    async fn post(&self, rollout: &str, step: &str, body: Value) -> StatusCode {
        post(&self.harness, rollout, step, body).await
    }
}

async fn post(harness: &Harness, rollout: &str, step: &str, body: Value) -> StatusCode {
    let path = format!("/api/v1/rollouts/{rollout}/{step}");
    let body = if body.is_null() {
        Body::empty()
    } else {
        body.to_string().into()
    };
    harness.call(Method::POST, &path, body).await.status
}

#[derive(Clone, Copy, Debug)]
enum Step {
    CheckIn(usize),
    Report(usize, Event),
    Retry(usize),
    Pause,
    Resume,
    Widen(u8),
    /// Time passes: mostly none does.
    Wait(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let lock = 0..3_usize;
    let event = prop::sample::select(vec![
        Event::Requested,
        Event::Confirmed,
        Event::Reverted,
        Event::RefusedByApp,
        Event::RefusedByBootloader,
    ]);
    prop_oneof![
        4 => lock.clone().prop_map(Step::CheckIn),
        6 => (lock.clone(), event).prop_map(|(lock, event)| Step::Report(lock, event)),
        2 => lock.prop_map(Step::Retry),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => prop::sample::select(vec![60_u8, 80, 100]).prop_map(Step::Widen),
        2 => prop::sample::select(vec![1, HOUR_MS, HOUR_MS + 1]).prop_map(Step::Wait),
    ]
}

/// What the device's part in the rollout is, by the rules in words.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Nothing,
    Offered,
    Requested,
    Lapsed,
    /// In which round it came to this.
    Ended(Event, u32),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    part: Part,
    /// When it was offered, asked or called last.
    heard: i64,
    called: i64,
    /// When it asked its bootloader.
    asked: i64,
    /// Whether it was told of the release when it called last.
    told: bool,
    /// Failures that are not forgiven.
    failures: u32,
}

/// The rollout as an attentive operator would keep book of it by hand.
struct Book {
    locks: [Known; 3],
    round: u32,
    started: i64,
    running: bool,
    percent: u8,
    now: i64,
}

impl Book {
    fn reported(&mut self, lock: usize, event: Event) {
        let (round, now) = (self.round, self.now);
        let known = &mut self.locks[lock];
        let event = if event == Event::RefusedByBootloader {
            Event::RefusedByApp
        } else {
            event
        };
        let fails = matches!(event, Event::Reverted | Event::RefusedByApp);
        known.failures += u32::from(fails);
        match (known.part, event) {
            (Part::Nothing, _) | (Part::Ended(..) | Part::Requested, Event::Requested) => {}
            (Part::Offered | Part::Lapsed, Event::Requested) => {
                (known.part, known.heard, known.asked) = (Part::Requested, known.heard.max(now), now);
            }
            (Part::Ended(before, _), event) if before == event && !fails => {}
            (_, event) => known.part = Part::Ended(event, round),
        }
    }

    /// Gives a lock another try; whether there is anything to try again.
    fn retried(&mut self, lock: usize) -> bool {
        let known = &mut self.locks[lock];
        let failed = matches!(known.part, Part::Ended(Event::Reverted | Event::RefusedByApp, _));
        let fared = known.failures > 0;
        match known.part {
            Part::Ended(..) if failed => known.part = Part::Lapsed,
            Part::Nothing if fared => known.part = Part::Lapsed,
            Part::Offered | Part::Lapsed if fared => {}
            Part::Ended(..) | Part::Lapsed | Part::Nothing | Part::Offered | Part::Requested => return false,
        }
        known.failures = 0;
        true
    }

    fn ended(&self, event: Event) -> usize {
        let here = Part::Ended(event, self.round);
        self.locks.iter().filter(|known| known.part == here).count()
    }

    fn health(&self) -> Value {
        let open = |known: &&Known| matches!(known.part, Part::Offered | Part::Requested);
        let since = self.started - HOUR_MS;
        let asks = |known: &Known| known.part == Part::Requested && known.asked >= known.called;
        let waits = |known: &Known| known.told || asks(known);
        let silent = |known: &&Known| {
            open(known) && waits(known) && (since..self.now - HOUR_MS).contains(&known.heard)
        };
        let silent = self.locks.iter().filter(silent).count();
        json!({
            "under_way": self.locks.iter().filter(open).count() - silent,
            "confirmed": self.ended(Event::Confirmed),
            "refused": self.ended(Event::RefusedByApp),
            "reverted": self.ended(Event::Reverted),
            "silent": silent,
            "deferred": 0,
            "declined": 0,
        })
    }
}

async fn walk(steps: Vec<Step>) {
    let mut scene = Scene::new(3).await;
    let rollout = scene.roll_out(50).await;
    let nothing = Known {
        part: Part::Nothing,
        heard: 0,
        called: 0,
        asked: 0,
        told: false,
        failures: 0,
    };
    let mut book = Book {
        locks: [nothing; 3],
        round: 0,
        started: START_MS,
        running: true,
        percent: 50,
        now: START_MS,
    };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::CheckIn(lock) => {
                let offered = scene.harness.offered(&mut scene.locks[lock]).await;
                let known = &mut book.locks[lock];
                (known.heard, known.called) = (book.now, book.now);
                known.told = offered.is_some();
                if offered.is_some() && matches!(known.part, Part::Nothing | Part::Lapsed) {
                    known.part = Part::Offered;
                }
                assert!(book.running || offered.is_none());
            }
            Step::Report(lock, event) => {
                let release = scene.release;
                scene
                    .harness
                    .report(&mut scene.locks[lock], event, release, 0)
                    .await;
                book.reported(lock, event);
            }
            Step::Retry(lock) => {
                let path = format!("devices/{}/retry", scene.locks[lock].id());
                let status = scene.post(&rollout, &path, Value::Null).await;
                let expected = if book.retried(lock) {
                    StatusCode::OK
                } else {
                    StatusCode::CONFLICT
                };
                assert_eq!(status, expected, "{number}: {step:?}");
            }
            Step::Pause => {
                scene.post(&rollout, "pause", Value::Null).await;
                book.running = false;
            }
            Step::Resume => {
                scene.post(&rollout, "resume", Value::Null).await;
                if !book.running {
                    book.round += 1;
                    book.started = book.now;
                }
                book.running = true;
            }
            Step::Widen(percent) => {
                let status = scene.post(&rollout, "widen", json!({ "percent": percent })).await;
                assert_eq!(status == StatusCode::OK, percent >= book.percent, "{step:?}");
                book.percent = book.percent.max(percent);
            }
            Step::Wait(ms) => {
                scene.harness.clock.advance_ms(ms);
                book.now += ms;
            }
        }
        scene.harness.service.write_presence().await.unwrap();
        let status = scene.harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
        assert_eq!(
            status["health"],
            book.health(),
            "step {number}, {step:?}: {:?}",
            book.locks
        );
        for (tallies, offers) in counted(&scene.harness).await {
            assert_eq!(tallies, offers, "step {number}, {step:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_tallies_are_what_counting_gives_after_any_moves(steps in prop::collection::vec(any_step(), 10..40)) {
        tokio::runtime::Runtime::new().unwrap().block_on(walk(steps));
    }
}

/// Everything at once, and all of it in one moment: the clock stands still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_tries_and_starts_that_meet_are_counted_once() {
    let mut scene = Scene::new(8).await;
    // Offers of one release in two rollouts each: whoever moves them takes both.
    let mut rollouts = Vec::new();
    for _ in 0..2 {
        rollouts.push(scene.roll_out(100).await);
        for lock in &mut scene.locks {
            assert!(scene.harness.offered(lock).await.is_some());
        }
    }
    let (harness, release) = (&scene.harness, scene.release);
    let ids: Vec<String> = scene.locks.iter().map(|lock| lock.id().to_string()).collect();
    let locks = scene
        .locks
        .iter_mut()
        .enumerate()
        .map(|(number, lock)| async move {
            let events = [Event::Reverted, Event::Confirmed, Event::RefusedByApp];
            for round in 0..9 {
                harness
                    .report(lock, events[(number + round) % 3], release, 0)
                    .await;
                harness.check_in(lock).await;
            }
        });
    let starts = rollouts.iter().map(|rollout| async move {
        for _ in 0..8 {
            for step in ["pause", "resume"] {
                assert_eq!(post(harness, rollout, step, Value::Null).await, StatusCode::OK);
            }
        }
    });
    let tries = rollouts.iter().map(|rollout| {
        let ids = &ids;
        async move {
            for id in ids.iter().cycle().take(16) {
                let status = post(harness, rollout, &format!("devices/{id}/retry"), Value::Null).await;
                assert!(
                    [StatusCode::OK, StatusCode::CONFLICT].contains(&status),
                    "{status}"
                );
            }
        }
    });
    tokio::join!(join_all(locks), join_all(starts), join_all(tries));
    let counted = counted(harness).await;
    assert_eq!(counted.len(), 2);
    for (tallies, offers) in counted {
        assert_eq!(tallies, offers);
    }
}
