//! A whole rollout at the dashboard, without scripts: made on hold, looked at, started, watched, halted, resumed, widened,
//! aborted.

use axum::http::StatusCode;
use latchkey_directive::Event;
use latchkey_image::ImageDigest;
use serde_json::{Value, json};

use crate::support::{Draft, Harness, Lock};
use crate::visit::{Visit, between};

const HALVES: [(&str, &str); 9] = [
    ("to", "all"),
    ("stages", "50, 100"),
    ("advance", "by-hand"),
    ("failures", "3"),
    ("percent", "5"),
    ("sample", "20"),
    ("silence_hours", "72"),
    ("devices", ""),
    ("battery_percent", "30"),
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
        let mut made = harness.locks(locks).await;
        for lock in &mut made {
            harness.check_in(lock).await;
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

    assert_eq!(visit.step(&place, "start").await.leads_to(), place);
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
    visit.step(&place, "start").await.leads_to();
    let came = offered(harness, &mut scene.locks, scene.release).await;
    let page = visit.see(&place).await;
    assert!(page.contains(&format!("id=\"halt\" href=\"{place}/halt\"")));
    let ask = visit.see(&format!("{place}/halt")).await;
    assert!(
        ask.contains("lock-emulator-1") && ask.contains(&format!(">{}</dt>", came.len())),
        "{ask}"
    );
    assert_eq!(visit.step(&place, "halt").await.leads_to(), place);
    assert!(offered(harness, &mut scene.locks, scene.release).await.is_empty());
    assert!(visit.see(&place).await.contains("Resume…"));
    harness.clock.advance_ms(1);
    visit.step(&place, "resume").await.leads_to();

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
    visit.step(&place, "start").await.leads_to();
    let few = offered(harness, &mut scene.locks, scene.release).await;
    let ask = visit.see(&format!("{place}/widen?percent=100")).await;
    assert!(ask.contains("Widen to 100 %"));
    assert!(
        ask.contains(&format!("{} of model lock-emulator-1 would be", 20 - few.len())),
        "{ask}"
    );
    let (_, list) = ask.split_once("id=\"dry-run\"").unwrap();
    for lock in &few {
        assert!(
            !list.contains(&scene.locks[*lock].id().to_string()),
            "it is reached already"
        );
    }
    for wrong in ["", "0", "101", "x", "5;", "50", "10"] {
        let answer = visit.send(&format!("{place}/widen"), &[("percent", wrong)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.page_problem(), "invalid", "{wrong:?}");
        let typed = format!("name=\"percent\" inputmode=\"decimal\" value=\"{wrong}\"");
        assert!(answer.page().contains(&typed), "{wrong:?} is not lost");
    }
    visit.step(&place, "widen?percent=100").await.leads_to();
    assert_eq!(offered(harness, &mut scene.locks, scene.release).await.len(), 20);
    let no_further = visit.get(&format!("{place}/widen")).await;
    assert_eq!(no_further.page_problem(), "conflict");
    visit.step(&place, "abort").await.leads_to();
    let page = visit.see(&place).await;
    assert!(page.contains("aborted") && !page.contains("id=\"halt\"") && !page.contains("id=\"resume\""));
    assert_eq!(
        visit.get(&format!("{place}/resume")).await.page_problem(),
        "conflict"
    );
}

#[tokio::test]
async fn the_form_as_it_is_at_first_makes_a_rollout_as_the_api_makes_one() {
    let scene = Scene::new(1).await;
    let visit = Visit::new(&scene.harness).await;
    let form = visit.see("/dashboard/rollouts/new").await;
    let mut fields = Vec::new();
    for input in form.split("<input ").skip(1) {
        let (input, _) = input.split_once('>').unwrap();
        let is_button = input.contains("type=\"radio\"") || input.contains("type=\"checkbox\"");
        let name = between(input, "name=\"", "\"").unwrap();
        if name != "csrf" && (!is_button || input.ends_with(" checked")) {
            fields.push((name, between(input, "value=\"", "\"").unwrap()));
        }
    }
    let place = scene.make(&visit, &fields).await;
    let made = made_at(&scene.harness, &place).await;
    let wanted = json!({
        "release": scene.release.to_string(), "to": "all", "stages": [1.0, 10.0, 50.0, 100.0], "start": false,
    });
    let id = scene.harness.roll_out_to(wanted).await;
    let by_api = scene.harness.get(&format!("/api/v1/rollouts/{id}")).await;
    for part in ["to", "stages", "advance", "halt", "terms", "two_persons", "state"] {
        assert_eq!(made[part], by_api[part], "{part}");
    }
}

async fn made_at(harness: &Harness, place: &str) -> Value {
    let id = place.rsplit('/').next().unwrap();
    harness.get(&format!("/api/v1/rollouts/{id}")).await
}

/// A form with everything in it.
fn everything(lock: &str) -> Vec<(&str, &str)> {
    let mut fields = HALVES.to_vec();
    fields[0] = ("to", "list");
    fields[2] = ("advance", "automatic");
    fields[7] = ("devices", lock);
    fields[8] = ("battery_percent", "45");
    fields.extend([
        ("confirmed", "7"),
        ("soak_hours", "5"),
        ("not_before", "2027-01-15T08:30"),
        ("hours_from", "22:00"),
        ("hours_until", "05:30"),
        ("two_persons", "yes"),
    ]);
    fields
}

#[tokio::test]
async fn the_form_takes_what_the_api_takes() {
    let scene = Scene::new(2).await;
    let visit = Visit::new(&scene.harness).await;
    let name = scene.locks[0].id().to_string();
    let place = scene.make(&visit, &everything(&name)).await;
    let made = made_at(&scene.harness, &place).await;
    assert_eq!(made["to"], "list");
    assert_eq!(made["stages"], json!([50.0, 100.0]));
    assert_eq!(made["advance"], json!({ "confirmed": 7, "soak_hours": 5 }));
    assert_eq!(
        made["halt"],
        json!({ "failures": 3, "percent": 5.0, "sample": 20, "silence_hours": 72 })
    );
    assert_eq!(
        made["terms"],
        json!({ "battery_percent": 45, "not_before_ms": 1_800_001_800_000_i64, "hours": "22:00-05:30" })
    );
    assert_eq!(made["two_persons"], true);
    assert_eq!(made["progress"]["included"], 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field_and_nothing_written_is_lost() {
    let scene = Scene::new(2).await;
    let visit = Visit::new(&scene.harness).await;
    let name = scene.locks[0].id().to_string();
    let good = everything(&name);
    let release = scene.release.to_string();
    let before = scene.harness.get("/api/v1/rollouts").await;
    for (field, wrong, told_at) in [
        ("to", "everybody", "to"),
        // Locks are named: a button forgotten must not mean everybody.
        ("to", "all", "devices"),
        ("devices", "", "devices"),
        ("devices", "nobody", "devices"),
        ("stages", "100, 50", "stages"),
        ("stages", "", "stages"),
        ("stages", "<many>", "stages"),
        ("advance", "", "advance"),
        ("confirmed", "0", "confirmed"),
        ("soak_hours", "8761", "soak_hours"),
        ("failures", "-1", "failures"),
        ("percent", "NaN", "percent"),
        ("sample", "1.5", "sample"),
        ("silence_hours", "0", "silence_hours"),
        ("battery_percent", "101", "battery_percent"),
        ("not_before", "tomorrow", "not_before"),
        ("hours_from", "", "hours_until"),
        ("hours_until", "", "hours_until"),
        ("hours_until", "22:00", "hours_until"),
    ] {
        let mut fields = vec![("release", release.as_str())];
        fields.extend(good.iter().filter(|(name, _)| *name != field));
        fields.push((field, wrong));
        let answer = visit.send("/dashboard/rollouts", &fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field} {wrong}");
        assert_eq!(answer.page_problem(), "invalid");
        let page = answer.page();
        assert_eq!(
            page.matches("class=\"wrong\"").count(),
            1,
            "{field} {wrong}: {page}"
        );
        assert!(
            page.contains(&format!("id=\"{told_at}-wrong\"")),
            "{field} {wrong}: {page}"
        );
        assert!(page.contains(&format!("<a href=\"#{told_at}\">")), "{page}");
        for kept in [
            format!("value=\"{release}\" selected"),
            "value=\"yes\" checked".to_owned(),
            if field == "soak_hours" {
                "value=\"8761\""
            } else {
                "value=\"5\""
            }
            .to_owned(),
            if field == "stages" {
                "id=\"stages\""
            } else {
                "value=\"50, 100\""
            }
            .to_owned(),
        ] {
            assert!(page.contains(&kept), "no {kept} after {field} {wrong}: {page}");
        }
    }
    // All that is wrong is told at once.
    let answer = visit
        .send("/dashboard/rollouts", &[("percent", "x"), ("stages", "y")])
        .await;
    assert!(answer.page().matches("class=\"wrong\"").count() > 8);

    // What only the fleet knows to be wrong.
    let nobody = "ab".repeat(16);
    let mut fields = everything(&nobody);
    fields.push(("release", &release));
    let answer = visit.send("/dashboard/rollouts", &fields).await;
    assert_eq!(answer.page_problem(), "not-found");
    let page = answer.page();
    assert!(
        page.contains("No rollout was made.") && page.contains(&format!(">{nobody}</textarea>")),
        "{page}"
    );
    assert_eq!(scene.harness.get("/api/v1/rollouts").await, before);
}

#[tokio::test]
async fn a_button_of_an_old_page_does_nothing_else_than_was_read_there() {
    let mut scene = Scene::new(20).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    let place = scene.make(&visit, &HALVES).await;
    let start = visit.see(&format!("{place}/start")).await;
    let widen = visit.see(&format!("{place}/widen")).await;
    let abort = visit.see(&format!("{place}/abort")).await;
    harness.clock.advance_ms(1);
    visit.press(&place, "start", &start).await.leads_to();
    assert!(!offered(harness, &mut scene.locks, scene.release).await.is_empty());
    let halt = visit.see(&format!("{place}/halt")).await;
    harness.clock.advance_ms(1);
    visit.step(&place, "halt").await.leads_to();
    let before = made_at(harness, &place).await;
    assert_eq!(before["state"], "paused");

    // Start would be a resume now, and the others were read of a rollout that had never run.
    for (word, page, says) in [
        (
            "start",
            &start,
            "It was started before and is on hold; it can be resumed.",
        ),
        ("halt", &halt, "It does not run: it is on hold."),
        ("widen", &widen, "has changed since the page"),
        ("abort", &abort, "has changed since the page"),
    ] {
        let answer = visit.press(&place, word, page).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.page_problem(), "conflict");
        let page = answer.page();
        assert!(
            page.contains("Nothing was done.") && page.contains(says),
            "{word}: {page}"
        );
        assert!(
            page.contains("What happened meanwhile") && page.contains("rollout.pause"),
            "{word}: {page}"
        );
        assert!(
            !page.contains("rollout.create"),
            "{word}: what was known before is no news"
        );
        assert_eq!(made_at(harness, &place).await, before, "{word}");
    }
    // A page made anew does it; one without what was seen does not.
    let bare = visit.send(&format!("{place}/abort"), &[]).await;
    assert_eq!(bare.page_problem(), "conflict");
    let again = visit.press(&place, "abort", &abort).await;
    harness.clock.advance_ms(1);
    visit.press(&place, "abort", again.page()).await.leads_to();
    assert_eq!(made_at(harness, &place).await["state"], "aborted");
}

#[tokio::test]
async fn halting_is_not_held_up_by_a_stage_that_came_meanwhile_and_keeps_why_it_halted_itself() {
    let mut scene = Scene::new(20).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    let place = scene.make(&visit, &HALVES).await;
    visit.step(&place, "start").await.leads_to();
    offered(harness, &mut scene.locks, scene.release).await;
    let halt = visit.see(&format!("{place}/halt")).await;
    harness.clock.advance_ms(1);
    visit.step(&place, "widen").await.leads_to();
    visit.press(&place, "halt", &halt).await.leads_to();
    assert_eq!(made_at(harness, &place).await["state"], "paused");

    harness.clock.advance_ms(1);
    visit.step(&place, "resume").await.leads_to();
    let halt = visit.see(&format!("{place}/halt")).await;
    harness.clock.advance_ms(1);
    for lock in offered(harness, &mut scene.locks, scene.release)
        .await
        .iter()
        .take(3)
    {
        harness
            .report(&mut scene.locks[*lock], Event::Reverted, scene.release, 0)
            .await;
    }
    let answer = visit.press(&place, "halt", &halt).await;
    let page = answer.page();
    assert!(
        page.contains("It does not run: it has halted itself.") && page.contains("rollout.halt"),
        "{page}"
    );
    let after = made_at(harness, &place).await;
    assert_eq!(after["state"], "halted");
    assert!(after["halted_because"].is_string(), "{after}");
}

#[tokio::test]
async fn the_dry_run_says_what_check_ins_will_say() {
    let mut scene = Scene::new(12).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    for lock in &mut scene.locks[..3] {
        lock.battery_percent = 10;
        harness.check_in(lock).await;
    }
    for lock in &mut scene.locks[3..5] {
        lock.runs(scene.release, 2, 2);
        harness.check_in(lock).await;
    }
    harness.service.write_presence().await.unwrap();
    let unheard = harness.lock().await;
    let mut fields = HALVES.to_vec();
    fields[1] = ("stages", "100");
    let place = scene.make(&visit, &fields).await;
    let id = place.rsplit('/').next().unwrap();
    let dry = visit.see(&format!("{place}/start")).await;
    let preview = harness.get(&format!("/api/v1/rollouts/{id}/preview")).await;
    assert_eq!(preview["offered"], 7);
    for text in [
        "Start: offer it to 7 locks",
        "<b>7</b> run 1.1.0+0",
        "<dt class=\"number\">3</dt><dd>have too little battery charge now</dd>",
        "<dt class=\"number\">2</dt><dd>run it already</dd>",
        "<dt class=\"number\">1</dt><dd>have to tell first what they run</dd>",
    ] {
        assert!(dry.contains(text), "no {text} in {dry}");
    }
    assert!(!dry.contains(&unheard.id().to_string()));
    visit.step(&place, "start").await.leads_to();
    let came = offered(harness, &mut scene.locks, scene.release).await;
    assert_eq!(came, (5..12).collect::<Vec<_>>());
    for (number, lock) in scene.locks.iter().enumerate() {
        let named = dry.contains(&format!("/dashboard/devices/{}\"", lock.id()));
        assert_eq!(named, came.contains(&number));
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
    let ask = first.see(&format!("{place}/start")).await;
    assert!(
        ask.contains("It takes two persons: now it is only asked for") && ask.contains("Ask for it: Start")
    );
    assert_eq!(first.press(&place, "start", &ask).await.leads_to(), place);
    let page = first.see(&place).await;
    assert!(
        page.contains("Waits for a second person.") && page.contains("asked to start it"),
        "{page}"
    );
    assert!(page.contains("on hold"));
    let operator = latchkey_server::domain::access::Role::Operator;
    let (_, secret) = crate::access::token(&scene.harness, operator).await;
    let second = Visit::with(&scene.harness, &secret).await;
    let ask = second.see(&format!("{place}/start")).await;
    assert!(ask.contains("you are the second person, so it is done"), "{ask}");
    second.press(&place, "start", &ask).await.leads_to();
    let page = second.see(&place).await;
    assert!(
        page.contains("running") && !page.contains("Waits for a second person."),
        "{page}"
    );
    // Halting takes one.
    first.step(&place, "halt").await.leads_to();
    assert!(first.see(&place).await.contains("on hold"));
}

#[tokio::test]
async fn the_list_is_shown_page_by_page_and_a_release_has_its_own() {
    let scene = Scene::new(0).await;
    let harness = &scene.harness;
    let visit = Visit::new(harness).await;
    let other = harness.publish(&Draft::new(3, 3)).await;
    let mut made = Vec::new();
    for number in 0..105 {
        let release = if number == 50 { other } else { scene.release };
        let id = harness.roll_out(release).await;
        if number < 100 {
            visit
                .step(&format!("/dashboard/rollouts/{id}"), "abort")
                .await
                .leads_to();
        }
        made.push(id);
    }
    let is_shown = |page: &str, id: &str| page.contains(&format!("href=\"/dashboard/rollouts/{id}\""));
    let first = visit.see("/dashboard/rollouts").await;
    let older = between(&first, "href=\"/dashboard/rollouts?before=", "\"").unwrap();
    let second = visit.see(&format!("/dashboard/rollouts?before={older}")).await;
    assert!(second.contains("Newest") && !second.contains("Older"), "{second}");
    for (number, id) in made.iter().enumerate() {
        let newest = number >= 5;
        assert_eq!(
            (is_shown(&first, id), is_shown(&second, id)),
            (newest, !newest),
            "{number}"
        );
    }
    // The fleet's page has those that are open.
    let fleet = visit.see("/dashboard").await;
    assert!(!is_shown(&fleet, &made[99]) && is_shown(&fleet, &made[100]));
    let release = visit.see(&format!("/dashboard/releases/{other}")).await;
    assert!(is_shown(&release, &made[50]) && !is_shown(&release, &made[51]));
}
