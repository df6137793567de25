//! A provider that is away, slow, or sends too much: everything else goes on, and the page says what to do.

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use latchkey_server::http::{App, CALLBACK, routes};
use latchkey_server::limits::PROVIDER_CALLS_MAX;
use latchkey_server::openid::Provider;
use url::Url;

use super::provider::Trick;
use super::{Scene, registration, session};
use crate::visit::Visit;

impl Scene {
    async fn cannot_set_out(&self) {
        let answer = self.get("/dashboard/sign-in/provider", "").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.page_problem(), "provider");
        assert!(answer.page().contains("sign in with a token"));
        self.nobody_came_in(&answer).await;
    }
}

#[tokio::test]
async fn descriptions_and_keys_that_are_none() {
    for trick in [
        Trick::HugeKeys,
        Trick::EndlessKeys,
        Trick::RedirectedKeys,
        Trick::KeysInTheClear,
        Trick::LoginInTheClear,
        Trick::AnotherIssuersDescription,
    ] {
        let scene = Scene::new().await;
        scene.op.play(trick);
        scene.cannot_set_out().await;
        // Tokens know nothing of it.
        Visit::new(&scene.harness).await.see("/dashboard").await;
        scene.op.play(Trick::None);
        session(&scene.sign_in().await);
    }
}

#[tokio::test]
async fn answers_without_an_id_token() {
    for trick in [Trick::NoIdToken, Trick::NoJson] {
        let scene = Scene::new().await;
        let trip = scene.set_out("/dashboard").await;
        let brought = scene.op.signs_in(&trip.address);
        scene.op.play(trick);
        let answer = scene.come_back(&trip.cookie, &brought).await;
        assert_eq!(answer.page_problem(), "provider", "{trick:?}");
        scene.nobody_came_in(&answer).await;
    }
}

#[tokio::test]
async fn a_provider_that_keeps_no_connection() {
    let scene = Scene::new().await;
    scene.op.play(Trick::OneAnswerAConnection);
    session(&scene.sign_in().await);
    session(&scene.sign_in().await);
}

#[tokio::test]
async fn a_slow_provider_is_waited_for_in_bounds() {
    let mut scene = Scene::new().await;
    let provider = Provider::new(registration(&scene.op), CALLBACK).unwrap();
    let provider = provider.with_patience(Duration::from_millis(50));
    scene.harness.router = routes(&App::new(scene.harness.service.clone()).with_provider(provider)).0;
    scene.op.play(Trick::Silence);
    scene.cannot_set_out().await;
    Visit::new(&scene.harness).await.see("/dashboard").await;
}

#[tokio::test]
async fn who_comes_behind_many_slow_ones_waits_and_comes_in() {
    let scene = Scene::new().await;
    let mut many = Vec::new();
    for _ in 0..PROVIDER_CALLS_MAX {
        many.push(scene.set_out("/dashboard").await);
    }
    scene.op.play(Trick::SlowTokens);
    let slow = join_all(many.iter().map(async |trip| {
        let brought = scene.op.signs_in(&trip.address);
        scene.come_back(&trip.cookie, &brought).await
    }));
    let behind = async {
        while scene.op.tokens_asked() < PROVIDER_CALLS_MAX {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // To be sent there, nothing is to be asked.
        let trip = scene.set_out("/dashboard").await;
        let brought = scene.op.signs_in(&trip.address);
        let back = scene.come_back(&trip.cookie, &brought);
        let done = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(scene.op.tokens_asked(), PROVIDER_CALLS_MAX);
            scene.op.play(Trick::None);
        };
        tokio::join!(back, done).0
    };
    let (slow, behind) = tokio::join!(slow, behind);
    session(&behind);
    slow.iter().for_each(|answer| drop(session(answer)));
}

#[tokio::test]
async fn a_provider_that_is_away_stops_nothing_else() {
    let mut scene = Scene::new().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut registration = registration(&scene.op);
    registration.issuer = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let provider = Provider::new(registration, CALLBACK).unwrap();
    scene.harness.router = routes(&App::new(scene.harness.service.clone()).with_provider(provider)).0;
    scene.cannot_set_out().await;
    Visit::new(&scene.harness).await.see("/dashboard").await;
}

#[tokio::test]
async fn keys_that_change_are_followed_and_old_ones_count_no_more() {
    let scene = Scene::new().await;
    session(&scene.sign_in().await);
    assert_eq!(scene.op.keys_asked(), 1);
    session(&scene.sign_in().await);
    assert_eq!(scene.op.keys_asked(), 1, "they are known");
    for (number, name) in [(2, "second"), (3, "second")] {
        scene.op.change_key(number, name);
        scene.harness.clock.advance_ms(1);
        session(&scene.sign_in().await);
    }
    assert_eq!(scene.op.keys_asked(), 3);
    // Whoever has an old key signs with it still; the provider publishes another.
    let trip = scene.set_out("/dashboard").await;
    let brought = scene.op.signs_in(&trip.address);
    scene.op.play(Trick::AForeignKey);
    scene.harness.clock.advance_ms(1);
    let answer = scene.come_back(&trip.cookie, &brought).await;
    assert_eq!(answer.page_problem(), "provider");
}

#[tokio::test]
async fn without_a_provider_there_is_no_such_way() {
    let scene = Scene::new().await;
    let mut harness = scene.harness;
    harness.router = routes(&App::new(harness.service.clone())).0;
    let scene = Scene { harness, ..scene };
    let form = scene.get("/dashboard/sign-in", "").await;
    assert!(!form.page().contains("id=\"provider\""));
    for path in ["/dashboard/sign-in/provider", CALLBACK] {
        let answer = scene.get(path, "").await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        scene.nobody_came_in(&answer).await;
    }
}

#[test]
fn nothing_is_set_up_in_the_clear() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let set = |issuer: &str, public: &str| {
        let registration = latchkey_server::openid::Registration {
            issuer: issuer.to_owned(),
            client_id: "x".to_owned(),
            client_secret: openidconnect::ClientSecret::new("x".to_owned()),
            public_url: Url::parse(public).unwrap(),
            scopes: Vec::new(),
        };
        Provider::new(registration, CALLBACK).map(drop)
    };
    set("https://id.example/realms/locks", "https://updates.example").unwrap();
    set("http://127.0.0.1:1", "http://127.0.0.1:8470").unwrap();
    for (issuer, public) in [
        ("http://id.example", "https://updates.example"),
        ("https://id.example", "http://updates.example"),
        ("https://id.example", "https://updates.example/dashboard"),
        ("https://id.example", "https://updates.example/?x"),
        ("not an address", "https://updates.example"),
    ] {
        set(issuer, public).unwrap_err();
    }
}
