//! A server in memory, locks that sign, and images worth publishing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use http_body_util::BodyExt as _;
use latchkey_directive::{
    Action, BootOutcome, BootReport, CheckIn, DeviceId, Directive, Enrolment, Event, Hold, MAX_SEALED, Nonce,
    Problem, ProblemCode, PublicKey, Purpose, Receipt, Report, Running, Sealed, seal,
};
use latchkey_image::build::Description;
use latchkey_image::{Hardware, ImageDigest, SecurityCounter, Version};
use latchkey_server::clock::SetClock;
use latchkey_server::director::DirectorKey;
use latchkey_server::http::{App, Route, WebApp, routes};
use latchkey_server::objects::Objects;
use latchkey_server::online::OnlineKey;
use latchkey_server::store::Store;
use latchkey_server::{Keys, Service, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::databases;

/// When the test clock starts, in milliseconds since 1970.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

/// The interval the test servers announce, in seconds.
pub(crate) const INTERVAL_S: u32 = 1000;

/// How many locks may wait for approval on the test servers.
pub(crate) const AWAITING_MAX: i64 = 100;

/// Release keys that only tests know.
pub(crate) fn release_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// A policy file: 2 of the release keys 1, 2 and 3.
pub(crate) fn policy() -> String {
    let mut text = "threshold = 2\n".to_owned();
    for number in 1..=3 {
        let pem = release_key(number)
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        text.push_str(&format!(
            "[[keys]]\nname = \"release-{number}\"\npublic = \"\"\"\n{pem}\"\"\"\n"
        ));
    }
    text
}

pub(crate) fn version(minor: u8) -> Version {
    Version {
        major: 1,
        minor,
        ..Version::default()
    }
}

/// An image as it should be, to be changed where a test wants it otherwise.
pub(crate) struct Draft {
    pub(crate) hardware: Hardware,
    pub(crate) version: Version,
    pub(crate) counter: u32,
    pub(crate) min_version: Option<Version>,
    pub(crate) signers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Draft {
    pub(crate) fn new(minor: u8, counter: u32) -> Self {
        let hardware = Hardware::EMULATOR;
        let reset = hardware.slot.address + 0x200 + 9;
        let mut payload = vec![minor; 1000];
        payload[..4].copy_from_slice(&hardware.slot.ram.end.to_le_bytes());
        payload[4..8].copy_from_slice(&reset.to_le_bytes());
        Self {
            hardware,
            version: version(minor),
            counter,
            min_version: None,
            signers: vec![1, 2],
            payload,
        }
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        let description = Description {
            version: self.version,
            counter: SecurityCounter(self.counter),
            vendor: self.hardware.vendor,
            class: self.hardware.class,
            min_version: self.min_version,
            header_size: 0x200,
        };
        let mut image = description.build(&self.payload).unwrap();
        for signer in &self.signers {
            image.sign(&release_key(*signer)).unwrap();
        }
        image.into_bytes()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The problem document's kind, checked for form.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{self:?}"
        );
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        assert!(
            document["detail"].as_str().unwrap().len() > 20,
            "says what to do: {document}"
        );
        let kind = document["type"].as_str().unwrap();
        kind.strip_prefix("urn:latchkey:problem:").unwrap().to_owned()
    }

    /// The problem a lock is told.
    pub(crate) fn lock_problem(&self) -> ProblemCode {
        assert!(!self.status.is_success(), "{self:?}");
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/cbor", "{self:?}");
        let problem: Problem = minicbor::decode(&self.body).unwrap();
        assert!((1..=3600).contains(&problem.call_again_s), "{problem:?}");
        problem.code
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// How test servers are set unless a test wants it otherwise. They have looked at their rollouts all the time, however
/// far a test moves the clock.
pub(crate) fn settings() -> Settings {
    Settings {
        check_in_interval_s: INTERVAL_S,
        watch_interval_s: 30 * 86_400,
        awaiting_devices_max: AWAITING_MAX,
        internal_webhooks: true,
        ..Settings::default()
    }
}

/// A server on what is in a folder.
async fn serve(folder: &Path, objects: Objects, settings: Settings, clock: Arc<SetClock>) -> Arc<Service> {
    let store = Store::open(&databases::of(folder).await).await.unwrap();
    let director = DirectorKey::open_or_create(&folder.join("director.pem"), false).unwrap();
    let online = OnlineKey::open_or_create(&folder.join("tuf.pem"), false).unwrap();
    let keys = Keys { director, online };
    Arc::new(Service::new(store, objects, keys, clock, settings))
}

/// A server in memory, on a folder of its own.
pub(crate) struct Harness {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) router: Router,
    pub(crate) table: Vec<Route>,
    pub(crate) admin: String,
    pub(crate) director: PublicKey,
    pub(crate) folder: TempDir,
    settings: Settings,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::folder(&folder.path().join("images")).unwrap();
        Self::on(folder, objects).await
    }

    /// A server with a policy for the emulated lock.
    pub(crate) async fn ready() -> Self {
        let harness = Self::new().await;
        harness.set_policy().await;
        harness
    }

    /// A server with this web app.
    pub(crate) async fn with_web_app(web_app: WebApp) -> Self {
        let mut harness = Self::new().await;
        harness.router = routes(&App::new(harness.service.clone()).with_web_app(web_app)).0;
        harness
    }

    /// A server that takes example keys, for trying things out.
    pub(crate) async fn trying_out() -> Self {
        Self::set(Settings {
            allow_example_keys: true,
            ..settings()
        })
        .await
    }

    /// A server that is set otherwise.
    pub(crate) async fn set(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::folder(&folder.path().join("images")).unwrap();
        Self::with(folder, objects, settings).await
    }

    /// A server with a policy for the emulated lock, that serves devices which speak hawkBit's interface.
    pub(crate) async fn with_hawkbit() -> Self {
        let harness = Self::set(Settings {
            hawkbit: "https://updates.example.com/base/".parse().ok(),
            ..settings()
        })
        .await;
        harness.set_policy().await;
        harness
    }

    pub(crate) async fn on(folder: TempDir, objects: Objects) -> Self {
        Self::with(folder, objects, settings()).await
    }

    /// A server with these images that is set otherwise.
    pub(crate) async fn with(folder: TempDir, objects: Objects, settings: Settings) -> Self {
        let clock = Arc::new(SetClock::at(START_MS));
        let service = serve(folder.path(), objects, settings.clone(), clock.clone()).await;
        let admin = service
            .first_admin()
            .await
            .unwrap()
            .unwrap()
            .expose(str::to_owned);
        let (router, table) = routes(&App::new(service.clone()));
        let key = DirectorKey::open_or_create(&folder.path().join("director.pem"), false).unwrap();
        Self {
            service,
            clock,
            router,
            table,
            admin,
            director: PublicKey::from_bytes(&key.public()).unwrap(),
            folder,
            settings,
        }
    }

    /// Stops the server and starts it again, on what it has kept.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    pub(crate) async fn stop(&self) {
        self.service.close().await.unwrap();
    }

    /// Starts it on what it has kept.
    pub(crate) async fn start(&mut self) {
        let objects = Objects::folder(&self.folder.path().join("images")).unwrap();
        self.service = serve(
            self.folder.path(),
            objects,
            self.settings.clone(),
            self.clock.clone(),
        )
        .await;
        (self.router, self.table) = routes(&App::new(self.service.clone()));
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream of events has no end.
        let endless = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let body = if endless {
            Bytes::new()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// A request with a token.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(body.into());
        self.send(request.unwrap()).await
    }

    /// An administrator's request.
    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.call_as(&self.admin, method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// A lock's message.
    pub(crate) async fn lock_says(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .body(body.into());
        self.send(request.unwrap()).await
    }

    pub(crate) async fn set_policy(&self) {
        self.trust(&policy()).await;
    }

    pub(crate) async fn trust(&self, document: &str) {
        let body = json!({ "document": document }).to_string();
        let answer = self
            .call(Method::PUT, "/api/v1/policies/lock-emulator-1", body)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// The lines of `/metrics` that begin so.
    pub(crate) async fn metrics(&self, beginning: &str) -> Vec<String> {
        let answer = self.call(Method::GET, "/metrics", Body::empty()).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(beginning));
        lines.map(str::to_owned).collect()
    }

    pub(crate) async fn upload(&self, file: Vec<u8>) -> Answer {
        self.call(Method::POST, "/api/v1/releases", file).await
    }

    /// Publishes an image as it should be; gives its digest.
    pub(crate) async fn publish(&self, draft: &Draft) -> ImageDigest {
        let answer = self.upload(draft.file()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        latchkey_server::ids::digest(answer.json()["digest"].as_str().unwrap()).unwrap()
    }

    pub(crate) async fn roll_out(&self, release: ImageDigest) -> String {
        self.roll_out_to(json!({ "release": release.to_string(), "to": "all" }))
            .await
    }

    pub(crate) async fn roll_out_to(&self, body: Value) -> String {
        let answer = self
            .call(Method::POST, "/api/v1/rollouts", body.to_string())
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// From now on nobody is told to install what it brings.
    pub(crate) async fn pause(&self, rollout: &str) {
        let path = format!("/api/v1/rollouts/{rollout}/pause");
        let answer = self.call(Method::POST, &path, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    pub(crate) async fn approve(&self, id: DeviceId) {
        let answer = self
            .call(
                Method::POST,
                &format!("/api/v1/devices/{id}/approve"),
                Body::empty(),
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    /// A lock that is enrolled and approved.
    pub(crate) async fn lock(&self) -> Lock {
        let lock = Lock::new();
        assert_eq!(
            self.lock_says("/device/v1/enrol", lock.enrolment()).await.status,
            StatusCode::ACCEPTED
        );
        self.approve(lock.id()).await;
        lock
    }

    /// So many of them.
    pub(crate) async fn locks(&self, count: usize) -> Vec<Lock> {
        let mut locks = Vec::new();
        for _ in 0..count {
            locks.push(self.lock().await);
        }
        locks
    }

    /// Checks in and opens the directive as the lock would.
    pub(crate) async fn check_in(&self, lock: &mut Lock) -> Directive {
        let check_in = lock.check_in();
        let answer = self.lock_says("/device/v1/check-in", lock.seal(&check_in)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let directive: Directive = Sealed::parse(&answer.body).unwrap().open(&self.director).unwrap();
        assert_eq!(directive.device, lock.id());
        assert_eq!(directive.nonce, check_in.nonce);
        assert!(
            directive.call_again_s.abs_diff(INTERVAL_S) <= INTERVAL_S / 10 + 1,
            "{directive:?}"
        );
        directive
    }

    /// What a lock is to install.
    pub(crate) async fn offered(&self, lock: &mut Lock) -> Option<ImageDigest> {
        match self.check_in(lock).await.action {
            Action::Nothing => None,
            Action::Install(install) => Some(install.image),
        }
    }

    pub(crate) async fn report(
        &self,
        lock: &mut Lock,
        event: Event,
        image: ImageDigest,
        reason: u16,
    ) -> Receipt {
        let report = lock.report(event, image, reason);
        let answer = self.lock_says("/device/v1/report", lock.seal(&report)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let receipt: Receipt = Sealed::parse(&answer.body).unwrap().open(&self.director).unwrap();
        assert_eq!((receipt.device, receipt.sequence), (lock.id(), report.sequence));
        receipt
    }
}

/// A lock, as far as the server can tell.
pub(crate) struct Lock {
    key: SigningKey,
    pub(crate) sequence: u64,
    pub(crate) hardware: Hardware,
    pub(crate) running: Running,
    pub(crate) floor: SecurityCounter,
    pub(crate) boot: BootReport,
    pub(crate) battery_percent: u8,
    pub(crate) hold: Option<Hold>,
    /// Repeated in the next check-in.
    pub(crate) echo: Option<Nonce>,
}

impl Lock {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        Self::from_seed(seed)
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(&seed),
            sequence: 0,
            hardware: Hardware::EMULATOR,
            running: Running {
                image: ImageDigest([0; 32]),
                version: version(1),
                counter: SecurityCounter(1),
                confirmed: true,
            },
            floor: SecurityCounter(1),
            boot: BootReport {
                outcome: BootOutcome::Steady,
                reason: 0,
                about: [0; 16],
                starts_left: 0,
            },
            battery_percent: 80,
            hold: None,
            echo: None,
        }
    }

    /// Another device with this one's flash.
    pub(crate) fn copied(&self) -> Self {
        Self {
            sequence: self.sequence,
            ..Self::from_seed(self.key.to_bytes())
        }
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.public_key().device_id()
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes(self.key.verifying_key().as_bytes()).unwrap()
    }

    pub(crate) fn seal<M: Purpose + minicbor::Encode<()>>(&self, message: &M) -> Vec<u8> {
        let mut out = vec![0; MAX_SEALED];
        let length = seal(message, |digest| self.key.sign(digest).to_bytes(), &mut out).unwrap();
        out.truncate(length);
        out
    }

    pub(crate) fn enrolment(&self) -> Vec<u8> {
        self.seal(&Enrolment {
            device_key: self.key.verifying_key().to_bytes(),
            vendor: self.hardware.vendor,
            class: self.hardware.class,
        })
    }

    pub(crate) fn check_in(&mut self) -> CheckIn {
        self.sequence += 1;
        let mut nonce = [0xa5; 16];
        nonce[..8].copy_from_slice(&self.sequence.to_le_bytes());
        CheckIn {
            device: self.id(),
            nonce: Nonce(nonce),
            sequence: self.sequence,
            vendor: self.hardware.vendor,
            class: self.hardware.class,
            running: self.running,
            floor: self.floor,
            boot: self.boot,
            battery_percent: self.battery_percent,
            hold: self.hold,
            echo: self.echo.take(),
        }
    }

    pub(crate) fn report(&mut self, event: Event, image: ImageDigest, reason: u16) -> Report {
        self.sequence += 1;
        Report {
            device: self.id(),
            sequence: self.sequence,
            event,
            image,
            reason,
        }
    }

    /// As after an install that went well.
    pub(crate) fn runs(&mut self, image: ImageDigest, minor: u8, counter: u32) {
        self.running = Running {
            image,
            version: version(minor),
            counter: SecurityCounter(counter),
            confirmed: true,
        };
        self.floor = SecurityCounter(counter);
    }
}
