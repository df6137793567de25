//! Rollouts that begin with locks picked by hand.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use latchkey_directive::Event;
use latchkey_image::{Hardware, ImageDigest};
use serde_json::{Value, json};

use crate::support::{Answer, Draft, Harness, Lock};
use crate::visit::{Visit, between};

async fn post(harness: &Harness, path: &str, body: Value) -> Answer {
    harness.call(Method::POST, path, body.to_string()).await
}

async fn cohort(harness: &Harness, name: &str, locks: &[&Lock]) {
    let devices: Vec<String> = locks.iter().map(|lock| lock.id().to_string()).collect();
    let answer = post(
        harness,
        "/api/v1/cohorts",
        json!({ "name": name, "devices": devices }),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(answer.json()["devices"], locks.len());
}

/// Which of the locks are offered it when all call.
async fn offered(harness: &Harness, locks: &mut [Lock], release: ImageDigest) -> Vec<usize> {
    let mut offered = Vec::new();
    for (number, lock) in locks.iter_mut().enumerate() {
        if harness.offered(lock).await == Some(release) {
            offered.push(number);
        }
    }
    offered
}

struct Scene {
    harness: Harness,
    locks: Vec<Lock>,
    release: ImageDigest,
}

impl Scene {
    /// Ten locks: 0 and 1 are the office's, 1 to 3 are pilots.
    async fn new() -> Self {
        let harness = Harness::ready().await;
        let release = harness.publish(&Draft::new(2, 2)).await;
        let locks = harness.locks(10).await;
        cohort(&harness, "office", &[&locks[0], &locks[1]]).await;
        cohort(&harness, "pilots", &[&locks[1], &locks[2], &locks[3]]).await;
        Self {
            harness,
            locks,
            release,
        }
    }

    async fn roll_out(&self, mut wanted: Value) -> String {
        wanted["release"] = json!(self.release.to_string());
        wanted["to"] = json!("all");
        wanted["cohorts"] = json!(["office", "pilots"]);
        self.harness.roll_out_to(wanted).await
    }

    async fn offered(&mut self) -> Vec<usize> {
        offered(&self.harness, &mut self.locks, self.release).await
    }
}

#[tokio::test]
async fn cohorts_come_first_then_shares_and_nobody_is_taken_out() {
    let mut scene = Scene::new().await;
    let rollout = scene.roll_out(json!({ "stages": [100] })).await;
    assert_eq!(scene.offered().await, [0, 1]);
    let widen = format!("/api/v1/rollouts/{rollout}/widen");
    let answer = post(&scene.harness, &widen, json!({ "cohort": "pilots" })).await;
    assert_eq!(
        (&answer.json()["cohorts_reached"], &answer.json()["percent"]),
        (&json!(2), &json!(0.0))
    );
    assert_eq!(scene.offered().await, [0, 1, 2, 3]);
    let again = post(&scene.harness, &widen, json!({ "cohort": "office" })).await;
    assert_eq!(
        again.json()["cohorts_reached"],
        2,
        "reached already, and it stays so"
    );
    let audit = scene.harness.get("/api/v1/audit").await;
    let widened = audit.as_array().unwrap().iter();
    let widened: Vec<&Value> = widened.filter(|line| line["action"] == "rollout.widen").collect();
    assert_eq!(widened.len(), 1);
    assert_eq!(widened[0]["detail"], json!({ "cohort": "pilots" }));
    for wrong in [
        json!({}),
        json!({ "percent": 50, "cohort": "pilots" }),
        json!({ "cohort": "A b" }),
    ] {
        assert_eq!(post(&scene.harness, &widen, wrong).await.problem(), "invalid");
    }
    let stranger = post(&scene.harness, &widen, json!({ "cohort": "others" })).await;
    assert_eq!(stranger.problem(), "not-found");
    let answer = post(&scene.harness, &widen, json!({ "percent": 100 })).await;
    assert_eq!(answer.json()["percent"], 100.0);
    assert_eq!(scene.offered().await.len(), 10);
}

#[tokio::test]
async fn a_share_takes_the_cohorts_along() {
    let mut scene = Scene::new().await;
    let rollout = scene.roll_out(json!({})).await;
    let widen = format!("/api/v1/rollouts/{rollout}/widen");
    let answer = post(&scene.harness, &widen, json!({ "percent": 0.01 })).await;
    assert_eq!(answer.json()["cohorts_reached"], 2);
    let reached = scene.offered().await;
    assert!(
        [0, 1, 2, 3].iter().all(|lock| reached.contains(lock)),
        "{reached:?}"
    );
}

#[tokio::test]
async fn before_it_is_widened_to_a_share_the_cohorts_that_come_along_are_shown() {
    let mut scene = Scene::new().await;
    let rollout = scene.roll_out(json!({})).await;
    assert_eq!(scene.offered().await, [0, 1]);
    let visit = Visit::new(&scene.harness).await;
    let place = format!("/dashboard/rollouts/{rollout}");
    let ask = visit.see(&format!("{place}/widen?percent=0.01")).await;
    let (_, shown) = ask.split_once("id=\"dry-run\"").unwrap();
    let is_shown = |lock: usize| shown.contains(&scene.locks[lock].id().to_string());
    assert!(is_shown(2) && is_shown(3), "pilots: {shown}");
    assert!(!is_shown(0) && !is_shown(1), "reached already: {shown}");
    let then = scene.harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(then["cohorts_reached"], 1, "looking changes nothing");
    visit.step(&place, "widen?percent=0.01").await.leads_to();
    let reached = scene.offered().await;
    assert!((0..4).all(|lock| reached.contains(&lock)), "{reached:?}");
}

#[tokio::test]
async fn who_joins_a_cohort_is_pulled_into_nothing_that_was_made_before() {
    let mut scene = Scene::new().await;
    let rollout = scene.roll_out(json!({ "start": false })).await;
    let preview = format!("/api/v1/rollouts/{rollout}/preview");
    let before = scene.harness.get(&preview).await;
    let expected = json!([
        { "cohort": "office", "devices": 2 },
        { "cohort": "pilots", "devices": 2 },
        { "percent": 100.0, "devices": 6 },
    ]);
    assert_eq!(before["stages"], expected, "how many each stage adds");

    let joins = scene.locks[9].id().to_string();
    let path = "/api/v1/cohorts/office/devices";
    let answer = post(&scene.harness, path, json!({ "devices": [joins, joins] })).await;
    assert_eq!(answer.json()["devices"], 3);
    let members = scene.harness.get(path).await;
    assert_eq!(members.as_array().unwrap().len(), 3);
    assert_eq!(scene.harness.get(&preview).await["stages"], expected);

    let members = scene
        .harness
        .get(&format!("/api/v1/rollouts/{rollout}/devices"))
        .await;
    let members = members.as_array().unwrap();
    let mut reached: Vec<&str> = members
        .iter()
        .filter(|member| member["reached"] == true)
        .map(|member| member["id"].as_str().unwrap())
        .collect();
    let mut office = [0, 1].map(|lock: usize| scene.locks[lock].id().to_string());
    office.sort();
    reached.sort_unstable();
    assert_eq!(reached, office, "exactly these are shown before it starts");
    let pilots = members.iter().filter(|member| member["cohort"] == "pilots");
    assert_eq!(pilots.count(), 2);

    let resume = format!("/api/v1/rollouts/{rollout}/resume");
    post(&scene.harness, &resume, Value::Null).await;
    assert_eq!(scene.offered().await, [0, 1], "and exactly these get it");
    let next = scene.roll_out(json!({})).await;
    assert_eq!(
        scene.offered().await,
        [0, 1, 9],
        "{next}: a rollout made now takes it"
    );
}

#[tokio::test]
async fn the_next_cohort_comes_by_itself_once_the_one_before_has_proven_itself() {
    let mut scene = Scene::new().await;
    let advance = json!({ "confirmed": 2, "soak_hours": 1 });
    let rollout = scene
        .roll_out(json!({ "stages": [100], "advance": advance }))
        .await;
    let path = format!("/api/v1/rollouts/{rollout}");
    for (reached, locks) in [(1, 0..2), (2, 2..4)] {
        assert_eq!(scene.harness.get(&path).await["cohorts_reached"], reached);
        for lock in locks {
            let lock = &mut scene.locks[lock];
            assert_eq!(scene.harness.offered(lock).await, Some(scene.release));
            scene
                .harness
                .report(lock, Event::Confirmed, scene.release, 0)
                .await;
        }
        scene.harness.service.watch_rollouts().await;
        assert_eq!(
            scene.harness.get(&path).await["cohorts_reached"],
            reached,
            "it soaks"
        );
        scene.harness.clock.advance_ms(3_600_000);
        scene.harness.service.watch_rollouts().await;
    }
    assert_eq!(scene.harness.get(&path).await["percent"], 100.0);
}

#[tokio::test]
async fn a_cohort_can_take_two_persons_too() {
    let mut scene = Scene::new().await;
    let rollout = scene
        .roll_out(json!({ "two_persons": true, "start": false }))
        .await;
    let widen = format!("/api/v1/rollouts/{rollout}/widen");
    let asked = post(&scene.harness, &widen, json!({ "cohort": "pilots" }))
        .await
        .json();
    assert_eq!(
        (&asked["cohorts_reached"], &asked["asked"]["cohorts"]),
        (&json!(1), &json!(2))
    );
    let again = post(&scene.harness, &widen, json!({ "cohort": "pilots" }))
        .await
        .json();
    assert_eq!(again["cohorts_reached"], 1, "the same person is one person");
    assert_eq!(scene.offered().await, [0_usize; 0]);

    // The second one is shown what the first one wants at the dashboard, and does it there.
    let operator = latchkey_server::domain::access::Role::Operator;
    let (_, secret) = crate::access::token(&scene.harness, operator).await;
    let second = Visit::with(&scene.harness, &secret).await;
    let place = format!("/dashboard/rollouts/{rollout}");
    let page = second.see(&place).await;
    assert!(page.contains("asked to widen it to cohort pilots"), "{page}");
    let step = between(&page, &format!("id=\"second\" href=\"{place}/"), "\"").unwrap();
    let ask = second.see(&format!("{place}/{step}")).await;
    assert!(
        ask.contains("you are the second person, so it is done") && ask.contains(">Widen to cohort pilots<"),
        "{ask}"
    );
    assert_eq!(second.press(&place, step, &ask).await.leads_to(), place);
    let then = scene.harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(
        (&then["cohorts_reached"], &then["percent"], &then["asked"]),
        (&json!(2), &json!(0.0), &Value::Null)
    );
    assert!(!second.see(&place).await.contains("Waits for a second person."));
}

#[tokio::test]
async fn what_nobody_did_in_time_does_not_wait_at_the_dashboard_any_more() {
    let scene = Scene::new().await;
    let rollout = scene
        .roll_out(json!({ "two_persons": true, "start": false }))
        .await;
    let widen = format!("/api/v1/rollouts/{rollout}/widen");
    post(&scene.harness, &widen, json!({ "cohort": "pilots" })).await;
    let place = format!("/dashboard/rollouts/{rollout}");
    let day = latchkey_server::domain::second::ASKED_MS_MAX;
    scene.harness.clock.advance_ms(day - 1);
    let visit = Visit::new(&scene.harness).await;
    assert!(visit.see(&place).await.contains("Waits for a second person."));
    scene.harness.clock.advance_ms(1);
    let visit = Visit::new(&scene.harness).await;
    assert!(!visit.see(&place).await.contains("Waits for a second person."));
}

#[tokio::test]
async fn at_the_dashboard_cohorts_are_chosen_shown_and_reached_one_by_one() {
    let mut scene = Scene::new().await;
    let visit = Visit::new(&scene.harness).await;
    let form = visit.see("/dashboard/rollouts/new").await;
    assert!(form.contains("<b>office</b> (2), <b>pilots</b> (3)."), "{form}");
    let release = scene.release.to_string();
    let fields = |cohorts| {
        [
            ("release", release.as_str()),
            ("to", "all"),
            ("cohorts", cohorts),
            ("stages", "100"),
            ("advance", "by-hand"),
            ("failures", "3"),
            ("percent", "5"),
            ("sample", "20"),
            ("silence_hours", "72"),
            ("battery_percent", "30"),
        ]
    };
    let before = scene.harness.get("/api/v1/rollouts").await;
    for (cohorts, problem, told) in [
        ("office, Pilots", "invalid", "id=\"cohorts-wrong\""),
        ("office nobody", "not-found", "there is no cohort nobody"),
        ("office office", "invalid", "a cohort is named twice"),
    ] {
        let answer = visit.send("/dashboard/rollouts", &fields(cohorts)).await;
        assert_eq!(answer.page_problem(), problem, "{cohorts}");
        let page = answer.page();
        assert!(
            page.contains(told) && page.contains(&format!("value=\"{cohorts}\"")),
            "{page}"
        );
    }
    assert_eq!(scene.harness.get("/api/v1/rollouts").await, before);
    let answer = visit.send("/dashboard/rollouts", &fields("office, pilots")).await;
    let place = answer.leads_to().to_owned();
    let (_, id) = place.rsplit_once('/').unwrap();
    let made = scene.harness.get(&format!("/api/v1/rollouts/{id}")).await;
    assert_eq!(made["cohorts"], json!(["office", "pilots"]));

    visit.step(&place, "start").await.leads_to();
    assert_eq!(
        offered(&scene.harness, &mut scene.locks, scene.release).await,
        [0, 1]
    );
    let page = visit.see(&place).await;
    for (look, stage) in [
        ("current", "cohort office"),
        ("ahead", "cohort pilots"),
        ("ahead", "100 %"),
    ] {
        let shown = page
            .split("<li class=\"")
            .find(|part| part.contains(&format!("<b>{stage}</b>")));
        assert!(shown.unwrap().starts_with(look), "{stage}: {page}");
    }
    assert!(page.contains(">Widen to cohort pilots…</a>"), "{page}");
    assert!(
        visit
            .see("/dashboard/rollouts")
            .await
            .contains(">cohort office</td>")
    );

    let ask = visit.see(&format!("{place}/widen")).await;
    let (_, shown) = ask.split_once("id=\"dry-run\"").unwrap();
    for (lock, told) in scene.locks.iter().zip([false, false, true, true]) {
        assert_eq!(shown.contains(&lock.id().to_string()), told, "{shown}");
    }
    assert!(
        ask.contains("<option value=\"pilots\" selected>") && !ask.contains("<option value=\"office\""),
        "{ask}"
    );
    scene.harness.clock.advance_ms(1);
    visit.press(&place, "widen", &ask).await.leads_to();
    assert_eq!(
        offered(&scene.harness, &mut scene.locks, scene.release).await,
        [0, 1, 2, 3]
    );
    let late = visit.press(&place, "widen", &ask).await;
    assert_eq!(late.page_problem(), "invalid", "it reaches them already");
    for wrong in ["office", "pilots", "others", "<b>"] {
        let answer = visit.send(&format!("{place}/widen"), &[("cohort", wrong)]).await;
        assert_eq!(answer.page_problem(), "invalid", "{wrong}");
        assert!(answer.page().contains("id=\"cohort-wrong\""), "{wrong}");
    }
    visit.step(&place, "widen").await.leads_to();
    assert_eq!(
        offered(&scene.harness, &mut scene.locks, scene.release)
            .await
            .len(),
        10
    );
}

#[tokio::test]
async fn a_cohort_is_filled_from_a_file_whole_or_not_at_all() {
    let scene = Scene::new().await;
    let path = "/api/v1/cohorts/office/import";
    let ids: Vec<String> = scene.locks.iter().map(|lock| lock.id().to_string()).collect();
    let wrong = format!("id\n{}\nnobody\n", ids[5]);
    let answer = scene.harness.call(Method::POST, path, wrong).await;
    assert_eq!(answer.problem(), "invalid");
    assert!(
        answer.json()["detail"].as_str().unwrap().contains("line 3"),
        "{answer:?}"
    );
    let unknown = format!("id\n{}\n{}\n", ids[5], Lock::new().id());
    assert_eq!(
        scene.harness.call(Method::POST, path, unknown).await.problem(),
        "not-found"
    );
    assert_eq!(scene.harness.get("/api/v1/cohorts").await[0]["devices"], 2);
    let right = format!("id\n{}\n{}\n", ids[5], ids[0]);
    let answer = scene.harness.call(Method::POST, path, right).await;
    assert_eq!(answer.json()["devices"], 3);
}

#[tokio::test]
async fn cohorts_that_make_no_sense_make_no_rollout() {
    let scene = Scene::new().await;
    let harness = &scene.harness;
    let mut other = Lock::new();
    other.hardware = Hardware::NRF52840;
    harness.lock_says("/device/v1/enrol", other.enrolment()).await;
    cohort(harness, "elsewhere", &[&other]).await;
    cohort(harness, "empty", &[]).await;
    cohort(harness, "same", &[&scene.locks[1]]).await;
    let release = scene.release.to_string();
    let lock = scene.locks[0].id().to_string();
    for (cohorts, problem) in [
        (json!(["office", "office"]), "invalid"),
        (json!(["Office"]), "invalid"),
        (json!("office"), "invalid"),
        (json!(["nobody"]), "not-found"),
        (json!(["empty"]), "conflict"),
        (json!(["elsewhere"]), "conflict"),
        (json!(["office", "same"]), "conflict"),
    ] {
        let wanted = json!({ "release": release, "to": "all", "cohorts": cohorts });
        assert_eq!(post(harness, "/api/v1/rollouts", wanted).await.problem(), problem);
    }
    let listed = json!({ "release": release, "to": "list", "devices": [lock], "cohorts": ["office"] });
    assert_eq!(
        post(harness, "/api/v1/rollouts", listed).await.problem(),
        "invalid"
    );
    assert_eq!(harness.get("/api/v1/rollouts").await, json!([]));

    for (body, problem) in [
        (json!({ "name": "office" }), "conflict"),
        (json!({ "name": "a,b" }), "invalid"),
        (json!({ "name": "more", "devices": ["x"] }), "invalid"),
        (
            json!({ "name": "more", "devices": ["00".repeat(16)] }),
            "not-found",
        ),
    ] {
        assert_eq!(post(harness, "/api/v1/cohorts", body).await.problem(), problem);
    }
    let names = harness.get("/api/v1/cohorts").await;
    let names: Vec<&Value> = names
        .as_array()
        .unwrap()
        .iter()
        .map(|cohort| &cohort["name"])
        .collect();
    assert_eq!(names, ["elsewhere", "empty", "office", "pilots", "same"]);
    let path = "/api/v1/cohorts/nobody/devices";
    let answer = harness.call(Method::GET, path, Body::empty()).await;
    assert_eq!(answer.problem(), "not-found");
}

#[tokio::test]
async fn a_revoked_lock_is_in_no_rollout_by_its_cohort() {
    let mut scene = Scene::new().await;
    let path = format!("/api/v1/devices/{}/revoke", scene.locks[0].id());
    scene.harness.call(Method::POST, &path, Body::empty()).await;
    let rollout = scene.roll_out(json!({})).await;
    let preview = scene
        .harness
        .get(&format!("/api/v1/rollouts/{rollout}/preview"))
        .await;
    assert_eq!(preview["stages"][0], json!({ "cohort": "office", "devices": 1 }));
    let mut others = scene.locks.split_off(1);
    let found = offered(&scene.harness, &mut others, scene.release).await;
    assert_eq!(found, [0], "lock 1 of before");
}
