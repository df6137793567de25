//! One thing that the page is to do.

use latchkey_phone::session::{self, Characteristic};
use latchkey_phone::update::{self, Channel};
use wasm_bindgen::prelude::wasm_bindgen;

/// One thing to do.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// `wait`, `again`, `connect`, `disconnect`, `write`, `send`, `store` or `tell`.
    #[wasm_bindgen(readonly)]
    pub action: String,
    /// To which characteristic, by its name in [`crate::gatt_names`].
    #[wasm_bindgen(readonly)]
    pub on: String,
    /// What to write there.
    #[wasm_bindgen(readonly)]
    pub bytes: Vec<u8>,
    /// What to tell, as JSON.
    #[wasm_bindgen(readonly)]
    pub news: String,
}

impl Step {
    fn plain(action: &str) -> Self {
        Self {
            action: action.to_owned(),
            ..Self::default()
        }
    }

    fn write(on: Characteristic, bytes: &[u8]) -> Self {
        Self {
            on: name(on).to_owned(),
            bytes: bytes.to_vec(),
            ..Self::plain("write")
        }
    }

    fn tell(news: &serde_json::Value) -> Self {
        Self {
            news: news.to_string(),
            ..Self::plain("tell")
        }
    }

    /// Of a session's action, whose news are put into words by `words`.
    pub(crate) fn of_session(
        action: session::Action<'_>,
        words: impl FnOnce(session::News) -> serde_json::Value,
    ) -> Self {
        match action {
            session::Action::Wait => Self::plain("wait"),
            session::Action::Write { on, bytes } => Self::write(on, bytes),
            session::Action::Store => Self::plain("store"),
            session::Action::Tell(news) => Self::tell(&words(news)),
        }
    }

    /// Of an update's.
    pub(crate) fn of_update(
        action: update::Action<'_>,
        words: impl FnOnce(update::News) -> serde_json::Value,
    ) -> Self {
        match action {
            update::Action::Wait => Self::plain("wait"),
            update::Action::Again => Self::plain("again"),
            update::Action::Connect => Self::plain("connect"),
            update::Action::Disconnect => Self::plain("disconnect"),
            update::Action::Write { on, bytes } => Self::write(on, bytes),
            update::Action::Send { bytes } => Self {
                on: SMP.to_owned(),
                bytes: bytes.to_vec(),
                ..Self::plain("send")
            },
            update::Action::Tell(news) => Self::tell(&words(news)),
        }
    }
}

const SMP: &str = "smp";

const fn name(on: Characteristic) -> &'static str {
    match on {
        Characteristic::Pairing => "pairing",
        Characteristic::Keyturner => "keyturner",
        Characteristic::UserData => "userData",
    }
}

/// The characteristic of this name.
pub(crate) fn characteristic(called: &str) -> Option<Characteristic> {
    Characteristic::ALL.into_iter().find(|on| name(*on) == called)
}

/// The channel of this name.
pub(crate) fn channel(called: &str) -> Option<Channel> {
    if called == SMP {
        return Some(Channel::Smp);
    }
    characteristic(called).map(Channel::Lock)
}
