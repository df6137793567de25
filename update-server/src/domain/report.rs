//! Reports: what became of an update. On disk before the receipt is given, and each counted once.
//!
//! A lock sends a report again until it has the receipt, so its sequence number may lie below that of a later
//! check-in. What makes it count once is its place in the table: device and sequence number.

use latchkey_directive::{DeviceId, Event, ProblemCode, Receipt, Report};
use latchkey_image::ImageDigest;

use super::clone::Evidence;
use super::device::{Answer, Device, Refused};
use super::watch::Standing;
use crate::Service;
use crate::failure::{Failure, Outcome};
use crate::limits::REPORTS_PER_HOUR_MAX;
use crate::store::Record;

const HOUR_MS: i64 = 3_600_000;

/// A report as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its sequence number.
    pub sequence: i64,
    /// What happened.
    pub event: Event,
    /// To which image.
    pub image: ImageDigest,
    /// Refusal code, 0 when there is none.
    pub reason: u16,
    /// When the server first got it, in milliseconds since 1970.
    pub received_at: i64,
}

/// Whether a report told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It was kept now.
    New,
    /// It was here before: anybody who listened could have sent it.
    Repeated,
}

impl Service {
    /// Keeps a report and gives the sealed receipt. The same report again gets the same receipt again.
    ///
    /// # Errors
    /// A [`ProblemCode`]: `Malformed`, `UnknownDevice`, `BadSignature`, `AwaitingApproval`, `Revoked`;
    /// `Replayed` when another report has its sequence number; `Busy`, also for a device that reports without
    /// end.
    pub async fn report(&self, body: &[u8]) -> Answer<(Vec<u8>, News)> {
        let refused = |code| Refused::because(code, self.call_again_s());
        let (device, report): (Device, Report) = self.open(body).await?;
        let kept = Kept {
            sequence: i64::try_from(report.sequence).map_err(|_| refused(ProblemCode::Malformed))?,
            event: report.event,
            image: report.image,
            reason: report.reason,
            received_at: self.clock.now_ms(),
        };
        // Looked for first: copies of what was said before are for anybody to send, and take no writer's place.
        let news = match self.store.report(device.id, kept.sequence).await? {
            Some(before) => self.heard_before(&device, &before, &kept).await?,
            None => self.keep_report(&device, &kept).await?,
        };
        let receipt = Receipt {
            device: device.id,
            sequence: report.sequence,
        };
        let sealed = self.director.seal(&receipt).map_err(Failure::storage)?;
        Ok((sealed, news))
    }

    async fn keep_report(&self, device: &Device, kept: &Kept) -> Answer<News> {
        let mut record = self.store.record_of(device.id).await?;
        if let Some(before) = record.report(device.id, kept.sequence).await? {
            drop(record);
            return self.heard_before(device, &before, kept).await;
        }
        if !self.keep_news(record, device.id, kept).await? {
            return Err(Refused::because(ProblemCode::Busy, 3600));
        }
        Ok(News::New)
    }

    /// A report whose number is taken: by itself, or by another one.
    async fn heard_before(&self, device: &Device, before: &Kept, kept: &Kept) -> Answer<News> {
        if same(before, kept) {
            self.store.settled().await?;
            return Ok(News::Repeated);
        }
        // What a copy said before it was done with can be sent again by anybody: it shows nothing any more.
        if !device.must_show_freshness() {
            let evidence = Evidence::Report(kept.sequence);
            self.raise_alarm(device, evidence, kept.received_at).await?;
        }
        Err(Refused::because(ProblemCode::Replayed, self.call_again_s()))
    }

    /// Keeps a report that is new, with what it makes of offers, and looks at the rollouts when it is a failure; `false`
    /// for a device that reports without end.
    pub(crate) async fn keep_news(&self, mut record: Record, device: DeviceId, kept: &Kept) -> Outcome<bool> {
        let since = kept.received_at.saturating_sub(HOUR_MS);
        if record.reports_since(device, since).await? >= REPORTS_PER_HOUR_MAX {
            return Ok(false);
        }
        record.insert_report(device, kept).await?;
        let standing = Standing::after(kept.event);
        record
            .put_standing(device, kept.image, standing, kept.received_at)
            .await?;
        record.commit().await?;
        self.metrics.reported(kept.event);
        tracing::info!(
            %device,
            event = event_name(kept.event),
            image = %kept.image,
            reason = kept.reason,
            "report"
        );
        if standing.is_failure() {
            self.watch_rollouts().await;
        }
        Ok(true)
    }

    /// A device's latest reports, newest first.
    ///
    /// # Errors
    /// [`crate::failure::Kind::NotFound`]; storage.
    pub async fn reports(&self, id: DeviceId, limit: u32) -> Outcome<Vec<Kept>> {
        let _ = self.device(id).await?;
        self.store.reports(id, limit).await
    }
}

/// The same report, whenever it came.
fn same(before: &Kept, now: &Kept) -> bool {
    let Kept {
        sequence,
        event,
        image,
        reason,
        received_at: _,
    } = *before;
    (sequence, event, image, reason) == (now.sequence, now.event, now.image, now.reason)
}

/// Every event with its one spelling.
const EVENTS: [(Event, &str); 5] = [
    (Event::Requested, "requested"),
    (Event::RefusedByApp, "refused-by-app"),
    (Event::RefusedByBootloader, "refused-by-bootloader"),
    (Event::Confirmed, "confirmed"),
    (Event::Reverted, "reverted"),
];

/// How an event is spelled in the database and in JSON.
#[must_use]
pub const fn event_name(event: Event) -> &'static str {
    match event {
        Event::Requested => "requested",
        Event::RefusedByApp => "refused-by-app",
        Event::RefusedByBootloader => "refused-by-bootloader",
        Event::Confirmed => "confirmed",
        Event::Reverted => "reverted",
    }
}

/// The event of this spelling.
#[must_use]
pub fn event_of(name: &str) -> Option<Event> {
    EVENTS
        .iter()
        .find(|(_, spelled)| *spelled == name)
        .map(|(event, _)| *event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_back_as_they_were_written() {
        for (event, name) in EVENTS {
            assert_eq!(event_name(event), name);
            assert_eq!(event_of(name), Some(event));
        }
    }
}
