//! A whole rollout at the dashboard, without scripts: made on hold, looked at, started, watched, halted, resumed, widened,
//! aborted.

use axum::http::StatusCode;
use latchkey_directive::Event;
use latchkey_image::ImageDigest;
use serde_json::json;

use crate::support::{Draft, Harness, Lock};
use crate::visit::{Visit, between};

const HALVES: [(&str, &str); 8] = [
    ("to", "all"),
    ("stages", "50, 100"),
    ("advance", "by-hand"),
    ("failures", "3"),
    ("percent", "5"),
    ("sample", "20"),
    ("silence_hours", "72"),
    ("devices", ""),
];

struct Scene {
    harness: Harness,
    locks: Vec<Lock>,
    release: ImageDigest,
}

impl Scene {
    async fn new(locks: usize) -> Self {
        let harness = Harness::ready().await;
        let release = harness.publish(&Draft::new(2, 2)).await;
        let mut made = Vec::new();
        for _ in 0..locks {
            let mut lock = harness.lock().await;
            harness.check_in(&mut lock).await;
            made.push(lock);
        }
        Self {
            harness,
            locks: made,
            release,
        }
    }

    async fn make(&self, visit: &Visit<'_>, fields: &[(&str, &str)]) -> String {
        let release = self.release.to_string();
        let fields = [&[("release", release.as_str())], fields].concat();
        visit
            .send("/dashboard/rollouts", &fields)
            .await
            .leads_to()
            .to_owned()
    }
}

/// Locks that are offered the release when all check in.
async fn offered(harness: &Harness, locks: &mut [Lock], release: ImageDigest) -> Vec<usize> {
    let mut offered = Vec::new();
    for (number, lock) in locks.iter_mut().enumerate() {
        if harness.offered(lock).await == Some(release) {
            offered.push(number);
        }
    }
    offered
}

#[tokio::test]
async fn a_rollout_is_made_on_hold_looked_at_and_started() {
    let mut scene = Scene::new(20).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    let form = visit
        .see(&format!("/dashboard/rollouts/new?release={}", scene.release))
        .await;
    let chosen = format!(
        "<option value=\"{}\" selected>1.2.0+0 to lock-emulator-1",
        scene.release
    );
    assert!(form.contains(&chosen), "{form}");

    let place = scene.make(&visit, &HALVES).await;
    let page = visit.see(&place).await;
    assert!(
        page.contains("on hold") && page.contains("Look and start…"),
        "{page}"
    );
    assert!(offered(harness, &mut scene.locks, scene.release).await.is_empty());

    let dry = visit.see(&format!("{place}/start")).await;
    let (_, list) = dry.split_once("id=\"dry-run\"").unwrap();
    let foretold: Vec<bool> = scene
        .locks
        .iter()
        .map(|lock| list.contains(&format!("/dashboard/devices/{}\"", lock.id())))
        .collect();
    let count = foretold.iter().filter(|reached| **reached).count();
    assert!(dry.contains(&format!("Start: offer it to {count} lock")), "{dry}");
    assert!(dry.contains(&format!("<b>{count}</b> run 1.1.0+0")), "{dry}");
    assert!(
        offered(harness, &mut scene.locks, scene.release).await.is_empty(),
        "looking starts nothing"
    );

    assert_eq!(visit.send(&format!("{place}/start"), &[]).await.leads_to(), place);
    let came = offered(harness, &mut scene.locks, scene.release).await;
    let foretold: Vec<usize> = (0..20).filter(|lock| foretold[*lock]).collect();
    assert_eq!(came, foretold, "exactly those");
    let page = visit.see(&place).await;
    let said = format!(
        "Locks of this rollout: 0 confirmed, {} under way, 0 reverted, 0 refused, 0 silent, 0 deferred, 0 declined, {} waiting",
        came.len(),
        20 - came.len()
    );
    assert!(page.contains(&said), "{page}");
    assert!(page.contains("rollout.create") && page.contains("rollout.resume"));
}

#[tokio::test]
async fn a_failing_release_is_seen_to_halt_itself_and_a_person_halts_with_two_clicks() {
    let mut scene = Scene::new(20).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    let place = scene.make(&visit, &HALVES).await;
    visit.send(&format!("{place}/start"), &[]).await.leads_to();
    let came = offered(harness, &mut scene.locks, scene.release).await;
    let page = visit.see(&place).await;
    assert!(page.contains(&format!("id=\"halt\" href=\"{place}/halt\"")));
    let ask = visit.see(&format!("{place}/halt")).await;
    assert!(
        ask.contains("lock-emulator-1") && ask.contains(&format!(">{}</dt>", came.len())),
        "{ask}"
    );
    assert_eq!(visit.send(&format!("{place}/halt"), &[]).await.leads_to(), place);
    assert!(offered(harness, &mut scene.locks, scene.release).await.is_empty());
    assert!(visit.see(&place).await.contains("Resume…"));
    harness.clock.advance_ms(1);
    visit.send(&format!("{place}/resume"), &[]).await.leads_to();

    for lock in &came[..3] {
        let lock = &mut scene.locks[*lock];
        harness.report(lock, Event::Reverted, scene.release, 0).await;
    }
    let page = visit.see(&place).await;
    assert!(
        page.contains("It halted itself:</strong> 3 of 3 devices failed (3 reverted, 0 refused, 0 silent)."),
        "{page}"
    );
    assert!(page.contains("<b>3</b> of 3 <meter"), "{page}");
    let list = visit.see("/dashboard/rollouts").await;
    assert!(list.contains("halted itself"));

    // One of them gets another try.
    let failed = visit.see(&format!("{place}/devices?standing=reverted")).await;
    assert_eq!(failed.matches("Try again").count(), 3);
    let retry = between(&failed, "action=\"", "/retry\"");
    let retry = failed
        .match_indices("action=\"")
        .nth(1)
        .map_or(retry, |(at, _)| between(&failed[at..], "action=\"", "\""));
    harness.clock.advance_ms(1);
    assert_eq!(
        visit.send(retry.unwrap(), &[]).await.leads_to(),
        format!("{place}/devices")
    );
    let failed = visit.see(&format!("{place}/devices?standing=reverted")).await;
    assert_eq!(failed.matches("Try again").count(), 2);
}

#[tokio::test]
async fn widening_shows_whom_it_adds_and_takes_nobody_out() {
    let mut scene = Scene::new(20).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    let place = scene.make(&visit, &HALVES).await;
    visit.send(&format!("{place}/start"), &[]).await.leads_to();
    let few = offered(harness, &mut scene.locks, scene.release).await;
    let ask = visit.see(&format!("{place}/widen?percent=100")).await;
    assert!(ask.contains("Widen to 100 %"));
    assert!(
        ask.contains(&format!("{} of model lock-emulator-1", 20 - few.len())),
        "{ask}"
    );
    let (_, list) = ask.split_once("id=\"dry-run\"").unwrap();
    for lock in &few {
        assert!(
            !list.contains(&scene.locks[*lock].id().to_string()),
            "it is reached already"
        );
    }
    visit
        .send(&format!("{place}/widen"), &[("percent", "100")])
        .await
        .leads_to();
    assert_eq!(offered(harness, &mut scene.locks, scene.release).await.len(), 20);
    let narrower = visit.send(&format!("{place}/widen"), &[("percent", "10")]).await;
    assert_eq!(narrower.page_problem(), "conflict");
    for wrong in ["", "0", "101", "x", "5;"] {
        let answer = visit.send(&format!("{place}/widen"), &[("percent", wrong)]).await;
        assert_eq!(answer.page_problem(), "invalid", "{wrong:?}");
    }
    visit.send(&format!("{place}/abort"), &[]).await.leads_to();
    let page = visit.see(&place).await;
    assert!(page.contains("aborted") && !page.contains("id=\"halt\"") && !page.contains("id=\"resume\""));
    assert_eq!(
        visit.send(&format!("{place}/resume"), &[]).await.page_problem(),
        "conflict"
    );
}

#[tokio::test]
async fn the_form_takes_what_the_api_takes() {
    let scene = Scene::new(2).await;
    let visit = Visit::new(&scene.harness).await;
    let name = scene.locks[0].id().to_string();
    let mut fields = HALVES.to_vec();
    fields[0] = ("to", "list");
    fields[2] = ("advance", "automatic");
    fields[7] = ("devices", &name);
    fields.extend([("confirmed", "7"), ("soak_hours", "5")]);
    let place = scene.make(&visit, &fields).await;
    let id = place.rsplit('/').next().unwrap();
    let made = scene.harness.get(&format!("/api/v1/rollouts/{id}")).await;
    assert_eq!(made["to"], "list");
    assert_eq!(made["stages"], json!([50.0, 100.0]));
    assert_eq!(made["advance"], json!({ "confirmed": 7, "soak_hours": 5 }));
    assert_eq!(made["halt"]["failures"], 3);
    assert_eq!(made["progress"]["included"], 1);

    for (field, wrong) in [
        (0, "everybody"),
        // Locks are named: a button forgotten must not mean everybody.
        (0, "all"),
        (1, "100, 50"),
        (1, "many"),
        (3, "-1"),
        (4, "NaN"),
        (7, "nobody"),
    ] {
        let release = scene.release.to_string();
        let mut bad = fields.clone();
        bad[field].1 = wrong;
        bad.push(("release", &release));
        let answer = visit.send("/dashboard/rollouts", &bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(answer.page_problem(), "invalid");
    }
}

#[tokio::test]
async fn whoever_only_looks_on_is_shown_no_buttons() {
    let scene = Scene::new(1).await;
    let visit = Visit::new(&scene.harness).await;
    let place = scene.make(&visit, &HALVES).await;
    let (_, secret) =
        crate::access::token(&scene.harness, latchkey_server::domain::access::Role::Viewer).await;
    let viewer = Visit::with(&scene.harness, &secret).await;
    let page = viewer.see(&place).await;
    for button in ["id=\"start\"", "id=\"halt\"", "id=\"widen\"", "id=\"abort\""] {
        assert!(!page.contains(button), "{button}");
    }
    assert!(!viewer.see("/dashboard/rollouts").await.contains("New rollout"));
    assert!(visit.see(&place).await.contains("id=\"start\""));
}

#[tokio::test]
async fn what_takes_two_persons_waits_for_the_second_and_says_so() {
    let scene = Scene::new(3).await;
    let wanted =
        json!({ "release": scene.release.to_string(), "to": "all", "two_persons": true, "start": false });
    let id = scene.harness.roll_out_to(wanted).await;
    let place = format!("/dashboard/rollouts/{id}");
    let first = Visit::new(&scene.harness).await;
    assert!(
        first
            .see(&place)
            .await
            .contains("starting and widening takes two persons")
    );
    assert_eq!(first.send(&format!("{place}/start"), &[]).await.leads_to(), place);
    let page = first.see(&place).await;
    assert!(
        page.contains("Waits for a second person.") && page.contains("asked to start it"),
        "{page}"
    );
    assert!(page.contains("on hold"));
    let operator = latchkey_server::domain::access::Role::Operator;
    let (_, secret) = crate::access::token(&scene.harness, operator).await;
    let second = Visit::with(&scene.harness, &secret).await;
    second.send(&format!("{place}/start"), &[]).await.leads_to();
    let page = second.see(&place).await;
    assert!(
        page.contains("running") && !page.contains("Waits for a second person."),
        "{page}"
    );
    // Halting takes one.
    first.send(&format!("{place}/halt"), &[]).await.leads_to();
    assert!(first.see(&place).await.contains("on hold"));
}
