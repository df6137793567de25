//! Who is let in: the very device by its token, over TLS where there is any, and not without end.

use std::net::IpAddr;

use latchkey_server::http::{Access, App, InTheClear, Peer, routes};
use tokio::sync::mpsc;

use super::*;
use crate::limits::stalled;
use crate::support::Lock;

/// Every route of the interface, below a device's own path.
const ROUTES: [(&str, &str); 7] = [
    ("GET", ""),
    ("PUT", "/configData"),
    ("GET", "/deploymentBase/{action}"),
    ("POST", "/deploymentBase/{action}/feedback"),
    ("GET", "/cancelAction/{action}"),
    ("POST", "/cancelAction/{action}/feedback"),
    ("GET", "/softwaremodules/{action}/artifacts/{file}"),
];

#[tokio::test]
async fn a_server_that_was_not_told_to_has_no_such_interface() {
    let harness = Harness::ready().await;
    let stranger = Stranger::new(&harness).await;
    assert!(!harness.table.iter().any(|route| route.access == Access::Target));
    for (method, path) in ROUTES {
        let path = path.replace("{action}", "1").replace("{file}", "x");
        let answer = stranger.call(method.parse().unwrap(), &path, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_the_token_of_the_very_device() {
    let harness = Harness::with_hawkbit().await;
    let routed = harness
        .table
        .iter()
        .filter(|route| route.access == Access::Target);
    let routed: Vec<_> = routed.map(|route| (route.method.as_str(), route.path)).collect();
    let expected = ROUTES.map(|(method, path)| (method, format!("{BASE}{{device}}{path}")));
    let expected: Vec<_> = expected
        .iter()
        .map(|(method, path)| (*method, path.as_str()))
        .collect();
    assert_eq!(routed, expected, "this test knows every route");

    let (stranger, other, revoked) = (
        Stranger::told(&harness).await,
        Stranger::told(&harness).await,
        Stranger::told(&harness).await,
    );
    let path = format!("/api/v1/devices/{}/revoke", revoked.id);
    assert_eq!(
        harness.call(Method::POST, &path, Body::empty()).await.status,
        StatusCode::OK
    );
    let lock = harness.lock().await.id().to_string();
    let operator = harness.admin.clone();
    let nobody = "ab".repeat(16);
    let bad = [
        (stranger.id.as_str(), None),
        (&stranger.id, Some(format!("TargetToken {}", other.token))),
        (&stranger.id, Some(format!("TargetToken {}0", stranger.token))),
        (&stranger.id, Some("TargetToken ".to_owned())),
        (&stranger.id, Some(format!("GatewayToken {}", stranger.token))),
        (&stranger.id, Some(format!("Bearer {}", stranger.token))),
        (&stranger.id, Some(format!("Bearer {operator}"))),
        (&revoked.id, Some(format!("TargetToken {}", revoked.token))),
        (&lock, Some(format!("TargetToken {}", stranger.token))),
        (&lock, Some("TargetToken ".to_owned())),
        (&nobody, Some(format!("TargetToken {}", stranger.token))),
        ("..", Some(format!("TargetToken {}", stranger.token))),
    ];
    for (method, path) in ROUTES {
        let path = path.replace("{action}", "1").replace("{file}", "x");
        for (id, authorization) in &bad {
            let mut request = Request::builder().method(method).uri(format!("{BASE}{id}{path}"));
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let answer = harness.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{method} {id}{path} {authorization:?}"
            );
        }
    }
    assert_eq!(stranger.get("").await.status, StatusCode::OK);
    let other_tenant = Request::builder()
        .uri(format!("/OTHER/controller/v1/{}", stranger.id))
        .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
        .body(Body::empty());
    assert_eq!(
        harness.send(other_tenant.unwrap()).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_token_is_kept_as_a_hash_and_opens_nothing_else() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let answer = harness
        .call_as(&stranger.token, Method::GET, "/api/v1/devices", Body::empty())
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    for path in [
        format!("/api/v1/devices/{}", stranger.id),
        "/api/v1/audit".to_owned(),
    ] {
        let shown = harness.get(&path).await.to_string();
        assert!(!shown.contains(&stranger.token), "{shown}");
    }
    let audit = harness.get("/api/v1/audit").await.to_string();
    assert!(audit.contains("device.hawkbit"), "{audit}");
    // It has no key, so no message of Latchkey's own can be its.
    let mut lock = Lock::new();
    let mut check_in = lock.check_in();
    check_in.device = latchkey_server::ids::device(&stranger.id).unwrap();
    let answer = harness
        .lock_says("/device/v1/check-in", lock.seal(&check_in))
        .await;
    assert_eq!(
        answer.lock_problem(),
        latchkey_directive::ProblemCode::UnknownDevice
    );
}

#[tokio::test]
async fn who_asks_without_end_and_who_guesses_is_told_to_come_back() {
    let harness = Harness::with_hawkbit().await;
    let (stranger, other) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(stranger.get("").await.status);
    }
    assert_eq!(answers.first(), Some(&StatusCode::OK));
    assert_eq!(answers.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(
        other.get("").await.status,
        StatusCode::OK,
        "nobody else pays for it"
    );

    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let guess = |token: String| {
        let request = Request::builder()
            .uri(format!("{BASE}{}", other.id))
            .header(header::AUTHORIZATION, format!("TargetToken {token}"))
            .extension(Peer(address))
            .body(Body::empty());
        harness.send(request.unwrap())
    };
    for number in 0..200 {
        assert_eq!(
            guess(format!("{number:064x}")).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        guess(other.token.clone()).await.problem(),
        "too-often",
        "right or wrong"
    );
    assert_eq!(other.get("").await.status, StatusCode::OK, "from elsewhere");
}

#[tokio::test]
async fn no_device_s_token_is_taken_in_the_clear_where_there_is_tls() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let request = Request::builder()
        .uri(format!("{BASE}{}", stranger.id))
        .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
        .extension(InTheClear)
        .body(Body::empty());
    assert_eq!(harness.send(request.unwrap()).await.problem(), "unauthenticated");
}

#[tokio::test]
async fn a_device_that_sends_slowly_keeps_no_place_from_locks() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let (router, _) = routes(&App::new(harness.service.clone()).with_requests_max(1));
    let (asked, mut begun) = mpsc::unbounded_channel();
    let slow = Request::put(format!("{BASE}{}/configData", stranger.id))
        .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
        .body(stalled(asked))
        .unwrap();
    let slow = tokio::spawn(tower::ServiceExt::oneshot(router.clone(), slow));
    begun.recv().await.unwrap();
    let lock = Request::post("/device/v1/enrol").body(Body::from(Lock::new().enrolment()));
    let answer = tower::ServiceExt::oneshot(router, lock.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    slow.abort();
}
