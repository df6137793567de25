//! Whom a rollout would be offered to, were all its devices to call now, and why not to the others: decided by the same
//! [`decide`](super::decision::decide) as a check-in, for whoever wants to know before they start or widen it. Changes
//! nothing.

use std::collections::BTreeMap;

use latchkey_directive::DeviceId;
use latchkey_image::Version;

use super::decision::Verdict;
use super::rollout::{Member, Rollout};
use super::share::Share;
use crate::Service;
use crate::failure::Outcome;
use crate::limits::PAGE_ROWS_MAX;

/// What a device is told that never told what it runs: it has to call first.
pub const NOT_SEEN: &str = "not-seen";

/// How many devices would be told what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Looked at.
    pub included: u64,
    /// By version that runs and verdict, and how many devices.
    pub by_verdict: BTreeMap<(Option<Version>, &'static str), u64>,
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

    fn count(&mut self, member: &Member, named: usize) {
        let running = member.device.facts.as_ref().map(|facts| facts.running.version);
        let verdict = member.judged.as_ref().map(|judged| judged.verdict);
        let count = self
            .by_verdict
            .entry((running, verdict.map_or(NOT_SEEN, Verdict::word)))
            .or_default();
        *count = count.saturating_add(1);
        self.included = self.included.saturating_add(1);
        if verdict == Some(Verdict::Offered) && self.first.len() < named {
            self.first.push(member.device.id);
        }
    }
}

impl Service {
    /// Looks at every device of the audience of a rollout as it is, or as it is to be. `beyond` leaves out those whom
    /// such a share reaches already; of those who would be offered it, at most `named` are named.
    ///
    /// # Errors
    /// Storage.
    pub async fn preview(&self, rollout: &Rollout, beyond: Option<Share>, named: usize) -> Outcome<Preview> {
        let mut preview = Preview::default();
        let mut after = None;
        loop {
            let page = self.page(rollout, None, after, PAGE_ROWS_MAX).await?;
            let Some(last) = page.last() else {
                return Ok(preview);
            };
            after = Some(last.device.id);
            let looked_at = page
                .iter()
                .filter(|member| !beyond.is_some_and(|share| share.includes(member.place)));
            for member in looked_at {
                preview.count(member, named);
            }
        }
    }
}
