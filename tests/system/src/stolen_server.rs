//! An update server in a thief's hands: it holds the director key and says what the thief likes.
//!
//! It speaks the device interface exactly, so that what a lock refuses, it refuses for what was offered and
//! not for how. It keeps every check-in and report, opened with the key that the lock enrolled with.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use ed25519_dalek::{Signer, SigningKey};
use latchkey_directive::{
    Action, CheckIn, DeviceId, Directive, Enrolment, FromDevice, Install, MAX_SEALED, Problem, ProblemCode,
    PublicKey, Purpose, Receipt, Report, Sealed, seal,
};
use latchkey_lab::{SignedImage, example_director};
use minicbor::{Decode, Encode};

use crate::http::{HttpServer, Received, ranged};

/// How soon locks are told to call again, in seconds.
const CALL_AGAIN_S: u32 = 1;

/// What the thief has the locks fetch.
#[derive(Clone)]
pub struct Offer {
    /// What the directive says.
    pub install: Install,
    /// What the download holds.
    pub body: Vec<u8>,
}

impl Offer {
    /// An image, and the truth about it.
    ///
    /// # Panics
    /// On an image of more than 4 GiB.
    #[must_use]
    pub fn of(image: &SignedImage) -> Self {
        let body = image.bytes.clone();
        let install = Install {
            image: image.digest,
            size: u32::try_from(body.len()).expect("an image is shorter than 4 GiB"),
            version: image.version,
            counter: image.counter,
        };
        Self { install, body }
    }

    /// Other bytes under the same words.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.install.size = u32::try_from(body.len()).expect("an image is shorter than 4 GiB");
        self.body = body;
        self
    }
}

/// Whom a directive names that goes to a lock that has checked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// The lock itself.
    Truth,
    /// Some other lock.
    AnotherDevice,
    /// The lock itself, but in answer to some other check-in.
    AnotherCheckIn,
}

/// What the server knows and has heard.
struct Knowledge {
    devices: HashMap<DeviceId, PublicKey>,
    offer: Option<Offer>,
    addressee: Addressee,
    check_ins: Vec<CheckIn>,
    reports: Vec<Report>,
}

struct State {
    director: SigningKey,
    knowledge: Mutex<Knowledge>,
    heard: Condvar,
}

/// The server; it ends when this is dropped.
pub struct StolenServer {
    http: HttpServer,
    state: Arc<State>,
}

impl StolenServer {
    /// A server that offers nothing yet.
    ///
    /// # Errors
    /// No port can be had, or the example keys are not there.
    pub fn start() -> Result<Self> {
        let state = Arc::new(State {
            director: example_director()?,
            knowledge: Mutex::new(Knowledge {
                devices: HashMap::new(),
                offer: None,
                addressee: Addressee::Truth,
                check_ins: Vec::new(),
                reports: Vec::new(),
            }),
            heard: Condvar::new(),
        });
        let answering = Arc::clone(&state);
        let http = HttpServer::start(move |received| {
            let state = Arc::clone(&answering);
            async move { state.answer(&received) }
        })?;
        Ok(Self { http, state })
    }

    /// As a lock's configuration names it.
    #[must_use]
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// From now on locks are told to install this.
    pub fn offer(&self, offer: Offer, addressee: Addressee) {
        let mut knowledge = self.state.knowledge();
        knowledge.offer = Some(offer);
        knowledge.addressee = addressee;
    }

    /// Waits for a report that `wanted` wants, also one that came before.
    ///
    /// # Errors
    /// None came in time; the message lists those that did.
    pub fn wait_for_report(&self, wanted: impl Fn(&Report) -> bool, limit: Duration) -> Result<Report> {
        let known = |knowledge: &Knowledge| knowledge.reports.iter().copied().find(&wanted);
        match self.wait(known, limit) {
            Some(report) => Ok(report),
            None => bail!(
                "no such report came; these did: {:#?}",
                self.state.knowledge().reports
            ),
        }
    }

    /// Waits for a check-in, after the first `after` ones, that `wanted` wants.
    ///
    /// # Errors
    /// None came in time; the message holds the last that did.
    pub fn wait_for_check_in(
        &self,
        after: usize,
        wanted: impl Fn(&CheckIn) -> bool,
        limit: Duration,
    ) -> Result<CheckIn> {
        let known = |knowledge: &Knowledge| knowledge.check_ins.iter().skip(after).copied().find(&wanted);
        match self.wait(known, limit) {
            Some(check_in) => Ok(check_in),
            None => bail!(
                "no such check-in came; the last was {:#?}",
                self.state.knowledge().check_ins.last()
            ),
        }
    }

    /// How many check-ins came so far.
    #[must_use]
    pub fn check_ins(&self) -> usize {
        self.state.knowledge().check_ins.len()
    }

    fn wait<T>(&self, known: impl Fn(&Knowledge) -> Option<T>, limit: Duration) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut knowledge = self.state.knowledge();
        loop {
            if let Some(found) = known(&knowledge) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.state.heard.wait_timeout(knowledge, left);
            (knowledge, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn knowledge(&self) -> MutexGuard<'_, Knowledge> {
        self.knowledge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, received: &Received) -> Response {
        let path = received.uri.path();
        let answer = match (&received.method, path) {
            (&Method::POST, "/device/v1/enrol") => self.enrol(&received.body),
            (&Method::POST, "/device/v1/check-in") => self.check_in(&received.body),
            (&Method::POST, "/device/v1/report") => self.report(&received.body),
            (&Method::GET, _) => return self.image(path, received),
            _ => Err(ProblemCode::Malformed),
        };
        answer.unwrap_or_else(|code| {
            let problem = Problem {
                challenge: None,
                code,
                call_again_s: CALL_AGAIN_S,
            };
            let body = minicbor::to_vec(problem).unwrap_or_default();
            (
                StatusCode::BAD_REQUEST,
                [("content-type", "application/cbor")],
                body,
            )
                .into_response()
        })
    }

    fn enrol(&self, body: &[u8]) -> Result<Response, ProblemCode> {
        let sealed = Sealed::parse(body).map_err(|_| ProblemCode::Malformed)?;
        let key = sealed
            .claimed_sender::<Enrolment>()
            .map_err(|_| ProblemCode::Malformed)?;
        let key = PublicKey::from_bytes(&key).ok_or(ProblemCode::Malformed)?;
        sealed
            .open::<Enrolment>(&key)
            .map_err(|_| ProblemCode::BadSignature)?;
        self.knowledge().devices.insert(key.device_id(), key);
        Ok(StatusCode::OK.into_response())
    }

    fn check_in(&self, body: &[u8]) -> Result<Response, ProblemCode> {
        let mut knowledge = self.knowledge();
        let check_in: CheckIn = opened(&knowledge, body)?;
        knowledge.check_ins.push(check_in);
        self.heard.notify_all();
        let running = check_in.running.image;
        let offer = knowledge
            .offer
            .as_ref()
            .filter(|offer| offer.install.image != running);
        let mut directive = Directive {
            device: check_in.device,
            nonce: check_in.nonce,
            action: offer.map_or(Action::Nothing, |offer| Action::Install(offer.install)),
            call_again_s: CALL_AGAIN_S,
        };
        match knowledge.addressee {
            Addressee::Truth => {}
            Addressee::AnotherDevice => directive.device.0[0] ^= 1,
            Addressee::AnotherCheckIn => directive.nonce.0[0] ^= 1,
        }
        Ok(self.sealed(&directive))
    }

    fn report(&self, body: &[u8]) -> Result<Response, ProblemCode> {
        let mut knowledge = self.knowledge();
        let report: Report = opened(&knowledge, body)?;
        knowledge.reports.push(report);
        self.heard.notify_all();
        let Report { device, sequence, .. } = report;
        Ok(self.sealed(&Receipt { device, sequence }))
    }

    fn image(&self, path: &str, received: &Received) -> Response {
        let knowledge = self.knowledge();
        let offer = knowledge.offer.as_ref().filter(|offer| {
            path.strip_prefix("/device/v1/images/") == Some(offer.install.image.to_string().as_str())
        });
        match offer {
            Some(offer) => ranged(&received.headers, &offer.body, &offer.install.image.to_string()),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn sealed<M: Purpose + Encode<()>>(&self, message: &M) -> Response {
        let mut out = [0; MAX_SEALED];
        match seal(message, |digest| self.director.sign(digest).to_bytes(), &mut out) {
            Ok(length) => {
                let body = out.iter().take(length).copied().collect::<Vec<_>>();
                ([("content-type", "application/cbor")], body).into_response()
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// Opens a message with the key of the device that it says it is from.
fn opened<M>(knowledge: &Knowledge, body: &[u8]) -> Result<M, ProblemCode>
where
    M: FromDevice<Sender = DeviceId> + for<'b> Decode<'b, ()>,
{
    let sealed = Sealed::parse(body).map_err(|_| ProblemCode::Malformed)?;
    let sender = sealed.claimed_sender::<M>().map_err(|_| ProblemCode::Malformed)?;
    let key = knowledge.devices.get(&sender).ok_or(ProblemCode::UnknownDevice)?;
    sealed.open::<M>(key).map_err(|_| ProblemCode::BadSignature)
}
