//! Who comes in, as whom, and for how long.

use axum::http::{Method, StatusCode, header};
use latchkey_server::domain::access::Role;
use latchkey_server::limits::{ATTEMPT_LIFE_MS, PERSON_SESSION_LIFE_MS, SESSIONS_PER_LOGIN_MAX};
use serde_json::{Value, json};

use super::{Scene, cookies};
use crate::support::Draft;
use crate::visit::{Visit, between};

fn person(subject: &str, name: &str, groups: &[&str]) -> Value {
    json!({ "sub": subject, "preferred_username": name, "groups": groups })
}

async fn is_in(visit: &Visit<'_>) -> bool {
    visit.get("/dashboard").await.status == StatusCode::OK
}

#[tokio::test]
async fn people_come_in_with_the_role_of_their_group_and_by_name() {
    let scene = Scene::new().await;
    for (groups, role) in [
        (&["lock-admins"][..], Role::Administrator),
        (&["staff", "lock-ops"], Role::Operator),
        (&["builds"], Role::ReleaseEngineer),
        (&["everybody"], Role::Viewer),
        (&["everybody", "lock-ops"], Role::Operator),
    ] {
        scene.op.knows(person("4711", "ana", groups));
        let visit = scene.visit().await;
        let home = visit.see("/dashboard").await;
        assert_eq!(between(&home, "<span class=\"role\">", "<"), Some(role.as_str()));
        assert!(home.contains("title=\"ana\""), "{home}");
        let may = matches!(role, Role::Administrator | Role::Operator);
        let form = visit.get("/dashboard/rollouts/new").await;
        assert_eq!(form.status == StatusCode::FORBIDDEN, !may, "{role}");
    }
    let audit = scene.harness.get("/api/v1/audit").await;
    let begun = audit
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["action"] == "session.begin");
    let begun = begun.unwrap();
    assert_eq!(begun["actor"], "person:4711 (ana)");
    assert_eq!(begun["detail"]["group"], "lock-admins");
    assert_eq!(begun["detail"]["issuer"], scene.op.issuer);
}

#[tokio::test]
async fn an_administrator_puts_out_one_person_and_nobody_else() {
    let scene = Scene::new().await;
    scene.op.knows(person("4711", "ana", &["lock-ops"]));
    let ana = scene.visit().await;
    scene.op.knows(person("47", "ana", &["everybody"]));
    let other = scene.visit().await;
    let login = format!("person:4711 {}", scene.op.issuer);
    let listed = scene.harness.get("/api/v1/sessions").await;
    let roles = |login: &str| {
        let all = listed.as_array().unwrap().iter();
        let theirs = all.filter(|somebody| somebody["login"] == login);
        theirs
            .map(|somebody| somebody["role"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(roles(&login), [json!("operator")]);
    let body = json!({ "login": login }).to_string();
    let path = "/api/v1/sessions/end";
    let answer = scene.harness.call(Method::POST, path, body).await;
    assert_eq!(answer.json()["ended"], 1);
    assert!(!is_in(&ana).await && is_in(&other).await);
}

#[tokio::test]
async fn the_form_says_where_to_sign_in_and_leads_back_to_the_page() {
    let scene = Scene::new().await;
    let form = scene
        .get("/dashboard/sign-in?next=/dashboard/rollouts?x=1", "")
        .await;
    let way = between(form.page(), "id=\"provider\" href=\"", "\"").unwrap();
    assert_eq!(
        way,
        "/dashboard/sign-in/provider?next=%2Fdashboard%2Frollouts%3Fx%3D1"
    );
    assert!(form.page().contains("Sign in with 127.0.0.1"));
    let trip = scene.set_out("/dashboard/rollouts?x=1").await;
    let answer = scene
        .come_back(&trip.cookie, &scene.op.signs_in(&trip.address))
        .await;
    // By a page of ours: after a redirect from another site the browser would keep the session's cookie to itself.
    let page = answer.page();
    assert!(
        page.contains("content=\"0;url=/dashboard/rollouts?x=1\""),
        "{page}"
    );
    assert!(page.contains("As ana, with the role operator"), "{page}");
    let session = cookies(&answer)
        .into_iter()
        .find(|cookie| cookie.starts_with("latchkey="));
    assert!(
        session
            .unwrap()
            .ends_with("; Path=/; Max-Age=14400; HttpOnly; SameSite=Strict")
    );
}

#[tokio::test]
async fn a_session_ends_by_time_and_by_its_holder() {
    let scene = Scene::new().await;
    let (one, two) = (scene.visit().await, scene.visit().await);
    let out = one.send("/dashboard/sign-out", &[]).await;
    assert_eq!(out.leads_to(), "/dashboard/sign-in");
    assert!(
        out.header(header::SET_COOKIE)
            .starts_with("latchkey=; Path=/; Max-Age=0;")
    );
    assert!(!is_in(&one).await);
    scene.harness.clock.advance_ms(PERSON_SESSION_LIFE_MS - 1);
    assert!(is_in(&two).await);
    scene.harness.clock.advance_ms(1);
    assert!(!is_in(&two).await);
}

#[tokio::test]
async fn a_person_has_so_many_sessions_and_others_keep_theirs() {
    let scene = Scene::new().await;
    let by_token = Visit::new(&scene.harness).await;
    scene.op.knows(person("1", "ben", &["lock-ops"]));
    let ben = scene.visit().await;
    scene.op.knows(person("2", "ana", &["lock-ops"]));
    let mut visits = Vec::new();
    for _ in 0..=SESSIONS_PER_LOGIN_MAX {
        visits.push(scene.visit().await);
        scene.harness.clock.advance_ms(1);
    }
    assert!(!is_in(&visits[0]).await);
    for visit in visits[1..].iter().chain([&by_token, &ben]) {
        assert!(is_in(visit).await);
    }
}

#[tokio::test]
async fn who_takes_too_long_at_the_provider_begins_anew() {
    let scene = Scene::new().await;
    let trip = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&trip.address);
    scene.harness.clock.advance_ms(ATTEMPT_LIFE_MS);
    let answer = scene.come_back(&trip.cookie, &brought).await;
    assert_eq!(answer.page_problem(), "unauthenticated");
    scene.nobody_came_in(&answer).await;
}

/// A rollout made with this token: on hold, or asked to start.
async fn rollout(scene: &Scene, token: &str, start: bool) -> Value {
    scene.harness.set_policy().await;
    let release = scene.harness.publish(&Draft::new(2, 2)).await;
    let wanted = json!({ "release": release.to_string(), "to": "all", "start": start });
    let made = scene
        .harness
        .call_as(token, Method::POST, "/api/v1/rollouts", wanted.to_string())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()
}

/// Somebody signs in and starts a rollout; its state then.
async fn start(scene: &Scene, rollout: &Value, subject: &str, name: &str) -> String {
    scene.op.knows(person(subject, name, &["lock-ops"]));
    let id = rollout["id"].as_str().unwrap();
    let visit = scene.visit().await;
    let place = format!("/dashboard/rollouts/{id}");
    assert_eq!(visit.step(&place, "start").await.leads_to(), place);
    let path = format!("/api/v1/rollouts/{id}");
    scene.harness.get(&path).await["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn one_person_with_a_token_and_a_login_is_one_person() {
    let scene = Scene::set(|settings| settings.two_persons = true).await;
    let body = json!({ "name": "ana at work", "person": "Ana", "role": "operator" });
    let made = scene
        .harness
        .call(Method::POST, "/api/v1/tokens", body.to_string())
        .await
        .json();
    let rollout = rollout(&scene, made["secret"].as_str().unwrap(), true).await;
    assert_eq!(rollout["asked"]["person"], "Ana");
    assert_eq!(start(&scene, &rollout, "4711", "ana").await, "paused");
    assert_eq!(start(&scene, &rollout, "4712", "ben").await, "running");
}

#[tokio::test]
async fn who_has_another_name_at_the_provider_since_stays_one_person() {
    let scene = Scene::set(|settings| settings.two_persons = true).await;
    let rollout = rollout(&scene, &scene.harness.admin, false).await;
    assert_eq!(start(&scene, &rollout, "4711", "ana").await, "paused");
    assert_eq!(start(&scene, &rollout, "4711", "not-ana").await, "paused");
    assert_eq!(start(&scene, &rollout, "4712", "ben").await, "running");
}
