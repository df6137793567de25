//! Which locks a weakness affects: what somebody has to know within a day of hearing of it, to report it.
//!
//! A lock is affected by what it said it runs at its last check-in. One that was told there to install another release,
//! or asked its bootloader for one since, may run that by now: where a release breaks locks, the ones it broke are among
//! those, unless it came by phone, of which nobody hears before it runs. They are told apart, and so are those that never
//! said what they run, since nobody can leave them out. The server knows no countries and no owners, so neither are told.

use std::collections::HashMap;

use latchkey_directive::DeviceId;
use latchkey_image::{ImageDigest, SecurityCounter, Uuid, Version};

use super::bound::Bound;
use super::device::Device;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

/// What makes a lock affected. All that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// It runs this image.
    pub release: Option<ImageDigest>,
    /// It is this hardware, by vendor and class.
    pub hardware: Option<(Uuid, Uuid)>,
    /// It runs this version or a later one.
    pub from: Option<Bound>,
    /// It runs this version or an earlier one.
    pub to: Option<Bound>,
    /// Its image has this security counter or a higher one.
    pub counter_from: Option<SecurityCounter>,
    /// Its image has this security counter or a lower one.
    pub counter_to: Option<SecurityCounter>,
}

/// What a lock runs, on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Build {
    /// Whose lock.
    pub vendor: Uuid,
    /// Which hardware.
    pub class: Uuid,
    /// The image.
    pub image: ImageDigest,
    /// Its version.
    pub version: Version,
    /// Its security counter.
    pub counter: SecurityCounter,
}

/// Locks that said the same and may run the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// What they said they run.
    pub runs: Build,
    /// What they may run instead by now: what they were told to install, or asked their bootloader for, and have not
    /// said since what came of it.
    pub may_run: Option<Build>,
    /// How many locks.
    pub devices: i64,
    /// How many of them called within the last week.
    pub seen: i64,
}

/// How many locks run a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The build.
    pub build: Build,
    /// How many locks said they run it.
    pub devices: i64,
    /// How many of them called within the last week.
    pub seen: i64,
    /// How many more may run it, of those that are not affected by what they said.
    pub may_run: i64,
}

/// An affected lock.
#[derive(Clone, Debug)]
pub struct Affected {
    /// Which.
    pub device: Device,
    /// What it said it runs.
    pub runs: Build,
    /// What it is affected by, if that is not what it said but what it may run by now.
    pub may_run: Option<Build>,
}

/// How many locks are affected.
#[derive(Clone, Debug)]
pub struct Report {
    /// Milliseconds since 1970.
    pub at: i64,
    /// All that are by what they said they run.
    pub devices: i64,
    /// More that are if they run by now what they were told to install or asked their bootloader for.
    pub may_run: i64,
    /// By hardware and version.
    pub counts: Vec<Count>,
    /// Locks that are let in and never said what they run.
    pub unknown: i64,
}

impl Criteria {
    /// Goes on only when they say something, and something that can be.
    ///
    /// # Errors
    /// [`Kind::Invalid`].
    pub fn check(&self) -> Outcome<()> {
        if *self == Self::default() {
            return Err(Failure::new(
                Kind::Invalid,
                "say which locks: by release, class, versions or security counters",
            ));
        }
        in_order(
            self.from.map(Bound::first),
            self.to.map(Bound::last),
            "the versions",
        )?;
        in_order(self.counter_from, self.counter_to, "the security counters")
    }

    /// Whether a lock that said it runs the one and may run the other is affected: `None` if not, else by what it may
    /// run, where that and not what it said is why.
    fn cause(&self, runs: &Build, may_run: Option<Build>) -> Option<Option<Build>> {
        if self.affect(runs) {
            return Some(None);
        }
        may_run.filter(|build| self.affect(build)).map(Some)
    }

    /// Whether a lock with this build is affected.
    #[must_use]
    pub fn affect(&self, build: &Build) -> bool {
        self.release.is_none_or(|release| release == build.image)
            && self
                .hardware
                .is_none_or(|hardware| hardware == (build.vendor, build.class))
            && self.from.is_none_or(|from| build.version >= from.first())
            && self.to.is_none_or(|to| build.version <= to.last())
            && self.counter_from.is_none_or(|from| build.counter >= from)
            && self.counter_to.is_none_or(|to| build.counter <= to)
    }
}

fn in_order<T: PartialOrd>(from: Option<T>, to: Option<T>, what: &str) -> Outcome<()> {
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        let why = format!("{what} end before they begin, so no lock is in between");
        return Err(Failure::new(Kind::Invalid, why));
    }
    Ok(())
}

/// What a lock said it runs.
#[must_use]
pub fn build_of(device: &Device) -> Option<Build> {
    let facts = device.facts.as_ref()?;
    Some(Build {
        vendor: facts.vendor,
        class: facts.class,
        image: facts.running.image,
        version: facts.running.version,
        counter: facts.running.counter,
    })
}

impl Service {
    /// How many locks are affected, by hardware and version. Revoked ones count: they are on doors still.
    ///
    /// # Errors
    /// [`Kind::Invalid`]; storage.
    pub async fn incident(&self, criteria: &Criteria) -> Outcome<Report> {
        criteria.check()?;
        let at = self.clock.now_ms();
        let mut counts = counted(criteria, &self.store.builds(at.saturating_sub(WEEK_MS)).await?);
        counts.sort_by_key(|count| {
            let Build {
                vendor,
                class,
                version,
                image,
                ..
            } = count.build;
            (vendor.0, class.0, version, image.0)
        });
        Ok(Report {
            at,
            devices: sum(&counts, |count| count.devices),
            may_run: sum(&counts, |count| count.may_run),
            counts,
            unknown: self.store.devices_without_build(criteria.hardware).await?,
        })
    }

    /// The affected locks among the next `limit` behind `after` in the order of their names, and where to go on; `None`
    /// for nowhere.
    ///
    /// # Errors
    /// Storage.
    pub async fn affected(
        &self,
        criteria: &Criteria,
        after: Option<DeviceId>,
        limit: u32,
    ) -> Outcome<(Vec<Affected>, Option<DeviceId>)> {
        let page = self.store.devices_in_doubt(after, limit).await?;
        let more = page.len() >= limit as usize;
        let next = page.last().map(|(device, _)| device.id).filter(|_| more);
        let affected = page.into_iter().filter_map(|(device, may_run)| {
            let runs = build_of(&device)?;
            let may_run = criteria.cause(&runs, may_run)?;
            Some(Affected {
                device,
                runs,
                may_run,
            })
        });
        Ok((affected.collect(), next))
    }
}

/// How many are affected by each build, each lock by one.
fn counted(criteria: &Criteria, fleet: &[Alike]) -> Vec<Count> {
    let mut counts: HashMap<Build, Count> = HashMap::new();
    for alike in fleet {
        let Some(cause) = criteria.cause(&alike.runs, alike.may_run) else {
            continue;
        };
        let build = cause.unwrap_or(alike.runs);
        let count = counts.entry(build).or_insert(Count {
            build,
            devices: 0,
            seen: 0,
            may_run: 0,
        });
        if cause.is_some() {
            count.may_run = count.may_run.saturating_add(alike.devices);
        } else {
            count.devices = count.devices.saturating_add(alike.devices);
            count.seen = count.seen.saturating_add(alike.seen);
        }
    }
    counts.into_values().collect()
}

fn sum(counts: &[Count], of: impl Fn(&Count) -> i64) -> i64 {
    counts.iter().map(of).fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(minor: u8) -> Version {
        Version {
            major: 1,
            minor,
            ..Version::default()
        }
    }

    fn bound(minor: u8) -> Option<Bound> {
        Some(version(minor).to_string().parse().unwrap())
    }

    fn build(minor: u8, counter: u32) -> Build {
        Build {
            vendor: Uuid([1; 16]),
            class: Uuid([2; 16]),
            image: ImageDigest([minor; 32]),
            version: version(minor),
            counter: SecurityCounter(counter),
        }
    }

    #[test]
    fn bounds_are_within_and_all_must_hold() {
        let criteria = Criteria {
            hardware: Some((Uuid([1; 16]), Uuid([2; 16]))),
            from: bound(2),
            to: bound(4),
            counter_to: Some(SecurityCounter(7)),
            ..Criteria::default()
        };
        criteria.check().unwrap();
        let affected = |minor, counter| criteria.affect(&build(minor, counter));
        assert!(affected(2, 7) && affected(3, 1) && affected(4, 7));
        assert!(!affected(1, 7) && !affected(5, 7) && !affected(3, 8));
        let other = Build {
            class: Uuid([3; 16]),
            ..build(3, 7)
        };
        assert!(!criteria.affect(&other));
        let one = Criteria {
            release: Some(ImageDigest([3; 32])),
            ..Criteria::default()
        };
        assert!(one.affect(&build(3, 9)) && !one.affect(&build(4, 9)));
    }

    #[test]
    fn nothing_and_the_impossible_are_no_criteria() {
        assert!(Criteria::default().check().is_err());
        let crossed = Criteria {
            from: bound(3),
            to: bound(2),
            ..Criteria::default()
        };
        assert!(crossed.check().is_err());
        let crossed = Criteria {
            counter_from: Some(SecurityCounter(3)),
            counter_to: Some(SecurityCounter(2)),
            ..Criteria::default()
        };
        assert!(crossed.check().is_err());
    }
}
