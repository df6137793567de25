//! What is refused before a lock is bothered.

use latchkey_image::{Hardware, ImageDigest, Refusal, SecurityCounter, Uuid, Version};
use latchkey_phone::release::{Boot, LockFacts, Refused, Signed, Unfit, describe};
use latchkey_protocol::value::BootOutcome;

use crate::images::*;

fn facts() -> LockFacts {
    let Hardware {
        vendor, class, slot, ..
    } = Hardware::EMULATOR;
    LockFacts {
        vendor,
        class,
        room: slot.size,
        image: ImageDigest([7; 32]),
        version: version("1.2.3"),
        counter: SecurityCounter(4),
        floor: SecurityCounter(3),
        confirmed: true,
        boot: Boot {
            outcome: BootOutcome::Steady.into(),
            reason: 0,
            about: [0; 16],
            starts_left: 0,
        },
    }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn check(bytes: Vec<u8>) -> Result<Signed<Vec<u8>>, Refused> {
    Signed::check(bytes, policy())
}

fn refused(bytes: Vec<u8>) -> Refused {
    check(bytes).err().expect("it is to be refused")
}

#[test]
fn what_is_signed_as_the_policy_wants_passes_and_says_what_it_is() {
    let mut bytes = file(&description(), 9_000);
    let whole = bytes.clone();
    // A file may have something behind the image; the lock is not sent it.
    bytes.extend([0xff; 100]);
    let release = check(bytes).unwrap();
    assert_eq!(release.bytes(), whole);
    let about = release.about();
    assert_eq!(about.version, version("2.0.1+7"));
    assert_eq!(about.counter, SecurityCounter(5));
    assert_eq!(about.size as usize, whole.len());
    assert_eq!(release.for_lock(&facts()).unwrap().image(), about.image);
}

#[test]
fn what_nobody_or_the_wrong_people_signed_is_refused_by_name() {
    let by = |seeds: &[u8]| refused(signed_by(&description(), 9_000, seeds));
    assert_eq!(by(&[]), Refusal::Unsigned.into());
    assert_eq!(by(&[9]), Refusal::UnknownSigner.into());
    assert_eq!(by(&[3, 9]), Refusal::TooFewSigners { have: 1, need: 2 }.into());
    assert_eq!(refused(vec![0; 5_000]), Refusal::NotAnImage.into());
    assert_eq!(refused(Vec::new()), Refusal::NotAnImage.into());
}

#[test]
fn no_changed_byte_and_no_cut_passes() {
    let good = file(&description(), 2_000);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(check(bad).is_err(), "byte {at}");
        assert!(check(good[..at].to_vec()).is_err(), "cut at {at}");
    }
}

#[test]
fn hardware_that_nobody_knows_is_refused_by_name() {
    let strange = latchkey_image::build::Description {
        class: Uuid([9; 16]),
        ..description()
    };
    let found = refused(file(&strange, 9_000));
    assert!(
        matches!(
            found,
            Refused::UnknownHardware {
                class: Uuid([9, ..]),
                ..
            }
        ),
        "{found:?}"
    );
}

#[test]
fn what_is_not_for_this_lock_is_refused_by_name() {
    let limited = latchkey_image::build::Description {
        min_version: Some(version("1.2.4")),
        ..description()
    };
    let limited = check(file(&limited, 9_000)).unwrap();
    let release = release(9_000);
    let about = *release.about();
    let unfit = |change: fn(&mut LockFacts)| {
        let mut facts = facts();
        change(&mut facts);
        release.for_lock(&facts).err()
    };
    assert_eq!(unfit(|_| {}), None);
    assert_eq!(
        unfit(|facts| facts.vendor = Uuid([1; 16])),
        Some(Unfit::OtherVendor)
    );
    let other = unfit(|facts| facts.class = Hardware::NRF52840.class);
    assert_eq!(other, Some(Unfit::OtherHardware));
    let (offered, lowest) = (SecurityCounter(5), SecurityCounter(6));
    let older = Some(Unfit::Older { offered, lowest });
    assert_eq!(unfit(|facts| facts.counter = SecurityCounter(6)), older);
    assert_eq!(unfit(|facts| facts.floor = SecurityCounter(6)), older);
    let equal = Some(Unfit::NotNewer { counter: offered });
    assert_eq!(unfit(|facts| facts.counter = SecurityCounter(5)), equal);
    assert_eq!(unfit(|facts| facts.room = 9_000).map(|_| ()), Some(()));
    let mut runs = facts();
    runs.image = about.image;
    // Though its counter is that of what runs.
    runs.counter = about.counter;
    assert_eq!(release.for_lock(&runs), Err(Unfit::Running));
    let step = Unfit::TooBigAStep {
        runs: version("1.2.3"),
        needed: version("1.2.4"),
    };
    assert_eq!(limited.for_lock(&facts()), Err(step));
}

#[test]
fn every_number_that_a_lock_gives_as_a_reason_has_words() {
    for reason in (1..=41).chain(100..=105).chain(150..=164) {
        assert!(describe(reason).is_some(), "{reason}");
    }
    assert_eq!(describe(0), None);
    assert_eq!(describe(u16::MAX), None);
}
