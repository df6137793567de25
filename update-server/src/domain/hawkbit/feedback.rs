//! What such a device says: what it runs, and what became of an action. Each counts as the report of any lock does, and
//! is worth as much as the device's token: nothing proves it.

use latchkey_directive::{BootOutcome, BootReport, Event, Running};
use latchkey_image::{ImageDigest, SecurityCounter, Version};

use crate::Service;
use crate::domain::decision::Facts;
use crate::domain::device::Device;
use crate::domain::report::Kept;
use crate::failure::{Failure, Kind, Outcome};
use crate::store::Record;

use super::action::{Progress, no_action};
use super::{overtaken, too_often};

/// What a device says of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is at it.
    Underway,
    /// Something worth a remark; the action goes on.
    Remark,
    /// It is installed and runs.
    Done,
    /// It could not, or would not.
    Failed,
}

/// What a device says of what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its version.
    pub version: Version,
    /// Its security counter.
    pub counter: SecurityCounter,
}

impl Service {
    /// Keeps what a device says it runs. An older one than was there is what a lock calls reverted.
    ///
    /// # Errors
    /// [`Kind::TooOften`]; [`Kind::Busy`]; storage.
    pub async fn hawkbit_told(&self, device: &Device, told: Told) -> Outcome<()> {
        let now = self.clock.now_ms();
        let seen = self.hawkbit_admit(device, now)?;
        let before = device.facts.as_ref();
        let same = |running: Running| (running.version, running.counter) == (told.version, told.counter);
        if before.is_some_and(|before| same(before.running)) {
            if device.facts_due {
                let mut record = self.store.record_of(device.id).await?;
                record.put_facts_due(device.id, false).await?;
                record.commit().await?;
            } else {
                self.store.settled().await?;
            }
            self.presence.leave(device.id, seen);
            return Ok(());
        }
        let facts = self.hawkbit_facts(device, told, self.published(device, told).await?, now)?;
        let mut record = self.store.record_of(device.id).await?;
        if !record.put_facts(device.id, seen, &facts, None).await? {
            return Err(overtaken());
        }
        record.put_facts_due(device.id, false).await?;
        self.presence.recorded(device.id, seen);
        let fell = before.map(|before| before.running).filter(|running| {
            (told.counter, told.version) < (running.counter, running.version) && running.image != UNKNOWN
        });
        match fell {
            Some(running) => {
                self.hawkbit_report(record, device, Event::Reverted, running.image)
                    .await
            }
            None => record.commit().await,
        }
    }

    /// Keeps what a device says of an action. The same again changes nothing.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an action that it never had; [`Kind::Gone`] for one that has ended otherwise;
    /// [`Kind::TooOften`]; [`Kind::Busy`]; storage.
    pub async fn hawkbit_feedback(&self, device: &Device, number: i64, said: Said) -> Outcome<()> {
        let now = self.clock.now_ms();
        let paid = self.throttle.device_pays(device.id, now);
        if paid.is_err() && !self.hawkbit_ends(device, number, said).await? {
            return Err(too_often());
        }
        let mut record = self.store.record_of(device.id).await?;
        let action = record.hawkbit_action(device.id, number).await?;
        let action = action.ok_or_else(|| no_action(number))?;
        let (progress, event) = match said {
            Said::Remark if action.progress.is_open() => return record.commit().await,
            Said::Remark => return Err(ended(number)),
            Said::Underway => (Progress::Requested, Event::Requested),
            Said::Done => (Progress::Confirmed, Event::Confirmed),
            Said::Failed => (Progress::Refused, Event::RefusedByApp),
        };
        if !action.progress.is_open() && action.progress != progress {
            return Err(ended(number));
        }
        if action.progress == progress {
            // Nothing is new, but what was kept before may not be on disk yet.
            return record.commit().await;
        }
        record.put_hawkbit_progress(device.id, number, progress).await?;
        if said == Said::Done {
            let release = self.release(action.release).await?;
            let told = Told {
                version: release.version,
                counter: release.counter,
            };
            let facts = self.hawkbit_facts(device, told, action.release, now)?;
            let seen = self.hawkbit_seen(device, now).ok_or_else(overtaken)?;
            if !record.put_facts(device.id, seen, &facts, None).await? {
                return Err(overtaken());
            }
            self.presence.recorded(device.id, seen);
        }
        self.hawkbit_report(record, device, event, action.release).await
    }

    /// Whether this ends an action that is open. Clients may say so only once, so it is heard from those too that have
    /// said too much before.
    async fn hawkbit_ends(&self, device: &Device, number: i64, said: Said) -> Outcome<bool> {
        match said {
            Said::Remark | Said::Underway => Ok(false),
            Said::Done | Said::Failed => {
                let action = self.store.hawkbit_action(device.id, number).await?;
                Ok(action.is_some_and(|action| action.progress.is_open()))
            }
        }
    }

    /// The device leaves an action, as it was told.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it was not told so; [`Kind::TooOften`]; [`Kind::Busy`]; storage.
    pub async fn hawkbit_canceled(&self, device: &Device, number: i64) -> Outcome<()> {
        self.hawkbit_cancel(device, number).await?;
        let mut record = self.store.record_of(device.id).await?;
        let action = record.hawkbit_action(device.id, number).await?;
        action
            .filter(|action| action.progress.is_open())
            .ok_or_else(|| no_action(number))?;
        record
            .put_hawkbit_progress(device.id, number, Progress::Canceled)
            .await?;
        record.commit().await?;
        tracing::info!(device = %device.id, number, "hawkbit action canceled");
        Ok(())
    }

    async fn hawkbit_report(
        &self,
        mut record: Record,
        device: &Device,
        event: Event,
        image: ImageDigest,
    ) -> Outcome<()> {
        let kept = Kept {
            sequence: record.next_report(device.id).await?,
            event,
            image,
            reason: 0,
            received_at: self.clock.now_ms(),
        };
        if self.keep_news(record, device.id, &kept).await? {
            return Ok(());
        }
        Err(Failure::new(
            Kind::TooOften,
            "this device reports without end; nothing was kept, come back in an hour",
        ))
    }

    /// The published image of what a device says it runs.
    async fn published(&self, device: &Device, told: Told) -> Outcome<ImageDigest> {
        let releases = self.store.releases().await?;
        let found = releases.iter().find(|release| {
            device.hardware == Some((release.vendor, release.class))
                && (release.version, release.counter) == (told.version, told.counter)
        });
        Ok(found.map_or(UNKNOWN, |release| release.digest))
    }

    /// What counts of such a device: what it runs by its own word, with no floor below what it ever named, and no
    /// bootloader that would say anything.
    fn hawkbit_facts(&self, device: &Device, told: Told, image: ImageDigest, now: i64) -> Outcome<Facts> {
        let hardware = device.hardware;
        let (vendor, class) =
            hardware.ok_or_else(|| Failure::storage("a hawkBit device without hardware"))?;
        let floor = device
            .facts
            .as_ref()
            .map_or(told.counter, |before| before.floor.max(told.counter));
        Ok(Facts {
            vendor,
            class,
            running: Running {
                image,
                version: told.version,
                counter: told.counter,
                confirmed: true,
            },
            floor,
            boot: BootReport {
                outcome: BootOutcome::Steady,
                reason: 0,
                about: [0; 16],
                starts_left: 0,
            },
            boot_since: now,
            hold: None,
        })
    }
}

/// The digest of an image that was never published here.
const UNKNOWN: ImageDigest = ImageDigest([0; 32]);

fn ended(number: i64) -> Failure {
    Failure::new(
        Kind::Gone,
        format!("action {number} has ended, and not like that; what was kept of it stands"),
    )
}
