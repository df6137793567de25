//! Rollouts: release R goes to all locks of its hardware class, or to those on a list; to a share of them first, and
//! to more when it is widened.
//!
//! A rollout runs, is paused and goes on, halts itself when too much goes wrong, or is aborted for good. It never
//! moves anything by itself: each check-in asks anew, so whatever stops it takes effect with the next one.

use latchkey_directive::DeviceId;
use latchkey_image::ImageDigest;
use serde::Serialize;

use super::access::Caller;
use super::audit::{Actor, Entry};
use super::decision::{Judged, Terms, decide};
use super::device::Device;
use super::gate::{Gate, Health};
use super::second::{Asked, What};
use super::share::{Place, Share};
use super::spelled;
use super::stage::{Advance, Stages};
use super::watch::Standing;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{LISTED_DEVICES_MAX, OPEN_ROLLOUTS_MAX};
use crate::store::Look;
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
    /// On what terms it is offered.
    pub terms: Terms,
    /// Whether starting and widening it takes two persons.
    pub two_persons: bool,
    /// Whether it runs at once. Else it is paused until it is resumed, so that its devices can be looked at first.
    pub start: bool,
}

/// A device in a rollout's audience.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which device.
    pub device: Device,
    /// What it would get of this rollout, were it to call now; `None` when it has never told what it runs.
    pub judged: Option<Judged>,
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

impl Service {
    /// Makes a rollout, and starts it where that is wanted and takes one person only.
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
            share: wanted.stages.first(),
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

    /// Has a rollout reach more of its audience. Who was reached stays so; the same share again is no error. Where it
    /// takes two persons, the first one's wish is noted in the rollout and nothing else changes.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is aborted or reaches further already; storage.
    pub async fn widen_rollout(&self, by: &Caller, id: &str, to: Share) -> Outcome<Rollout> {
        let (look, rollout) = self.look_at(id).await?;
        self.widened(look, rollout, by, to).await
    }

    pub(super) async fn widened(
        &self,
        look: Look,
        rollout: Rollout,
        by: &Caller,
        to: Share,
    ) -> Outcome<Rollout> {
        let now = self.clock.now_ms();
        let rollout = open(rollout)?;
        if to < rollout.share {
            return Err(Failure::new(
                Kind::Conflict,
                format!(
                    "rollout {} reaches {} already, and nobody is taken out again; pause or abort it to stop it",
                    rollout.id, rollout.share
                ),
            ));
        }
        if rollout.share == to {
            look.unchanged().await?;
            return Ok(rollout);
        }
        let percent = serde_json::json!({ "percent": to.percent() });
        if let Some(asked) = self.asks_first(&rollout, by, What::Widen(to), now) {
            return self
                .put(look, by.actor(), "rollout.widen.ask", percent, asked)
                .await;
        }
        let after = Rollout {
            share: to,
            reached_at: now,
            widening: rollout.widening.saturating_add(1),
            changed_at: now,
            asked: None,
            ..rollout
        };
        self.put(look, by.actor(), "rollout.widen", percent, after).await
    }

    /// Gives a device that refused or reverted the release another try: what it reported so far does not count against
    /// it any more, nor against the rollout.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when the rollout is aborted, or the device neither refused nor reverted
    /// what it offers; storage.
    pub async fn retry_device(&self, by: &Caller, id: &str, device: DeviceId) -> Outcome<Rollout> {
        let now = self.clock.now_ms();
        let (look, rollout) = self.look_at(id).await?;
        let rollout = open(rollout)?;
        let mut change = look
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "rollout.retry",
                subject: id.to_owned(),
                detail: serde_json::json!({ "device": device.to_string() }),
            })
            .await?;
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
    /// takes what happened so far into account: only what happens from then on counts against it. Resuming can take
    /// two persons, as widening can; stopping takes one.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is aborted; storage.
    pub async fn move_rollout(&self, by: &Caller, id: &str, to: Move) -> Outcome<Rollout> {
        let (look, rollout) = self.look_at(id).await?;
        self.moved(look, rollout, by, to).await
    }

    pub(super) async fn moved(
        &self,
        look: Look,
        rollout: Rollout,
        by: &Caller,
        to: Move,
    ) -> Outcome<Rollout> {
        let now = self.clock.now_ms();
        let nothing = serde_json::Value::Null;
        let (state, action) = match to {
            Move::Pause => (State::Paused, "rollout.pause"),
            Move::Resume => (State::Running, "rollout.resume"),
            Move::Abort => (State::Aborted, "rollout.abort"),
        };
        if rollout.state == state && (to == Move::Resume || rollout.asked.is_none()) {
            look.unchanged().await?;
            return Ok(rollout);
        }
        let rollout = open(rollout)?;
        if to == Move::Resume
            && let Some(asked) = self.asks_first(&rollout, by, What::Start, now)
        {
            return self
                .put(look, by.actor(), "rollout.resume.ask", nothing, asked)
                .await;
        }
        let (judged_since, round) = match to {
            Move::Resume => (now, rollout.round.saturating_add(1)),
            Move::Pause | Move::Abort => (rollout.judged_since, rollout.round),
        };
        let after = Rollout {
            judged_since,
            round,
            state,
            changed_at: now,
            halted_because: None,
            asked: None,
            ..rollout
        };
        self.put(look, by.actor(), action, nothing, after).await
    }

    /// A rollout, and nobody changes it meanwhile.
    pub(super) async fn look_at(&self, id: &str) -> Outcome<(Look, Rollout)> {
        let mut look = self.store.look().await?;
        let rollout = look.rollout(id).await?.ok_or_else(|| unknown(id))?;
        Ok((look, rollout))
    }

    /// The rollout with what this person asks for, where that is not enough: it takes two, and this is the first.
    fn asks_first(&self, rollout: &Rollout, by: &Caller, what: What, now: i64) -> Option<Rollout> {
        (!self.is_enough(rollout, by, what, now)).then(|| Rollout {
            asked: Some(Asked::new(what, by, now)),
            changed_at: now,
            ..rollout.clone()
        })
    }

    /// Whether this is done when this person asks for it.
    pub(super) fn is_enough(&self, rollout: &Rollout, by: &Caller, what: What, now: i64) -> bool {
        let asked = rollout.asked.as_ref();
        let seconded = asked.is_some_and(|asked| asked.is_seconded(what, by, now));
        seconded || !(rollout.two_persons || self.settings.two_persons)
    }

    /// Writes a rollout down as it is from now on.
    pub(super) async fn put(
        &self,
        look: Look,
        by: &Actor,
        action: &'static str,
        detail: serde_json::Value,
        after: Rollout,
    ) -> Outcome<Rollout> {
        let mut change = look
            .change(&Entry {
                actor: by,
                at: after.changed_at,
                action,
                subject: after.id.clone(),
                detail,
            })
            .await?;
        change.put_rollout(&after).await?;
        change.commit().await?;
        Ok(after)
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

    /// A page of a rollout's audience, in the order of their names; what each would get is decided as in a check-in,
    /// whether the rollout runs or not.
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
        let members = self.page(&rollout, standing, after, limit).await?;
        Ok((rollout, members))
    }

    pub(super) async fn page(
        &self,
        rollout: &Rollout,
        standing: Option<Standing>,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<Member>> {
        let now = self.clock.now_ms();
        let release = self.release(rollout.release).await?;
        let rows = self
            .store
            .members(rollout, &release, standing, after, limit)
            .await?;
        let members = rows.into_iter().map(|(device, candidate, since)| {
            let offer = candidate.standing.zip(since);
            let place = candidate.place;
            let moment = self.moment(&device, device.battery_percent, now);
            let decision = device
                .facts
                .as_ref()
                .map(|facts| decide(facts, &moment, vec![candidate]));
            Member {
                judged: decision.and_then(|decision| decision.0.into_iter().next()),
                device,
                place,
                offer,
            }
        });
        Ok(members.collect())
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

/// A rollout that can still be changed.
fn open(rollout: Rollout) -> Outcome<Rollout> {
    if rollout.state == State::Aborted {
        return Err(Failure::new(
            Kind::Conflict,
            format!(
                "rollout {} was aborted, and that is for good; make a new one",
                rollout.id
            ),
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
