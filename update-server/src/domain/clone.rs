//! Two devices with one key: how the server notices, what it does, and how the alarm ends.
//!
//! A device's sequence numbers only ever grow: across restarts and power cuts too, since the count of starts is on its
//! flash before anything is signed in that start. A copy of its flash goes on from the same number, so one of the two is
//! soon behind the other. That a message is behind shows nothing by itself: whoever listens can send an old one again,
//! hold one back, or answer in this server's place, as refusals are not signed. What shows it is the order of time:
//!
//! 1. Whoever is behind is refused with a *challenge*: the highest number that the server has seen of this key, sealed
//!    so that nobody else can make one, and none for a number that was not seen.
//! 2. Whoever signs a message that repeats it does so after the server saw that number, and so after a holder of the
//!    key signed it.
//! 3. After that a device alone signs higher numbers only. So a message that repeats a challenge and whose own number
//!    is *not above the challenge's* is by another holder of the key.
//!
//! No listener can make such a message of an honest device's. He can hand the device any challenge at any time; the
//! device repeats it under a number above the challenge's, and that stays no evidence however often, late or
//! out of order it is sent, whatever else the server has seen by then. Nor do a lost answer, a power cut at any moment, or
//! a server set back to an older copy of its database (it is behind then, not the device). Two reports that differ
//! under one number show two holders without a challenge: a device alone signs one. What looks like a copy from outside
//! is a device whose flash was set back; it raises the alarm.
//!
//! While the alarm lasts, nothing is offered to the key. It ends by revoking the key, or by [`Service::settle_device`].
//! What both have said until then may still be somewhere, and where the numbers are set back, those in between were used
//! before. So from then on the device's check-ins count only when they repeat a challenge of this *numbering*: nothing
//! that was signed before can pass for news, or for a copy. That costs such a device two calls instead of one.

use latchkey_directive::{DeviceId, Nonce, ProblemCode};
use subtle::ConstantTimeEq as _;

use super::access::Caller;
use super::audit::{Actor, Entry};
use super::device::{Device, Refused, State, unknown};
use super::presence::Seen;
use super::step;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// What showed that two devices have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// A check-in with a number that the key had passed before it was signed.
    Behind(i64),
    /// Two different reports with this number.
    Report(i64),
}

impl Device {
    /// Whether it had a copy once, so that only what repeats a challenge counts.
    pub(crate) const fn must_show_freshness(&self) -> bool {
        self.numbering > 0
    }
}

impl Service {
    /// The number that this server had seen of a device's key when it gave the challenge that is repeated.
    pub(crate) fn repeated(&self, device: &Device, echo: Option<Nonce>) -> Option<i64> {
        let Nonce(echo) = echo?;
        let seen = i64::from_be_bytes(*echo.first_chunk()?);
        let given = self.director.challenge(device.id, device.numbering, seen);
        bool::from(given.0.ct_eq(&echo)).then_some(seen)
    }

    /// Refused, with what is to be repeated: `seen` is a number that was seen of this key.
    pub(crate) fn challenged(&self, device: &Device, seen: i64) -> Refused {
        Refused {
            challenge: Some(self.director.challenge(device.id, device.numbering, seen)),
            ..Refused::because(ProblemCode::Replayed, self.call_again_s())
        }
    }

    /// The answer to a well-signed check-in whose number does not exceed `last`; it repeats a challenge that was given
    /// when `shown` had been seen.
    pub(crate) async fn behind(&self, device: &Device, seen: Seen, shown: Option<i64>, last: i64) -> Refused {
        if shown.is_some_and(|shown| seen.sequence <= shown) {
            let raised = self.raise_alarm(device, Evidence::Behind(seen.sequence), seen.at);
            if let Err(failure) = raised.await {
                return failure.into();
            }
        }
        self.challenged(device, last)
    }

    /// Alarms the operators, once until it is settled. Where that is done already, nobody's place is taken for it.
    pub(crate) async fn raise_alarm(&self, device: &Device, shown_by: Evidence, now: i64) -> Outcome<()> {
        if device.alarm.is_some() {
            return Ok(());
        }
        let mut look = self.store.look().await?;
        let is_news = look.device(device.id).await?.is_some_and(|found| {
            found.alarm.is_none() && found.state == State::Approved && found.numbering == device.numbering
        });
        if !is_news {
            return look.unchanged().await;
        }
        let (by, sequence) = match shown_by {
            Evidence::Behind(sequence) => ("check-in", sequence),
            Evidence::Report(sequence) => ("report", sequence),
        };
        let mut change = look
            .change(&Entry {
                actor: &Actor::Device(device.id),
                at: now,
                action: "device.alarm",
                subject: device.id.to_string(),
                detail: serde_json::json!({ "two_with_one_key": by, "sequence": sequence }),
            })
            .await?;
        change.put_alarm(device.id, now, shown_by).await?;
        change.commit().await?;
        self.metrics.alarmed();
        tracing::error!(
            device = %device.id,
            by,
            "two devices seem to have this key; nothing is offered to it until an operator settles or revokes it"
        );
        Ok(())
    }

    /// Ends an alarm: an operator knows that one device is left with the key. Where that one was the one behind, its
    /// numbers count again from where it is.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when there is no alarm; storage.
    pub async fn settle_device(&self, by: &Caller, id: DeviceId) -> Outcome<Device> {
        self.settle(by, id, None).await
    }

    /// The same for the alarm that was seen: what that person knows to be over is not one that was raised since.
    ///
    /// # Errors
    /// As [`Service::settle_device`]; [`Kind::Conflict`] when it is another alarm by now.
    pub async fn settle_alarm(&self, by: &Caller, id: DeviceId, seen: &step::Seen) -> Outcome<Device> {
        self.settle(by, id, Some(seen)).await
    }

    async fn settle(&self, by: &Caller, id: DeviceId, seen: Option<&step::Seen>) -> Outcome<Device> {
        let now = self.clock.now_ms();
        let mut look = self.store.look().await?;
        let device = look.device(id).await?.ok_or_else(|| unknown(id))?;
        let Some(since) = device.alarm else {
            return Err(Failure::new(
                Kind::Conflict,
                format!("there is no alarm about device {id}, so nothing to settle"),
            ));
        };
        if seen.is_some_and(|seen| step::Seen::of_alarm(&device).as_ref() != Some(seen)) {
            return Err(Failure::new(
                Kind::Conflict,
                "the alarm that this was pressed for is over, and another one was raised since, so nothing was settled",
            ));
        }
        let mut change = look
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "device.settle",
                subject: id.to_string(),
                detail: serde_json::json!({ "alarmed_at_ms": since }),
            })
            .await?;
        change.begin_numbering(id).await?;
        change.end_alarm(id).await?;
        let settled = change.device(id).await?.ok_or_else(|| unknown(id))?;
        change.commit().await?;
        Ok(settled)
    }
}
