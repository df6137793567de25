//! What is wanted of updates for one device: all of them, security updates only, none; and not before a time.
//!
//! Security updates come by themselves unless somebody says no; saying no is one step, and so is putting off. An
//! operator sets this for an owner who asks. What an owner sets in the lock itself the lock tells with each check-in,
//! and it counts first. Neither binds the owner's own phone. Knows no clock and no devices.

use super::access::Caller;
use super::audit::Entry;
use super::device::{Device, unknown};
use super::hours::Zone;
use super::release::ReleaseKind;
use super::spelled;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use latchkey_directive::DeviceId;

spelled! {
    /// Which updates are wanted.
    Updates {
        /// Whatever is rolled out.
        All = "all",
        /// Nothing by the air.
        None = "none",
        /// Security updates, and no others.
        Security = "security",
    }
}

/// The longest that updates may be put off, in milliseconds. Longer is not later but never, and has a word of its own.
pub const POSTPONED_MS_MAX: i64 = 90 * 24 * 3_600_000;

/// What is wanted for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Which updates.
    pub updates: Updates,
    /// None before, in milliseconds since 1970.
    pub postponed_until: Option<i64>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            updates: Updates::All,
            postponed_until: None,
        }
    }
}

impl Wishes {
    /// Whether updates of this kind are not wanted.
    #[must_use]
    pub const fn declines(&self, kind: ReleaseKind) -> bool {
        match (self.updates, kind) {
            (Updates::All, _) | (Updates::Security, ReleaseKind::Security) => false,
            (Updates::Security, ReleaseKind::Feature) | (Updates::None, _) => true,
        }
    }
}

impl Service {
    /// Sets what is wanted of updates for a device, and where it is; `None` is where the fleet is.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Invalid`] when it is put off too long; storage.
    pub async fn set_wishes(
        &self,
        by: &Caller,
        id: DeviceId,
        wishes: Wishes,
        zone: Option<Zone>,
    ) -> Outcome<Device> {
        let now = self.clock.now_ms();
        let latest = now.saturating_add(POSTPONED_MS_MAX);
        if wishes.postponed_until.is_some_and(|until| until > latest) {
            return Err(Failure::new(
                Kind::Invalid,
                "updates can be put off by 90 days at most; who wants none says so with \"none\"",
            ));
        }
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "device.wishes",
                subject: id.to_string(),
                detail: serde_json::json!({
                    "updates": wishes.updates,
                    "postponed_until_ms": wishes.postponed_until,
                    "zone": zone.as_ref().map(Zone::name),
                }),
            })
            .await?;
        let device = change.device(id).await?.ok_or_else(|| unknown(id))?;
        change.put_wishes(id, wishes, zone.as_ref()).await?;
        change.commit().await?;
        Ok(Device {
            wishes,
            zone,
            ..device
        })
    }
}
