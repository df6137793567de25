//! An OpenID provider that answers as its test wants: as it should, or as an attacker would have it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use latchkey_server::clock::{Clock as _, SystemClock};
use latchkey_server::limits::PROVIDER_ANSWER_BYTES_MAX;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::support::START_MS;

pub(super) const CLIENT: &str = "latchkey";
pub(super) const SECRET: &str = "not a secret: a test's";

/// What the provider does otherwise than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trick {
    None,
    /// Claims of the ID token.
    AnotherAttemptsNonce,
    NoNonce,
    AnotherClientsAudience,
    AFurtherAudience,
    AnotherAuthorizedParty,
    AnotherIssuer,
    Expired,
    IssuedLongAgo,
    IssuedInTheFuture,
    /// Its signature.
    AlgNone,
    AlgHs256WithTheClientSecret,
    AForeignKey,
    ASignatureOfOtherClaims,
    /// What else it answers.
    NoIdToken,
    NoJson,
    HugeKeys,
    EndlessKeys,
    Silence,
    /// No code is redeemed while it plays this.
    SlowTokens,
    RedirectedKeys,
    KeysInTheClear,
    LoginInTheClear,
    AnotherIssuersDescription,
    OneAnswerAConnection,
}

struct Shared {
    issuer: String,
    /// What time it is there, in seconds since 1970.
    now: i64,
    trick: Trick,
    /// Whom it knows: claims beside those that every ID token has.
    person: Value,
    key: SigningKey,
    kid: String,
    /// Codes that it gave, with the nonce and the challenge they were given for. It takes each as often as it comes.
    codes: HashMap<String, (String, String)>,
    /// How often it was asked for its keys.
    keys_asked: usize,
    /// How often it was asked to redeem a code.
    tokens_asked: usize,
    /// The connections on which it was asked.
    connections: HashSet<SocketAddr>,
}

type Held = Arc<Mutex<Shared>>;

/// The provider. It listens as long as the test runs.
pub(super) struct Op {
    pub(super) issuer: String,
    held: Held,
}

impl Op {
    pub(super) async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let held = Arc::new(Mutex::new(Shared {
            issuer: issuer.clone(),
            now: START_MS / 1000,
            trick: Trick::None,
            person: json!({ "sub": "4711", "preferred_username": "ana", "groups": ["lock-ops"] }),
            key: SigningKey::from_bytes(&[1; 32]),
            kid: "first".to_owned(),
            codes: HashMap::new(),
            keys_asked: 0,
            tokens_asked: 0,
            connections: HashSet::new(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .layer(from_fn_with_state(held.clone(), connection))
            .with_state(held.clone())
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, held }
    }

    /// It goes by the machine's clock.
    pub(super) fn go_by_the_clock(&self) {
        self.held.lock().unwrap().now = SystemClock.now_ms() / 1000;
    }

    pub(super) fn play(&self, trick: Trick) {
        self.held.lock().unwrap().trick = trick;
    }

    pub(super) fn knows(&self, person: Value) {
        self.held.lock().unwrap().person = person;
    }

    /// From now on it has another key, and the old one no more.
    pub(super) fn change_key(&self, number: u8, kid: &str) {
        let mut held = self.held.lock().unwrap();
        held.key = SigningKey::from_bytes(&[number; 32]);
        kid.clone_into(&mut held.kid);
    }

    pub(super) fn keys_asked(&self) -> usize {
        self.held.lock().unwrap().keys_asked
    }

    pub(super) fn tokens_asked(&self) -> usize {
        self.held.lock().unwrap().tokens_asked
    }

    /// What a person's browser brings back from here, having been sent to `address`: checked, and a code for it.
    pub(super) fn signs_in(&self, address: &Url) -> String {
        let asked: HashMap<String, String> = address.query_pairs().into_owned().collect();
        assert_eq!(address.path(), "/login");
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT),
            (
                "redirect_uri",
                "https://updates.example/dashboard/sign-in/callback",
            ),
            ("code_challenge_method", "S256"),
            ("scope", "openid profile"),
        ] {
            assert_eq!(asked[name], value, "{address}");
        }
        let mut held = self.held.lock().unwrap();
        let code = format!("code-{}", held.codes.len());
        let asked_for = (asked["nonce"].clone(), asked["code_challenge"].clone());
        held.codes.insert(code.clone(), asked_for);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("code", &code)
            .append_pair("state", &asked["state"]);
        query.append_pair("iss", &self.issuer).finish()
    }
}

async fn connection(
    State(held): State<Held>,
    ConnectInfo(other): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let used = {
        let mut held = held.lock().unwrap();
        !held.connections.insert(other) && held.trick == Trick::OneAnswerAConnection
    };
    if used {
        // As a proxy says it, whose connection was closed under the question.
        return StatusCode::BAD_GATEWAY.into_response();
    }
    next.run(request).await
}

async fn description(State(held): State<Held>) -> Response {
    let held = held.lock().unwrap();
    let issuer = &held.issuer;
    let (keys, login) = match held.trick {
        Trick::KeysInTheClear => (
            "http://updates.example/keys".to_owned(),
            format!("{issuer}/login"),
        ),
        Trick::LoginInTheClear => (
            format!("{issuer}/keys"),
            "http://updates.example/login".to_owned(),
        ),
        _ => (format!("{issuer}/keys"), format!("{issuer}/login")),
    };
    let name = if held.trick == Trick::AnotherIssuersDescription {
        "https://evil.example"
    } else {
        issuer
    };
    let description = json!({
        "issuer": name,
        "authorization_endpoint": login,
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": keys,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
    });
    Json(description).into_response()
}

async fn keys(State(held): State<Held>) -> Response {
    let trick = {
        let mut held = held.lock().unwrap();
        held.keys_asked += 1;
        held.trick
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match trick {
        Trick::Silence => std::future::pending().await,
        Trick::RedirectedKeys => Redirect::temporary("/keys").into_response(),
        Trick::HugeKeys => {
            let padding = " ".repeat(PROVIDER_ANSWER_BYTES_MAX);
            (json, format!("{{\"keys\":[]{padding}}}")).into_response()
        }
        Trick::EndlessKeys => {
            let spaces = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
            (json, axum::body::Body::from_stream(spaces)).into_response()
        }
        _ => {
            let held = held.lock().unwrap();
            let x = Base64UrlUnpadded::encode_string(held.key.verifying_key().as_bytes());
            Json(json!({ "keys": [{
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": held.kid, "x": x,
            }] }))
            .into_response()
        }
    }
}

async fn token(
    State(held): State<Held>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    held.lock().unwrap().tokens_asked += 1;
    while held.lock().unwrap().trick == Trick::SlowTokens {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let held = held.lock().unwrap();
    // The secret is percent-encoded first (RFC 6749, section 2.3.1).
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = format!(
        "Basic {}",
        Base64::encode_string(format!("{CLIENT}:{encoded}").as_bytes())
    );
    assert_eq!(headers[header::AUTHORIZATION], basic);
    assert_eq!(form["grant_type"], "authorization_code");
    let given = held.codes.get(&form["code"]).filter(|(_, challenge)| {
        let hash = Sha256::digest(form["code_verifier"].as_bytes());
        *challenge == Base64UrlUnpadded::encode_string(&hash)
    });
    let Some((nonce, _)) = given else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    };
    let mut answer = json!({ "access_token": "x", "token_type": "Bearer" });
    match held.trick {
        Trick::NoIdToken => {}
        Trick::NoJson => return "<html>".into_response(),
        _ => answer["id_token"] = id_token(&held, nonce).into(),
    }
    Json(answer).into_response()
}

fn id_token(held: &Shared, nonce: &str) -> String {
    let now = held.now;
    let mut claims = json!({
        "iss": held.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce,
    });
    let person = held.person.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(person);
    match held.trick {
        Trick::AnotherAttemptsNonce => claims["nonce"] = "0".repeat(64).into(),
        Trick::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Trick::AnotherClientsAudience => claims["aud"] = "payroll".into(),
        Trick::AFurtherAudience => claims["aud"] = json!([CLIENT, "payroll"]),
        Trick::AnotherAuthorizedParty => claims["azp"] = "payroll".into(),
        Trick::AnotherIssuer => claims["iss"] = "https://evil.example".into(),
        Trick::Expired => claims["exp"] = (now - 1).into(),
        Trick::IssuedLongAgo => claims["iat"] = (now - 3_600).into(),
        Trick::IssuedInTheFuture => claims["iat"] = (now + 3_600).into(),
        _ => {}
    }
    let alg = match held.trick {
        Trick::AlgNone => "none",
        Trick::AlgHs256WithTheClientSecret => "HS256",
        _ => "EdDSA",
    };
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let head = part(&json!({ "alg": alg, "kid": held.kid }));
    let mut signed = format!("{head}.{}", part(&claims));
    let signature = match held.trick {
        Trick::AlgNone => Vec::new(),
        Trick::AlgHs256WithTheClientSecret => {
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        Trick::AForeignKey => SigningKey::from_bytes(&[9; 32]).sign(signed.as_bytes()).to_vec(),
        _ => held.key.sign(signed.as_bytes()).to_vec(),
    };
    if held.trick == Trick::ASignatureOfOtherClaims {
        claims["groups"] = json!(["lock-admins"]);
        signed = format!("{head}.{}", part(&claims));
    }
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature))
}
