//! Rollouts: release R goes to all locks of its hardware class, or to those on a list; to a share of them first, and
//! to more when it is widened.
//!
//! A rollout runs, is paused and goes on, halts itself when too much goes wrong, or is aborted for good. It never
//! moves anything by itself: each check-in asks anew, so whatever stops it takes effect with the next one.

use std::collections::BTreeSet;

use latchkey_directive::DeviceId;
use latchkey_image::ImageDigest;
use serde::Serialize;

use super::access::Caller;
use super::audit::Entry;
use super::cohort::CohortName;
use super::decision::{Terms, is_reached};
use super::gate::{Gate, Health};
use super::release::Release;
use super::second::{Asked, What};
use super::share::{Place, Share};
use super::spelled;
use super::stage::{Advance, Reach, STAGES_MAX, Stages};
use super::story::Which;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{LISTED_DEVICES_MAX, OPEN_ROLLOUTS_MAX};
use crate::store::Change;
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

/// A rollout to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of which release.
    pub release: ImageDigest,
    /// To whom.
    pub to: Audience,
    /// To these of them first, cohort by cohort,
    pub cohorts: Vec<CohortName>,
    /// then to so many, stage by stage.
    pub stages: Stages,
    /// When the next stage comes by itself.
    pub advance: Option<Advance>,
    /// What halts it.
    pub gate: Gate,
    /// On what terms it is offered.
    pub terms: Terms,
    /// Whether starting and widening it takes two persons.
    pub two_persons: bool,
    /// Whether it runs at once. Else it is paused until it is resumed, so that its devices can be looked at first.
    pub start: bool,
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
    /// The cohorts that it begins with, one stage each.
    pub cohorts: Vec<CohortName>,
    /// How many of them it reaches; all of them before it reaches any share.
    pub cohorts_reached: u16,
    /// How much of its audience it reaches; [`Share::NOBODY`] as long as it is at its cohorts.
    pub share: Share,
    /// Since when, in milliseconds since 1970.
    pub reached_at: i64,
    /// What it reaches one after the other.
    pub stages: Stages,
    /// When the next stage comes by itself; `None` is by hand.
    pub advance: Option<Advance>,
    /// What halts it.
    pub gate: Gate,
    /// On what terms it is offered.
    pub terms: Terms,
    /// Whether starting and widening it takes two persons; all do where the server says so.
    pub two_persons: bool,
    /// What one person has asked for.
    pub asked: Option<Asked>,
    /// Where it stands.
    pub state: State,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// When its state changed last, in milliseconds since 1970.
    pub changed_at: i64,
    /// When it was last started, in milliseconds since 1970.
    pub judged_since: i64,
    /// How often it was started again. What became of its offers in an earlier round does not count any more.
    pub round: i64,
    /// How often it was widened. A stage has proven itself by what came behind the last time.
    pub widening: i64,
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

impl Rollout {
    /// Since when its stage has been offered, as far as it is not paused: before that there is nothing to be watched.
    #[must_use]
    pub fn soaks_since(&self) -> i64 {
        let offered = self.terms.not_before.unwrap_or(self.reached_at);
        self.reached_at.max(self.judged_since).max(offered)
    }

    /// What it reaches next, if anything.
    #[must_use]
    pub fn next_stage(&self) -> Option<Reach> {
        if self.cohorts_reached < count(&self.cohorts) {
            return Some(Reach::Cohorts(self.cohorts_reached.saturating_add(1)));
        }
        self.stages.after(self.share).map(Reach::Share)
    }

    /// As it is once it reaches so far. A share comes behind all cohorts, and a cohort that is reached stays so.
    #[must_use]
    pub fn reaching(&self, to: Reach) -> Self {
        let (share, cohorts_reached) = match to {
            Reach::Cohorts(cohorts) => (self.share, cohorts.max(self.cohorts_reached)),
            Reach::Share(share) => (share, count(&self.cohorts)),
        };
        Self {
            share,
            cohorts_reached,
            ..self.clone()
        }
    }

    /// How far it reaches now.
    #[must_use]
    pub fn reach(&self) -> Reach {
        if self.share == Share::NOBODY {
            Reach::Cohorts(self.cohorts_reached)
        } else {
            Reach::Share(self.share)
        }
    }

    /// The last of so many of its cohorts.
    #[must_use]
    pub fn last_cohort(&self, count: u16) -> Option<&CohortName> {
        self.cohorts.get(usize::from(count).checked_sub(1)?)
    }

    /// What it means for it to reach up to this cohort; `None` when it does not begin with it.
    #[must_use]
    pub fn up_to(&self, cohort: &CohortName) -> Option<Reach> {
        let place = self.cohorts.iter().position(|name| name == cohort)?;
        u16::try_from(place.saturating_add(1)).ok().map(Reach::Cohorts)
    }

    /// Whether it reaches a device at this place, in this one of its cohorts if it is in any.
    #[must_use]
    pub fn reaches(&self, cohort: Option<u16>, place: Place) -> bool {
        is_reached((self.cohorts_reached, cohort), (self.share, place))
    }
}

pub(super) fn count(cohorts: &[CohortName]) -> u16 {
    u16::try_from(cohorts.len()).unwrap_or(u16::MAX)
}

impl Service {
    /// Makes a rollout, and starts it where that is wanted and takes one person only.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such release or a listed device is not known; [`Kind::Invalid`] for
    /// an empty or too long list, or cohorts that make no sense; [`Kind::Conflict`] when a listed device is of other
    /// hardware or revoked, a cohort adds nobody, or too many rollouts of the class are open; storage.
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
        check_cohorts(wanted)?;
        let release = self.release(wanted.release).await?;
        let now = self.clock.now_ms();
        let first = if wanted.cohorts.is_empty() {
            wanted.stages.first()
        } else {
            Share::NOBODY
        };
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
                    "cohorts": wanted.cohorts.iter().map(CohortName::as_str).collect::<Vec<_>>(),
                    "percent": first.percent(),
                    "start": wanted.start,
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
        let two = wanted.two_persons || self.settings.two_persons;
        let rollout = Rollout {
            id,
            number,
            release: release.digest,
            to_all: matches!(to, Audience::All),
            cohorts: wanted.cohorts.clone(),
            cohorts_reached: count(&wanted.cohorts).min(1),
            share: first,
            reached_at: now,
            stages: wanted.stages.clone(),
            advance: wanted.advance,
            gate: wanted.gate,
            terms: wanted.terms,
            two_persons: wanted.two_persons,
            asked: (wanted.start && two).then(|| Asked::new(What::Start, by, now)),
            state: if wanted.start && !two {
                State::Running
            } else {
                State::Paused
            },
            created_at: now,
            created_by: by.actor().to_string(),
            changed_at: now,
            judged_since: now,
            round: 0,
            widening: 0,
            halted_because: None,
        };
        change.insert_rollout(&rollout).await?;
        if let Audience::Listed(devices) = to {
            let known = change.known(devices).await?;
            for device in devices {
                let known = known.get(device).ok_or_else(|| super::device::unknown(*device))?;
                check_listed(known, &release)?;
            }
            change.insert_rollout_devices(&rollout.id, devices).await?;
        }
        for (stage, name) in (0..).zip(&wanted.cohorts) {
            take(&mut change, &rollout.id, name, stage, &release).await?;
        }
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
        let (health, _) = self.store.health(&rollout, self.clock.now_ms()).await?;
        Ok((rollout, progress, health))
    }

    /// A page of rollouts, newest first: those that were made before the rollout `after`, or the newest.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no rollout `after`; storage.
    pub async fn rollouts(&self, after: Option<&str>, limit: u32) -> Outcome<Vec<Rollout>> {
        let before = match after {
            Some(id) => self.store.rollout(id).await?.ok_or_else(|| unknown(id))?.number,
            None => i64::MAX,
        };
        self.store.rollouts_before(Which::default(), before, limit).await
    }
}

/// Cohorts are for rollouts to all: a list is one already.
fn check_cohorts(wanted: &Wanted) -> Outcome<()> {
    let names: BTreeSet<&CohortName> = wanted.cohorts.iter().collect();
    let wrong = if matches!(wanted.to, Audience::Listed(_)) && !names.is_empty() {
        "a rollout to a list has no cohorts; add the devices to a cohort, or to the list".to_owned()
    } else if names.len() != wanted.cohorts.len() {
        "a cohort is named twice; each is one stage".to_owned()
    } else if names.len() > STAGES_MAX {
        format!("a rollout begins with {STAGES_MAX} cohorts at most")
    } else {
        return Ok(());
    };
    Err(Failure::new(Kind::Invalid, wrong))
}

/// Takes a cohort's members into a rollout as they are now. A stage that reaches nobody is a mistake to be told about.
async fn take(
    change: &mut Change,
    rollout: &str,
    name: &CohortName,
    stage: u16,
    release: &Release,
) -> Outcome<()> {
    if change.cohort(name).await?.is_none() {
        return Err(super::cohort::unknown(name));
    }
    let hardware = (release.vendor, release.class);
    if change.take_cohort(rollout, name, stage, hardware).await? == 0 {
        return Err(Failure::new(
            Kind::Conflict,
            format!(
                "cohort {name} holds no device that this release is for and no cohort before it holds. No rollout \
                 was made"
            ),
        ));
    }
    Ok(())
}

/// A list that names a device the release is not for is a mistake to be told about, not to be skipped.
fn check_listed(device: &super::device::Device, release: &Release) -> Outcome<()> {
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

pub(super) fn unknown(id: &str) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!("there is no rollout {id:?}; `latchkey-server rollout list` shows those there are"),
    )
}
