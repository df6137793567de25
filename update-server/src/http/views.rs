//! What the operator API shows of the domain's values. Times are milliseconds since 1970, UTC.

use latchkey_directive::Hold;
use latchkey_image::{Hardware, Refusal, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use super::rollouts::{AdvanceView, HaltView, TermsView};
use crate::domain::decision::{Decision, Facts, Verdict};
use crate::domain::device::outcome_name;
use crate::domain::device::{Device, State};
use crate::domain::gate::Health;
use crate::domain::preview::{Member, Preview};
use crate::domain::release::{Release, ReleaseKind};
use crate::domain::report::{Kept, event_name};
use crate::domain::rollout::{self, Progress, Rollout};
use crate::domain::second::{Asked, What};
use crate::domain::stage::Reach;
use crate::domain::watch::Standing;
use crate::domain::wishes::Updates;

/// A published image.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Release)]
pub(super) struct ReleaseView {
    /// What engineers signed, 64 hex digits.
    digest: String,
    /// Vendor UUID.
    vendor: String,
    /// Hardware class UUID.
    class: String,
    /// The hardware class's name.
    class_name: Option<&'static str>,
    /// `major.minor.revision+build`.
    version: String,
    /// Decides rollback.
    security_counter: u32,
    /// The lowest version that may go to it directly.
    min_version: Option<String>,
    /// Length of the file in bytes.
    size: u32,
    /// SHA-256 of the file, signatures included.
    file_sha256: String,
    /// What it is for.
    kind: ReleaseKind,
    /// What it changes, in its publisher's words.
    notes: Option<String>,
    published_at_ms: i64,
    published_by: String,
    /// Where locks fetch it.
    image_path: String,
}

fn class_name(vendor: Uuid, class: Uuid) -> Option<&'static str> {
    Hardware::find(vendor, class).map(|hardware| hardware.class_name)
}

impl From<Release> for ReleaseView {
    fn from(release: Release) -> Self {
        Self {
            digest: release.digest.to_string(),
            vendor: release.vendor.to_string(),
            class: release.class.to_string(),
            class_name: class_name(release.vendor, release.class),
            version: release.version.to_string(),
            security_counter: release.counter.0,
            min_version: release.min_version.map(|version| version.to_string()),
            size: release.size,
            file_sha256: hex::encode(release.file.0),
            kind: release.kind,
            notes: release.notes,
            published_at_ms: release.published_at,
            published_by: release.published_by,
            image_path: format!("/device/v1/images/{}", release.digest),
        }
    }
}

/// A lock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub(super) struct DeviceView {
    /// Its name: 32 hex digits.
    id: String,
    state: State,
    /// Whether it speaks hawkBit's interface: what is known of it is its own word then, and it has no boot report.
    hawkbit: bool,
    since_ms: i64,
    /// Vendor UUID, once it has enrolled.
    vendor: Option<String>,
    /// Hardware class UUID, once it has enrolled.
    class: Option<String>,
    class_name: Option<&'static str>,
    last_seen_ms: Option<i64>,
    battery_percent: Option<u8>,
    /// What it told at its last check-in.
    told: Option<ToldView>,
    /// Digest of the image it was offered last, while it is offered.
    offered: Option<String>,
    offered_since_ms: Option<i64>,
    /// Which updates are wanted for it.
    updates: Updates,
    /// None are before.
    postponed_until_ms: Option<i64>,
    /// Where it is; absent: where the fleet is.
    zone: Option<String>,
    /// Since when two devices seem to have its key; nothing is offered to it until that is settled.
    alarm_since_ms: Option<i64>,
}

/// What a lock told at its last check-in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Told)]
pub(super) struct ToldView {
    /// Digest of the image that runs.
    running: String,
    version: String,
    security_counter: u32,
    /// Whether that image passed its self-test.
    confirmed: bool,
    /// The lowest security counter it boots.
    floor: u32,
    /// What it said against an install: `battery`, `busy`, `quiet-hours`, `owner` or `other`; absent: nothing.
    hold: Option<&'static str>,
    /// Absent for a device that speaks hawkBit's interface: nothing is known of its boot loader.
    boot: Option<BootView>,
}

/// What a lock's bootloader said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Boot)]
pub(super) struct BootView {
    /// `steady`, `trial`, `reverted`, `refused` or `rescued`.
    outcome: &'static str,
    /// Refusal code, 0 when there is none.
    reason: u16,
    /// The refusal code in words.
    reason_text: Option<&'static str>,
    /// First 16 bytes of the digest of the image `reason` is about.
    about: String,
    starts_left: u8,
    since_ms: i64,
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        let (vendor, class) = device.hardware.unzip();
        Self {
            id: device.id.to_string(),
            state: device.state,
            hawkbit: device.token.is_some(),
            since_ms: device.since,
            vendor: vendor.map(|vendor| vendor.to_string()),
            class: class.map(|class| class.to_string()),
            class_name: device
                .hardware
                .and_then(|(vendor, class)| class_name(vendor, class)),
            last_seen_ms: device.last_seen,
            battery_percent: device.battery_percent,
            told: device
                .facts
                .as_ref()
                .map(|facts| ToldView::of(facts, device.token.is_none())),
            offered: device.offered.map(|(image, _)| image.to_string()),
            offered_since_ms: device.offered.map(|(_, since)| since),
            updates: device.wishes.updates,
            postponed_until_ms: device.wishes.postponed_until,
            zone: device.zone.map(|zone| zone.name().to_owned()),
            alarm_since_ms: device.alarm,
        }
    }
}

impl ToldView {
    /// Of a lock, or of a device that is none.
    fn of(facts: &Facts, lock: bool) -> Self {
        Self {
            running: facts.running.image.to_string(),
            version: facts.running.version.to_string(),
            security_counter: facts.running.counter.0,
            confirmed: facts.running.confirmed,
            floor: facts.floor.0,
            hold: facts.hold.map(hold_name),
            boot: lock.then(|| BootView {
                outcome: outcome_name(facts.boot.outcome),
                reason: facts.boot.reason,
                reason_text: reason_text(facts.boot.reason),
                about: hex::encode(facts.boot.about),
                starts_left: facts.boot.starts_left,
                since_ms: facts.boot_since,
            }),
        }
    }
}

const fn hold_name(hold: Hold) -> &'static str {
    match hold {
        Hold::BATTERY => "battery",
        Hold::BUSY => "busy",
        Hold::QUIET_HOURS => "quiet-hours",
        Hold::OWNER => "owner",
        Hold(_) => "other",
    }
}

/// A refusal code in words. Image, bootloader and lock app each own a range of the one list.
pub(super) fn reason_text(code: u16) -> Option<&'static str> {
    Refusal::describe(code)
        .or_else(|| latchkey_handoff::reason::describe(code))
        .or_else(|| latchkey_lock::reason::Reason::describe(code))
}

/// A report by a lock.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub(super) struct ReportView {
    sequence: i64,
    /// `requested`, `refused-by-app`, `refused-by-bootloader`, `confirmed` or `reverted`.
    event: &'static str,
    /// Digest of the image.
    image: String,
    /// Refusal code, 0 when there is none.
    reason: u16,
    /// The refusal code in words.
    reason_text: Option<&'static str>,
    received_at_ms: i64,
}

impl From<Kept> for ReportView {
    fn from(kept: Kept) -> Self {
        Self {
            sequence: kept.sequence,
            event: event_name(kept.event),
            image: kept.image.to_string(),
            reason: kept.reason,
            reason_text: reason_text(kept.reason),
            received_at_ms: kept.received_at,
        }
    }
}

/// What a lock would get if it checked in now, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub(super) struct DecisionView {
    /// Digest of the image it may install; absent for "carry on".
    install: Option<String>,
    /// The rollout that offers it.
    rollout: Option<String>,
    /// One sentence for each rollout looked at.
    explanation: String,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let explanation = decision.explain();
        let (install, rollout) = decision
            .offer()
            .map(|offer| (offer.release.digest.to_string(), offer.rollout.clone()))
            .unzip();
        Self {
            install,
            rollout,
            explanation,
        }
    }
}

/// A rollout.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rollout)]
pub(super) struct RolloutView {
    /// Its name: 16 hex digits.
    id: String,
    /// Counts up; the newest goes first.
    number: i64,
    /// Digest of the release.
    release: String,
    /// `all` or `list`.
    to: &'static str,
    /// The cohorts that it begins with, one stage each.
    cohorts: Vec<String>,
    /// How many of them it reaches.
    cohorts_reached: u16,
    /// How much of its audience it reaches, in percent; 0 as long as it is at its cohorts.
    percent: f64,
    /// Since when.
    reached_at_ms: i64,
    /// What it reaches one after the other, in percent.
    stages: Vec<f64>,
    /// When the next stage comes by itself; absent for by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    advance: Option<AdvanceView>,
    /// What halts it.
    halt: HaltView,
    /// On what terms it is offered.
    terms: TermsView,
    /// Whether starting and widening it takes two persons; all do where the server says so.
    two_persons: bool,
    /// What one person has asked for and another has yet to.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<AskedView>,
    state: rollout::State,
    created_at_ms: i64,
    created_by: String,
    changed_at_ms: i64,
    /// Why it halted itself, while it is halted.
    #[serde(skip_serializing_if = "Option::is_none")]
    halted_because: Option<String>,
    /// How it fares, in devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    /// What became of its offers since it was last started, in devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
}

impl From<Rollout> for RolloutView {
    fn from(rollout: Rollout) -> Self {
        Self {
            id: rollout.id,
            number: rollout.number,
            release: rollout.release.to_string(),
            to: if rollout.to_all { "all" } else { "list" },
            cohorts: rollout.cohorts.iter().map(ToString::to_string).collect(),
            cohorts_reached: rollout.cohorts_reached,
            percent: rollout.share.percent(),
            reached_at_ms: rollout.reached_at,
            stages: rollout
                .stages
                .shares()
                .iter()
                .map(|share| share.percent())
                .collect(),
            advance: rollout.advance.map(Into::into),
            halt: HaltView::from(&rollout.gate),
            terms: rollout.terms.into(),
            two_persons: rollout.two_persons,
            asked: rollout.asked.map(Into::into),
            state: rollout.state,
            created_at_ms: rollout.created_at,
            created_by: rollout.created_by,
            changed_at_ms: rollout.changed_at,
            halted_because: rollout.halted_because,
            progress: None,
            health: None,
        }
    }
}

impl From<(Rollout, Progress, Health)> for RolloutView {
    fn from((rollout, progress, health): (Rollout, Progress, Health)) -> Self {
        Self {
            progress: Some(progress),
            health: Some(health),
            ..rollout.into()
        }
    }
}

/// What one person has asked for. It is done when another asks for the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RolloutAsked)]
pub(super) struct AskedView {
    /// `start` or `widen`.
    what: &'static str,
    /// How many of its cohorts.
    #[serde(skip_serializing_if = "Option::is_none")]
    cohorts: Option<u16>,
    /// How far, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
    /// With which token.
    by: String,
    /// Who.
    person: String,
    at_ms: i64,
    expires_at_ms: i64,
}

impl From<Asked> for AskedView {
    fn from(asked: Asked) -> Self {
        let (what, percent) = match asked.what {
            What::Start => ("start", None),
            What::Widen(Reach::Cohorts(_)) => ("widen", None),
            What::Widen(Reach::Share(share)) => ("widen", Some(share.percent())),
        };
        let cohorts = match asked.what {
            What::Widen(Reach::Cohorts(count)) => Some(count),
            What::Start | What::Widen(Reach::Share(_)) => None,
        };
        Self {
            what,
            cohorts,
            percent,
            expires_at_ms: asked.expires_at(),
            by: asked.by,
            person: asked.person,
            at_ms: asked.at,
        }
    }
}

/// Whom a rollout would be offered to, were all its devices to call now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RolloutPreview)]
pub(super) struct PreviewView {
    /// Devices in its audience.
    included: u64,
    /// Of these, how many would be offered it.
    offered: u64,
    /// The hardware class's name.
    class_name: Option<&'static str>,
    /// By what they run and what they would be told, the most first.
    groups: Vec<PreviewGroup>,
    /// How many each of its stages adds: its cohorts, then its shares.
    stages: Vec<PreviewStage>,
}

/// A stage and how many devices it adds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RolloutPreviewStage)]
pub(super) struct PreviewStage {
    /// Where it is a cohort: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    cohort: Option<String>,
    /// Where it is a share: how far it reaches, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
    /// Devices that no stage before it reaches.
    devices: u64,
}

impl PreviewStage {
    fn all(rollout: &Rollout, devices: Vec<u64>) -> Vec<Self> {
        let cohorts = rollout.cohorts.iter().map(|name| (Some(name.to_string()), None));
        let shares = rollout.stages.shares().iter();
        let shares = shares.map(|share| (None, Some(share.percent())));
        let stages = cohorts.chain(shares).zip(devices);
        let view = |((cohort, percent), devices)| Self {
            cohort,
            percent,
            devices,
        };
        stages.map(view).collect()
    }
}

/// Devices that run the same and would be told the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RolloutPreviewGroup)]
pub(super) struct PreviewGroup {
    /// What they run; absent for those that have to tell first.
    version: Option<String>,
    /// `offered`, `not-yet`, `already-running` and so on; `not-seen` for those that have to tell first what they run.
    verdict: &'static str,
    devices: u64,
}

impl PreviewView {
    pub(super) fn new(rollout: &Rollout, preview: Preview, (vendor, class): (Uuid, Uuid)) -> Self {
        let offered = preview.offered();
        let mut groups: Vec<PreviewGroup> = preview
            .by_verdict
            .into_iter()
            .map(|((version, verdict), devices)| PreviewGroup {
                version: version.map(|version| version.to_string()),
                verdict,
                devices,
            })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.devices));
        Self {
            included: preview.included,
            offered,
            class_name: class_name(vendor, class),
            groups,
            stages: PreviewStage::all(rollout, preview.by_stage),
        }
    }
}

/// A lock in a rollout's audience.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RolloutDevice)]
pub(super) struct MemberView {
    /// Its name: 32 hex digits.
    id: String,
    /// What it runs, as far as it has told: `major.minor.revision+build`.
    version: Option<String>,
    /// The cohort by which it is in the rollout, where it is in one of those that the rollout begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    cohort: Option<String>,
    /// Where it stands in the rollout, in percent.
    place: f64,
    /// Whether the rollout reaches it now.
    reached: bool,
    /// What became of the offer, where it had one.
    standing: Option<Standing>,
    /// Since when.
    since_ms: Option<i64>,
    /// What it would be told, were it to call now: `offered`, `not-yet`, `battery-low` and so on; absent as long as it
    /// has to tell first what it runs.
    verdict: Option<&'static str>,
    /// The same in a sentence.
    explanation: Option<String>,
}

impl MemberView {
    pub(super) fn new(rollout: &Rollout, member: &Member) -> Self {
        let (standing, since_ms) = member.offer.unzip();
        let facts = member.device.facts.as_ref();
        let verdict = member.judged.as_ref().map(|judged| judged.verdict);
        Self {
            id: member.device.id.to_string(),
            version: facts.map(|facts| facts.running.version.to_string()),
            verdict: verdict.map(Verdict::word),
            explanation: verdict.map(|verdict| verdict.to_string()),
            place: member.place.percent(),
            cohort: member
                .cohort
                .and_then(|cohort| rollout.cohorts.get(usize::from(cohort)))
                .map(ToString::to_string),
            reached: member.reached,
            standing,
            since_ms,
        }
    }
}
