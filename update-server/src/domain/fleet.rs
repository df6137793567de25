//! The fleet as it is now, in numbers: what runs where, who was heard of when. Decides nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use latchkey_image::{Uuid, Version};

use super::device::State;
use crate::Service;
use crate::failure::Outcome;

/// What approved devices of one hardware class run.
#[derive(Clone, Debug)]
pub struct Model {
    /// Whose locks.
    pub vendor: Uuid,
    /// Which hardware.
    pub class: Uuid,
    /// What they run, the newest first.
    pub versions: Vec<Running>,
    /// How many have told nothing yet.
    pub silent: i64,
}

/// How many devices run a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub version: Version,
    /// Those on which it has confirmed itself.
    pub confirmed: i64,
    /// Those on which it is on trial.
    pub on_trial: i64,
}

/// One row of what the store counts: vendor, class, version and whether it is confirmed (nothing for a device that has
/// told nothing), and how many devices.
pub(crate) type Counted = (Uuid, Uuid, Option<(Version, bool)>, i64);

/// When approved devices were heard of last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Within two of the intervals at which they are told to call, and a half more for the spread.
    pub on_time: i64,
    /// Later than that, within a day.
    pub day: i64,
    /// Within a week.
    pub week: i64,
    /// Longer ago.
    pub longer: i64,
    /// Never since they enrolled.
    pub never: i64,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// When this was counted, in milliseconds since 1970.
    pub at: i64,
    /// How many devices are in each state.
    pub states: Vec<(State, i64)>,
    /// How many devices there is an alarm about: two seem to have their key.
    pub alarmed: i64,
    /// Approved devices by hardware and version.
    pub models: Vec<Model>,
    /// Approved devices by when they called.
    pub heard: Heard,
}

impl Fleet {
    /// How many devices are in a state.
    #[must_use]
    pub fn in_state(&self, state: State) -> i64 {
        let found = self.states.iter().find(|(found, _)| *found == state);
        found.map_or(0, |(_, count)| *count)
    }
}

impl Model {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> i64 {
        let running = self.versions.iter().map(|running| running.total());
        running.fold(self.silent, i64::saturating_add)
    }
}

impl Running {
    /// On trial or not.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.confirmed.saturating_add(self.on_trial)
    }
}

impl Service {
    /// Counts the fleet.
    ///
    /// # Errors
    /// Storage.
    pub async fn fleet(&self) -> Outcome<Fleet> {
        let at = self.clock.now_ms();
        let interval_ms = i64::from(self.settings.check_in_interval_s).saturating_mul(1000);
        let late_ms = interval_ms.saturating_mul(5) / 2;
        Ok(Fleet {
            at,
            states: self.store.device_counts().await?,
            alarmed: self.store.alarmed_devices().await?,
            models: models(self.store.running_versions().await?),
            heard: self.store.heard(at, late_ms).await?,
        })
    }
}

fn models(counted: Vec<Counted>) -> Vec<Model> {
    let mut models: BTreeMap<([u8; 16], [u8; 16]), Model> = BTreeMap::new();
    for (vendor, class, told, count) in counted {
        let model = models.entry((vendor.0, class.0)).or_insert(Model {
            vendor,
            class,
            versions: Vec::new(),
            silent: 0,
        });
        let Some((version, confirmed)) = told else {
            model.silent = model.silent.saturating_add(count);
            continue;
        };
        let known = model.versions.iter().position(|known| known.version == version);
        let mut running = known.map_or(
            Running {
                version,
                confirmed: 0,
                on_trial: 0,
            },
            |known| model.versions.swap_remove(known),
        );
        let part = if confirmed {
            &mut running.confirmed
        } else {
            &mut running.on_trial
        };
        *part = part.saturating_add(count);
        model.versions.push(running);
    }
    let mut models: Vec<Model> = models.into_values().collect();
    for model in &mut models {
        model.versions.sort_by_key(|running| Reverse(running.version));
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_put_together_newest_first() {
        let version = |minor| Version {
            major: 1,
            minor,
            ..Version::default()
        };
        let (vendor, class) = (Uuid([1; 16]), Uuid([2; 16]));
        let models = models(vec![
            (vendor, class, Some((version(1), true)), 7),
            (vendor, class, Some((version(2), false)), 2),
            (vendor, class, None, 1),
            (vendor, class, Some((version(2), true)), 3),
            (vendor, vendor, None, 5),
        ]);
        assert_eq!(models.len(), 2);
        let ours = models.iter().find(|model| model.class == class).unwrap();
        assert_eq!((ours.total(), ours.silent), (13, 1));
        let running = |minor, confirmed, on_trial| Running {
            version: version(minor),
            confirmed,
            on_trial,
        };
        assert_eq!(ours.versions, [running(2, 3, 2), running(1, 7, 0)]);
    }
}
