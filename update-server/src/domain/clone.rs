//! Two devices with one key: how the server notices, what it does, and how the alarm ends.
//!
//! A device's sequence numbers only ever grow, across restarts too. A copy of its storage starts from the same number, so
//! one of the two is soon behind the other. But a check-in behind the counter alone shows nothing: anybody who listened
//! can send an old one again. So the first is refused with a challenge, and a check-in that is behind *and* repeats it
//! was signed after it was given: somebody who holds the key is behind somebody else who does. Two reports that
//! differ under one number show the same.
//!
//! Not alarmed about: the same message twice (it repeats no challenge, or is the same report); a server that was set
//! back to an older copy of its database (its counter is behind then, not the device's). A lock whose storage was set
//! back is alarmed about: from outside it is a copy.
//!
//! While the alarm lasts, nothing is offered to the key. It ends by revoking the key, or by [`Service::settle_device`].

use latchkey_directive::{CheckIn, DeviceId, Nonce, ProblemCode};
use subtle::ConstantTimeEq as _;

use super::access::Caller;
use super::audit::{Actor, Entry};
use super::device::{Device, Refused, unknown};
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// How long a challenge is the same, in milliseconds.
const PERIOD_MS: i64 = 6 * 3_600_000;

/// How many periods an answer may take: two days, longer than a lock waits between two calls.
const PERIODS: i64 = 8;

/// What showed that two devices have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// A check-in signed now, with a number that is behind.
    Behind(i64),
    /// Two different reports with this number.
    Report(i64),
}

impl Service {
    /// The answer to a well-signed check-in whose number does not exceed the last one.
    pub(crate) async fn behind(&self, device: &Device, check_in: &CheckIn, now: i64) -> Refused {
        if self.answers_challenge(device.id, check_in.echo, now) {
            let sequence = i64::try_from(check_in.sequence).unwrap_or(i64::MAX);
            if let Err(failure) = self.raise_alarm(device, Evidence::Behind(sequence), now).await {
                return failure.into();
            }
        }
        Refused {
            challenge: Some(self.director.challenge(device.id, now.div_euclid(PERIOD_MS))),
            ..Refused::because(ProblemCode::Replayed, self.call_again_s())
        }
    }

    fn answers_challenge(&self, device: DeviceId, echo: Option<Nonce>, now: i64) -> bool {
        let Some(echo) = echo else { return false };
        let period = now.div_euclid(PERIOD_MS);
        (0..=PERIODS).any(|ago| {
            let given = self.director.challenge(device, period.saturating_sub(ago));
            given.0.ct_eq(&echo.0).into()
        })
    }

    /// Alarms the operators, once until it is settled.
    pub(crate) async fn raise_alarm(&self, device: &Device, shown_by: Evidence, now: i64) -> Outcome<()> {
        let mut look = self.store.look().await?;
        if look
            .device(device.id)
            .await?
            .is_none_or(|device| device.alarm.is_some())
        {
            return Ok(());
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
        let now = self.clock.now_ms();
        let mut look = self.store.look().await?;
        let mut device = look.device(id).await?.ok_or_else(|| unknown(id))?;
        let Some(since) = device.alarm else {
            return Err(Failure::new(
                Kind::Conflict,
                format!("there is no alarm about device {id}, so nothing to settle"),
            ));
        };
        let mut change = look
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "device.settle",
                subject: id.to_string(),
                detail: serde_json::json!({ "alarmed_at_ms": since }),
            })
            .await?;
        change.settle(id).await?;
        change.commit().await?;
        self.presence.forget(id);
        device.alarm = None;
        Ok(device)
    }
}
