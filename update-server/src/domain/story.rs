//! What happened, for whoever looks: to one rollout, to one device, and in the audit log. Decides nothing.

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, Version};

use super::audit::Recorded;
use super::audit::chain::{Broken, Head, Inspection};
use super::decision::Decision;
use super::device::Device;
use super::gate::Health;
use super::release::Release;
use super::report::Kept;
use super::rollout::{Progress, Rollout};
use super::watch::Standing;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// Most lines of the audit log beside a rollout or a device.
const EVENTS_MAX: u32 = 100;

/// Most reports beside a device.
const REPORTS_MAX: u32 = 50;

/// Points of a rollout's course.
const COURSE_POINTS: i64 = 60;

/// A course is drawn anew so often at most, in milliseconds.
const COURSE_GRAIN_MS: i64 = 30_000;

/// Lines of the audit log that one request checks at most.
const CHECKED_LINES_MAX: u32 = 50_000;

/// A rollout, and all that is to say of it.
#[derive(Clone, Debug)]
pub struct RolloutStory {
    /// When this was looked up, in milliseconds since 1970.
    pub at: i64,
    /// The rollout.
    pub rollout: Rollout,
    /// What it brings.
    pub release: Release,
    /// How it fares, in devices.
    pub progress: Progress,
    /// What became of its offers since it was last started.
    pub health: Health,
    /// How many devices have confirmed since the stage began.
    pub confirmed_in_stage: u32,
    /// How many devices were ever offered it.
    pub offered: i64,
    /// How it went.
    pub course: Course,
    /// What the audit log says of it, newest first.
    pub events: Vec<Recorded>,
}

/// How many devices had confirmed a rollout's release, and how many had refused or reverted it, over time.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// From, in milliseconds since 1970.
    pub from: i64,
    /// To.
    pub to: i64,
    /// Time, confirmed by then, failed by then.
    pub points: Vec<(i64, i64, i64)>,
}

/// Which rollouts to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which {
    /// Only those of this release.
    pub of: Option<ImageDigest>,
    /// Only those that are not over.
    pub open: bool,
}

/// A device's part in a rollout.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Which rollout.
    pub rollout: String,
    /// What it brings.
    pub version: Version,
    /// The same by its digest.
    pub release: ImageDigest,
    /// What became of it.
    pub standing: Standing,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
}

/// A device, and all that is to say of it.
#[derive(Debug)]
pub struct DeviceStory {
    /// When this was looked up, in milliseconds since 1970.
    pub at: i64,
    /// The device.
    pub device: Device,
    /// What it would get now, or why that cannot be said.
    pub decision: Result<Decision, String>,
    /// Its offers, newest first.
    pub offers: Vec<Offer>,
    /// Its latest reports, newest first.
    pub reports: Vec<Kept>,
    /// What the audit log says of it, newest first.
    pub events: Vec<Recorded>,
}

/// How much of the audit log this process has found to follow from its first line.
#[derive(Clone, Debug)]
pub struct Proof {
    /// When it was looked at last.
    pub at: i64,
    /// Up to here it holds.
    pub head: Head,
    /// The first place where it does not.
    pub broken: Option<Broken>,
    /// Whether that is the end of the log.
    pub whole: bool,
}

/// What has been looked at, to go on from.
#[derive(Debug, Default)]
pub(crate) struct Looking {
    inspection: Inspection,
    broken: Option<Broken>,
}

impl Service {
    /// A rollout's story.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn rollout_story(&self, id: &str) -> Outcome<RolloutStory> {
        let at = self.clock.now_ms();
        let rollout = self.store.rollout(id).await?;
        let rollout = rollout.ok_or_else(|| super::rollout::unknown(id))?;
        // Counted first: an offer made meanwhile is under way then, and not one that nothing is known of.
        let offered = self.store.offers_of(&rollout).await?;
        let (health, confirmed_in_stage) = self.store.health(&rollout, at).await?;
        Ok(RolloutStory {
            at,
            release: self.release(rollout.release).await?,
            confirmed_in_stage,
            offered,
            course: self.course(&rollout, at).await?,
            events: self.store.audit_of(id, EVENTS_MAX).await?,
            progress: self.store.progress(&rollout).await?,
            rollout,
            health,
        })
    }

    /// A page of rollouts, newest first, each with what it brings and how it fares: those before number `before`, or
    /// the newest.
    ///
    /// # Errors
    /// Storage.
    pub async fn rollouts_before(
        &self,
        which: Which,
        before: Option<i64>,
        limit: u32,
    ) -> Outcome<Vec<(Rollout, Release, Health)>> {
        let now = self.clock.now_ms();
        let before = before.unwrap_or(i64::MAX);
        let mut all = Vec::new();
        for rollout in self.store.rollouts_before(which, before, limit).await? {
            let release = self.release(rollout.release).await?;
            let (health, _) = self.store.health(&rollout, now).await?;
            all.push((rollout, release, health));
        }
        Ok(all)
    }

    async fn course(&self, rollout: &Rollout, now: i64) -> Outcome<Course> {
        let from = rollout.created_at;
        // In whole points: what is drawn is the same until there is something new to draw.
        let now = now.saturating_sub(now.checked_rem(COURSE_GRAIN_MS).unwrap_or(0));
        let to = now.max(from.saturating_add(COURSE_POINTS));
        let step = (to.saturating_sub(from) / COURSE_POINTS).max(1);
        let mut points = vec![(from, 0, 0)];
        let (mut confirmed, mut failed) = (0_i64, 0_i64);
        for (bucket, more_confirmed, more_failed) in
            self.store.outcomes_over_time(rollout, from, step).await?
        {
            confirmed = confirmed.saturating_add(more_confirmed);
            failed = failed.saturating_add(more_failed);
            let end = bucket.saturating_add(1).saturating_mul(step);
            points.push((from.saturating_add(end).clamp(from, to), confirmed, failed));
        }
        points.push((to, confirmed, failed));
        Ok(Course { from, to, points })
    }

    /// A device's story.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn device_story(&self, id: DeviceId) -> Outcome<DeviceStory> {
        let device = self.device(id).await?;
        let decision = match self.explain(id).await {
            Ok(decision) => Ok(decision),
            Err(failure) if failure.kind == Kind::Conflict => Err(failure.detail),
            Err(failure) => return Err(failure),
        };
        Ok(DeviceStory {
            at: self.clock.now_ms(),
            device,
            decision,
            offers: self.store.offers_to(id).await?,
            reports: self.store.reports(id, REPORTS_MAX).await?,
            events: self.store.audit_of(&id.to_string(), EVENTS_MAX).await?,
        })
    }

    /// Devices whose name begins so, at most `limit`.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for what no name begins with; storage.
    pub async fn devices_named(&self, prefix: &str, limit: u32) -> Outcome<Vec<Device>> {
        let hex = prefix
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if prefix.is_empty() || prefix.len() > 32 || !hex {
            return Err(Failure::new(
                Kind::Invalid,
                "a lock's name is 32 lower-case hex digits; the first few are enough to look for it",
            ));
        }
        self.store.devices_named(prefix, limit).await
    }

    /// Lines of the audit log before line `before`, newest first; without one, the newest.
    ///
    /// # Errors
    /// Storage.
    pub async fn audit_before(&self, before: Option<i64>, limit: u32) -> Outcome<Vec<Recorded>> {
        self.store.audit_before(before.unwrap_or(i64::MAX), limit).await
    }

    /// Follows the audit log from where this process stopped the last time, or from its first line when told to. A long
    /// log takes several calls.
    ///
    /// # Errors
    /// Storage.
    pub async fn prove_audit(&self, from_the_first_line: bool) -> Outcome<Proof> {
        let mut looking = self.looking.lock().await;
        if from_the_first_line {
            *looking = Looking::default();
        }
        let mut whole = false;
        if looking.broken.is_none() {
            match self.follow_audit(&mut looking.inspection).await? {
                Ok(to_the_end) => whole = to_the_end,
                Err(broken) => looking.broken = Some(broken),
            }
        }
        Ok(Proof {
            at: self.clock.now_ms(),
            head: looking.inspection.head(),
            broken: looking.broken,
            whole,
        })
    }

    /// Follows it for a while; whether that was to its end.
    async fn follow_audit(&self, inspection: &mut Inspection) -> Outcome<Result<bool, Broken>> {
        if let Err(broken) = inspection.expect(self.store.audit_anchor().await?) {
            return Ok(Err(broken));
        }
        let mut left = CHECKED_LINES_MAX;
        while left > 0 {
            let limit = left.min(crate::limits::PAGE_ROWS_MAX);
            let page = self.store.audit(inspection.reached(), limit).await?;
            if page.is_empty() {
                // Lines that were looked at before may be gone since.
                let last = self.store.last_audit_line().await?;
                let noted = inspection.reached();
                let whole = if last < noted {
                    Err(Broken::CutOff { last, noted })
                } else {
                    inspection.end().map(|_| true)
                };
                return Ok(whole);
            }
            left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(left));
            if let Err(broken) = page.iter().try_for_each(|line| inspection.follow(line)) {
                return Ok(Err(broken));
            }
        }
        Ok(Ok(false))
    }
}
