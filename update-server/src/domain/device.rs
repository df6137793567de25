//! Devices: enrolment, approval, revocation.
//!
//! A device is its key. It enrols by signing its own public key; an operator approves it, or has named it
//! beforehand. Revocation is for good: the same key never comes back.

use std::collections::HashSet;

use latchkey_directive::{BootOutcome, DeviceId, Enrolment, Nonce, ProblemCode, PublicKey, Sealed};
use latchkey_image::{ImageDigest, Uuid};

use super::access::{Caller, Hash};
use super::audit::{Actor, Entry};
use super::decision::Facts;
use super::hours::Zone;
use super::spelled;
use super::wishes::Wishes;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{LISTED_DEVICES_MAX, busy_again_s};

spelled! {
    /// Where a device stands.
    #[schema(as = DeviceState)]
    State {
        /// Enrolled and approved: it gets directives.
        Approved = "approved",
        /// Enrolled; an operator has yet to approve it.
        Awaiting = "awaiting",
        /// Named by an operator; it has yet to enrol, and is approved when it does.
        Expected = "expected",
        /// Shut out for good.
        Revoked = "revoked",
    }
}

/// What the server knows of a device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name: a hash of its key.
    pub id: DeviceId,
    /// Its key, once it has enrolled.
    pub key: Option<PublicKey>,
    /// The hash of its token, where it has no key and speaks hawkBit's interface.
    pub(crate) token: Option<Hash>,
    /// Whose it is and which hardware, once it has enrolled or when an operator named it so.
    pub hardware: Option<(Uuid, Uuid)>,
    /// Where it stands.
    pub state: State,
    /// Since when, in milliseconds since 1970.
    pub since: i64,
    /// The highest sequence number of its check-ins; -1 before the first.
    pub sequence: i64,
    /// When it called last, in milliseconds since 1970; written at most a second late.
    pub last_seen: Option<i64>,
    /// Its battery charge in percent then.
    pub battery_percent: Option<u8>,
    /// What it told in its check-ins; its hardware as enrolled.
    pub facts: Option<Facts>,
    /// The image it was last offered, and when that began.
    pub offered: Option<(ImageDigest, i64)>,
    /// What is wanted of updates for it.
    pub wishes: Wishes,
    /// Where it is; `None`: where the fleet is.
    pub zone: Option<Zone>,
    /// Since when two devices seem to have its key, in milliseconds since 1970.
    pub alarm: Option<i64>,
    /// How often another numbering of its began, by settling an alarm.
    pub numbering: i64,
    /// Whether it speaks hawkBit's interface and is to be asked what it runs: an action has ended since it told.
    pub(crate) facts_due: bool,
}

/// Which devices to list. The default is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those whose key two devices seem to have.
    pub alarmed: bool,
}

/// Why a device gets no answer, in the one list that both sides know.
#[derive(Debug)]
pub struct Refused {
    /// For the device.
    pub code: ProblemCode,
    /// When it should call again, in seconds.
    pub call_again_s: u32,
    /// What it is to repeat then.
    pub challenge: Option<Nonce>,
    /// For the log, where it is the server's own failure.
    pub cause: Option<Failure>,
}

/// What handlers of device messages give back.
pub type Answer<T> = Result<T, Refused>;

impl Refused {
    /// Told to come back at the usual time.
    pub(crate) const fn because(code: ProblemCode, call_again_s: u32) -> Self {
        Self {
            code,
            call_again_s,
            challenge: None,
            cause: None,
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            code: ProblemCode::Busy,
            call_again_s: busy_again_s(),
            challenge: None,
            cause: Some(failure),
        }
    }
}

impl Service {
    /// Takes in a device that proves to hold its key. The same again changes nothing.
    ///
    /// # Errors
    /// `Malformed`, `BadSignature`, `Revoked`; `Malformed` also when it once enrolled as other hardware; `Busy`
    /// when too many wait for approval.
    pub async fn enrol(&self, body: &[u8]) -> Answer<State> {
        let refused = |code| Refused::because(code, self.call_again_s());
        let sealed = Sealed::parse(body).map_err(|_| refused(ProblemCode::Malformed))?;
        let claimed = sealed
            .claimed_sender::<Enrolment>()
            .ok()
            .and_then(|key| PublicKey::from_bytes(&key))
            .ok_or_else(|| refused(ProblemCode::Malformed))?;
        let enrolment: Enrolment = sealed
            .open(&claimed)
            .map_err(|error| refused(problem_of(error)))?;
        let id = claimed.device_id();
        let hardware = (enrolment.vendor, enrolment.class);

        if let Some(device) = self.store.device(id).await?
            && let Some(answer) = self.known(&device, hardware)
        {
            self.store.settled().await?;
            return answer;
        }
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: &Actor::Device(id),
                at: now,
                action: "device.enrol",
                subject: id.to_string(),
                detail: serde_json::json!({
                    "vendor": hardware.0.to_string(),
                    "class": hardware.1.to_string(),
                }),
            })
            .await?;
        let state = match change.device(id).await? {
            Some(device) => match self.known(&device, hardware) {
                Some(answer) => {
                    change.unchanged().await?;
                    return answer;
                }
                None => State::Approved, // it was expected
            },
            None if change.awaiting_devices().await? >= self.settings.awaiting_devices_max => {
                return Err(Refused::because(ProblemCode::Busy, busy_again_s()));
            }
            None => State::Awaiting,
        };
        change.put_enrolment(id, &claimed, hardware, state, now).await?;
        change.commit().await?;
        Ok(state)
    }

    /// The answer to a device that enrolled before; `None` for one that is only expected.
    fn known(&self, device: &Device, hardware: (Uuid, Uuid)) -> Option<Answer<State>> {
        let refused = |code| Some(Err(Refused::because(code, self.call_again_s())));
        match device.state {
            State::Expected if device.hardware.is_some_and(|named| named != hardware) => {
                refused(ProblemCode::Malformed)
            }
            State::Expected => None,
            State::Revoked => refused(ProblemCode::Revoked),
            State::Approved | State::Awaiting if device.hardware != Some(hardware) => {
                refused(ProblemCode::Malformed)
            }
            State::Approved | State::Awaiting => Some(Ok(device.state)),
        }
    }

    /// Names devices that will be approved as soon as they enrol; those that wait already are approved now.
    /// Gives how many changed.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for an empty or too long list; [`Kind::Conflict`] when one is revoked; storage.
    pub async fn expect_devices(&self, by: &Caller, ids: &[DeviceId]) -> Outcome<u64> {
        if ids.is_empty() || ids.len() > LISTED_DEVICES_MAX {
            return Err(Failure::new(
                Kind::Invalid,
                format!("name 1 to {LISTED_DEVICES_MAX} devices in one request"),
            ));
        }
        let now = self.clock.now_ms();
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "device.expect",
                subject: format!("{} device(s)", ids.len()),
                detail: serde_json::json!(names),
            })
            .await?;
        let known = change.known(ids).await?;
        let mut moves = Vec::new();
        let mut named = HashSet::new();
        for id in ids.iter().filter(|id| named.insert(**id)) {
            let state = match known.get(id).map(|device| device.state) {
                Some(State::Approved | State::Expected) => continue,
                Some(State::Revoked) => return Err(revoked(*id)),
                Some(State::Awaiting) => State::Approved,
                None => State::Expected,
            };
            moves.push((*id, state));
        }
        change.put_device_states(&moves, now).await?;
        change.commit().await?;
        Ok(u64::try_from(moves.len()).unwrap_or(u64::MAX))
    }

    /// Lets an enrolled device in. Doing it twice is no error.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is revoked or has not enrolled; storage.
    pub async fn approve_device(&self, by: &Caller, id: DeviceId) -> Outcome<Device> {
        self.move_device(by, id, State::Approved).await
    }

    /// Shuts a device out for good; an alarm about it ends with that. Doing it twice is no error.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn revoke_device(&self, by: &Caller, id: DeviceId) -> Outcome<Device> {
        self.move_device(by, id, State::Revoked).await
    }

    async fn move_device(&self, by: &Caller, id: DeviceId, to: State) -> Outcome<Device> {
        let now = self.clock.now_ms();
        let mut look = self.store.look().await?;
        let device = look.device(id).await?.ok_or_else(|| unknown(id))?;
        match (device.state, to) {
            (from, to) if from == to => {
                look.unchanged().await?;
                return Ok(device);
            }
            (State::Revoked, _) => return Err(revoked(id)),
            (State::Expected, State::Approved) => {
                return Err(Failure::new(
                    Kind::Conflict,
                    format!("device {id} has not enrolled yet; it will be approved when it does"),
                ));
            }
            (State::Approved | State::Awaiting | State::Expected, _) => {}
        }
        let (action, ended) = match to {
            State::Revoked => ("device.revoke", device.alarm),
            State::Approved | State::Awaiting | State::Expected => ("device.approve", None),
        };
        let mut change = look
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action,
                subject: id.to_string(),
                detail: ended.map_or(
                    serde_json::Value::Null,
                    |since| serde_json::json!({ "alarmed_at_ms": since }),
                ),
            })
            .await?;
        change.put_device_states(&[(id, to)], now).await?;
        if ended.is_some() {
            change.end_alarm(id).await?;
        }
        let moved = change.device(id).await?.ok_or_else(|| unknown(id))?;
        change.commit().await?;
        Ok(moved)
    }

    /// One device.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn device(&self, id: DeviceId) -> Outcome<Device> {
        self.store.device(id).await?.ok_or_else(|| unknown(id))
    }

    /// A page of devices in the order of their names, those after `after`.
    ///
    /// # Errors
    /// Storage.
    pub async fn devices(&self, filter: Filter, after: Option<DeviceId>, limit: u32) -> Outcome<Vec<Device>> {
        self.store.devices(filter, after, limit).await
    }
}

pub(crate) const fn problem_of(error: latchkey_directive::OpenError) -> ProblemCode {
    match error {
        latchkey_directive::OpenError::BadSignature => ProblemCode::BadSignature,
        latchkey_directive::OpenError::Malformed => ProblemCode::Malformed,
    }
}

pub(crate) fn unknown(id: DeviceId) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!("there is no device {id}; `latchkey-server device list` shows those there are"),
    )
}

fn revoked(id: DeviceId) -> Failure {
    Failure::new(
        Kind::Conflict,
        format!("device {id} is revoked for good; after a factory reset the lock has a new key and name"),
    )
}

/// Every boot outcome with its one spelling.
const OUTCOMES: [(BootOutcome, &str); 5] = [
    (BootOutcome::Steady, "steady"),
    (BootOutcome::Trial, "trial"),
    (BootOutcome::Reverted, "reverted"),
    (BootOutcome::Refused, "refused"),
    (BootOutcome::Rescued, "rescued"),
];

/// How a boot outcome is spelled in the database and in JSON.
#[must_use]
pub const fn outcome_name(outcome: BootOutcome) -> &'static str {
    match outcome {
        BootOutcome::Steady => "steady",
        BootOutcome::Trial => "trial",
        BootOutcome::Reverted => "reverted",
        BootOutcome::Refused => "refused",
        BootOutcome::Rescued => "rescued",
    }
}

/// The boot outcome of this spelling.
#[must_use]
pub fn outcome_of(name: &str) -> Option<BootOutcome> {
    OUTCOMES
        .iter()
        .find(|(_, spelled)| *spelled == name)
        .map(|(outcome, _)| *outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_outcomes_are_read_back_as_they_were_written() {
        for (outcome, name) in OUTCOMES {
            assert_eq!(outcome_name(outcome), name);
            assert_eq!(outcome_of(name), Some(outcome));
        }
    }
}
