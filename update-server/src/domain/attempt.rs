//! Attempts to sign in by an OpenID provider: from the moment a browser is sent there until it comes back.
//!
//! Nothing is kept meanwhile. The browser carries one random secret, sealed by this server, and all that the flow
//! needs is derived from it: `state` and `nonce`, which the provider sees, and the verifier of PKCE, which it sees last.
//! So only the browser that set out can come back, at any instance, within [`ATTEMPT_LIFE_MS`]; and only once, because
//! the session that comes of it notes the attempt in the same transaction. That the provider is asked once about each
//! attempt is what [`Redeemed`] sees to, for one instance: whoever has not proved anything yet writes nothing to the
//! database. Knows no HTTP.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{ATTEMPT_LIFE_MS, ATTEMPTS_REMEMBERED_MAX, NEXT_BYTES_MAX};
use crate::{Service, ids};

/// What is hashed is for one of these purposes.
const STATE: &[u8] = b"latchkey sign-in state 1";
const NONCE: &[u8] = b"latchkey sign-in nonce 1";
const VERIFIER: &[u8] = b"latchkey sign-in verifier 1";
const USED: &[u8] = b"latchkey sign-in used 1";

/// An attempt. Wiped on drop; not printable by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Attempt {
    secret: String,
    expires_at: i64,
    next: String,
}

/// An attempt as the browser carries it. Wiped on drop; not printable by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SealedAttempt(String);

impl SealedAttempt {
    /// What came in with a request. Anything; [`Service::attempt`] says what it is worth.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Hands it to the browser it was made for.
    pub fn expose<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        with(&self.0)
    }
}

impl Attempt {
    /// What the provider hands back, so that we know which attempt it is about.
    #[must_use]
    pub fn state(&self) -> String {
        self.derived(STATE)
    }

    /// What the ID token has to repeat.
    #[must_use]
    pub fn nonce(&self) -> String {
        self.derived(NONCE)
    }

    /// What shows the provider that whoever redeems a code is who asked for it: 64 hex digits.
    #[must_use]
    pub fn verifier(&self) -> String {
        self.derived(VERIFIER)
    }

    /// Where the person wanted to go.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }

    /// Under which name, and until when, it is noted that it was used: for longer than instances' clocks differ.
    pub(crate) fn used(&self) -> (String, i64) {
        (
            self.derived(USED),
            self.expires_at.saturating_add(ATTEMPT_LIFE_MS),
        )
    }

    fn derived(&self, purpose: &[u8]) -> String {
        let hash = Sha256::new().chain_update(purpose).chain_update(&self.secret);
        hex::encode(hash.finalize())
    }

    fn text(&self) -> String {
        let next = Base64UrlUnpadded::encode_string(self.next.as_bytes());
        format!("{}.{}.{next}", self.expires_at, self.secret)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (expires_at, secret, next) = (parts.next()?, parts.next()?, parts.next()?);
        let next = Base64UrlUnpadded::decode_vec(next).ok()?;
        let attempt = Self {
            secret: secret.to_owned(),
            expires_at: expires_at.parse().ok()?,
            next: String::from_utf8(next).ok()?,
        };
        parts.next().is_none().then_some(attempt)
    }
}

/// The attempts whose codes were redeemed lately, whatever came of it.
#[derive(Default)]
pub(crate) struct Redeemed(Mutex<Halves>);

/// When the one is full, the other is forgotten.
#[derive(Default)]
struct Halves {
    lately: HashSet<String>,
    before: HashSet<String>,
}

impl Redeemed {
    /// Uses an attempt up.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] when it was used up before.
    pub(crate) fn once(&self, attempt: &Attempt) -> Outcome<()> {
        let (name, _) = attempt.used();
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.before.contains(&name) || !halves.lately.insert(name) {
            return Err(used());
        }
        if halves.lately.len() >= ATTEMPTS_REMEMBERED_MAX {
            halves.before = mem::take(&mut halves.lately);
        }
        Ok(())
    }
}

impl Service {
    /// Begins an attempt of a person who wants to go to `next`; where that is too long to carry, it is forgotten.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn begin_attempt(&self, next: &str) -> Outcome<(Attempt, SealedAttempt)> {
        let mut secret = ids::random::<32>()?;
        let attempt = Attempt {
            secret: hex::encode(secret),
            expires_at: self.clock.now_ms().saturating_add(ATTEMPT_LIFE_MS),
            next: if next.len() > NEXT_BYTES_MAX { "" } else { next }.to_owned(),
        };
        secret.zeroize();
        let text = attempt.text();
        let seal = hex::encode(*self.director.attempt_seal(text.as_bytes()));
        Ok((attempt, SealedAttempt(format!("{text}.{seal}"))))
    }

    /// The attempt that a browser carries, when it is the one that came back.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`]: none of this server's, over, or of another browser.
    pub fn attempt(&self, presented: &SealedAttempt, state: &str) -> Outcome<Attempt> {
        let (text, seal) = presented.0.rsplit_once('.').ok_or_else(not_begun)?;
        let good = hex::encode(*self.director.attempt_seal(text.as_bytes()));
        if !bool::from(good.as_bytes().ct_eq(seal.as_bytes())) {
            return Err(not_begun());
        }
        let attempt = Attempt::parse(text).ok_or_else(not_begun)?;
        let same: bool = attempt.state().as_bytes().ct_eq(state.as_bytes()).into();
        if !same || attempt.expires_at <= self.clock.now_ms() {
            return Err(not_begun());
        }
        Ok(attempt)
    }
}

fn not_begun() -> Failure {
    Failure::new(
        Kind::Unauthenticated,
        "this sign-in was not begun in this browser, or not within the last ten minutes, or another was begun since; \
         nobody was signed in. Begin anew here",
    )
}

/// An attempt that comes back once more.
pub(super) fn used() -> Failure {
    Failure::new(
        Kind::Unauthenticated,
        "this sign-in was finished before, and counts once; nobody was signed in by it now. Begin anew here",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_without_end_are_not_remembered_without_end() {
        let attempt = |number: usize| Attempt {
            secret: number.to_string(),
            expires_at: 0,
            next: String::new(),
        };
        let redeemed = Redeemed::default();
        for number in 0..ATTEMPTS_REMEMBERED_MAX * 3 {
            redeemed.once(&attempt(number)).unwrap();
            let before = number.saturating_sub(ATTEMPTS_REMEMBERED_MAX / 2);
            redeemed.once(&attempt(before)).unwrap_err();
        }
        let halves = redeemed.0.lock().unwrap();
        assert!(halves.lately.len() + halves.before.len() <= ATTEMPTS_REMEMBERED_MAX * 2);
    }
}
