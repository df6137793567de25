//! Who gets in: every page and every form, with every role, from every wrong place.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_server::domain::access::Role;
use latchkey_server::http::{Access, Route};

use crate::access::{filled, state, token};
use crate::support::{Answer, Harness};
use crate::visit::{HOST, ORIGIN, Visit, form, post};

fn behind_a_session(harness: &Harness) -> impl Iterator<Item = &Route> {
    let routes = harness.table.iter();
    routes.filter(|route| matches!(route.access, Access::Session(_)))
}

fn forms(harness: &Harness) -> Vec<String> {
    let forms: Vec<String> = behind_a_session(harness)
        .filter(|route| !route.method.is_safe())
        .map(|route| filled(route.path))
        .collect();
    assert!(!forms.is_empty());
    forms
}

/// Whether a form's answer says that the session may not do this.
fn kept_out(answer: &Answer) -> bool {
    let out = answer.status == StatusCode::FORBIDDEN;
    assert!(!out || ["forbidden", "cross-site"].contains(&answer.page_problem().as_str()));
    out
}

#[tokio::test]
async fn nobody_sees_or_does_anything_without_a_session() {
    let harness = Harness::ready().await;
    let good = Visit::new(&harness).await;
    let (_, secret) = good.cookie.split_once('=').unwrap();
    let wrong = [
        None,
        Some("latchkey=".to_owned()),
        Some(format!("latchkey={}", &secret[1..])),
        Some(format!("latchkey={}", secret.to_uppercase())),
        Some(format!("latchkey={}", "0".repeat(64))),
        Some(format!("other={secret}")),
        Some(format!("latchkey={}", harness.admin)),
    ];
    let before = state(&harness).await;
    for route in behind_a_session(&harness) {
        let path = filled(route.path);
        for cookie in &wrong {
            let mut request = Request::builder()
                .method(&route.method)
                .uri(&path)
                .header(header::HOST, HOST)
                .header(header::ORIGIN, ORIGIN);
            if let Some(cookie) = cookie {
                request = request.header(header::COOKIE, cookie);
            }
            let body = form(&[("csrf", &good.mark)]);
            let answer = harness.send(request.body(Body::from(body)).unwrap()).await;
            if route.method == Method::GET {
                let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
                assert_eq!(answer.leads_to(), format!("/dashboard/sign-in?next={next}"));
            } else {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
                assert_eq!(answer.page_problem(), "unauthenticated", "{path} with {cookie:?}");
            }
        }
    }
    assert_eq!(state(&harness).await, before);
}

#[tokio::test]
async fn a_bearer_token_opens_no_page_and_a_session_no_api() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let by_token = harness.call(Method::GET, "/dashboard", Body::empty()).await;
    assert!(by_token.leads_to().starts_with("/dashboard/sign-in"));
    let by_cookie = visit.get("/api/v1/devices").await;
    assert_eq!(by_cookie.problem(), "unauthenticated");
}

#[tokio::test]
async fn every_role_may_do_at_the_dashboard_what_it_is_for() {
    let harness = Harness::ready().await;
    for role in Role::ALL {
        let (_, secret) = token(&harness, *role).await;
        for route in behind_a_session(&harness) {
            let Access::Session(permission) = route.access else {
                continue;
            };
            // Signing out ends a session, so each gets its own.
            let visit = Visit::with(&harness, &secret).await;
            let before = state(&harness).await;
            let path = filled(route.path);
            let answer = match route.method {
                Method::GET => visit.get(&path).await,
                _ => visit.send(&path, &[]).await,
            };
            assert_eq!(
                kept_out(&answer),
                !role.may(permission),
                "{role}: {} {path}",
                route.method
            );
            if !role.may(permission) {
                assert_eq!(answer.page_problem(), "forbidden");
                assert_eq!(state(&harness).await, before);
            }
        }
    }
}

#[tokio::test]
async fn a_form_without_the_sessions_mark_is_refused_and_does_nothing() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let other = Visit::new(&harness).await;
    let before = state(&harness).await;
    for path in forms(&harness) {
        let last_changed = format!("{}x", &visit.mark[..63]);
        for fields in [
            &[][..],
            &[("csrf", "")],
            &[("csrf", &visit.mark[..63])],
            &[("csrf", &last_changed)],
            &[("csrf", &other.mark)],
            &[("csrf", &last_changed), ("csrf", &visit.mark)],
            &[("CSRF", &visit.mark)],
        ] {
            let request = post(&path)
                .header(header::ORIGIN, ORIGIN)
                .header(header::COOKIE, &visit.cookie);
            let answer = harness
                .send(request.body(Body::from(form(fields))).unwrap())
                .await;
            assert_eq!(answer.page_problem(), "cross-site", "{path} with {fields:?}");
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
        // The mark in the address, where others may see it, is no mark.
        let request = post(&format!("{path}?csrf={}", visit.mark))
            .header(header::ORIGIN, ORIGIN)
            .header(header::COOKIE, &visit.cookie);
        let answer = harness.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.page_problem(), "cross-site");
    }
    assert_eq!(state(&harness).await, before);
}

#[tokio::test]
async fn a_form_from_another_site_is_refused_even_with_the_mark() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let before = state(&harness).await;
    let mut forms = forms(&harness);
    forms.push("/dashboard/sign-in".to_owned());
    for path in forms {
        for (site, origin) in [
            (None, None),
            (None, Some("https://evil.example")),
            (None, Some("null")),
            (None, Some("https://updates.example:444")),
            (Some("cross-site"), None),
            (Some("same-site"), Some(ORIGIN)),
            (Some("cross-site"), Some(ORIGIN)),
            (Some("same-origin"), Some("https://evil.example")),
            (Some("none"), None),
        ] {
            let mut request = post(&path).header(header::COOKIE, &visit.cookie);
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            let body = form(&[("csrf", &visit.mark), ("token", &harness.admin)]);
            let answer = harness.send(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(
                answer.page_problem(),
                "cross-site",
                "{path} with {site:?} and {origin:?}"
            );
        }
    }
    assert_eq!(state(&harness).await, before);
    assert!(
        !visit.see("/dashboard").await.is_empty(),
        "the session is still there"
    );
}

#[tokio::test]
async fn forms_are_bounded() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let long = "x".repeat(latchkey_server::limits::FORM_BYTES_MAX);
    for path in forms(&harness) {
        let answer = visit.send(&path, &[("more", &long)]).await;
        assert_eq!(answer.page_problem(), "too-large", "{path}");
    }
    visit.see("/dashboard").await;
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_page_that_says_what_to_do() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let rollout = format!("/dashboard/rollouts/{}", "ab".repeat(8));
    let lock = format!("/dashboard/devices/{}", "ab".repeat(16));
    for (path, problem) in [
        ("/dashboard/", "not-found"),
        ("/dashboard/nothing", "not-found"),
        ("/dashboard/rollouts/a/b/c/d", "not-found"),
        // Only a form leads there.
        ("/dashboard/sign-out", "not-found"),
        (
            &format!("{rollout}/devices/{}/retry", "ab".repeat(16)),
            "not-found",
        ),
        (&rollout, "not-found"),
        (&format!("{rollout}/halt"), "not-found"),
        (&format!("{rollout}/dance"), "not-found"),
        (&lock, "not-found"),
        (&format!("{lock}/dance"), "not-found"),
        ("/dashboard/releases/x", "not-found"),
        ("/dashboard/devices/%FF", "invalid"),
        ("/dashboard/rollouts/%FF/halt", "invalid"),
        ("/dashboard/rollouts?before=x", "invalid"),
        ("/dashboard/rollouts?before=1&before=2", "invalid"),
        ("/dashboard/audit?before=99999999999999999999", "invalid"),
        ("/dashboard/devices?after=x", "invalid"),
        ("/dashboard/sign-in?next=1&next=2", "invalid"),
        ("/dashboard/sign-in/provider?next=1&next=2", "invalid"),
        ("/dashboard/sign-in/callback?state=1&state=2", "invalid"),
    ] {
        let answer = visit.get(path).await;
        assert_eq!(answer.page_problem(), problem, "{path}");
        assert!(answer.status.is_client_error());
        assert!(answer.page().contains("href=\"/dashboard\""), "{path}: a way on");
    }
    assert_eq!(
        visit.send("/dashboard/nothing", &[]).await.page_problem(),
        "not-found"
    );
    for method in [Method::DELETE, Method::PUT] {
        let request = Request::builder().method(&method).uri("/dashboard/rollouts");
        let answer = harness.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.page_problem(), "not-found", "{method}");
    }
    // Whose form it is stands in its body, which says to be something else.
    let request = post("/dashboard/rollouts")
        .header(header::ORIGIN, ORIGIN)
        .header(header::COOKIE, &visit.cookie);
    let mut request = request.body(Body::from(form(&[("csrf", &visit.mark)]))).unwrap();
    let kind = "application/json".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    assert_eq!(harness.send(request).await.page_problem(), "invalid");
    // Beside the dashboard, programs ask.
    assert_eq!(visit.get("/dashboards").await.problem(), "not-found");
}
