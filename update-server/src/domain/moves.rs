//! What operators do with a rollout: widen it, pause, resume and abort it, give a device another try.
//!
//! Each is a change that nobody else makes meanwhile, decided on the rollout as it is at that moment. The same wish again
//! is no error. Whoever stops is one person; going on can take two.

use latchkey_directive::DeviceId;

use super::access::Caller;
use super::audit::{Actor, Entry};
use super::cohort::CohortName;
use super::rollout::{Rollout, State, unknown};
use super::second::{Asked, What};
use super::share::Share;
use super::stage::Reach;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::store::Look;

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

impl Service {
    /// Has a rollout reach more of its audience. Who was reached stays so; the same share again is no error. Where it
    /// takes two persons, the first one's wish is noted in the rollout and nothing else changes.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is aborted or reaches further already; storage.
    pub async fn widen_rollout(&self, by: &Caller, id: &str, to: Share) -> Outcome<Rollout> {
        let (look, rollout) = self.look_at(id).await?;
        self.widened(look, rollout, by, Reach::Share(to)).await
    }

    pub(super) async fn widened(
        &self,
        look: Look,
        rollout: Rollout,
        by: &Caller,
        to: Reach,
    ) -> Outcome<Rollout> {
        let rollout = open(rollout)?;
        let detail = match to {
            Reach::Share(share) if share < rollout.share => {
                return Err(Failure::new(
                    Kind::Conflict,
                    format!(
                        "rollout {} reaches {} already, and nobody is taken out again; pause or abort it to stop it",
                        rollout.id, rollout.share
                    ),
                ));
            }
            Reach::Share(share) => serde_json::json!({ "percent": share.percent() }),
            Reach::Cohorts(count) => {
                let last = rollout.last_cohort(count);
                serde_json::json!({ "cohort": last.map(CohortName::as_str) })
            }
        };
        self.widen(look, by, rollout, to, detail).await
    }

    /// Has a rollout reach its cohorts up to this one. As for a share, whoever was reached stays so.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such rollout or it does not begin with this cohort; [`Kind::Conflict`] when it
    /// is aborted; storage.
    pub async fn reach_cohort(&self, by: &Caller, id: &str, name: &CohortName) -> Outcome<Rollout> {
        let (look, rollout) = self.look_at(id).await?;
        let rollout = open(rollout)?;
        let Some(to) = rollout.up_to(name) else {
            return Err(Failure::new(
                Kind::NotFound,
                format!(
                    "rollout {id} does not begin with a cohort {name}; what it begins with is said when it is made"
                ),
            ));
        };
        self.widened(look, rollout, by, to).await
    }

    async fn widen(
        &self,
        look: Look,
        by: &Caller,
        before: Rollout,
        to: Reach,
        detail: serde_json::Value,
    ) -> Outcome<Rollout> {
        let after = before.reaching(to);
        if before == after {
            look.unchanged().await?;
            return Ok(before);
        }
        let now = self.clock.now_ms();
        if let Some(asked) = self.asks_first(&before, by, What::Widen(to), now) {
            return self
                .put(look, by.actor(), "rollout.widen.ask", detail, asked)
                .await;
        }
        let after = Rollout {
            reached_at: now,
            widening: before.widening.saturating_add(1),
            changed_at: now,
            asked: None,
            ..after
        };
        self.put(look, by.actor(), "rollout.widen", detail, after).await
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
        if !change.retry_offer(&rollout, device, now).await? {
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
