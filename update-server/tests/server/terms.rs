//! On what terms a rollout reaches a lock: charge, hours, wishes, attempts; and what the list before it starts says.

use axum::http::{Method, StatusCode};
use latchkey_directive::{Event, Hold};
use latchkey_image::{ImageDigest, SecurityCounter};
use serde_json::{Value, json};

use crate::support::{Draft, Harness, Lock, START_MS, version};

const HOUR_MS: i64 = 3_600_000;

async fn rolled_out(harness: &Harness, more: Value) -> (ImageDigest, String) {
    let release = harness.publish(&Draft::new(2, 2)).await;
    let mut wanted = json!({ "release": release.to_string(), "to": "all" });
    for (key, value) in more.as_object().unwrap() {
        wanted[key] = value.clone();
    }
    (release, harness.roll_out_to(wanted).await)
}

async fn health(harness: &Harness, rollout: &str) -> Value {
    harness.get(&format!("/api/v1/rollouts/{rollout}")).await["health"].clone()
}

async fn why(harness: &Harness, lock: &Lock) -> String {
    let path = format!("/api/v1/devices/{}/decision", lock.id());
    harness.get(&path).await["explanation"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn wish(harness: &Harness, lock: &Lock, wishes: Value) -> (StatusCode, Value) {
    let path = format!("/api/v1/devices/{}/wishes", lock.id());
    let answer = harness.call(Method::PUT, &path, wishes.to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn owners_who_postpone_or_decline_are_not_failures() {
    let harness = Harness::ready().await;
    let mut locks = harness.locks(4).await;
    let (release, rollout) =
        rolled_out(&harness, json!({ "halt": { "failures": 1, "silence_hours": 1 } })).await;
    let [low, postponed, declined, busy] = &mut locks[..] else {
        panic!()
    };
    low.battery_percent = 12;
    let until = START_MS + 48 * HOUR_MS;
    wish(&harness, postponed, json!({ "postponed_until_ms": until })).await;
    declined.hold = Some(Hold::OWNER);
    for lock in [&mut *low, postponed, declined] {
        assert_eq!(harness.offered(lock).await, None);
    }
    assert!(
        why(&harness, low)
            .await
            .contains("its battery is at 12 % and the rollout asks for 30 %")
    );
    assert!(
        why(&harness, postponed)
            .await
            .contains("postponed until 2027-01-17T08:00:00Z")
    );
    assert!(why(&harness, declined).await.contains("switched off in the lock"));
    assert_eq!(harness.offered(busy).await, Some(release));
    busy.hold = Some(Hold::BUSY);
    assert_eq!(
        harness.offered(busy).await,
        Some(release),
        "it knows when it is free"
    );
    let found = health(&harness, &rollout).await;
    assert_eq!(
        (&found["deferred"], &found["declined"]),
        (&json!(3), &json!(1)),
        "{found}"
    );
    harness.clock.advance_ms(24 * HOUR_MS);
    harness.service.watch_rollouts().await;
    let status = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(status["state"], "running", "{status}");
    let members = harness
        .get(&format!("/api/v1/rollouts/{rollout}/devices?standing=declined"))
        .await;
    assert_eq!(members[0]["id"], declined.id().to_string());

    harness.clock.advance_ms(25 * HOUR_MS);
    low.battery_percent = 90;
    declined.hold = None;
    busy.hold = None;
    for lock in [low, postponed, declined, busy] {
        assert_eq!(harness.offered(lock).await, Some(release));
    }
    let found = health(&harness, &rollout).await;
    assert_eq!(
        (&found["deferred"], &found["declined"], &found["under_way"]),
        (&json!(0), &json!(0), &json!(4))
    );
    // And from here on silence counts again.
    harness.clock.advance_ms(2 * HOUR_MS);
    harness.service.watch_rollouts().await;
    let status = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(status["state"], "halted", "{status}");
}

#[tokio::test]
async fn an_update_comes_in_the_night_of_where_the_lock_is() {
    let harness = Harness::ready().await;
    let mut berlin = harness.lock().await;
    let mut auckland = harness.lock().await;
    wish(&harness, &berlin, json!({ "zone": "Europe/Berlin" })).await;
    let (status, shown) = wish(&harness, &auckland, json!({ "zone": "pacific/auckland" })).await;
    assert_eq!(
        (status, &shown["zone"]),
        (StatusCode::OK, &json!("Pacific/Auckland"))
    );
    let (release, _) = rolled_out(&harness, json!({ "terms": { "hours": "22:00-05:00" } })).await;
    // START_MS is 08:00 UTC in January: nine in the morning in Berlin, nine in the evening in Auckland.
    assert_eq!(harness.offered(&mut berlin).await, None);
    assert_eq!(harness.offered(&mut auckland).await, None);
    assert!(
        why(&harness, &berlin)
            .await
            .contains("from 22:00-05:00 where the device is, and it is 09:00 there")
    );
    harness.clock.advance_ms(HOUR_MS);
    assert_eq!(
        harness.offered(&mut auckland).await,
        Some(release),
        "ten in the evening"
    );
    harness.clock.advance_ms(12 * HOUR_MS);
    assert_eq!(
        harness.offered(&mut berlin).await,
        Some(release),
        "ten in the evening"
    );
    assert_eq!(harness.offered(&mut auckland).await, None, "ten in the morning");
}

#[tokio::test]
async fn security_updates_reach_owners_who_want_no_others() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    wish(&harness, &lock, json!({ "updates": "security" })).await;
    rolled_out(&harness, json!({})).await;
    assert_eq!(harness.offered(&mut lock).await, None);
    assert!(
        why(&harness, &lock)
            .await
            .contains("no feature updates are wanted")
    );
    let fix = Draft::new(3, 3).file();
    let answer = harness
        .call(Method::POST, "/api/v1/releases?kind=security", fix)
        .await;
    assert_eq!(answer.json()["kind"], "security");
    let digest = answer.json()["digest"].clone();
    harness
        .roll_out_to(json!({ "release": digest, "to": "all" }))
        .await;
    assert_eq!(harness.offered(&mut lock).await.unwrap().to_string(), digest);
}

#[tokio::test]
async fn wishes_that_make_no_sense_change_nothing() {
    let harness = Harness::ready().await;
    let lock = harness.lock().await;
    for wrong in [
        json!({ "updates": "some" }),
        json!({ "zone": "Europe/Atlantis" }),
        json!({ "postponed_until_ms": START_MS + 91 * 24 * HOUR_MS }),
        json!({ "postponed": 1 }),
    ] {
        let (status, answer) = wish(&harness, &lock, wrong.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {answer}");
    }
    let shown = harness.get(&format!("/api/v1/devices/{}", lock.id())).await;
    assert_eq!((&shown["updates"], &shown["zone"]), (&json!("all"), &Value::Null));
    for terms in [
        json!({ "battery_percent": 101 }),
        json!({ "hours": "22-05" }),
        json!({ "hours": "22:00-22:00" }),
    ] {
        let wanted = json!({ "release": "ab".repeat(32), "to": "all", "terms": terms });
        let answer = harness
            .call(Method::POST, "/api/v1/rollouts", wanted.to_string())
            .await;
        assert_eq!(answer.problem(), "invalid", "{terms}");
    }
}

#[tokio::test]
async fn a_lock_that_refuses_is_left_alone_ever_longer() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let (release, _) = rolled_out(&harness, json!({})).await;
    for rest_hours in [1, 4] {
        assert_eq!(harness.offered(&mut lock).await, Some(release));
        harness.report(&mut lock, Event::RefusedByApp, release, 35).await;
        assert_eq!(harness.offered(&mut lock).await, None);
        assert!(why(&harness, &lock).await.contains("it is offered again from"));
        harness.clock.advance_ms(rest_hours * HOUR_MS - 1);
        assert_eq!(harness.offered(&mut lock).await, None);
        harness.clock.advance_ms(1);
    }
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    harness.report(&mut lock, Event::RefusedByApp, release, 35).await;
    harness.clock.advance_ms(1000 * HOUR_MS);
    assert_eq!(harness.offered(&mut lock).await, None, "three times is enough");
}

#[tokio::test]
async fn the_list_before_the_start_is_what_happens_after_it() {
    let harness = Harness::ready().await;
    let mut locks = Vec::new();
    for number in 0..40_u8 {
        let mut lock = harness.lock().await;
        match number % 5 {
            0 => lock.battery_percent = 5,
            1 => lock.hold = Some(Hold::OWNER),
            2 => (lock.running.version, lock.running.counter) = (version(9), SecurityCounter(9)),
            _ => {}
        }
        harness.check_in(&mut lock).await;
        locks.push(lock);
    }
    let never_called = harness.lock().await;
    let (release, rollout) = rolled_out(&harness, json!({ "start": false, "stages": [50] })).await;
    // A newer one, that runs already, goes first with some.
    let newer = harness.publish(&Draft::new(3, 3)).await.to_string();
    let some = locks.iter().skip(3).step_by(5);
    let some: Vec<String> = some.map(|lock| lock.id().to_string()).collect();
    let wanted = json!({ "release": newer, "to": "list", "devices": some });
    harness.roll_out_to(wanted).await;

    let preview = harness.get(&format!("/api/v1/rollouts/{rollout}/preview")).await;
    assert_eq!(preview["included"], 41);
    assert_eq!(preview["class_name"], "lock-emulator-1");
    let groups = preview["groups"].as_array().unwrap();
    let count = |verdict: &str| -> u64 {
        let of = groups.iter().filter(|group| group["verdict"] == verdict);
        of.map(|group| group["devices"].as_u64().unwrap()).sum()
    };
    assert_eq!((count("not-newer"), count("not-seen")), (8, 1));
    assert_eq!(count("offered"), preview["offered"].as_u64().unwrap());
    assert!(count("newer-goes-first") > 0, "{groups:?}");
    let path = format!("/api/v1/rollouts/{rollout}/devices");
    let foretold: Vec<String> = harness
        .get(&path)
        .await
        .as_array()
        .unwrap()
        .iter()
        .filter(|member| member["verdict"] == "offered")
        .map(|member| member["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(foretold.len() as u64, count("offered"));
    assert!((1..30).contains(&foretold.len()), "{} of 40", foretold.len());
    assert!(!foretold.contains(&never_called.id().to_string()));

    harness
        .call(Method::POST, &format!("/api/v1/rollouts/{rollout}/resume"), "")
        .await;
    for lock in &mut locks {
        let told = foretold.contains(&lock.id().to_string());
        assert_eq!(harness.offered(lock).await == Some(release), told);
    }
}
