//! Rollouts: release R goes to all locks of its hardware class, or to those on a list; to a share of them first, and
//! to more when it is widened.
//!
//! A rollout runs, is paused and goes on, halts itself when too much goes wrong, or is aborted for good. It never
//! moves anything by itself: each check-in asks anew, so whatever stops it takes effect with the next one.

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Version};
use serde::Serialize;

use super::access::Caller;
use super::audit::Entry;
use super::gate::{Gate, Health};
use super::share::{Place, Share};
use super::spelled;
use super::stage::{Advance, Stages};
use super::watch::Standing;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{LISTED_DEVICES_MAX, OPEN_ROLLOUTS_MAX};
use crate::{Service, ids};

spelled! {
    /// Where a rollout stands.
    State {
        /// Over, for good. Who has the release keeps it.
        Aborted = "aborted",
        /// Not offered any more since too much went wrong, until it is resumed.
        Halted = "halted",
        /// Not offered until it is resumed.
        Paused = "paused",
        /// Offered to whoever it includes.
        Running = "running",
    }
}

/// Whom a rollout includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every approved device of the release's hardware class, later ones too.
    All,
    /// These, and no others.
    Listed(Vec<DeviceId>),
}

/// What an operator does with a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Stops offering it until it is resumed.
    Pause,
    /// Goes on offering it.
    Resume,
    /// Ends it for good.
    Abort,
}

/// A rollout to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of which release.
    pub release: ImageDigest,
    /// To whom.
    pub to: Audience,
    /// To how many of them at first, and then.
    pub stages: Stages,
    /// When the next stage comes by itself.
    pub advance: Option<Advance>,
    /// What halts it.
    pub gate: Gate,
    /// Whether it runs at once. Else it is paused until it is resumed, so that its devices can be looked at first.
    pub start: bool,
}

/// A device in a rollout's audience.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Which device.
    pub device: DeviceId,
    /// What it runs, as far as it has told.
    pub running: Option<Version>,
    /// Where it stands in the rollout.
    pub place: Place,
    /// What became of the offer and when, in milliseconds since 1970; where it had one.
    pub offer: Option<(Standing, i64)>,
}

/// A rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Its name: 16 hex digits.
    pub id: String,
    /// Counts up; the newest rollout goes first.
    pub number: i64,
    /// What it rolls out.
    pub release: ImageDigest,
    /// Whether it is for every device of the class or for a list.
    pub to_all: bool,
    /// How much of its audience it reaches.
    pub share: Share,
    /// Since when, in milliseconds since 1970.
    pub reached_at: i64,
    /// What it reaches one after the other.
    pub stages: Stages,
    /// When the next stage comes by itself; `None` is by hand.
    pub advance: Option<Advance>,
    /// What halts it.
    pub gate: Gate,
    /// Where it stands.
    pub state: State,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// When its state changed last, in milliseconds since 1970.
    pub changed_at: i64,
    /// When it was last started; what happened before does not count against it any more.
    pub judged_since: i64,
    /// Why it halted itself, while it is halted.
    pub halted_because: Option<String>,
}

/// How a rollout fares, in devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Progress {
    /// In the audience now: approved, of the right hardware and, where there is a list, on it.
    pub included: i64,
    /// Offered the release at their last check-in.
    pub offered: i64,
    /// Fetched and verified it, and asked their bootloader for it.
    pub requested: i64,
    /// Run it on trial.
    pub on_trial: i64,
    /// Run it, confirmed.
    pub confirmed: i64,
    /// Refused it at least once since the rollout was made.
    pub refused: i64,
    /// Reverted it since the rollout was made.
    pub reverted: i64,
}

impl Service {
    /// Starts a rollout.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such release or a listed device is not known; [`Kind::Invalid`] for
    /// an empty or too long list; [`Kind::Conflict`] when a listed device is of other hardware or revoked, or
    /// too many rollouts of the class are open; storage.
    pub async fn create_rollout(&self, by: &Caller, wanted: &Wanted) -> Outcome<Rollout> {
        let to = &wanted.to;
        if let Audience::Listed(devices) = to
            && (devices.is_empty() || devices.len() > LISTED_DEVICES_MAX)
        {
            return Err(Failure::new(
                Kind::Invalid,
                format!("a rollout to a list names 1 to {LISTED_DEVICES_MAX} devices"),
            ));
        }
        let release = self.release(wanted.release).await?;
        let now = self.clock.now_ms();
        let id = hex::encode(ids::random::<8>()?);
        let audience = match to {
            Audience::All => serde_json::json!("all"),
            Audience::Listed(devices) => {
                serde_json::json!(devices.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
        };
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "rollout.create",
                subject: id.clone(),
                detail: serde_json::json!({
                    "release": release.digest.to_string(),
                    "to": audience,
                    "percent": wanted.stages.first().percent(),
                }),
            })
            .await?;
        if change.open_rollouts(release.vendor, release.class).await? >= OPEN_ROLLOUTS_MAX {
            return Err(Failure::new(
                Kind::Conflict,
                format!(
                    "{OPEN_ROLLOUTS_MAX} rollouts of this hardware class are open; abort those that are done"
                ),
            ));
        }
        let number = change.next_rollout_number().await?;
        let rollout = Rollout {
            id,
            number,
            release: release.digest,
            to_all: matches!(to, Audience::All),
            share: wanted.stages.first(),
            reached_at: now,
            stages: wanted.stages.clone(),
            advance: wanted.advance,
            gate: wanted.gate,
            state: if wanted.start {
                State::Running
            } else {
                State::Paused
            },
            created_at: now,
            created_by: by.actor().to_string(),
            changed_at: now,
            judged_since: now,
            halted_because: None,
        };
        change.insert_rollout(&rollout).await?;
        if let Audience::Listed(devices) = to {
            for device in devices {
                let known = change
                    .device(*device)
                    .await?
                    .ok_or_else(|| super::device::unknown(*device))?;
                check_listed(&known, &release)?;
                change.insert_rollout_device(&rollout.id, *device).await?;
            }
        }
        change.commit().await?;
        Ok(rollout)
    }

    /// Has a rollout reach more of its audience. Who was reached stays so; the same share again is no error.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is aborted or reaches further already; storage.
    pub async fn widen_rollout(&self, by: &Caller, id: &str, to: Share) -> Outcome<Rollout> {
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "rollout.widen",
                subject: id.to_owned(),
                detail: serde_json::json!({ "percent": to.percent() }),
            })
            .await?;
        let mut rollout = open(change.rollout(id).await?, id)?;
        if to < rollout.share {
            return Err(Failure::new(
                Kind::Conflict,
                format!(
                    "rollout {id} reaches {} already, and nobody is taken out again; pause or abort it to stop it",
                    rollout.share
                ),
            ));
        }
        if rollout.share == to {
            return Ok(rollout);
        }
        rollout.share = to;
        rollout.reached_at = now;
        rollout.changed_at = now;
        change.put_rollout(&rollout).await?;
        change.commit().await?;
        Ok(rollout)
    }

    /// Gives a device that refused or reverted the release another try: what it reported so far does not count against
    /// it any more, nor against the rollout.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when the rollout is aborted, or the device neither refused nor reverted
    /// what it offers; storage.
    pub async fn retry_device(&self, by: &Caller, id: &str, device: DeviceId) -> Outcome<Rollout> {
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "rollout.retry",
                subject: id.to_owned(),
                detail: serde_json::json!({ "device": device.to_string() }),
            })
            .await?;
        let rollout = open(change.rollout(id).await?, id)?;
        if !change.retry_offer(id, device, now).await? {
            return Err(Failure::new(
                Kind::Conflict,
                format!(
                    "device {device} neither refused nor reverted what rollout {id} offers, so there is nothing to \
                     try again; `latchkey-server rollout devices {id}` shows where it stands"
                ),
            ));
        }
        change.commit().await?;
        Ok(rollout)
    }

    /// Pauses, resumes or aborts a rollout. The same state again is no error. Whoever resumes one that halted itself
    /// takes what happened so far into account: only what happens from then on counts against it.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is aborted; storage.
    pub async fn move_rollout(&self, by: &Caller, id: &str, to: Move) -> Outcome<Rollout> {
        let (to, action) = match to {
            Move::Pause => (State::Paused, "rollout.pause"),
            Move::Resume => (State::Running, "rollout.resume"),
            Move::Abort => (State::Aborted, "rollout.abort"),
        };
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action,
                subject: id.to_owned(),
                detail: serde_json::Value::Null,
            })
            .await?;
        let found = change.rollout(id).await?;
        if let Some(rollout) = &found
            && rollout.state == to
        {
            return Ok(rollout.clone());
        }
        let mut rollout = open(found, id)?;
        if to == State::Running {
            rollout.judged_since = now;
        }
        rollout.state = to;
        rollout.changed_at = now;
        rollout.halted_because = None;
        change.put_rollout(&rollout).await?;
        change.commit().await?;
        Ok(rollout)
    }

    /// A rollout and how it fares.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn rollout(&self, id: &str) -> Outcome<(Rollout, Progress, Health)> {
        let rollout = self.store.rollout(id).await?.ok_or_else(|| unknown(id))?;
        let progress = self.store.progress(&rollout).await?;
        let health = self.store.health(&rollout, self.clock.now_ms()).await?;
        Ok((rollout, progress, health))
    }

    /// A page of a rollout's audience, in the order of their names.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn members(
        &self,
        id: &str,
        standing: Option<Standing>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<(Rollout, Vec<Member>)> {
        let rollout = self.store.rollout(id).await?.ok_or_else(|| unknown(id))?;
        let members = self.store.members(&rollout, standing, after, limit).await?;
        Ok((rollout, members))
    }

    /// All rollouts, newest first.
    ///
    /// # Errors
    /// Storage.
    pub async fn rollouts(&self) -> Outcome<Vec<Rollout>> {
        self.store.rollouts().await
    }
}

/// A list that names a device the release is not for is a mistake to be told about, not to be skipped.
fn check_listed(device: &super::device::Device, release: &super::release::Release) -> Outcome<()> {
    let conflict = |why: &str| {
        Err(Failure::new(
            Kind::Conflict,
            format!(
                "device {} {why}; take it off the list. No rollout was made",
                device.id
            ),
        ))
    };
    match device.hardware {
        _ if device.state == super::device::State::Revoked => conflict("is revoked"),
        Some(hardware) if hardware != (release.vendor, release.class) => {
            conflict("is of other hardware than the release")
        }
        Some(_) | None => Ok(()),
    }
}

/// What was found, if it can still be changed.
fn open(found: Option<Rollout>, id: &str) -> Outcome<Rollout> {
    let rollout = found.ok_or_else(|| unknown(id))?;
    if rollout.state == State::Aborted {
        return Err(Failure::new(
            Kind::Conflict,
            format!("rollout {id} was aborted, and that is for good; make a new one"),
        ));
    }
    Ok(rollout)
}

fn unknown(id: &str) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!("there is no rollout {id:?}; `latchkey-server rollout list` shows those there are"),
    )
}
