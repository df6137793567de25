//! An update of one lock: what a page holds while it installs one.

use latchkey_image::{PublicKey, TrustPolicy};
use latchkey_phone::release::Signed;
use latchkey_phone::update::{Buffer, Event, Update};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::ask::pin;
use crate::conversation::credentials;
use crate::moment::moment;
use crate::step::{Step, channel};
use crate::tell;

include!(concat!(env!("OUT_DIR"), "/policy.rs"));

const POLICY: TrustPolicy<'static> = match TrustPolicy::new(THRESHOLD, &KEYS) {
    Ok(policy) => policy,
    // At build time, and the build script has checked the same.
    Err(_) => panic!("the trust policy that was built in is none"),
};

/// Whether this app trusts signatures of keys that everyone has: it was built for trying things out.
#[wasm_bindgen]
#[must_use]
pub fn trusts_example_keys() -> bool {
    EXAMPLE_KEYS
}

/// An image that has the signatures which this app asks for.
#[wasm_bindgen]
pub struct Release {
    signed: Signed<Vec<u8>>,
}

#[wasm_bindgen]
impl Release {
    /// Looks at an image, wherever it comes from.
    ///
    /// # Errors
    /// In words: why it is not even shown to a lock.
    pub fn check(file: Vec<u8>) -> Result<Self, String> {
        let signed = Signed::check(file, POLICY).map_err(|refused| refused.to_string())?;
        Ok(Self { signed })
    }

    /// What it says of itself, as JSON.
    #[must_use]
    pub fn about(&self) -> String {
        tell::about(self.signed.about()).to_string()
    }
}

/// See the module's header.
#[wasm_bindgen]
pub struct Install {
    update: Update<Vec<u8>>,
    buffer: Buffer,
}

#[wasm_bindgen]
impl Install {
    /// An install of this image on the lock of these credentials, with its security PIN. Begin with [`Self::done`].
    ///
    /// # Errors
    /// In words: no credentials, or no PIN of this lock.
    #[wasm_bindgen(constructor)]
    pub fn new(release: Release, stored: Vec<u8>, pin_value: u32) -> Result<Self, String> {
        let held = credentials(stored)?;
        let pin = pin(held.family, pin_value)?;
        Ok(Self {
            update: Update::new(release.signed, held, pin),
            buffer: Buffer::new(),
        })
    }

    /// The last step is done.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn done(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Done, now_ms)
    }

    /// The connection stands, with this ATT MTU.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn connected(&mut self, mtu: u16, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Connected { mtu }, now_ms)
    }

    /// It does not.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn not_connected(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::NotConnected, now_ms)
    }

    /// It is gone.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn disconnected(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Disconnected, now_ms)
    }

    /// The lock sent this.
    ///
    /// # Errors
    /// In words: no such channel, or no randomness.
    pub fn received(&mut self, on: &str, bytes: &[u8], now_ms: f64) -> Result<Step, String> {
        let Some(on) = channel(on) else {
            return Err(format!("the page brings bytes from {on:?}; reload it"));
        };
        self.handle(Event::Received { on, bytes }, now_ms)
    }

    /// The owner has seen the plan, and says yes or no.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn consent(&mut self, yes: bool, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Consent(yes), now_ms)
    }

    /// The time of [`Self::deadline`] has come.
    ///
    /// # Errors
    /// In words: no randomness.
    pub fn tick(&mut self, now_ms: f64) -> Result<Step, String> {
        self.handle(Event::Tick, now_ms)
    }

    fn handle(&mut self, event: Event<'_>, now_ms: f64) -> Result<Step, String> {
        let action = self.update.handle(event, moment(now_ms)?, &mut self.buffer);
        Ok(Step::of_update(action, |news| tell::update_news(&news)))
    }

    /// When [`Self::tick`] is wanted, on the page's clock in milliseconds; nothing while only events count.
    #[must_use]
    pub fn deadline(&self) -> Option<f64> {
        // Far below what a double holds exactly.
        self.update.next_deadline().map(|by_ms| by_ms as f64)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.update.is_over()
    }
}
