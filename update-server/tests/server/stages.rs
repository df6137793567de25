//! Rollouts that begin small, grow, and halt themselves.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::{BootOutcome, Event};
use latchkey_image::ImageDigest;
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness, Lock, START_MS};

/// A rollout of version 2 to locks that all run version 1.
struct Scene {
    harness: Harness,
    locks: Vec<Lock>,
    release: ImageDigest,
    rollout: String,
}

impl Scene {
    async fn new(locks: usize, percent: f64, halt: Value) -> Self {
        Self::with(locks, json!({ "stages": [percent], "halt": halt })).await
    }

    async fn with(locks: usize, mut wanted: Value) -> Self {
        let harness = Harness::ready().await;
        let release = harness.publish(&Draft::new(2, 2)).await;
        let made = harness.locks(locks).await;
        wanted["release"] = json!(release.to_string());
        wanted["to"] = json!("all");
        let rollout = harness.roll_out_to(wanted).await;
        Self {
            harness,
            locks: made,
            release,
            rollout,
        }
    }

    /// Which locks are offered the release when all check in.
    async fn offered(&mut self) -> Vec<usize> {
        let mut offered = Vec::new();
        for (number, lock) in self.locks.iter_mut().enumerate() {
            if self.harness.offered(lock).await == Some(self.release) {
                offered.push(number);
            }
        }
        offered
    }

    async fn report(&mut self, lock: usize, event: Event) {
        let lock = &mut self.locks[lock];
        self.harness.report(lock, event, self.release, 0).await;
    }

    async fn post(&self, step: &str, body: Value) -> Answer {
        let path = format!("/api/v1/rollouts/{}/{step}", self.rollout);
        self.harness.call(Method::POST, &path, body.to_string()).await
    }

    async fn status(&self) -> Value {
        self.harness
            .get(&format!("/api/v1/rollouts/{}", self.rollout))
            .await
    }
}

#[tokio::test]
async fn widening_reaches_more_and_takes_nobody_out() {
    let mut scene = Scene::new(60, 30.0, json!({})).await;
    let few = scene.offered().await;
    assert!((5..=31).contains(&few.len()), "{} of 60 are no 30 %", few.len());
    assert_eq!(scene.offered().await, few, "the same at every check-in");
    let out = (0..60).find(|number| !few.contains(number)).unwrap();
    let path = format!("/api/v1/devices/{}/decision", scene.locks[out].id());
    let why = scene.harness.get(&path).await["explanation"].clone();
    assert!(
        why.as_str()
            .unwrap()
            .contains("the rollout reaches 30 % and the device stands at"),
        "{why}"
    );

    let wider = scene.post("widen", json!({ "percent": 70 })).await;
    assert_eq!(
        (wider.status, wider.json()["percent"].clone()),
        (StatusCode::OK, json!(70.0))
    );
    let more = scene.offered().await;
    assert!(few.iter().all(|number| more.contains(number)));
    assert!(more.len() > few.len());
    let narrower = scene.post("widen", json!({ "percent": 69.99 })).await;
    assert_eq!(narrower.problem(), "conflict");
    for wrong in [0.0, -1.0, 100.01, 33.333] {
        assert_eq!(
            scene.post("widen", json!({ "percent": wrong })).await.problem(),
            "invalid"
        );
    }
    assert_eq!(scene.offered().await, more);
    scene.post("widen", json!({ "percent": 100 })).await;
    assert_eq!(scene.offered().await.len(), 60);
}

#[tokio::test]
async fn a_release_that_breaks_locks_halts_its_rollout() {
    let mut scene = Scene::new(8, 100.0, json!({ "failures": 3 })).await;
    for lock in 0..3 {
        assert_eq!(
            scene.harness.offered(&mut scene.locks[lock]).await,
            Some(scene.release)
        );
        scene.report(lock, Event::Requested).await;
        assert_eq!(scene.status().await["state"], "running");
        scene.report(lock, Event::Reverted).await;
    }
    let status = scene.status().await;
    assert_eq!(status["state"], "halted");
    assert_eq!(
        status["halted_because"],
        "3 of 3 devices failed (3 reverted, 0 refused, 0 silent)"
    );
    assert_eq!(scene.offered().await, [0_usize; 0], "nobody else is touched");
    let audit = scene.harness.get("/api/v1/audit").await;
    let halts: Vec<&Value> = audit
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "rollout.halt")
        .collect();
    assert_eq!(halts.len(), 1);
    assert_eq!(
        (&halts[0]["actor"], &halts[0]["subject"]),
        (&json!("gate"), &json!(scene.rollout))
    );
}

#[tokio::test]
async fn a_share_of_failures_halts_it_once_there_are_enough_outcomes() {
    let mut scene = Scene::new(12, 100.0, json!({ "sample": 10, "percent": 15 })).await;
    scene.offered().await;
    for lock in 0..8 {
        scene.locks[lock].runs(scene.release, 2, 2);
        // Its word that it runs, confirmed; the report may still be on its way.
        scene.harness.check_in(&mut scene.locks[lock]).await;
    }
    scene.report(8, Event::RefusedByBootloader).await;
    assert_eq!(
        scene.status().await["state"],
        "running",
        "nine outcomes are too few to judge"
    );
    scene.report(9, Event::RefusedByApp).await;
    let status = scene.status().await;
    assert_eq!(status["state"], "halted");
    assert_eq!(
        status["health"],
        json!({
            "under_way": 2, "confirmed": 8, "refused": 2, "reverted": 0, "silent": 0, "deferred": 0, "declined": 0,
        })
    );
}

#[tokio::test]
async fn who_refused_at_first_and_runs_it_in_the_end_is_no_failure() {
    let mut scene = Scene::new(1, 100.0, json!({})).await;
    scene.offered().await;
    scene.report(0, Event::RefusedByApp).await;
    assert_eq!(scene.status().await["health"]["refused"], 1);
    scene.report(0, Event::Requested).await;
    assert_eq!(
        scene.status().await["health"]["refused"],
        1,
        "asking again is no success"
    );
    scene.report(0, Event::Confirmed).await;
    let health = scene.status().await["health"].clone();
    assert_eq!((&health["refused"], &health["confirmed"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn silence_is_a_failure_after_a_time() {
    let mut scene = Scene::new(4, 100.0, json!({ "failures": 2, "silence_hours": 24 })).await;
    scene.offered().await;
    scene.report(0, Event::Confirmed).await;
    scene.report(1, Event::Requested).await;
    scene.harness.clock.advance_ms(24 * 3_600_000);
    scene.harness.service.watch_rollouts().await;
    assert_eq!(
        scene.status().await["state"],
        "running",
        "not before the time is over"
    );
    scene.harness.clock.advance_ms(1);
    scene.harness.service.watch_rollouts().await;
    let status = scene.status().await;
    assert_eq!(
        status["halted_because"],
        "3 of 4 devices failed (0 reverted, 0 refused, 3 silent)"
    );
}

#[tokio::test]
async fn whoever_resumes_takes_what_happened_into_account() {
    let mut scene = Scene::new(6, 100.0, json!({ "failures": 2, "silence_hours": 1 })).await;
    scene.offered().await;
    scene.report(0, Event::Reverted).await;
    scene.report(1, Event::Reverted).await;
    assert_eq!(scene.status().await["state"], "halted");
    scene.harness.clock.advance_ms(2 * 3_600_000);
    let resumed = scene.post("resume", Value::Null).await.json();
    assert_eq!(
        (&resumed["state"], &resumed["halted_because"]),
        (&json!("running"), &Value::Null)
    );
    scene.harness.service.watch_rollouts().await;
    assert_eq!(
        scene.status().await["state"],
        "running",
        "neither the reverts nor the silence before"
    );
    scene.report(2, Event::Reverted).await;
    assert_eq!(scene.status().await["state"], "running");
    scene.report(3, Event::Reverted).await;
    assert_eq!(scene.status().await["state"], "halted", "but what comes after");
    let answer = scene
        .harness
        .call(
            Method::POST,
            &format!("/api/v1/rollouts/{}/abort", scene.rollout),
            Body::empty(),
        )
        .await;
    assert_eq!(answer.json()["state"], "aborted");
}

#[tokio::test]
async fn the_next_stage_comes_by_itself_once_the_one_before_has_proven_itself() {
    const HOUR_MS: i64 = 3_600_000;
    let mut scene = Scene::with(
        60,
        json!({ "stages": [20, 60, 100], "advance": { "confirmed": 3, "soak_hours": 2 } }),
    )
    .await;
    let first = scene.offered().await;
    scene.harness.clock.advance_ms(2 * HOUR_MS);
    for (confirmed, lock) in first[..3].iter().enumerate() {
        scene.harness.service.watch_rollouts().await;
        assert_eq!(
            scene.status().await["percent"],
            20.0,
            "{confirmed} of 3 confirmed"
        );
        scene.report(*lock, Event::Confirmed).await;
    }
    scene.harness.service.watch_rollouts().await;
    assert_eq!(scene.status().await["percent"], 60.0);
    let second = scene.offered().await;
    assert!(second.len() > first.len());

    // Time alone is not enough, and neither is what was confirmed in the stage before.
    scene.harness.clock.advance_ms(5 * HOUR_MS);
    scene.harness.service.watch_rollouts().await;
    assert_eq!(scene.status().await["percent"], 60.0);
    let new = second.iter().copied().filter(|lock| !first.contains(lock));
    for lock in new.take(3) {
        scene.report(lock, Event::Confirmed).await;
    }
    scene.post("pause", Value::Null).await;
    scene.harness.service.watch_rollouts().await;
    assert_eq!(
        scene.status().await["percent"],
        60.0,
        "a paused rollout does not grow"
    );
    scene.post("resume", Value::Null).await;
    scene.harness.service.watch_rollouts().await;
    assert_eq!(
        scene.status().await["percent"],
        60.0,
        "what is offered again is watched as long again"
    );
    scene.harness.clock.advance_ms(2 * HOUR_MS);
    scene.harness.service.watch_rollouts().await;
    assert_eq!(scene.status().await["percent"], 100.0);
    scene.harness.service.watch_rollouts().await;
    assert_eq!(scene.status().await["percent"], 100.0, "there is no more");
    let audit = scene.harness.get("/api/v1/audit").await;
    let by_itself = |line: &&Value| line["action"] == "rollout.widen" && line["actor"] == "gate";
    assert_eq!(audit.as_array().unwrap().iter().filter(by_itself).count(), 2);
}

#[tokio::test]
async fn a_stage_is_watched_only_while_it_is_offered() {
    const HOUR_MS: i64 = 3_600_000;
    let advance = json!({ "confirmed": 1, "soak_hours": 24 });
    for waits in ["on hold", "not yet", "halted"] {
        let wanted = match waits {
            "on hold" => json!({ "start": false }),
            "not yet" => json!({ "terms": { "not_before_ms": START_MS + 48 * HOUR_MS } }),
            _ => json!({ "halt": { "failures": 1 } }),
        };
        let mut all = json!({ "stages": [60, 100], "advance": advance });
        all.as_object_mut()
            .unwrap()
            .extend(wanted.as_object().unwrap().clone());
        let mut scene = Scene::with(20, all).await;
        let confirms = scene.offered().await;
        if waits == "halted" {
            scene.report(confirms[0], Event::Confirmed).await;
            scene.report(confirms[1], Event::Reverted).await;
            assert_eq!(scene.status().await["state"], "halted");
        }
        scene.harness.clock.advance_ms(48 * HOUR_MS);
        if waits != "not yet" {
            scene.post("resume", Value::Null).await;
        }
        let offered = scene.offered().await;
        scene.report(offered[0], Event::Confirmed).await;
        scene.harness.service.watch_rollouts().await;
        assert_eq!(
            scene.status().await["percent"],
            60.0,
            "{waits}: nobody watched it"
        );
        scene.harness.clock.advance_ms(24 * HOUR_MS);
        scene.harness.service.watch_rollouts().await;
        assert_eq!(scene.status().await["percent"], 100.0, "{waits}");
    }
}

/// What its bootloader says when it took an image back.
fn took_back(lock: &mut Lock, release: ImageDigest, outcome: BootOutcome) {
    lock.boot.outcome = outcome;
    lock.boot.reason = 100;
    lock.boot.about.copy_from_slice(&release.0[..16]);
}

#[tokio::test]
async fn an_image_that_was_taken_back_after_it_was_confirmed_counts_against_it_without_a_report() {
    let mut scene = Scene::new(3, 100.0, json!({ "failures": 2 })).await;
    assert_eq!(scene.offered().await.len(), 3);
    scene.report(0, Event::Confirmed).await;
    took_back(&mut scene.locks[0], scene.release, BootOutcome::Rescued);
    // And one that its owner installed by phone.
    took_back(&mut scene.locks[1], scene.release, BootOutcome::Reverted);
    scene.harness.check_in(&mut scene.locks[0]).await;
    let health = scene.status().await["health"].clone();
    assert_eq!(
        (&health["confirmed"], &health["reverted"]),
        (&json!(0), &json!(1))
    );
    scene.harness.check_in(&mut scene.locks[0]).await;
    assert_eq!(scene.status().await["health"]["reverted"], 1, "once");
    scene.harness.check_in(&mut scene.locks[1]).await;
    let status = scene.status().await;
    assert_eq!(
        (&status["state"], &status["health"]["reverted"]),
        (&json!("halted"), &json!(2))
    );
    scene.post("resume", Value::Null).await;
    assert_eq!(scene.offered().await, [2]);
    let retry = format!("devices/{}/retry", scene.locks[0].id());
    assert_eq!(scene.post(&retry, Value::Null).await.status, StatusCode::OK);
    assert_eq!(scene.offered().await, [0, 2]);
    assert_eq!(scene.status().await["health"]["reverted"], 0, "forgiven");
}

#[tokio::test]
async fn what_a_bootloader_says_while_the_rollout_is_paused_counts_as_a_report_then_would() {
    let mut scene = Scene::new(2, 100.0, json!({ "failures": 1 })).await;
    assert_eq!(scene.offered().await.len(), 2);
    for lock in 0..2 {
        scene.report(lock, Event::Confirmed).await;
        took_back(&mut scene.locks[lock], scene.release, BootOutcome::Rescued);
    }
    scene.post("pause", Value::Null).await;
    assert!(scene.offered().await.is_empty());
    assert_eq!(scene.status().await["health"]["reverted"], 2);
    scene.post("resume", Value::Null).await;
    assert!(scene.offered().await.is_empty());
    let status = scene.status().await;
    assert_eq!(
        (&status["state"], &status["health"]["reverted"]),
        (&json!("running"), &json!(0)),
        "whoever resumed it could know"
    );
    let retry = |lock: usize| format!("devices/{}/retry", scene.locks[lock].id());
    let (first, second) = (retry(0), retry(1));
    assert_eq!(
        scene.post(&first, Value::Null).await.status,
        StatusCode::OK,
        "known by its word alone"
    );
    assert_eq!(scene.offered().await, [0]);
    assert_eq!(scene.post(&second, Value::Null).await.status, StatusCode::OK);
    assert_eq!(scene.offered().await, [0, 1]);
    // What it says next is news again.
    scene.harness.clock.advance_ms(1);
    took_back(&mut scene.locks[0], scene.release, BootOutcome::Reverted);
    scene.harness.check_in(&mut scene.locks[0]).await;
    assert_eq!(scene.status().await["state"], "halted");
}

#[tokio::test]
async fn what_a_bootloader_says_counts_in_no_rollout_that_was_made_afterwards() {
    let mut scene = Scene::new(1, 100.0, json!({})).await;
    assert_eq!(scene.offered().await, [0]);
    scene.post("pause", Value::Null).await;
    took_back(&mut scene.locks[0], scene.release, BootOutcome::Reverted);
    assert!(scene.offered().await.is_empty());
    scene.harness.clock.advance_ms(1);
    let anew = scene.harness.roll_out(scene.release).await;
    assert_eq!(scene.offered().await, [0], "a new rollout is another try");
    scene.post("resume", Value::Null).await;
    assert_eq!(scene.offered().await, [0]);
    // Asked for, confirmed and said so before its bootloader says anything else.
    scene.report(0, Event::Confirmed).await;
    scene.harness.check_in(&mut scene.locks[0]).await;
    let reverted = async |rollout: &str| {
        let status = scene.harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
        status["health"]["reverted"].clone()
    };
    assert_eq!(reverted(&anew).await, 0);
    assert_eq!(
        reverted(&scene.rollout).await,
        1,
        "where its word counts, it weighs more"
    );
}

#[tokio::test]
async fn what_a_bootloader_said_of_an_image_that_was_never_offered_can_be_forgiven_too() {
    let mut scene = Scene::new(1, 100.0, json!({})).await;
    took_back(&mut scene.locks[0], scene.release, BootOutcome::Reverted);
    assert!(scene.offered().await.is_empty());
    let retry = format!("devices/{}/retry", scene.locks[0].id());
    assert_eq!(scene.post(&retry, Value::Null).await.status, StatusCode::OK);
    assert_eq!(scene.offered().await, [0]);
}

#[tokio::test]
async fn a_rollout_that_is_to_halt_does_not_grow() {
    let wanted = json!({
        "stages": [50, 100], "advance": { "confirmed": 1, "soak_hours": 0 },
        "halt": { "failures": 2, "silence_hours": 1 },
    });
    let mut scene = Scene::with(40, wanted).await;
    let first = scene.offered().await;
    scene.report(first[0], Event::Confirmed).await;
    // All others fall silent.
    scene.harness.clock.advance_ms(2 * 3_600_000);
    scene.harness.service.watch_rollouts().await;
    let status = scene.status().await;
    assert_eq!(
        (&status["state"], &status["percent"]),
        (&json!("halted"), &json!(50.0))
    );
}

#[tokio::test]
async fn a_failure_halts_a_rollout_that_somebody_widens_in_that_moment() {
    let mut scene = Scene::new(40, 50.0, json!({ "failures": 1 })).await;
    let offered = scene.offered().await;
    let step = |step: &str| format!("/api/v1/rollouts/{}/{step}", scene.rollout);
    let (widen, resume) = (step("widen"), step("resume"));
    for (turn, lock) in offered.into_iter().enumerate() {
        let report = scene.locks[lock].report(Event::Reverted, scene.release, 0);
        let message = scene.locks[lock].seal(&report);
        let wider = json!({ "percent": 51 + turn }).to_string();
        let harness = &scene.harness;
        // A little later in each turn, so that some meet while the failure is judged.
        let (_, answer) = tokio::join!(
            async {
                for _ in 0..turn {
                    tokio::task::yield_now().await;
                }
                harness.call(Method::POST, &widen, wider).await
            },
            harness.lock_says("/device/v1/report", message),
        );
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(scene.status().await["state"], "halted", "in turn {turn}");
        harness.call(Method::POST, &resume, Body::empty()).await;
    }
}

#[tokio::test]
async fn a_rollout_on_hold_shows_exactly_whom_it_will_reach() {
    let mut scene = Scene::with(40, json!({ "stages": [25, 100], "start": false })).await;
    assert_eq!(scene.status().await["state"], "paused");
    assert_eq!(scene.offered().await, [0_usize; 0], "nobody before it is started");
    let members = |query: &'static str| {
        let path = format!("/api/v1/rollouts/{}/devices{query}", scene.rollout);
        let harness = &scene.harness;
        async move { harness.get(&path).await.as_array().unwrap().clone() }
    };
    let all = members("").await;
    assert_eq!(all.len(), 40);
    let ids = |members: &[Value]| -> Vec<String> {
        members
            .iter()
            .map(|member| member["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut paged = members("?limit=15").await;
    let path = format!(
        "/api/v1/rollouts/{}/devices?after={}",
        scene.rollout,
        ids(&paged)[14]
    );
    paged.extend(scene.harness.get(&path).await.as_array().unwrap().clone());
    assert_eq!(paged, all);
    let foretold: Vec<Value> = all
        .into_iter()
        .filter(|member| member["reached"] == true)
        .collect();

    scene.post("resume", Value::Null).await;
    let offered = scene.offered().await;
    let mut came: Vec<String> = offered
        .iter()
        .map(|lock| scene.locks[*lock].id().to_string())
        .collect();
    came.sort();
    assert_eq!(ids(&foretold), came);
    scene.report(offered[0], Event::Reverted).await;
    let path = format!("/api/v1/rollouts/{}/devices?standing=reverted", scene.rollout);
    let reverted = scene.harness.get(&path).await;
    assert_eq!(
        ids(reverted.as_array().unwrap()),
        [scene.locks[offered[0]].id().to_string()]
    );
}

#[tokio::test]
async fn an_operator_gives_a_lock_another_try() {
    let mut scene = Scene::new(2, 100.0, json!({})).await;
    scene.offered().await;
    scene.report(0, Event::Reverted).await;
    scene.report(1, Event::Confirmed).await;
    assert_eq!(
        scene.offered().await,
        [1],
        "one that reverted it is not offered it again"
    );
    scene.harness.clock.advance_ms(1);
    let retry = |lock: usize| format!("devices/{}/retry", scene.locks[lock].id());
    let retries = [retry(0), retry(1)];
    assert_eq!(scene.post(&retries[0], Value::Null).await.status, StatusCode::OK);
    assert_eq!(scene.status().await["health"]["reverted"], 0);
    assert_eq!(scene.offered().await, [0, 1]);
    for nothing in [&retries[0], &retries[1]] {
        assert_eq!(scene.post(nothing, Value::Null).await.problem(), "conflict");
    }
    scene.report(0, Event::Reverted).await;
    assert_eq!(scene.offered().await, [1], "and a try is a try");
}
