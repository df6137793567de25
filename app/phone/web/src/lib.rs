//! The owner's web app, as far as it is Rust: the phone's [session](latchkey_phone::session) and
//! [update](latchkey_phone::update), in a form that a page can hold.
//!
//! The page moves bytes between Web Bluetooth and [`Conversation`] or [`Install`], keeps time, shows what it is told and
//! stores what it is given. Everything that is said to a lock or believed of one is decided here, by the same code as
//! everywhere else. What goes over to the page and back: bytes, a [`Step`] at a time, and JSON ([`ask`] and [`tell`]).
//!
//! This crate knows no page, no radio, no clock and no storage. Random bytes it takes from the browser itself, so that
//! no script can bring worse ones. It keeps the invariant that a credential leaves it only to be stored, or as the
//! invitation that its owner asked for.
#![forbid(unsafe_code)]

mod ask;
mod conversation;
mod install;
mod limits;
mod moment;
mod step;
mod tell;
mod words;

pub use conversation::Conversation;
pub use install::{Install, Release, trusts_example_keys};
pub use step::Step;

use latchkey_phone::clock;
use latchkey_protocol::gatt;
use latchkey_protocol::value::DateTime;
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

/// Services and characteristics of a lock, by the names that a [`Step`] has for them, as JSON.
#[wasm_bindgen]
#[must_use]
pub fn gatt_names() -> String {
    let uuid = |number: u128| {
        let digits = format!("{number:032x}");
        let part = |from, to| digits.get(from..to).unwrap_or_default().to_owned();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    };
    json!({
        "unused": uuid(gatt::INITIALIZATION_SERVICE),
        "pairing": { "service": uuid(gatt::PAIRING_SERVICE), "characteristic": uuid(gatt::PAIRING_DATA) },
        "pairing5": {
            "service": uuid(gatt::PAIRING_SERVICE_FIFTH),
            "characteristic": uuid(gatt::PAIRING_DATA_FIFTH),
        },
        "keyturner": { "service": uuid(gatt::KEYTURNER_SERVICE), "characteristic": uuid(gatt::KEYTURNER_DATA) },
        "userData": { "service": uuid(gatt::KEYTURNER_SERVICE), "characteristic": uuid(gatt::KEYTURNER_USER_DATA) },
        "smp": { "service": uuid(gatt::SMP_SERVICE), "characteristic": uuid(gatt::SMP_CHARACTERISTIC) },
    })
    .to_string()
}

/// The longest ATT MTU that a lock agrees to, in bytes.
#[wasm_bindgen]
#[must_use]
pub fn mtu_max() -> u16 {
    gatt::MTU_MAX
}

/// Whether a lock's clock that showed `told_unix` is to be set when it is `now_unix`, both in seconds since 1970; 0 is a
/// clock that showed no time.
#[wasm_bindgen]
#[must_use]
pub fn clock_is_off(told_unix: f64, now_unix: f64) -> bool {
    // Saturates, and is 0 for what is no number.
    let (told, now) = (told_unix as u64, now_unix as u64);
    clock::correction(DateTime::from_unix(told).unwrap_or(DateTime::UNSET), now).is_some()
}
