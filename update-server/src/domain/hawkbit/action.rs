//! Actions: what a device was told to install, or to leave.
//!
//! An action is opened when the decision first offers a rollout to such a device, and stands as long as the decision
//! offers it. When it does not any more, the device is told to leave it; until then nothing else is offered. At most one
//! is open for each device. After each, the device is asked what it runs before anything else is offered: clients tell
//! only when they are asked, and some say that it went well before they have started what they installed.

use futures_util::TryStreamExt as _;
use latchkey_image::{Hardware, ImageDigest};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::Service;
use crate::domain::decision::{Decision, Facts, Verdict};
use crate::domain::device::Device;
use crate::domain::document::DocumentKind;
use crate::domain::release::Release;
use crate::domain::spelled;
use crate::failure::{Failure, Kind, Outcome};
use crate::objects::FileHash;

use super::overtaken;

spelled! {
    /// How far an action is.
    Progress {
        /// The device left it, as it was told.
        Canceled = "canceled",
        /// The device says that it is installed.
        Confirmed = "confirmed",
        /// The device was told, and has said nothing of it yet.
        Open = "open",
        /// The device says that it could not, or would not.
        Refused = "refused",
        /// The device says that it is at it.
        Requested = "requested",
    }
}

impl Progress {
    /// Whether the device may still say what becomes of it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Open | Self::Requested => true,
            Self::Canceled | Self::Confirmed | Self::Refused => false,
        }
    }
}

/// What a device was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Counts up from 1 for each device.
    pub number: i64,
    /// By which rollout.
    pub rollout: String,
    /// What that rolls out.
    pub release: ImageDigest,
    /// How far it is.
    pub progress: Progress,
}

/// What a device that calls is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Tell what it runs: without that nothing is decided, neither at first nor after an action.
    Facts,
    /// Carry on.
    Nothing,
    /// Install what this action says.
    Install(i64),
    /// Leave this action.
    Cancel(i64),
}

/// A file that an action hands out. SHA-256 is the hash that counts.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What it is called.
    pub name: String,
    /// Where it lies.
    pub file: FileHash,
    /// How long it is, in bytes.
    pub size: u32,
}

/// What a device is to install, with the file's weaker hashes.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The release.
    pub release: Release,
    /// Its file.
    pub artifact: Artifact,
    /// SHA-1 of the file.
    pub sha1: [u8; 20],
    /// MD5 of the file.
    pub md5: [u8; 16],
}

impl Service {
    /// A device calls: what is it to do?
    ///
    /// # Errors
    /// [`Kind::TooOften`]; [`Kind::Busy`]; storage.
    pub async fn hawkbit_poll(&self, device: &Device) -> Outcome<Wanted> {
        let now = self.clock.now_ms();
        let seen = self.hawkbit_admit(device, now)?;
        let Some(facts) = self.sure_of(device).await? else {
            self.presence.leave(device.id, seen);
            return Ok(Wanted::Facts);
        };
        let moment = self.moment(device, None, now);
        let decision = self.decide_for(device.id, facts, &moment).await?;
        let open = self.store.open_hawkbit_action(device.id).await?;
        let told = match &open {
            Some(action) => &decision.beside(&action.rollout),
            None => &decision,
        };
        if !self.keep(device, seen, facts, told).await? {
            return Err(overtaken());
        }
        self.metrics.decided(told.offer().is_some());
        tracing::info!(device = %device.id, decision = decision.explain(), "hawkbit poll");
        match (open, decision.offer()) {
            (Some(action), _) => Ok(wanted(&action, &decision)),
            (None, None) => Ok(Wanted::Nothing),
            (None, Some(offer)) => {
                let mut record = self.store.record_of(device.id).await?;
                if record.open_hawkbit_action(device.id).await?.is_some() {
                    return Err(overtaken());
                }
                let opened = record.open_hawkbit(device.id, &offer.rollout, now).await?;
                record.commit().await?;
                Ok(Wanted::Install(opened))
            }
        }
    }

    /// What a decision about a device may rest on; `None` when it has to tell first: it never did, or an action has
    /// ended since. While another is open it is not asked: what it told then might be of before or after.
    pub(crate) async fn sure_of<'d>(&self, device: &'d Device) -> Outcome<Option<&'d Facts>> {
        let due = device.facts_due && self.store.open_hawkbit_action(device.id).await?.is_none();
        Ok(device.facts.as_ref().filter(|_| !due))
    }

    /// What an action says is to be installed. Asked of the same decision again: what was halted meanwhile is not
    /// handed out.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it is not to be installed, or not any more; [`Kind::TooOften`]; [`Kind::Busy`]; storage.
    pub async fn hawkbit_deployment(&self, device: &Device, number: i64) -> Outcome<Deployment> {
        if self.hawkbit_wanted(device, number).await? != Wanted::Install(number) {
            return Err(no_action(number));
        }
        let (release, artifact) = self.hawkbit_offered(device, number).await?;
        let size = u64::from(artifact.size);
        let file = self.objects.read(&artifact.file, size, 0..size).await?;
        let pieces: Vec<_> = file.try_collect().await?;
        let hashed = tokio::task::spawn_blocking(move || {
            let (mut sha1, mut md5, mut sha256) = (Sha1::new(), Md5::new(), Sha256::new());
            for piece in pieces {
                sha1.update(&piece);
                md5.update(&piece);
                sha256.update(&piece);
            }
            (
                sha1.finalize().into(),
                md5.finalize().into(),
                FileHash(sha256.finalize().into()),
            )
        });
        let (sha1, md5, sha256) = hashed.await.map_err(Failure::storage)?;
        if sha256 != artifact.file {
            return Err(Failure::storage(format!(
                "the store gives back other bytes for {}",
                artifact.name
            )));
        }
        Ok(Deployment {
            release,
            artifact,
            sha1,
            md5,
        })
    }

    /// The file of this name of an open action. One that was offered stays to be had while the action is open, also when
    /// a newer was attached meanwhile: a download that was cut off goes on with the same bytes.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn hawkbit_artifact(&self, device: &Device, number: i64, name: &str) -> Outcome<Artifact> {
        let action = self.hawkbit_open(device, number).await?;
        let (image, archives) = self.hawkbit_files(&self.release(action.release).await?).await?;
        let mut files = archives.into_iter().chain([image]);
        files.find(|file| file.name == name).ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                format!("action {number} has no such file; `deploymentBase/{number}` has a link to its file"),
            )
        })
    }

    /// The one file that an open action tells a device to install: several would be too many for some clients. SWUpdate
    /// takes nothing but a `.swu`, so where a release has one it is that.
    async fn hawkbit_offered(&self, device: &Device, number: i64) -> Outcome<(Release, Artifact)> {
        let action = self.hawkbit_open(device, number).await?;
        let release = self.release(action.release).await?;
        let (image, mut archives) = self.hawkbit_files(&release).await?;
        Ok((release, archives.pop().unwrap_or(image)))
    }

    /// What a release is to be had as: its image, and each version of its `.swu`, the newest last.
    async fn hawkbit_files(&self, release: &Release) -> Outcome<(Artifact, Vec<Artifact>)> {
        let class = Hardware::find(release.vendor, release.class).map_or("image", |class| class.class_name);
        let stem = format!("{class}-{}", release.version).replace('+', "-");
        let image = Artifact {
            name: format!("{stem}.img"),
            file: release.file,
            size: release.size,
        };
        let documents = self.store.documents(release.digest).await?.into_iter();
        let archives = documents
            .filter(|document| document.kind == DocumentKind::Swu)
            .map(|archive| Artifact {
                name: format!("{stem}.v{}.swu", archive.version),
                file: archive.file,
                size: archive.size,
            });
        Ok((image, archives.collect()))
    }

    /// Whether a device is to leave an action.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when not; [`Kind::TooOften`]; [`Kind::Busy`]; storage.
    pub async fn hawkbit_cancel(&self, device: &Device, number: i64) -> Outcome<()> {
        match self.hawkbit_wanted(device, number).await? {
            Wanted::Cancel(_) => Ok(()),
            Wanted::Facts | Wanted::Install(_) | Wanted::Nothing => Err(no_action(number)),
        }
    }

    async fn hawkbit_wanted(&self, device: &Device, number: i64) -> Outcome<Wanted> {
        let now = self.clock.now_ms();
        let seen = self.hawkbit_admit(device, now)?;
        self.presence.leave(device.id, seen);
        let action = self.hawkbit_open(device, number).await?;
        let facts = device.facts.as_ref().ok_or_else(|| no_action(number))?;
        let moment = self.moment(device, None, now);
        Ok(wanted(
            &action,
            &self.decide_for(device.id, facts, &moment).await?,
        ))
    }

    async fn hawkbit_open(&self, device: &Device, number: i64) -> Outcome<Action> {
        let action = self.store.hawkbit_action(device.id, number).await?;
        action
            .filter(|action| action.progress.is_open())
            .ok_or_else(|| no_action(number))
    }
}

/// What an open action and a decision come to: install it, wait with it, or leave it.
fn wanted(action: &Action, decision: &Decision) -> Wanted {
    let judged = decision
        .0
        .iter()
        .find(|judged| judged.candidate.rollout == action.rollout);
    match judged.map(|judged| judged.verdict) {
        Some(Verdict::Offered) => Wanted::Install(action.number),
        Some(verdict) if decision.offer().is_none() && passes(verdict) => Wanted::Nothing,
        Some(_) | None => Wanted::Cancel(action.number),
    }
}

/// Whether a verdict is over by itself.
const fn passes(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::BatteryLow { .. }
            | Verdict::NotBefore { .. }
            | Verdict::OutOfHours { .. }
            | Verdict::Postponed { .. }
            | Verdict::Resting { .. }
    )
}

pub(super) fn no_action(number: i64) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!(
            "this device has no action {number}, or it is not to be done any more; poll for what there is"
        ),
    )
}
