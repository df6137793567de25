//! Every way to come in that is none, by attack.

use axum::http::StatusCode;
use serde_json::json;

use super::provider::Trick;
use super::{Scene, cookies, session, value};
use crate::support::Answer;

/// Somebody signs in at a provider that does this; what the server makes of it.
async fn tricked(trick: Trick) -> (Scene, Answer) {
    let scene = Scene::new().await;
    let trip = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&trip.address);
    scene.op.play(trick);
    let answer = scene.come_back(&trip.cookie, &brought).await;
    (scene, answer)
}

async fn refused(trick: Trick) {
    let (scene, answer) = tricked(trick).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{trick:?}");
    assert_eq!(answer.page_problem(), "provider", "{trick:?}");
    scene.nobody_came_in(&answer).await;
    // The scene was right but for the trick.
    scene.op.play(Trick::None);
    session(&scene.sign_in().await);
}

#[tokio::test]
async fn wrong_nonce() {
    refused(Trick::AnotherAttemptsNonce).await;
    refused(Trick::NoNonce).await;
}

#[tokio::test]
async fn wrong_audience() {
    refused(Trick::AnotherClientsAudience).await;
    refused(Trick::AFurtherAudience).await;
    refused(Trick::AnotherAuthorizedParty).await;
}

#[tokio::test]
async fn wrong_issuer() {
    refused(Trick::AnotherIssuer).await;
}

#[tokio::test]
async fn expired_or_issued_at_another_time() {
    refused(Trick::Expired).await;
    refused(Trick::IssuedLongAgo).await;
    refused(Trick::IssuedInTheFuture).await;
}

#[tokio::test]
async fn alg_none() {
    refused(Trick::AlgNone).await;
}

#[tokio::test]
async fn alg_hs256_with_the_secret_that_the_client_knows_too() {
    refused(Trick::AlgHs256WithTheClientSecret).await;
}

#[tokio::test]
async fn foreign_key_and_signature_of_other_claims() {
    refused(Trick::AForeignKey).await;
    refused(Trick::ASignatureOfOtherClaims).await;
}

#[tokio::test]
async fn no_group_that_has_a_role() {
    let scene = Scene::new().await;
    for groups in [
        json!([]),
        json!(["LOCK-OPS", "lock-ops ", "lock"]),
        json!("staff"),
    ] {
        scene
            .op
            .knows(json!({ "sub": "4711", "preferred_username": "ana", "groups": groups }));
        let answer = scene.sign_in().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.page_problem(), "forbidden", "{groups}");
        assert!(answer.page().contains("knows you as ana"));
        scene.nobody_came_in(&answer).await;
    }
}

#[tokio::test]
async fn no_claim_of_groups_or_no_name() {
    let scene = Scene::new().await;
    for person in [
        json!({ "sub": "4711", "preferred_username": "ana" }),
        json!({ "sub": "4711", "groups": ["lock-ops"] }),
        json!({ "sub": "4711", "preferred_username": "ana\nclock", "groups": ["lock-ops"] }),
    ] {
        scene.op.knows(person);
        let answer = scene.sign_in().await;
        assert_eq!(answer.page_problem(), "provider");
        scene.nobody_came_in(&answer).await;
    }
}

#[tokio::test]
async fn replayed_answer() {
    let scene = Scene::new().await;
    let trip = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&trip.address);
    let first = scene.come_back(&trip.cookie, &brought).await;
    session(&first);
    // This provider takes its codes again; and somebody saw both address and cookie.
    let again = scene.come_back(&trip.cookie, &brought).await;
    assert_eq!(again.page_problem(), "unauthenticated");
    assert!(
        !cookies(&again)
            .iter()
            .any(|cookie| cookie.starts_with("latchkey="))
    );
    // A fresh code for the old state is no better.
    let fresh = scene.op.signs_in(&trip.address);
    let again = scene.come_back(&trip.cookie, &fresh).await;
    assert_eq!(again.page_problem(), "unauthenticated");
    let audit = scene.harness.get("/api/v1/audit").await.to_string();
    assert_eq!(audit.matches("session.begin").count(), 1);
}

#[tokio::test]
async fn one_attempt_again_and_again_to_keep_the_provider_busy() {
    let scene = Scene::new().await;
    let trip = scene.set_out("/dashboard").await;
    let state = trip.address.query_pairs().find(|(name, _)| name == "state");
    let made_up = format!("code=x&state={}", state.unwrap().1);
    let tries = (0..16).map(|_| scene.come_back(&trip.cookie, &made_up));
    for answer in futures_util::future::join_all(tries).await {
        assert_eq!(answer.page_problem(), "unauthenticated");
        scene.nobody_came_in(&answer).await;
    }
    assert_eq!(scene.op.tokens_asked(), 1);
    // A good code comes too late for this attempt; whoever it is begins anew.
    let good = scene.op.signs_in(&trip.address);
    let late = scene.come_back(&trip.cookie, &good).await;
    assert_eq!(late.page_problem(), "unauthenticated");
    assert_eq!(scene.op.tokens_asked(), 1);
    session(&scene.sign_in().await);
}

#[tokio::test]
async fn code_of_another_persons_attempt() {
    let scene = Scene::new().await;
    let (mine, theirs) = (
        scene.set_out("/dashboard").await,
        scene.set_out("/dashboard").await,
    );
    let code = |brought: &str| brought.split('&').next().unwrap().to_owned();
    let state = |brought: &str| brought.split('&').nth(1).unwrap().to_owned();
    let (brought, stolen) = (
        scene.op.signs_in(&mine.address),
        scene.op.signs_in(&theirs.address),
    );
    let mixed = format!("{}&{}", code(&stolen), state(&brought));
    let answer = scene.come_back(&mine.cookie, &mixed).await;
    assert_eq!(
        answer.page_problem(),
        "unauthenticated",
        "PKCE: the verifier is of another attempt"
    );
    scene.nobody_came_in(&answer).await;
}

#[tokio::test]
async fn strangers_state() {
    let scene = Scene::new().await;
    let (mine, theirs) = (
        scene.set_out("/dashboard").await,
        scene.set_out("/dashboard").await,
    );
    let brought = scene.op.signs_in(&mine.address);
    let (name, sealed) = mine.cookie.split_once('=').unwrap();
    let (text, seal) = sealed.rsplit_once('.').unwrap();
    let (until, rest) = text.split_once('.').unwrap();
    let later = until.parse::<i64>().unwrap() + 1;
    for cookie in [
        String::new(),
        theirs.cookie.clone(),
        format!("{name}="),
        format!("{name}={text}"),
        format!("{name}={text}."),
        format!("{name}={later}.{rest}.{seal}"),
        format!("{name}={text}.{}", seal.replace(['0', '1', '2', '3'], "f")),
        format!("__Host-{name}={sealed}"),
        format!("latchkey={sealed}"),
    ] {
        let answer = scene.come_back(&cookie, &brought).await;
        assert_eq!(answer.page_problem(), "unauthenticated", "{cookie}");
        scene.nobody_came_in(&answer).await;
    }
    for brought in ["", "code=x", "state=&code=x", "state=0&code=x&state=1"] {
        let answer = scene
            .get(&format!("/dashboard/sign-in/callback?{brought}"), &mine.cookie)
            .await;
        assert!(answer.status.is_client_error(), "{brought}: {answer:?}");
        scene.nobody_came_in(&answer).await;
    }
    session(&scene.come_back(&mine.cookie, &brought).await);
}

#[tokio::test]
async fn answer_of_another_provider() {
    let scene = Scene::new().await;
    let trip = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&trip.address);
    let (brought, _) = brought.rsplit_once("&iss=").unwrap();
    let answer = scene
        .come_back(&trip.cookie, &format!("{brought}&iss=https%3A%2F%2Fevil.example"))
        .await;
    assert_eq!(answer.page_problem(), "unauthenticated");
    scene.nobody_came_in(&answer).await;
    let again = scene.come_back(&trip.cookie, brought).await;
    assert_eq!(again.page_problem(), "unauthenticated", "it is used up");
    // Providers that do not say who they are are none the worse for it.
    let trip = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&trip.address);
    let (brought, _) = brought.rsplit_once("&iss=").unwrap();
    session(&scene.come_back(&trip.cookie, brought).await);
}

#[tokio::test]
async fn providers_error_with_words_for_the_person() {
    let scene = Scene::new().await;
    for (error, shown) in [
        ("access_denied", "says: access_denied"),
        ("Call+0800-EVIL+now", "says: nothing of use"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "says: nothing of use"),
    ] {
        let trip = scene.set_out("/dashboard").await;
        let brought = scene.op.signs_in(&trip.address);
        let answer = scene
            .come_back(&trip.cookie, &format!("{brought}&error={error}"))
            .await;
        assert_eq!(answer.page_problem(), "unauthenticated");
        assert!(answer.page().contains(shown), "{}", answer.page());
        assert!(!answer.page().contains("EVIL"));
        scene.nobody_came_in(&answer).await;
    }
}

#[tokio::test]
async fn open_redirect() {
    let scene = Scene::new().await;
    let long = format!("/dashboard?{}", "x".repeat(5_000));
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/dashboard\\evil",
        &long,
    ] {
        let trip = scene.set_out(next).await;
        assert!(!trip.address.as_str().contains("evil"));
        let answer = scene
            .come_back(&trip.cookie, &scene.op.signs_in(&trip.address))
            .await;
        assert!(
            answer.page().contains("content=\"0;url=/dashboard\""),
            "{}",
            answer.page()
        );
    }
}

#[tokio::test]
async fn begun_by_a_link_from_elsewhere_and_finished_in_another_browser() {
    let scene = Scene::new().await;
    // The attacker signs in and hands the last address to a victim, who is to work as the attacker.
    let attacker = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&attacker.address);
    let victim = scene.set_out("/dashboard").await;
    assert_ne!(value(&attacker.cookie), value(&victim.cookie));
    let answer = scene.come_back(&victim.cookie, &brought).await;
    assert_eq!(answer.page_problem(), "unauthenticated");
    scene.nobody_came_in(&answer).await;
}
