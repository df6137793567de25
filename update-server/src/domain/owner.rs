//! What an owner is told who asks for updates: the one function that decides it.
//!
//! Knows nothing of who asks, and asks for nothing but the hardware and what runs there: no lock's name, no account. An
//! owner's phone gets what is rolled out to everybody, and nothing else; its lock and its bootloader judge the image
//! themselves. It keeps the rule that nothing is offered which the phone would have to refuse.

use latchkey_image::{SecurityCounter, Uuid, Version};

use super::release::Release;
use super::share::Share;
use crate::Service;
use crate::failure::Outcome;

/// What an owner's lock is and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Whose it is.
    pub vendor: Uuid,
    /// Which hardware it is.
    pub class: Uuid,
    /// The version that runs.
    pub version: Version,
    /// Its security counter.
    pub counter: SecurityCounter,
}

/// The newest of these releases that has reached everybody and that the lock can go to directly; `None`: what runs is
/// as new as can be. `rolled_out` are those that running rollouts bring to some share of all locks by now. At which
/// hours locks get them does not count: whose phone asks is there.
#[must_use]
pub fn newest(running: &Running, rolled_out: Vec<(Share, Release)>) -> Option<Release> {
    rolled_out
        .into_iter()
        // Whose lock would be among the first, nobody can tell who does not know the lock.
        .filter(|(share, _)| *share == Share::ALL)
        .map(|(_, release)| release)
        .filter(|release| release.is_for(running.vendor, running.class))
        // An owner's phone asks for a higher counter: by it alone locks tell what is older.
        .filter(|release| release.counter > running.counter && release.version > running.version)
        .filter(|release| release.step_before(running.version).is_none())
        .max_by_key(|release| (release.counter, release.version))
}

impl Service {
    /// What to tell an owner whose lock runs this.
    ///
    /// # Errors
    /// Storage.
    pub async fn owner_update(&self, running: &Running) -> Outcome<Option<Release>> {
        let now = self.clock.now_ms();
        let rolled_out = self.store.rolled_out(running.vendor, running.class, now).await?;
        Ok(newest(running, rolled_out))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        reason = "small numbers that the test itself chose"
    )]

    use latchkey_image::ImageDigest;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::release::ReleaseKind;
    use crate::objects::FileHash;

    const VENDOR: Uuid = Uuid([1; 16]);
    const CLASS: Uuid = Uuid([2; 16]);

    fn version(minor: u8) -> Version {
        Version {
            major: 1,
            minor,
            ..Version::default()
        }
    }

    fn running(minor: u8, counter: u32) -> Running {
        Running {
            vendor: VENDOR,
            class: CLASS,
            version: version(minor),
            counter: SecurityCounter(counter),
        }
    }

    fn release(minor: u8, counter: u32) -> Release {
        Release {
            digest: ImageDigest([minor; 32]),
            vendor: VENDOR,
            class: CLASS,
            version: version(minor),
            counter: SecurityCounter(counter),
            min_version: None,
            size: 1,
            file: FileHash([minor; 32]),
            kind: ReleaseKind::Feature,
            notes: None,
            published_at: 0,
            published_by: String::new(),
        }
    }

    fn to_all(releases: Vec<Release>) -> Vec<(Share, Release)> {
        releases
            .into_iter()
            .map(|release| (Share::ALL, release))
            .collect()
    }

    fn told(running: &Running, releases: Vec<Release>) -> Option<u8> {
        newest(running, to_all(releases)).map(|release| release.version.minor)
    }

    #[test]
    fn the_newest_is_told_and_nothing_when_it_runs() {
        let all = || vec![release(2, 2), release(4, 4), release(3, 3)];
        assert_eq!(told(&running(1, 1), all()), Some(4));
        assert_eq!(told(&running(4, 4), all()), None);
        assert_eq!(told(&running(1, 1), vec![]), None);
    }

    #[test]
    fn what_the_phone_would_refuse_is_not_told() {
        assert_eq!(
            told(&running(1, 2), vec![release(2, 2)]),
            None,
            "the same counter"
        );
        assert_eq!(told(&running(1, 3), vec![release(2, 2)]), None, "an older one");
        let mut other = release(2, 2);
        other.class = VENDOR;
        assert_eq!(told(&running(1, 1), vec![other]), None, "other hardware");
    }

    #[test]
    fn what_has_not_reached_everybody_is_not_told() {
        let some = Share::of_hundredths(9_999).unwrap();
        assert_eq!(newest(&running(1, 1), vec![(some, release(2, 2))]), None);
    }

    #[test]
    fn a_stepping_stone_is_told_first() {
        let mut far = release(9, 9);
        far.min_version = Some(version(5));
        assert_eq!(told(&running(1, 1), vec![far.clone(), release(5, 5)]), Some(5));
        assert_eq!(told(&running(5, 5), vec![far, release(5, 5)]), Some(9));
    }

    proptest! {
        #[test]
        fn whatever_is_told_can_be_installed_and_nothing_better_was_there(
            minor in 0..5_u8,
            counter in 0..5_u32,
            releases in prop::collection::vec((0..5_u8, 0..5_u32, prop::option::of(0..5_u8), any::<bool>()), 0..6),
        ) {
            let running = running(minor, counter);
            let releases: Vec<Release> = releases
                .into_iter()
                .map(|(minor, counter, least, ours)| Release {
                    min_version: least.map(version),
                    class: if ours { CLASS } else { VENDOR },
                    ..release(minor, counter)
                })
                .collect();
            let fits = |release: &Release| {
                release.class == CLASS
                    && release.counter > running.counter
                    && release.version > running.version
                    && release.min_version.is_none_or(|least| least <= running.version)
            };
            match newest(&running, to_all(releases.clone())) {
                Some(told) => {
                    prop_assert!(fits(&told));
                    prop_assert!(releases.iter().filter(|one| fits(one)).all(|one| one.counter <= told.counter));
                }
                None => prop_assert!(!releases.iter().any(fits)),
            }
        }
    }
}
