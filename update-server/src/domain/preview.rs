//! Whom a rollout would be offered to, were all its devices to call now, and why not to the others: decided by the same
//! [`decide`] as a check-in, newer rollouts included, for whoever wants to know before they start or widen it. Changes
//! nothing.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use latchkey_directive::DeviceId;
use latchkey_image::Version;

use super::decision::{Candidate, Judged, Verdict, decide};
use super::device::Device;
use super::release::Release;
use super::rollout::{Rollout, unknown};
use super::share::Place;
use super::watch::Standing;
use crate::Service;
use crate::failure::Outcome;
use crate::limits::{PAGE_ROWS_MAX, STATEMENT_ROWS_MAX};

/// What a device is told of which it is not known what it runs: it has to tell first.
pub const NOT_SEEN: &str = "not-seen";

/// A device in a rollout's audience.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which device.
    pub device: Device,
    /// What it would get of this rollout, were it to call now; `None` when it has to tell first what it runs.
    pub judged: Option<Judged>,
    /// Where it stands in the rollout.
    pub place: Place,
    /// Which of the rollout's cohorts it is in, counted from 0.
    pub cohort: Option<u16>,
    /// Whether the rollout reaches it now.
    pub reached: bool,
    /// What became of the offer and when, in milliseconds since 1970; where it had one.
    pub offer: Option<(Standing, i64)>,
}

impl Member {
    /// The stage that adds it, if any does: the rollout's cohorts come first, then its shares.
    fn stage(&self, rollout: &Rollout) -> Option<usize> {
        let by_share = || {
            let shares = rollout.stages.shares().iter();
            let behind = shares.take_while(|share| !share.includes(self.place)).count();
            rollout.cohorts.len().saturating_add(behind)
        };
        let stage = self.cohort.map_or_else(by_share, usize::from);
        (stage < stages(rollout)).then_some(stage)
    }
}

fn stages(rollout: &Rollout) -> usize {
    let shares = rollout.stages.shares().len();
    rollout.cohorts.len().saturating_add(shares)
}

/// How many devices would be told what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Looked at.
    pub included: u64,
    /// By version that runs and verdict, and how many devices.
    pub by_verdict: BTreeMap<(Option<Version>, &'static str), u64>,
    /// How many of them each stage adds: the rollout's cohorts, then its shares.
    pub by_stage: Vec<u64>,
    /// The first by name that would be offered it.
    pub first: Vec<DeviceId>,
}

impl Preview {
    /// How many would be offered it.
    #[must_use]
    pub fn offered(&self) -> u64 {
        let counts = self.by_verdict.iter();
        counts
            .filter(|((_, word), _)| *word == Verdict::Offered.word())
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn count(&mut self, rollout: &Rollout, member: &Member, named: usize) {
        let verdict = member.judged.as_ref().map(|judged| judged.verdict);
        let facts = verdict.and(member.device.facts.as_ref());
        let running = facts.map(|facts| facts.running.version);
        let count = self
            .by_verdict
            .entry((running, verdict.map_or(NOT_SEEN, Verdict::word)))
            .or_default();
        *count = count.saturating_add(1);
        self.included = self.included.saturating_add(1);
        let stage = member.stage(rollout);
        if let Some(count) = stage.and_then(|stage| self.by_stage.get_mut(stage)) {
            *count = count.saturating_add(1);
        }
        if verdict == Some(Verdict::Offered) && self.first.len() < named {
            self.first.push(member.device.id);
        }
    }
}

impl Service {
    /// A page of a rollout's audience, in the order of their names; what each would get is decided as in a check-in,
    /// whether the rollout runs or not.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::failure::Kind::NotFound); storage.
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

    async fn page(
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
        let ahead = self.ahead(rollout, &rows).await?;
        let mut members = Vec::new();
        for ((device, candidate, since), mut candidates) in rows.into_iter().zip(ahead) {
            let offer = candidate.standing.zip(since);
            let (place, cohort, reached) = (candidate.place, candidate.cohort, candidate.is_reached());
            let moment = self.moment(&device, device.battery_percent, now);
            candidates.push(candidate);
            let facts = self.sure_of(&device).await?;
            let decision = facts.map(|facts| decide(facts, &moment, candidates));
            members.push(Member {
                judged: decision.and_then(|decision| decision.0.into_iter().next_back()),
                device,
                place,
                cohort,
                reached,
                offer,
            });
        }
        Ok(members)
    }

    /// The running rollouts that go before this one with each of its members, newest first.
    async fn ahead<T>(
        &self,
        rollout: &Rollout,
        members: &[(Device, Candidate, T)],
    ) -> Outcome<Vec<Vec<Candidate>>> {
        let hardware = |release: Release| (release.vendor, release.class);
        let ours = hardware(self.release(rollout.release).await?);
        let mut newer = Vec::new();
        for other in self.store.running_rollouts().await? {
            if other.number > rollout.number && hardware(self.release(other.release).await?) == ours {
                newer.push(other.id);
            }
        }
        if newer.is_empty() {
            return Ok(members.iter().map(|_| Vec::new()).collect());
        }
        let mut ahead = Vec::new();
        for members in members.chunks(STATEMENT_ROWS_MAX) {
            let asked = members
                .iter()
                .map(|(device, ..)| self.store.candidates(device.id));
            let asked: Vec<_> = asked.collect();
            for mut candidates in try_join_all(asked).await? {
                candidates.retain(|candidate| newer.contains(&candidate.rollout));
                ahead.push(candidates);
            }
        }
        Ok(ahead)
    }

    /// Looks at every device of the audience of a rollout as it is, or as it is to be. `beyond` leaves out those whom
    /// the rollout reaches already, as it is; of those who would be offered it, at most `named` are named.
    ///
    /// # Errors
    /// Storage.
    pub async fn preview(
        &self,
        rollout: &Rollout,
        beyond: Option<&Rollout>,
        named: usize,
    ) -> Outcome<Preview> {
        let mut preview = Preview {
            by_stage: vec![0; stages(rollout)],
            ..Preview::default()
        };
        let mut after = None;
        loop {
            let page = self.page(rollout, None, after, PAGE_ROWS_MAX).await?;
            let Some(last) = page.last() else {
                return Ok(preview);
            };
            after = Some(last.device.id);
            let looked_at = page
                .iter()
                .filter(|member| !beyond.is_some_and(|before| before.reaches(member.cohort, member.place)));
            for member in looked_at {
                preview.count(rollout, member, named);
            }
        }
    }
}
