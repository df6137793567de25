//! Devices by others, which speak hawkBit's device interface instead of Latchkey's own.
//!
//! Such a device proves itself by a token that it was given when an operator added it, and by nothing else: no key, no
//! signed message, no report of a bootloader. What it says is its own word, and is kept as that. Everything else is as
//! for any lock: the same decision, rollouts, tallies and limits. A device is one or the other for good: these have no
//! key, so no check-in of Latchkey's own can be theirs, and their names are made here by chance.

mod action;
mod feedback;

pub use action::{Action, Artifact, Deployment, Progress, Wanted};
pub use feedback::{Said, Told};

use latchkey_directive::DeviceId;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use super::access::{Caller, Hash, ShownSecret};
use super::audit::Entry;
use super::device::{Device, State, unknown};
use super::policy::hardware;
use super::presence::{Replayed, Seen};
use crate::failure::{Failure, Kind, Outcome};
use crate::{Service, ids};

impl Service {
    /// Lets in a device that speaks hawkBit's interface. Its token is given here, once.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown hardware class; storage.
    pub async fn add_hawkbit_device(&self, by: &Caller, class: &str) -> Outcome<(Device, ShownSecret)> {
        let hardware = hardware(class)?;
        let id = DeviceId(ids::random()?);
        let mut bytes = ids::random::<32>()?;
        let token = hex::encode(bytes);
        bytes.zeroize();
        let now = self.clock.now_ms();
        let entry = Entry {
            actor: by.actor(),
            at: now,
            action: "device.hawkbit",
            subject: id.to_string(),
            detail: serde_json::json!({ "class": class }),
        };
        let mut change = self.store.change(&entry).await?;
        let kept = Hash(Sha256::digest(token.as_bytes()).into());
        let token = ShownSecret::new(token);
        change
            .insert_hawkbit_device(id, (hardware.vendor, hardware.class), &kept, now)
            .await?;
        // Before it takes effect: from then on nothing may keep the token from whoever asked for it.
        let device = change.device(id).await?.ok_or_else(|| unknown(id))?;
        change.commit().await?;
        Ok((device, token))
    }

    /// The device of this name, if this is its token.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] for everything else, whatever is wrong; storage.
    pub async fn hawkbit_device(&self, name: &str, token: &str) -> Outcome<Device> {
        let device = match ids::device(name) {
            Some(id) => self.store.device(id).await?,
            None => None,
        };
        let kept = device.as_ref().and_then(|device| device.token.clone());
        let presented: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let same: bool = kept.clone().unwrap_or(Hash([0; 32])).0.ct_eq(&presented).into();
        device
            .filter(|device| same && kept.is_some() && device.state == State::Approved)
            .ok_or_else(|| {
                Failure::new(
                    Kind::Unauthenticated,
                    "no device of this name has this token, or it was revoked; an operator adds one with \
                     `latchkey-server device hawkbit`",
                )
            })
    }

    /// Where hawkBit's interface is to be found from outside; `None`: it is off.
    #[must_use]
    pub fn hawkbit_base(&self) -> Option<&str> {
        let url = self.settings.hawkbit.as_ref()?;
        Some(url.as_str().trim_end_matches('/'))
    }

    /// When such a device is to call again, in seconds.
    #[must_use]
    pub fn hawkbit_sleep_s(&self) -> u32 {
        // Older clients read no more than 23:59:59.
        self.call_again_s().min(86_399)
    }

    /// Takes a request of such a device: counted as a check-in is. These clients number nothing, so they are numbered
    /// here.
    fn hawkbit_admit(&self, device: &Device, now: i64) -> Outcome<Seen> {
        self.throttle
            .device_pays(device.id, now)
            .map_err(|_| too_often())?;
        self.hawkbit_seen(device, now).ok_or_else(too_often)
    }

    /// `None` when another request of this device was quicker.
    fn hawkbit_seen(&self, device: &Device, now: i64) -> Option<Seen> {
        let numbered = |last: i64| Seen {
            sequence: last.saturating_add(1),
            at: now,
            battery_percent: None,
            numbering: device.numbering,
        };
        let seen = numbered(device.sequence);
        let Err(Replayed(last)) = self.presence.admit(device.id, seen, device.sequence) else {
            return Some(seen);
        };
        let seen = numbered(last);
        self.presence.admit(device.id, seen, device.sequence).ok()?;
        Some(seen)
    }
}

fn too_often() -> Failure {
    Failure::new(
        Kind::TooOften,
        "this device asks too often; nothing was done, come back later",
    )
}

fn overtaken() -> Failure {
    Failure::new(
        Kind::Busy,
        "another request of this device was quicker; nothing of this one was kept, send it again",
    )
}
