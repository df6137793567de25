//! Sessions: begun with a token, bounded in life and number, ended by either side.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_server::domain::access::Role;
use latchkey_server::http::{App, Peer, routes};
use latchkey_server::limits::{SESSION_LIFE_MS, SESSIONS_PER_LOGIN_MAX};
use serde_json::json;

use crate::access::token;
use crate::support::{Answer, Harness};
use crate::visit::{ORIGIN, Visit, form, post};

async fn sign_in(harness: &Harness, token: &str, next: &str) -> Answer {
    let request = post("/dashboard/sign-in").header(header::ORIGIN, ORIGIN);
    let body = form(&[("token", token), ("next", next)]);
    harness.send(request.body(Body::from(body)).unwrap()).await
}

async fn is_in(visit: &Visit<'_>) -> bool {
    visit.get("/dashboard").await.status == StatusCode::OK
}

#[tokio::test]
async fn signing_in_leads_where_one_wanted_to_go_and_nowhere_else() {
    let harness = Harness::new().await;
    for (next, leads_to) in [
        ("/dashboard/rollouts?x=1", "/dashboard/rollouts?x=1"),
        ("https://evil.example/", "/dashboard"),
        ("//evil.example/dashboard", "/dashboard"),
    ] {
        let answer = sign_in(&harness, &harness.admin, next).await;
        assert_eq!(answer.leads_to(), leads_to);
        let cookie = answer.header(header::SET_COOKIE);
        assert!(
            cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"),
            "{cookie}"
        );
    }
    // As a person copies it.
    let answer = sign_in(&harness, &format!("  {}\n", harness.admin), "").await;
    assert_eq!(answer.leads_to(), "/dashboard");
}

#[tokio::test]
async fn a_bad_token_begins_nothing_and_is_not_shown_again() {
    let harness = Harness::new().await;
    let last_changed = format!("{}x", &harness.admin[..harness.admin.len() - 1]);
    let bad = ["", "lks_0", "<script>alert(1)</script>", &last_changed];
    let tried = bad.map(|bad| sign_in(&harness, bad, "/dashboard"));
    for (bad, answer) in bad.iter().zip(futures_util::future::join_all(tried).await) {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.page_problem(), "unauthenticated");
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        assert!(bad.is_empty() || !answer.page().contains(bad));
    }
    let audit = harness.get("/api/v1/audit").await.to_string();
    assert!(!audit.contains("session.begin"), "{audit}");
}

#[tokio::test]
async fn when_too_many_guess_they_are_put_off_and_good_tokens_are_not() {
    let mut harness = Harness::new().await;
    let nobody_may_wait = App::new(harness.service.clone()).with_sign_in_penalties(0);
    harness.router = routes(&nobody_may_wait).0;
    let bad = sign_in(&harness, "lks_", "").await;
    assert_eq!(bad.page_problem(), "too-often");
    assert!(bad.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(
        sign_in(&harness, &harness.admin, "").await.leads_to(),
        "/dashboard"
    );
}

#[tokio::test]
async fn an_administrator_sees_who_is_signed_in_and_ends_that_at_the_dashboard_and_by_the_api() {
    let harness = Harness::new().await;
    let (id, secret) = token(&harness, Role::Operator).await;
    let begun = harness.service.now_ms();
    let one = Visit::with(&harness, &secret).await;
    harness.clock.advance_ms(60_000);
    let two = Visit::with(&harness, &secret).await;
    let admin = Visit::new(&harness).await;
    let login = format!("token:{id}");

    let listed = harness.get("/api/v1/sessions").await;
    let theirs = listed.as_array().unwrap().iter();
    let theirs = theirs.clone().find(|somebody| somebody["login"] == login);
    let lasts = |since: i64| json!({ "since_ms": since, "until_ms": since + SESSION_LIFE_MS });
    let expected = json!({
        "login": login, "person": "operator", "role": "operator",
        "sessions": [lasts(begun), lasts(begun + 60_000)],
    });
    assert_eq!(theirs, Some(&expected));
    let page = admin.see("/dashboard/sessions").await;
    assert!(
        page.contains(&format!("name=\"login\" value=\"{login}\"")),
        "{page}"
    );
    let home = |page: &str| page.contains("href=\"/dashboard/sessions\"");
    assert!(home(&page) && !home(&one.see("/dashboard").await));

    let ended = admin.send("/dashboard/sessions/end", &[("login", &login)]).await;
    assert_eq!(ended.leads_to(), "/dashboard/sessions");
    assert!(!is_in(&one).await && !is_in(&two).await);
    assert!(is_in(&admin).await, "nobody else");
    let again = admin.send("/dashboard/sessions/end", &[("login", &login)]).await;
    assert_eq!(again.page_problem(), "not-found");

    // The token is good still; the API ends what it begins, too, in the administrator's name.
    let three = Visit::with(&harness, &secret).await;
    let body = json!({ "login": login }).to_string();
    let answer = harness
        .call(Method::POST, "/api/v1/sessions/end", body.clone())
        .await;
    assert_eq!(answer.json(), json!({ "login": login, "ended": 1 }));
    assert!(!is_in(&three).await);
    let again = harness.call(Method::POST, "/api/v1/sessions/end", body).await;
    assert_eq!(again.problem(), "not-found");
    let audit = harness.get("/api/v1/audit").await;
    let audit = audit.as_array().unwrap().iter();
    let ends: Vec<_> = audit.filter(|line| line["action"] == "session.end").collect();
    assert_eq!(ends.len(), 2, "what ended nothing is no line");
    assert_eq!(ends[0]["subject"], id);
    let detail = json!({ "login": login, "person": "operator", "sessions": 2 });
    assert_eq!(ends[0]["detail"], detail);
    assert_eq!(ends[0]["actor"], ends[1]["actor"]);
    assert!(ends[0]["actor"].as_str().unwrap().contains("first administrator"));
}

#[tokio::test]
async fn who_is_signed_in_is_listed_login_by_login_and_none_whose_time_is_over() {
    let harness = Harness::new().await;
    let mut logins = Vec::new();
    for _ in 0..3 {
        let (id, secret) = token(&harness, Role::Viewer).await;
        for _ in 0..2 {
            Visit::with(&harness, &secret).await;
        }
        logins.push(format!("token:{id}"));
    }
    logins.sort();
    let mut after = String::new();
    for login in &logins {
        let page = harness.get(&format!("/api/v1/sessions?limit=1{after}")).await;
        let page = page.as_array().unwrap();
        assert_eq!((page.len(), page[0]["login"].as_str()), (1, Some(login.as_str())));
        assert_eq!(page[0]["sessions"].as_array().unwrap().len(), 2);
        after = format!("&after={login}");
    }
    let end = harness.get(&format!("/api/v1/sessions?limit=1{after}")).await;
    assert_eq!(end, json!([]));
    harness.clock.advance_ms(SESSION_LIFE_MS);
    assert_eq!(harness.get("/api/v1/sessions").await, json!([]));
}

#[tokio::test]
async fn a_session_ends_by_time_by_its_holder_and_with_its_token() {
    let harness = Harness::new().await;
    let (id, secret) = token(&harness, Role::Operator).await;
    let (one, two) = (
        Visit::with(&harness, &secret).await,
        Visit::with(&harness, &secret).await,
    );
    let out = one.send("/dashboard/sign-out", &[]).await;
    assert_eq!(out.leads_to(), "/dashboard/sign-in");
    assert!(
        out.header(header::SET_COOKIE)
            .starts_with("latchkey=; Path=/; Max-Age=0;")
    );
    assert!(
        !is_in(&one).await,
        "the cookie is worth nothing, wherever it went"
    );
    assert!(is_in(&two).await);

    let revoked = harness
        .call(Method::DELETE, &format!("/api/v1/tokens/{id}"), Body::empty())
        .await;
    assert_eq!(revoked.status, StatusCode::OK);
    assert!(!is_in(&two).await);

    let visit = Visit::new(&harness).await;
    harness.clock.advance_ms(SESSION_LIFE_MS - 1);
    assert!(is_in(&visit).await);
    harness.clock.advance_ms(1);
    assert!(!is_in(&visit).await);
    let audit = harness.get("/api/v1/audit").await.to_string();
    assert!(audit.contains("session.begin") && audit.contains("session.end"));
}

#[tokio::test]
async fn a_token_has_so_many_sessions_and_the_oldest_makes_room() {
    let harness = Harness::new().await;
    let mut visits = Vec::new();
    for _ in 0..=SESSIONS_PER_LOGIN_MAX {
        visits.push(Visit::new(&harness).await);
        harness.clock.advance_ms(1);
    }
    assert!(!is_in(&visits[0]).await);
    for visit in &visits[1..] {
        assert!(is_in(visit).await);
    }
}

#[tokio::test]
async fn the_secret_of_a_session_is_nowhere_on_disk() {
    let harness = Harness::new().await;
    let visit = Visit::new(&harness).await;
    let (_, secret) = visit.cookie.split_once('=').unwrap();
    harness.service.close().await.unwrap();
    crate::databases::dump_into(harness.folder.path()).await;
    for file in std::fs::read_dir(harness.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for hidden in [secret, &visit.mark] {
                let found = bytes
                    .windows(hidden.len())
                    .any(|window| window == hidden.as_bytes());
                assert!(!found, "in {}", path.display());
            }
        }
    }
}

/// Signs in over a connection from this address, with what the proxy there says of how it was asked.
async fn sign_in_by(harness: &Harness, from: &str, proto: Option<&str>) -> String {
    let from: std::net::IpAddr = from.parse().unwrap();
    let mut request = post("/dashboard/sign-in")
        .header(header::ORIGIN, ORIGIN)
        .extension(Peer(from));
    if let Some(proto) = proto {
        request = request.header("x-forwarded-proto", proto);
    }
    let body = form(&[("token", &harness.admin)]);
    let answer = harness.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.leads_to(), "/dashboard");
    answer.header(header::SET_COOKIE).to_owned()
}

#[tokio::test]
async fn behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone() {
    let mut harness = Harness::new().await;
    let proxy = "10.0.0.9";
    harness.router = routes(&App::new(harness.service.clone()).behind(&[proxy.parse().unwrap()])).0;
    for (from, proto, secure) in [
        (proxy, None, true),
        (proxy, Some("https"), true),
        ("::ffff:10.0.0.9", Some("https"), true),
        (proxy, Some("http"), false),
        (proxy, Some("HTTP"), false),
        // Anybody can say so.
        ("10.0.0.8", Some("https"), false),
        ("10.0.0.8", None, false),
    ] {
        let cookie = sign_in_by(&harness, from, proto).await;
        let guarded = cookie.starts_with("__Host-latchkey=") && cookie.ends_with("; Secure");
        assert_eq!(guarded, secure, "{from} {proto:?}: {cookie}");
    }
}

#[tokio::test]
async fn over_tls_a_cookie_that_others_can_have_put_there_is_none() {
    let mut harness = Harness::new().await;
    let proxy: std::net::IpAddr = "10.0.0.9".parse().unwrap();
    harness.router = routes(&App::new(harness.service.clone()).behind(&[proxy])).0;
    let own = sign_in_by(&harness, "10.0.0.9", None).await;
    let own = own.split(';').next().unwrap();
    let injected = own.strip_prefix("__Host-").unwrap();
    for (cookie, is_in) in [(own, true), (injected, false)] {
        let request = Request::builder()
            .uri("/dashboard")
            .header(header::COOKIE, cookie)
            .extension(Peer(proxy));
        let answer = harness.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status == StatusCode::OK, is_in, "{cookie}");
    }
}
