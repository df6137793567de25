//! Silence: who was offered the release and was not heard of since. Nobody else.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::{Event, ProblemCode};
use latchkey_image::ImageDigest;
use serde_json::json;

use latchkey_server::Settings;

use crate::support::{Draft, Harness, INTERVAL_S, Lock, settings};

const HOUR_MS: i64 = 3_600_000;

/// A rollout that does not halt, whoever is silent.
async fn roll_out(harness: &Harness, release: ImageDigest) -> String {
    halting_at(1000, harness, release).await
}

async fn halting_at(failures: u32, harness: &Harness, release: ImageDigest) -> String {
    let halt = json!({ "failures": failures, "percent": 100, "silence_hours": 2 });
    harness
        .roll_out_to(json!({ "release": release.to_string(), "to": "all", "halt": halt }))
        .await
}

async fn step(harness: &Harness, rollout: &str, step: &str) {
    let path = format!("/api/v1/rollouts/{rollout}/{step}");
    let answer = harness.call(Method::POST, &path, Body::empty()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

async fn silent(harness: &Harness, rollout: &str) -> u64 {
    harness.service.watch_rollouts().await;
    let status = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    status["health"]["silent"].as_u64().unwrap()
}

/// Two different reports come under one number: somebody else has its key.
async fn is_copied(harness: &Harness, lock: &mut Lock) {
    let first = lock.report(Event::Requested, ImageDigest([8; 32]), 0);
    for (event, status) in [
        (Event::Requested, StatusCode::OK),
        (Event::Confirmed, StatusCode::CONFLICT),
    ] {
        let report = latchkey_directive::Report { event, ..first };
        let answer = harness.lock_says("/device/v1/report", lock.seal(&report)).await;
        assert_eq!(answer.status, status);
        if status == StatusCode::CONFLICT {
            assert_eq!(answer.lock_problem(), ProblemCode::Replayed);
        }
    }
}

#[tokio::test]
async fn only_who_was_offered_it_and_was_not_heard_of_since_is_silent() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut locks = harness.locks(8).await;
    let rollout = roll_out(&harness, release).await;
    let [gone, asked, calls, newer, asked_newer, back, revoked, copied] = &mut locks[..] else {
        panic!("eight locks");
    };
    for lock in [
        &mut *gone,
        asked,
        calls,
        newer,
        asked_newer,
        back,
        revoked,
        copied,
    ] {
        assert_eq!(harness.offered(lock).await, Some(release));
    }
    for lock in [asked, &mut *asked_newer] {
        harness.report(lock, Event::Requested, release, 0).await;
    }

    // By phone, two got something newer, and one a build whose floor is above the release.
    harness.clock.advance_ms(HOUR_MS);
    for lock in [newer, asked_newer, back] {
        lock.runs(ImageDigest([9; 32]), 3, 3);
        assert_eq!(harness.offered(lock).await, None);
    }
    let path = format!("/api/v1/devices/{}/revoke", revoked.id());
    assert_eq!(
        harness.call(Method::POST, &path, Body::empty()).await.status,
        StatusCode::OK
    );
    is_copied(&harness, copied).await;
    assert_eq!(
        harness.offered(copied).await,
        None,
        "nothing as long as that lasts"
    );

    harness.clock.advance_ms(HOUR_MS);
    assert_eq!(
        harness.offered(calls).await,
        Some(release),
        "it calls, and may take its time"
    );
    assert_eq!(silent(&harness, &rollout).await, 0, "two hours to the moment");
    harness.clock.advance_ms(1);
    assert_eq!(
        silent(&harness, &rollout).await,
        2,
        "one that was offered it, one that asked for it"
    );
    // And for good: what came before the time was over does not count when it is.
    harness.clock.advance_ms(HOUR_MS);
    assert_eq!(silent(&harness, &rollout).await, 2);
    harness.clock.advance_ms(HOUR_MS);
    assert_eq!(silent(&harness, &rollout).await, 3, "now the one that called too");
    assert_eq!(harness.offered(calls).await, Some(release));
    assert_eq!(silent(&harness, &rollout).await, 2, "and it is back");
}

#[tokio::test]
async fn a_lock_that_a_newer_rollout_took_over_is_silent_there_and_not_in_the_older_one() {
    let harness = Harness::ready().await;
    let (first, second) = (
        harness.publish(&Draft::new(2, 2)).await,
        harness.publish(&Draft::new(3, 2)).await,
    );
    let mut lock = harness.lock().await;
    let older = roll_out(&harness, first).await;
    assert_eq!(harness.offered(&mut lock).await, Some(first));
    let newer = roll_out(&harness, second).await;
    assert_eq!(harness.offered(&mut lock).await, Some(second));
    harness.clock.advance_ms(2 * HOUR_MS + 1);
    assert_eq!(silent(&harness, &older).await, 0);
    assert_eq!(silent(&harness, &newer).await, 1);
    // Without the newer one, the older one's offer stands again, from then on.
    step(&harness, &newer, "abort").await;
    assert_eq!(harness.offered(&mut lock).await, Some(first));
    assert_eq!(silent(&harness, &older).await, 0);
    harness.clock.advance_ms(2 * HOUR_MS + 1);
    assert_eq!(silent(&harness, &older).await, 1);
}

#[tokio::test]
async fn who_falls_silent_behind_a_pause_counts_and_who_was_silent_before_it_does_not() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut locks: [Lock; 2] = [harness.lock().await, harness.lock().await];
    let rollout = roll_out(&harness, release).await;
    let [early, late] = &mut locks;
    assert_eq!(harness.offered(early).await, Some(release));
    harness.clock.advance_ms(2 * HOUR_MS);
    assert_eq!(harness.offered(late).await, Some(release));
    harness.clock.advance_ms(1);
    assert_eq!(silent(&harness, &rollout).await, 1);
    for word in ["pause", "resume"] {
        step(&harness, &rollout, word).await;
    }
    assert_eq!(
        silent(&harness, &rollout).await,
        0,
        "that was known to whoever resumed it"
    );
    harness.clock.advance_ms(2 * HOUR_MS);
    assert_eq!(
        silent(&harness, &rollout).await,
        1,
        "nobody could know it of the other"
    );
}

#[tokio::test]
async fn who_was_told_nothing_when_it_called_last_is_not_silent() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut lock = harness.lock().await;
    let rollout = roll_out(&harness, release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    step(&harness, &rollout, "pause").await;
    harness.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(harness.offered(&mut lock).await, None);
    // Its battery is taken out, and only then the rollout goes on.
    harness.clock.advance_ms(HOUR_MS);
    step(&harness, &rollout, "resume").await;
    harness.clock.advance_ms(2 * HOUR_MS);
    assert_eq!(silent(&harness, &rollout).await, 0);
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    harness.clock.advance_ms(2 * HOUR_MS + 1);
    assert_eq!(silent(&harness, &rollout).await, 1);
}

#[tokio::test]
async fn who_asked_and_was_told_nothing_afterwards_is_not_silent_until_it_asks_again() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut lock = harness.lock().await;
    let rollout = roll_out(&harness, release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    harness.report(&mut lock, Event::Requested, release, 0).await;
    step(&harness, &rollout, "pause").await;
    // Its bootloader never came to it, and nobody tells it to ask again.
    harness.clock.advance_ms(1);
    assert_eq!(harness.offered(&mut lock).await, None);
    step(&harness, &rollout, "resume").await;
    harness.clock.advance_ms(2 * HOUR_MS + 1);
    assert_eq!(silent(&harness, &rollout).await, 0);
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    harness.clock.advance_ms(2 * HOUR_MS + 1);
    assert_eq!(silent(&harness, &rollout).await, 1);
}

#[tokio::test]
async fn whose_key_was_copied_since_is_not_silent() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut locks: [Lock; 2] = [harness.lock().await, harness.lock().await];
    let rollout = roll_out(&harness, release).await;
    for lock in &mut locks {
        assert_eq!(harness.offered(lock).await, Some(release));
        harness.report(lock, Event::Requested, release, 0).await;
    }
    is_copied(&harness, &mut locks[0]).await;
    harness.clock.advance_ms(2 * HOUR_MS + 1);
    assert_eq!(silent(&harness, &rollout).await, 1, "the other one");
}

#[tokio::test]
async fn who_called_last_with_the_release_on_trial_is_silent() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut locks: [Lock; 2] = [harness.lock().await, harness.lock().await];
    let rollout = roll_out(&harness, release).await;
    let [gone, confirms] = &mut locks;
    for lock in [&mut *gone, &mut *confirms] {
        assert_eq!(harness.offered(lock).await, Some(release));
        // By phone, so that no report comes before.
        lock.runs(release, 2, 2);
        lock.running.confirmed = false;
        assert_eq!(harness.offered(lock).await, None);
    }
    confirms.running.confirmed = true;
    assert_eq!(harness.offered(confirms).await, None);
    harness.clock.advance_ms(2 * HOUR_MS);
    assert_eq!(silent(&harness, &rollout).await, 0);
    harness.clock.advance_ms(1);
    assert_eq!(silent(&harness, &rollout).await, 1);
}

/// How often the server looks, in the tests of what it does after it could not.
const LOOKS_S: u32 = 60;

/// A server that looks once a minute.
async fn watchful() -> Harness {
    let harness = Harness::set(Settings {
        watch_interval_s: LOOKS_S,
        ..settings()
    })
    .await;
    harness.set_policy().await;
    harness
}

/// Time goes on for a server that looks at its rollouts as often as it is to.
async fn live(harness: &Harness, ms: i64) {
    let look_ms = 1000 * i64::from(LOOKS_S);
    for _ in 0..ms / look_ms {
        harness.clock.advance_ms(look_ms);
        harness.service.watch_rollouts().await;
    }
    harness.clock.advance_ms(ms % look_ms);
    harness.service.watch_rollouts().await;
}

/// What all who can call need, after so long a time away.
fn recovery_ms(away_ms: i64) -> i64 {
    let call_ms = 1100 * i64::from(INTERVAL_S) + 1000;
    2 * call_ms + (2 * away_ms).min(24 * HOUR_MS)
}

#[tokio::test]
async fn a_server_that_was_away_takes_nobody_for_silent_and_widens_nothing_before_all_could_call() {
    let mut harness = watchful().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut locks = harness.locks(3).await;
    let rules = json!({
        "release": release.to_string(), "to": "all", "stages": [99.99, 100],
        "halt": { "failures": 1, "silence_hours": 48 }, "advance": { "confirmed": 1, "soak_hours": 1 },
    });
    let rollout = harness.roll_out_to(rules).await;
    for lock in &mut locks {
        assert_eq!(harness.offered(lock).await, Some(release));
    }
    harness.report(&mut locks[0], Event::Confirmed, release, 0).await;
    let path = format!("/api/v1/rollouts/{rollout}");
    let stands = async |harness: &Harness| {
        let rollout = harness.get(&path).await;
        (rollout["state"].clone(), rollout["percent"].clone())
    };
    live(&harness, HOUR_MS / 2).await;
    // Away for longer than the soak, and a second time while it recovers.
    for away_ms in [2 * HOUR_MS, 3 * HOUR_MS] {
        harness.stop().await;
        harness.clock.advance_ms(away_ms);
        harness.start().await;
        harness.service.watch_rollouts().await;
        live(&harness, HOUR_MS / 2).await;
        assert_eq!(stands(&harness).await, (json!("running"), json!(99.99)));
    }
    live(&harness, recovery_ms(3 * HOUR_MS) - HOUR_MS / 2 - 1).await;
    assert_eq!(stands(&harness).await, (json!("running"), json!(99.99)));
    live(&harness, 1).await;
    assert_eq!(
        stands(&harness).await,
        (json!("running"), json!(100.0)),
        "all is well"
    );
    // Away for longer than anybody may be silent.
    harness.stop().await;
    harness.clock.advance_ms(72 * HOUR_MS);
    harness.start().await;
    harness.service.watch_rollouts().await;
    live(&harness, recovery_ms(72 * HOUR_MS) - 1).await;
    assert_eq!(stands(&harness).await.0, json!("running"));
    live(&harness, 1).await;
    assert_eq!(stands(&harness).await.0, json!("halted"), "it could have called");
}

#[tokio::test]
async fn a_server_that_was_frozen_takes_nobody_for_silent_and_a_restart_is_no_absence() {
    let mut harness = watchful().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut lock = harness.lock().await;
    let rollout = halting_at(1, &harness, release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    live(&harness, HOUR_MS).await;
    // It goes on where it stood, a day later by the clock.
    harness.clock.advance_ms(24 * HOUR_MS);
    harness.service.watch_rollouts().await;
    let halted = json!("halted");
    let path = format!("/api/v1/rollouts/{rollout}");
    live(&harness, recovery_ms(24 * HOUR_MS) - 1).await;
    assert_ne!(harness.get(&path).await["state"], halted);
    harness.restart().await;
    live(&harness, 1).await;
    assert_eq!(harness.get(&path).await["state"], halted);
}
