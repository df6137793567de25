//! Check-ins: a device says what it runs and asks what to do.

use latchkey_directive::{Action, CheckIn, DeviceId, Directive, FromDevice, Install, ProblemCode, Sealed};

use super::decision::{Candidate, Decision, Facts, Moment, decide};
use super::device::{Answer, Device, Refused, State, problem_of};
use super::presence::{Replayed, Seen};
use super::watch::Standing;
use crate::failure::{Failure, Kind, Outcome};
use crate::{Service, limits};

impl Service {
    /// Answers a check-in with a directive, sealed with the director key and bound to the check-in's nonce.
    /// What a decision rests on is on disk before the answer is given.
    ///
    /// # Errors
    /// A [`ProblemCode`]: `Malformed`, `UnknownDevice`, `BadSignature`, `AwaitingApproval`, `Revoked`,
    /// `Replayed`, `Busy`.
    pub async fn check_in(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let refused = |code| Refused::because(code, self.call_again_s());
        let (device, check_in): (Device, CheckIn) = self.open(body).await?;
        let (vendor, class) = (check_in.vendor, check_in.class);
        if device.hardware != Some((vendor, class)) {
            // A key does not move to other hardware.
            return Err(refused(ProblemCode::Malformed));
        }
        let now = self.clock.now_ms();
        let seen = Seen {
            sequence: i64::try_from(check_in.sequence).map_err(|_| refused(ProblemCode::Malformed))?,
            at: now,
            battery_percent: Some(check_in.battery_percent),
            numbering: device.numbering,
        };
        let shown = self.repeated(&device, check_in.echo);
        if device.must_show_freshness() && shown.is_none() {
            return Err(self.challenged(&device, device.sequence));
        }
        if let Err(Replayed(last)) = self.presence.admit(device.id, seen, device.sequence) {
            return Err(self.behind(&device, seen, shown, last).await);
        }
        // Behind that: copies of what a lock once said must not use up what it may say.
        let too_often = |_| Refused::because(ProblemCode::Busy, limits::busy_again_s());
        self.throttle.device_pays(device.id, now).map_err(too_often)?;

        let facts = Facts {
            vendor,
            class,
            running: check_in.running,
            floor: check_in.floor,
            boot: check_in.boot,
            boot_since: match &device.facts {
                Some(before) if before.boot == check_in.boot => before.boot_since,
                Some(_) | None => now,
            },
            hold: check_in.hold,
        };
        let moment = self.moment(&device, Some(check_in.battery_percent), now);
        let decision = self.decide_for(device.id, &facts, &moment).await?;
        if !self.keep(&device, seen, &facts, &decision).await? {
            return Err(refused(ProblemCode::Replayed));
        }
        tracing::info!(
            device = %device.id,
            running = %check_in.running.version,
            decision = decision.explain(),
            "check-in"
        );
        self.metrics.decided(decision.offer().is_some());
        let directive = Directive {
            device: device.id,
            nonce: check_in.nonce,
            action: action(&decision),
            call_again_s: self.call_again_s(),
        };
        self.director
            .seal(&directive)
            .map_err(|error| Failure::storage(error).into())
    }

    /// Writes down what a check-in told and what was decided, as far as it is news, or waits until what is no news is
    /// on disk; `false` when a later one was quicker.
    pub(crate) async fn keep(
        &self,
        device: &Device,
        seen: Seen,
        facts: &Facts,
        decision: &Decision,
    ) -> Outcome<bool> {
        let now = seen.at;
        let offered = decision.offer().map(|offer| offer.release.digest);
        let held = facts.hold.is_some();
        let offers: Vec<(&Candidate, Standing)> = decision
            .0
            .iter()
            .filter_map(|judged| Some((&judged.candidate, judged.news(held)?)))
            .collect();
        let told = device.facts.as_ref().is_none_or(|before| differ(before, facts));
        if !told
            && offers.is_empty()
            && !speaks_against(facts, decision)
            && device.offered.map(|(image, _)| image) == offered
        {
            self.store.settled().await?;
            self.presence.leave(device.id, seen);
            return Ok(true);
        }
        let offered = match (offered, device.offered) {
            (Some(image), Some((before, since))) if image == before => Some((image, since)),
            (Some(image), _) => Some((image, now)),
            (None, _) => None,
        };
        let mut record = self.store.record_of(device.id).await?;
        if !record.put_facts(device.id, seen, facts, offered).await? {
            return Ok(false);
        }
        for (
            Candidate {
                rollout, standing, ..
            },
            now_is,
        ) in offers
        {
            record
                .put_offer(rollout, device.id, *standing, now_is, now)
                .await?;
        }
        let fails = record.put_told(device.id, facts, now).await?;
        record.commit().await?;
        self.presence.recorded(device.id, seen);
        if fails {
            self.watch_rollouts().await;
        }
        Ok(true)
    }

    /// What counts of a device beside what it told.
    pub(crate) fn moment(&self, device: &Device, battery_percent: Option<u8>, now: i64) -> Moment {
        Moment {
            now,
            minute: device.zone.as_ref().unwrap_or(&self.settings.zone).minute_at(now),
            battery_percent,
            wishes: device.wishes,
            alarmed: device.alarm.is_some(),
        }
    }

    /// What a device would get if it checked in now as it did last time.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when what it runs is not known, or it is not approved; storage.
    pub async fn explain(&self, id: DeviceId) -> Outcome<Decision> {
        let device = self.device(id).await?;
        if device.state != State::Approved {
            return Err(Failure::new(
                Kind::Conflict,
                format!("device {id} gets nothing: it is {}", device.state),
            ));
        }
        let Some(facts) = self.sure_of(&device).await? else {
            let why = match device.facts {
                Some(_) => {
                    "has to tell what it runs before it is offered anything; it is asked when it polls"
                }
                None => "has not checked in yet, so what it runs is not known",
            };
            return Err(Failure::new(Kind::Conflict, format!("device {id} {why}")));
        };
        let moment = self.moment(&device, device.battery_percent, self.clock.now_ms());
        self.decide_for(id, facts, &moment).await
    }

    pub(crate) async fn decide_for(&self, id: DeviceId, facts: &Facts, moment: &Moment) -> Outcome<Decision> {
        let candidates = self.store.candidates(id).await?;
        Ok(decide(facts, moment, candidates))
    }

    /// Opens a message with the key of the device it claims to be from, and goes on only if that device is
    /// approved. Its standing is looked at after the signature: a stranger learns nothing about it.
    pub(crate) async fn open<'b, M>(&self, body: &'b [u8]) -> Answer<(Device, M)>
    where
        M: FromDevice<Sender = DeviceId> + minicbor::Decode<'b, ()>,
    {
        let refused = |code| Refused::because(code, self.call_again_s());
        let sealed = Sealed::parse(body).map_err(|_| refused(ProblemCode::Malformed))?;
        let claimed = sealed.claimed_sender::<M>();
        let claimed = claimed.map_err(|_| refused(ProblemCode::Malformed))?;
        let device = self.store.device(claimed).await?;
        let (device, key) = device
            .and_then(|device| device.key.map(|key| (device, key)))
            .ok_or_else(|| refused(ProblemCode::UnknownDevice))?;
        let message = sealed.open(&key).map_err(|error| refused(problem_of(error)))?;
        match device.state {
            State::Approved => Ok((device, message)),
            State::Awaiting => Err(refused(ProblemCode::AwaitingApproval)),
            State::Expected => Err(refused(ProblemCode::UnknownDevice)),
            State::Revoked => Err(refused(ProblemCode::Revoked)),
        }
    }

    /// Writes who called when, if anybody did.
    ///
    /// # Errors
    /// Storage; nothing is forgotten then.
    pub async fn write_presence(&self) -> Outcome<()> {
        let mut batch = self.presence.unwritten();
        // In one order in all instances, so that no two wait for each other.
        batch.sort_unstable_by_key(|(device, _)| *device);
        let now = self.clock.now_ms();
        if !batch.is_empty() {
            let mut record = self.store.record().await?;
            record.put_seen(&batch).await?;
            record.commit().await?;
        }
        self.presence.written(&batch, now);
        self.heard(batch.iter().map(|(_, seen)| seen.at).collect());
        Ok(())
    }
}

/// Whether a device's bootloader says against a release that the device was offered what is not written down: a report
/// that came after its word may have said otherwise.
fn speaks_against(facts: &Facts, decision: &Decision) -> bool {
    let mut candidates = decision.0.iter().map(|judged| &judged.candidate);
    candidates.any(|candidate| {
        let said = candidate.said(facts);
        candidate.standing.is_some() && said.is_some() && said != candidate.standing
    })
}

/// Whether anything changed that a decision may rest on.
fn differ(before: &Facts, now: &Facts) -> bool {
    before.running != now.running
        || before.floor != now.floor
        || before.boot != now.boot
        || before.hold != now.hold
}

fn action(decision: &Decision) -> Action {
    match decision.offer() {
        None => Action::Nothing,
        Some(offer) => Action::Install(Install {
            image: offer.release.digest,
            size: offer.release.size,
            version: offer.release.version,
            counter: offer.release.counter,
        }),
    }
}
