//! Cohorts: named sets of devices, picked by hand, that a rollout can begin with.
//!
//! A cohort only ever grows. A rollout takes its cohorts' members when it is made and keeps them: whoever joins a cohort
//! later is not pulled into what runs already, and whom a rollout was made for can be seen before it starts. So naming a
//! device never brings it an update by itself; making, starting or widening a rollout does.

use latchkey_directive::DeviceId;

use super::access::Caller;
use super::audit::Entry;
use super::import;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{COHORT_DEVICES_MAX, COHORT_NAME_BYTES_MAX, COHORTS_MAX, LISTED_DEVICES_MAX};

/// A cohort's name: lower-case letters, digits and dashes, with a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CohortName(String);

impl CohortName {
    /// The name, where it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let first = text.bytes().next()?;
        (first.is_ascii_lowercase() && text.len() <= COHORT_NAME_BYTES_MAX && text.bytes().all(plain))
            .then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CohortName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for CohortName {
    type Err = Failure;

    fn from_str(text: &str) -> Outcome<Self> {
        Self::parse(text).ok_or_else(|| {
            Failure::new(
                Kind::Invalid,
                format!(
                    "{text:?} is no cohort's name: lower-case letters, digits and dashes, a letter first, at most \
                     {COHORT_NAME_BYTES_MAX}"
                ),
            )
        })
    }
}

/// A cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// Its name.
    pub name: CohortName,
    /// How many devices are in it.
    pub devices: i64,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
}

impl Service {
    /// Makes a cohort of these devices, or of none yet.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when there is one of this name, or there are too many; what
    /// [`Service::add_to_cohort`] refuses; storage.
    pub async fn create_cohort(
        &self,
        by: &Caller,
        name: &CohortName,
        devices: &[DeviceId],
    ) -> Outcome<Cohort> {
        few_enough(devices)?;
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&entry(by, now, "cohort.create", name, devices))
            .await?;
        if change.cohorts().await? >= COHORTS_MAX {
            return Err(Failure::new(
                Kind::Conflict,
                format!("there are {COHORTS_MAX} cohorts already; add to one of them"),
            ));
        }
        if !change.insert_cohort(name, now, &by.actor().to_string()).await? {
            return Err(Failure::new(
                Kind::Conflict,
                format!("there is a cohort {name} already; `latchkey-server cohort add` adds to it"),
            ));
        }
        self.fill(change, name, devices, now).await
    }

    /// Adds devices to a cohort. Those that are in it stay, and are no error.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such cohort or a device is not known; [`Kind::Invalid`] for too many at once;
    /// [`Kind::Conflict`] when the cohort would hold too many; storage.
    pub async fn add_to_cohort(
        &self,
        by: &Caller,
        name: &CohortName,
        devices: &[DeviceId],
    ) -> Outcome<Cohort> {
        few_enough(devices)?;
        let now = self.clock.now_ms();
        let change = self
            .store
            .change(&entry(by, now, "cohort.add", name, devices))
            .await?;
        self.fill(change, name, devices, now).await
    }

    /// The same from a CSV file, as [`Service::import_devices`] reads it: all of it or nothing.
    ///
    /// # Errors
    /// [`Kind::Invalid`] with the lines that are wrong; as [`Service::add_to_cohort`].
    pub async fn import_cohort(&self, by: &Caller, name: &CohortName, file: &[u8]) -> Outcome<Cohort> {
        self.add_to_cohort(by, name, &import::names(file)?).await
    }

    async fn fill(
        &self,
        mut change: crate::store::Change,
        name: &CohortName,
        devices: &[DeviceId],
        now: i64,
    ) -> Outcome<Cohort> {
        let before = change.cohort(name).await?.ok_or_else(|| unknown(name))?;
        let known = change.known(devices).await?;
        if let Some(stranger) = devices.iter().find(|device| !known.contains_key(device)) {
            return Err(super::device::unknown(*stranger));
        }
        change.insert_cohort_devices(name, devices, now).await?;
        let cohort = change.cohort(name).await?.unwrap_or(before);
        if cohort.devices > COHORT_DEVICES_MAX {
            return Err(Failure::new(
                Kind::Conflict,
                format!(
                    "a cohort holds {COHORT_DEVICES_MAX} devices at most; a share of the fleet needs no list"
                ),
            ));
        }
        change.commit().await?;
        Ok(cohort)
    }

    /// Every cohort, by name.
    ///
    /// # Errors
    /// Storage.
    pub async fn cohorts(&self) -> Outcome<Vec<Cohort>> {
        self.store.cohorts().await
    }

    /// A page of a cohort's devices, in the order of their names, each with when it was added.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn cohort_devices(
        &self,
        name: &CohortName,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<Vec<(DeviceId, i64)>> {
        if self.store.cohort(name).await?.is_none() {
            return Err(unknown(name));
        }
        self.store.cohort_devices(name, after, limit).await
    }
}

fn few_enough(devices: &[DeviceId]) -> Outcome<()> {
    if devices.len() > LISTED_DEVICES_MAX {
        return Err(Failure::new(
            Kind::Invalid,
            format!("name at most {LISTED_DEVICES_MAX} devices at once, and add further ones after that"),
        ));
    }
    Ok(())
}

fn entry<'c>(
    by: &'c Caller,
    now: i64,
    action: &'static str,
    name: &CohortName,
    devices: &[DeviceId],
) -> Entry<'c> {
    Entry {
        actor: by.actor(),
        at: now,
        action,
        subject: name.to_string(),
        detail: serde_json::json!({
            "devices": devices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    }
}

pub(super) fn unknown(name: &CohortName) -> Failure {
    Failure::new(
        Kind::NotFound,
        format!("there is no cohort {name}; `latchkey-server cohort list` shows those there are"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["office", "pilots-2", "a"] {
            assert_eq!(name.parse::<CohortName>().unwrap().to_string(), name);
        }
        let long = "x".repeat(COHORT_NAME_BYTES_MAX + 1);
        for name in [
            "",
            "-a",
            "2a",
            "A",
            "a b",
            "a,b",
            "ü",
            "a/b",
            "a\n",
            long.as_str(),
        ] {
            assert!(CohortName::parse(name).is_none(), "{name:?}");
        }
    }
}
