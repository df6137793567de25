//! Signing in by the word of an OpenID provider: who comes in, as whom and for how long; and every way to come in that
//! is none. The provider is a script of these tests ([`provider`]).

mod attacks;
mod instances;
mod outages;
mod people;
mod provider;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use latchkey_server::Settings;
use latchkey_server::domain::access::Role;
use latchkey_server::domain::admission::Admission;
use latchkey_server::http::{App, CALLBACK, routes};
use latchkey_server::openid::{Provider, Registration};
use openidconnect::ClientSecret;
use url::Url;

use crate::support::{Answer, Harness, settings};
use crate::visit::{HOST, Visit};
use provider::{CLIENT, Op, SECRET};

/// A server, and a provider by whose word people come in.
struct Scene {
    harness: Harness,
    op: Op,
}

/// What the server is to the provider.
fn registration(op: &Op) -> Registration {
    Registration {
        issuer: op.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret: ClientSecret::new(SECRET.to_owned()),
        public_url: Url::parse("https://updates.example").unwrap(),
        scopes: vec!["profile".to_owned()],
    }
}

fn admission(op: &Op) -> Admission {
    let roles = [
        ("lock-admins", Role::Administrator),
        ("lock-ops", Role::Operator),
        ("builds", Role::ReleaseEngineer),
        ("everybody", Role::Viewer),
    ];
    Admission {
        issuer: op.issuer.clone(),
        person_claim: "preferred_username".to_owned(),
        role_claim: "groups".to_owned(),
        roles: roles.map(|(group, role)| (group.to_owned(), role)).into(),
    }
}

impl Scene {
    async fn new() -> Self {
        Self::set(|_| {}).await
    }

    async fn set(change: impl FnOnce(&mut Settings)) -> Self {
        let op = Op::new().await;
        let mut settings = settings();
        settings.admission = Some(admission(&op));
        change(&mut settings);
        let mut harness = Harness::set(settings).await;
        let provider = Provider::new(registration(&op), CALLBACK).unwrap();
        harness.router = routes(&App::new(harness.service.clone()).with_provider(provider)).0;
        Self { harness, op }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::COOKIE, cookie);
        self.harness.send(request.body(Body::empty()).unwrap()).await
    }

    /// A browser on its way to the provider.
    async fn set_out(&self, next: &str) -> Trip {
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let answer = self
            .get(&format!("/dashboard/sign-in/provider?next={next}"), "")
            .await;
        let address = Url::parse(answer.leads_to()).unwrap();
        assert_eq!(address.origin(), Url::parse(&self.op.issuer).unwrap().origin());
        let set = cookies(&answer);
        assert_eq!(set.len(), 1, "{set:?}");
        assert!(
            set[0].ends_with("; Path=/dashboard/sign-in; Max-Age=600; HttpOnly; SameSite=Lax"),
            "{set:?}"
        );
        Trip {
            address,
            cookie: value(&set[0]).to_owned(),
        }
    }

    /// A browser with this cookie comes back with this.
    async fn come_back(&self, cookie: &str, brought: &str) -> Answer {
        let answer = self.get(&format!("{CALLBACK}?{brought}"), cookie).await;
        let taken = "latchkey-sign-in=; Path=/dashboard/sign-in; Max-Age=0;";
        let taken = cookies(&answer).iter().any(|cookie| cookie.starts_with(taken));
        assert!(taken, "whatever comes of it, it is over: {answer:?}");
        answer
    }

    /// The whole way.
    async fn sign_in(&self) -> Answer {
        let trip = self.set_out("/dashboard").await;
        let brought = self.op.signs_in(&trip.address);
        self.come_back(&trip.cookie, &brought).await
    }

    /// Somebody who came the whole way.
    async fn visit(&self) -> Visit<'_> {
        let cookie = session(&self.sign_in().await);
        Visit::holding(&self.harness, cookie).await
    }

    /// Nobody was let in, by this answer or before.
    async fn nobody_came_in(&self, answer: &Answer) {
        let session = cookies(answer)
            .iter()
            .any(|cookie| cookie.starts_with("latchkey="));
        assert!(!session, "{answer:?}");
        let audit = self.harness.get("/api/v1/audit").await.to_string();
        assert!(!audit.contains("session.begin"), "{audit}");
    }
}

/// A browser on its way.
struct Trip {
    address: Url,
    cookie: String,
}

fn cookies(answer: &Answer) -> Vec<String> {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter();
    cookies
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect()
}

/// Name and value.
fn value(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

/// The session's cookie of somebody who was let in.
fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.page());
    let cookies = cookies(answer);
    let session = cookies.iter().find(|cookie| cookie.starts_with("latchkey="));
    value(session.unwrap()).to_owned()
}
