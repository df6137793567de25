//! Who may do what: every route, every role, every kind of bad token. From a table that must name each route.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_server::domain::access::{Permission, Role};
use latchkey_server::http::Access;
use serde_json::{Value, json};

use crate::databases;
use crate::support::{Harness, policy};

use Access::{Lock, Public, SignIn};

const ADMINISTER: Access = Access::Token(Permission::Administer);
const OPERATE: Access = Access::Token(Permission::Operate);
const PUBLISH: Access = Access::Token(Permission::Publish);
const READ: Access = Access::Token(Permission::Read);
const SEE: Access = Access::Session(Permission::Read);
const DO: Access = Access::Session(Permission::Operate);
const MANAGE: Access = Access::Session(Permission::Administer);

/// Every route there is, and who may use it. A new route must be put here, deliberately.
const EXPECTED: &[(&str, &str, Access)] = &[
    ("DELETE", "/api/v1/tokens/{id}", ADMINISTER),
    ("DELETE", "/api/v1/webhooks/{id}", ADMINISTER),
    ("GET", "/", Public),
    ("GET", "/api/v1/audit", READ),
    ("GET", "/api/v1/audit/head", READ),
    ("GET", "/api/v1/cohorts", READ),
    ("GET", "/api/v1/cohorts/{cohort}/devices", READ),
    ("GET", "/api/v1/devices", READ),
    ("GET", "/api/v1/devices/{id}", READ),
    ("GET", "/api/v1/devices/{id}/decision", READ),
    ("GET", "/api/v1/devices/{id}/reports", READ),
    ("GET", "/api/v1/incidents/affected", READ),
    ("GET", "/api/v1/incidents/affected.csv", READ),
    ("GET", "/api/v1/incidents/affected.json", READ),
    ("GET", "/api/v1/policies", READ),
    ("GET", "/api/v1/releases", READ),
    ("GET", "/api/v1/releases/{digest}", READ),
    ("GET", "/api/v1/releases/{digest}/documents", READ),
    ("GET", "/api/v1/releases/{digest}/documents/{kind}", READ),
    ("GET", "/api/v1/rollouts", READ),
    ("GET", "/api/v1/rollouts/{id}", READ),
    ("GET", "/api/v1/rollouts/{id}/devices", READ),
    ("GET", "/api/v1/rollouts/{id}/preview", READ),
    ("GET", "/api/v1/sessions", ADMINISTER),
    ("GET", "/api/v1/tokens", ADMINISTER),
    ("GET", "/api/v1/tuf", READ),
    ("GET", "/api/v1/webhooks", ADMINISTER),
    ("GET", "/app/", Public),
    ("GET", "/app/{file}", Public),
    ("GET", "/dashboard", SEE),
    ("GET", "/dashboard/assets/{file}", Public),
    ("GET", "/dashboard/audit", SEE),
    ("GET", "/dashboard/devices", SEE),
    ("GET", "/dashboard/devices/{id}", SEE),
    ("GET", "/dashboard/devices/{id}/{step}", DO),
    ("GET", "/dashboard/live", SEE),
    ("GET", "/dashboard/releases", SEE),
    ("GET", "/dashboard/releases/{digest}", SEE),
    ("GET", "/dashboard/rollouts", SEE),
    ("GET", "/dashboard/rollouts/new", DO),
    ("GET", "/dashboard/rollouts/{id}", SEE),
    ("GET", "/dashboard/rollouts/{id}/devices", SEE),
    ("GET", "/dashboard/rollouts/{id}/live", SEE),
    ("GET", "/dashboard/rollouts/{id}/{step}", DO),
    ("GET", "/dashboard/sessions", MANAGE),
    ("GET", "/dashboard/sign-in", SignIn),
    ("GET", "/dashboard/sign-in/callback", SignIn),
    ("GET", "/dashboard/sign-in/provider", SignIn),
    ("GET", "/device/v1/images/{digest}", Lock),
    ("GET", "/healthz", Public),
    ("GET", "/metrics", READ),
    ("GET", "/openapi.json", Public),
    ("GET", "/owner/v1/images/{digest}", Public),
    ("GET", "/owner/v1/support", Public),
    ("GET", "/owner/v1/update", Public),
    ("GET", "/tuf/metadata/{file}", Public),
    ("GET", "/tuf/targets/{file}", Public),
    ("POST", "/api/v1/cohorts", OPERATE),
    ("POST", "/api/v1/cohorts/{cohort}/devices", OPERATE),
    ("POST", "/api/v1/cohorts/{cohort}/import", OPERATE),
    ("POST", "/api/v1/devices", OPERATE),
    ("POST", "/api/v1/devices/hawkbit", OPERATE),
    ("POST", "/api/v1/devices/import", OPERATE),
    ("POST", "/api/v1/devices/{id}/approve", OPERATE),
    ("POST", "/api/v1/devices/{id}/revoke", OPERATE),
    ("POST", "/api/v1/devices/{id}/settle", OPERATE),
    ("POST", "/api/v1/releases", PUBLISH),
    ("POST", "/api/v1/releases/{digest}/documents/{kind}", PUBLISH),
    ("POST", "/api/v1/rollouts", OPERATE),
    ("POST", "/api/v1/rollouts/{id}/abort", OPERATE),
    ("POST", "/api/v1/rollouts/{id}/devices/{device}/retry", OPERATE),
    ("POST", "/api/v1/rollouts/{id}/pause", OPERATE),
    ("POST", "/api/v1/rollouts/{id}/resume", OPERATE),
    ("POST", "/api/v1/rollouts/{id}/widen", OPERATE),
    ("POST", "/api/v1/sessions/end", ADMINISTER),
    ("POST", "/api/v1/tokens", ADMINISTER),
    ("POST", "/api/v1/tuf", PUBLISH),
    ("POST", "/api/v1/webhooks", ADMINISTER),
    ("POST", "/dashboard/devices/{id}/{step}", DO),
    ("POST", "/dashboard/rollouts", DO),
    ("POST", "/dashboard/rollouts/{id}/devices/{device}/retry", DO),
    ("POST", "/dashboard/rollouts/{id}/{step}", DO),
    ("POST", "/dashboard/sessions/end", MANAGE),
    ("POST", "/dashboard/sign-in", SignIn),
    ("POST", "/dashboard/sign-out", SEE),
    ("POST", "/device/v1/check-in", Lock),
    ("POST", "/device/v1/enrol", Lock),
    ("POST", "/device/v1/report", Lock),
    ("PUT", "/api/v1/devices/{id}/wishes", OPERATE),
    ("PUT", "/api/v1/policies/{class}", ADMINISTER),
    ("PUT", "/api/v1/support/{class}", ADMINISTER),
];

#[tokio::test]
async fn the_table_names_every_route_and_only_those() {
    let harness = Harness::new().await;
    let mut found: Vec<(String, &str, Access)> = harness
        .table
        .iter()
        .map(|route| (route.method.to_string(), route.path, route.access))
        .collect();
    found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let expected = EXPECTED
        .iter()
        .map(|(method, path, access)| ((*method).to_owned(), *path, *access));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

/// A path that fits the template.
pub(crate) fn filled(path: &str) -> String {
    path.replace("{id}", &"ab".repeat(16))
        .replace("{device}", &"ab".repeat(16))
        .replace("{digest}", &"ab".repeat(32))
        .replace("{class}", "lock-emulator-1")
        .replace("{cohort}", "office")
        .replace("{file}", "timestamp.json")
        .replace("{step}", "abort")
        .replace("{kind}", "advisory")
}

/// A body that would do something, were it allowed.
fn body(path: &str) -> Vec<u8> {
    let value = match path {
        "/api/v1/tokens" => json!({ "name": "mine", "role": "administrator" }),
        "/api/v1/policies/{class}" => json!({ "document": policy() }),
        "/api/v1/devices/hawkbit" => json!({ "class": "lock-emulator-1" }),
        "/api/v1/devices" | "/api/v1/cohorts/{cohort}/devices" => json!({ "devices": ["ab".repeat(16)] }),
        "/api/v1/cohorts" => json!({ "name": "mine" }),
        "/api/v1/rollouts" => json!({ "release": "ab".repeat(32), "to": "all" }),
        "/api/v1/sessions/end" => json!({ "login": "token:abababababababab" }),
        "/api/v1/webhooks" => json!({ "url": "https://example.com/" }),
        "/api/v1/support/{class}" => json!({ "ends_on": "2032-12-31" }),
        "/api/v1/devices/{id}/wishes" => json!({ "updates": "none" }),
        "/api/v1/rollouts/{id}/widen" => json!({ "percent": 100 }),
        "/api/v1/tuf" => json!({ "targets": "{}" }),
        "/api/v1/devices/import" | "/api/v1/cohorts/{cohort}/import" => {
            return format!("id\n{}\n", "cd".repeat(16)).into_bytes();
        }
        "/api/v1/releases/{digest}/documents/{kind}" => return b"CVE-2026-1 is mended.".to_vec(),
        "/api/v1/releases" => return crate::support::Draft::new(2, 7).file(),
        _ => Value::Null,
    };
    value.to_string().into_bytes()
}

pub(crate) async fn token(harness: &Harness, role: Role) -> (String, String) {
    let body = json!({ "name": format!("{role}"), "role": role }).to_string();
    let made = harness.call(Method::POST, "/api/v1/tokens", body).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.header(header::CACHE_CONTROL), "no-store");
    let made = made.json();
    (
        made["id"].as_str().unwrap().to_owned(),
        made["secret"].as_str().unwrap().to_owned(),
    )
}

/// Everything that can be changed, as an administrator sees it.
pub(crate) async fn state(harness: &Harness) -> Vec<Value> {
    let mut state = Vec::new();
    for path in [
        "audit", "devices", "policies", "releases", "rollouts", "sessions", "tokens", "tuf",
    ] {
        state.push(harness.get(&format!("/api/v1/{path}")).await);
    }
    state
}

#[tokio::test]
async fn every_guarded_route_refuses_bad_tokens_and_does_nothing() {
    let harness = Harness::ready().await;
    let (revoked_id, revoked) = token(&harness, Role::Administrator).await;
    harness
        .call(
            Method::DELETE,
            &format!("/api/v1/tokens/{revoked_id}"),
            Body::empty(),
        )
        .await;
    let (_, good) = token(&harness, Role::Administrator).await;
    let mut last_digit_changed = good.clone();
    let last = last_digit_changed.pop().unwrap();
    last_digit_changed.push(if last == '0' { '1' } else { '0' });
    let other_id = good.replacen(&good[4..20], &revoked_id, 1);
    let bad: Vec<Option<String>> = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("bearer {good}"),
        format!("Basic {good}"),
        format!("Bearer  {good}"),
        format!("Bearer {good} "),
        format!("Bearer {}", &good[..good.len() - 1]),
        format!("Bearer {good}0"),
        format!("Bearer {last_digit_changed}"),
        format!("Bearer {other_id}"),
        format!("Bearer {revoked}"),
        format!("Bearer {}", good.to_uppercase()),
        "Bearer lks_0123456789abcdef_".to_owned(),
        good.clone(),
    ]
    .into_iter()
    .map(Some)
    .chain([None])
    .collect();
    let before = state(&harness).await;
    let guarded = harness
        .table
        .iter()
        .filter(|route| matches!(route.access, Access::Token(_)));
    for route in guarded {
        for authorization in &bad {
            let mut request = Request::builder().method(&route.method).uri(filled(route.path));
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            let answer = harness.send(request.body(body(route.path).into()).unwrap()).await;
            let seen = (answer.status, answer.problem());
            let wanted = (StatusCode::UNAUTHORIZED, "unauthenticated".to_owned());
            assert_eq!(
                seen, wanted,
                "{} {} with {authorization:?}",
                route.method, route.path
            );
            assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
        }
    }
    assert_eq!(state(&harness).await, before);
}

#[tokio::test]
async fn every_role_may_do_exactly_what_it_is_for() {
    let harness = Harness::ready().await;
    let mut refused = 0;
    for role in Role::ALL {
        let (_, secret) = token(&harness, *role).await;
        for route in &harness.table {
            let Access::Token(permission) = route.access else {
                continue;
            };
            if role.may(permission) {
                continue;
            }
            let before = state(&harness).await;
            let path = filled(route.path);
            let answer = harness
                .call_as(&secret, route.method.clone(), &path, body(route.path))
                .await;
            let seen = (answer.status, answer.problem());
            let wanted = (StatusCode::FORBIDDEN, "forbidden".to_owned());
            assert_eq!(seen, wanted, "{role}: {} {}", route.method, route.path);
            assert_eq!(
                state(&harness).await,
                before,
                "{role}: {} {}",
                route.method,
                route.path
            );
            refused += 1;
        }
    }
    let others = |access: &Access| match access {
        Access::Token(Permission::Administer) => 3,
        Access::Token(Permission::Operate | Permission::Publish) => 2,
        Access::Token(Permission::Read) | Access::Session(_) | Access::Target | SignIn | Public | Lock => 0,
    };
    let expected: usize = EXPECTED.iter().map(|(_, _, access)| others(access)).sum();
    assert_eq!(refused, expected, "the roles and routes of the table above");
    // And the other way: what a role is for is not refused for the role.
    for role in Role::ALL {
        let (_, secret) = token(&harness, *role).await;
        for route in &harness.table {
            let Access::Token(permission) = route.access else {
                continue;
            };
            if role.may(permission) && route.method != Method::DELETE {
                let path = filled(route.path);
                let answer = harness
                    .call_as(&secret, route.method.clone(), &path, body(route.path))
                    .await;
                let status = answer.status;
                let let_in = status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN;
                assert!(let_in, "{role}: {} {} gave {status}", route.method, route.path);
            }
        }
    }
}

#[tokio::test]
async fn secrets_are_nowhere_on_disk_and_shown_once() {
    let harness = Harness::ready().await;
    let (id, secret) = token(&harness, Role::Viewer).await;
    let listed = harness.get("/api/v1/tokens").await.to_string();
    assert!(
        listed.contains(&id) && !listed.contains(&secret[21..]),
        "{listed}"
    );
    harness.service.close().await.unwrap();
    databases::dump_into(harness.folder.path()).await;
    let mut seen = 0;
    for file in std::fs::read_dir(harness.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |needle: &str| {
                bytes
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes())
            };
            assert!(!holds(&secret[21..]), "the secret is in {}", path.display());
            seen += usize::from(holds(&id));
        }
    }
    assert!(seen > 0, "the token was looked for in the wrong place");
}

#[tokio::test]
async fn the_last_administrator_cannot_lock_everybody_out() {
    let harness = Harness::new().await;
    let id = harness.admin[4..20].to_owned();
    let path = format!("/api/v1/tokens/{id}");
    let answer = harness.call(Method::DELETE, &path, Body::empty()).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::CONFLICT, "conflict")
    );
    let (_, second) = token(&harness, Role::Administrator).await;
    assert_eq!(
        harness.call(Method::DELETE, &path, Body::empty()).await.status,
        StatusCode::OK
    );
    assert_eq!(
        harness
            .call(Method::GET, "/api/v1/tokens", Body::empty())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let answer = harness
        .call_as(&second, Method::GET, "/api/v1/tokens", Body::empty())
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn names_of_tokens_are_plain() {
    let harness = Harness::new().await;
    for name in ["", "   ", "a\nb", "\u{1b}[2J", "ü", &"x".repeat(101)] {
        let body = json!({ "name": name, "role": "viewer" }).to_string();
        assert_eq!(
            harness.call(Method::POST, "/api/v1/tokens", body).await.problem(),
            "invalid",
            "{name:?}"
        );
    }
}
