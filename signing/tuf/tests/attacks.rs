//! What must not become trusted, by the name of the attack; and what must.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use latchkey_tuf::{
    Custom, Document, Expires, Hash, Hashes, Key, Refusal, Role, RoleName, Root, Signers, Snapshot, Target,
    TargetName, Targets, Timestamp, Trusted, canonical,
};
use serde_json::{Value, json};

/// What makes something wrong.
type Change<T> = fn(&mut T);

const LATER: Expires = Expires::at(2_000_000_000);

fn secret(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn key(number: u8) -> Key {
    Key::new(&secret(number).verifying_key().to_bytes()).unwrap()
}

/// Root 2 of the keys 1, 2, 3; targets 2 of 4, 5, 6; snapshot and timestamp by 7.
fn root(version: u64) -> Root {
    let mut root = Root::new(version, LATER);
    root.keys = (1..=7).map(|number| (key(number).id(), key(number))).collect();
    let signers = |numbers: &[u8], threshold| {
        let keys: Vec<Key> = numbers.iter().map(|number| key(*number)).collect();
        Signers::new(&keys, threshold)
    };
    root.roles.root = signers(&[1, 2, 3], 2);
    root.roles.targets = signers(&[4, 5, 6], 2);
    root.roles.snapshot = signers(&[7], 1);
    root.roles.timestamp = signers(&[7], 1);
    root
}

fn at(root: &Root, version: u64) -> Root {
    let mut root = root.clone();
    root.version = version;
    root
}

fn target() -> (TargetName, Target) {
    let name = TargetName::of_image("lock-emulator-1", "1.2.3+4").unwrap();
    let custom = Custom {
        class: "cfbff0d1-9375-5685-968c-48ce8b15ae17".to_owned(),
        image_digest: "ab".repeat(32),
        security_counter: 7,
        vendor: "cfbff0d1-9375-5685-968c-48ce8b15ae17".to_owned(),
        version: "1.2.3+4".to_owned(),
    };
    let hashes = Hashes {
        sha256: Hash::of(b"image"),
    };
    let target = Target {
        custom,
        hashes,
        length: 5,
    };
    (name, target)
}

fn targets(version: u64) -> Targets {
    let mut targets = Targets::new(version, LATER);
    targets.targets = BTreeMap::from([target()]);
    targets
}

fn signed<R: Role>(role: R, signers: &[u8]) -> Document<R> {
    let mut document = Document::new(role).unwrap();
    for number in signers {
        document.sign(&secret(*number)).unwrap();
    }
    document
}

fn trusted_root() -> Trusted<Root> {
    Trusted::pinned(signed(root(1), &[1, 2])).unwrap()
}

#[test]
fn what_was_written_is_read_back_and_trusted() {
    let root = trusted_root();
    let file = signed(targets(1), &[4, 6]).to_file();
    let targets = root.targets(Document::parse(&file).unwrap()).unwrap();
    assert_eq!(targets.to_file(), file);
    let snapshot = root
        .snapshot(signed(Snapshot::new(1, LATER, targets.meta()), &[7]))
        .unwrap();
    let timestamp = root
        .timestamp(signed(Timestamp::new(1, LATER, snapshot.meta()), &[7]))
        .unwrap();
    snapshot.check_targets(&targets).unwrap();
    timestamp.check_snapshot(&snapshot).unwrap();
    assert_eq!(latchkey_tuf::kind(&file), Ok(RoleName::Targets));
}

#[test]
fn too_few_or_the_wrong_signers_make_nothing_trusted() {
    for signers in [&[][..], &[4], &[4, 7], &[1, 2], &[4, 9]] {
        let refused = trusted_root().targets(signed(targets(1), signers)).unwrap_err();
        assert!(
            matches!(
                refused,
                Refusal::TooFew {
                    needed: 2,
                    root: 1,
                    ..
                }
            ),
            "{signers:?}: {refused}"
        );
    }
    assert!(Trusted::pinned(signed(root(1), &[1])).is_err());
    assert!(Trusted::pinned(signed(root(1), &[4, 5])).is_err());
}

/// A file as JSON, to be spoilt.
fn spoil(file: &[u8], how: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(file).unwrap();
    how(&mut value);
    value.to_string().into_bytes()
}

#[test]
fn the_same_signature_three_times_is_refused() {
    let file = spoil(&signed(targets(1), &[4]).to_file(), |file| {
        let one = file["signatures"][0].clone();
        file["signatures"] = json!([one, one, one]);
    });
    assert!(matches!(
        Document::<Targets>::parse(&file),
        Err(Refusal::SignedTwice(_))
    ));
}

#[test]
fn one_key_under_two_names_counts_once() {
    let alias = json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex::encode(key(4).public()) } });
    let file = spoil(&signed(root(1), &[1, 2]).to_file(), |file| {
        file["signed"]["keys"]["ab".repeat(32)] = alias;
        file["signed"]["roles"]["targets"]["keyids"] = json!([key(4).id(), "ab".repeat(32)]);
    });
    assert!(matches!(Document::<Root>::parse(&file), Err(Refusal::KeyName(_))));
}

#[test]
fn no_single_flipped_bit_passes() {
    let root = trusted_root();
    let file = signed(targets(1), &[4, 5]).to_file();
    for position in 0..file.len() {
        for bit in 0..8 {
            let mut other = file.clone();
            other[position] ^= 1 << bit;
            let Ok(read) = Document::<Targets>::parse(&other) else {
                continue;
            };
            // Other white space and other letters of hex digits say the same; nothing else may pass.
            if let Ok(trusted) = root.targets(read) {
                assert_eq!(trusted.get(), &targets(1), "byte {position}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_root_is_followed_only_by_its_own_word_and_the_next_ones() {
    let mut next = root(2);
    next.keys.insert(key(8).id(), key(8));
    next.roles.root = Signers::new(&[key(2), key(3), key(8)], 2);
    let first = trusted_root();
    for (signers, whose) in [(&[2, 8][..], 1), (&[1, 3], 2), (&[8], 1), (&[], 1)] {
        let refused = first.succeed(signed(next.clone(), signers)).unwrap_err();
        assert!(
            matches!(refused, Refusal::TooFew { root, .. } if root == whose),
            "{signers:?}: {refused}"
        );
    }
    let second = first.succeed(signed(next.clone(), &[2, 3])).unwrap();
    assert_eq!(second.get(), &next);
    for version in [1, 2, 4] {
        let refused = second.succeed(signed(at(&next, version), &[2, 3, 8]));
        assert!(
            matches!(refused, Err(Refusal::VersionOrder { current: 2, .. })),
            "{version}"
        );
    }
    // The key that was taken out counts no more.
    let third = at(&next, 3);
    assert!(second.succeed(signed(third.clone(), &[1, 2])).is_err());
    assert!(second.succeed(signed(third, &[2, 8])).is_ok());
}

#[test]
fn what_others_do_not_name_to_the_byte_is_not_theirs() {
    let root = trusted_root();
    let one = root.targets(signed(targets(1), &[4, 5])).unwrap();
    let other_signers = root.targets(signed(targets(1), &[4, 6])).unwrap();
    let snapshot = root
        .snapshot(signed(Snapshot::new(1, LATER, one.meta()), &[7]))
        .unwrap();
    assert!(snapshot.check_targets(&one).is_ok());
    assert!(matches!(
        snapshot.check_targets(&other_signers),
        Err(Refusal::NotPinned { .. })
    ));
}

#[test]
fn a_file_that_is_over_is_over_at_that_second() {
    let root = trusted_root();
    assert!(root.check_fresh(1_999_999_999).is_ok());
    assert!(matches!(
        root.check_fresh(2_000_000_000),
        Err(Refusal::Expired { .. })
    ));
}

#[test]
fn roots_that_would_weaken_everything_are_none() {
    let wrong: [(&str, Change<Root>); 8] = [
        ("the server's key among the root's", |root| {
            root.roles.root.keyids.push(key(7).id())
        }),
        ("the server's key among the targets'", |root| {
            root.roles.targets.keyids.push(key(7).id())
        }),
        ("a threshold of none", |root| root.roles.targets.threshold = 0),
        ("a threshold that nobody reaches", |root| {
            root.roles.targets.threshold = 4
        }),
        ("a key named twice", |root| {
            root.roles.targets.keyids.push(key(4).id())
        }),
        ("a key that is not there", |root| {
            root.keys.remove(&key(5).id());
        }),
        ("version 0", |root| root.version = 0),
        ("a version that not all can read", |root| root.version = 1 << 53),
    ];
    for (what, change) in wrong {
        let mut root = root(1);
        change(&mut root);
        assert!(Document::new(root).is_err(), "{what}");
    }
}

#[test]
fn files_of_another_shape_are_refused() {
    let good = signed(targets(1), &[4, 5]).to_file();
    let wrong: [(&str, Change<Value>); 10] = [
        ("sub-second expires", |file| {
            file["signed"]["expires"] = json!("2027-11-21T19:03:43.049640005Z")
        }),
        ("another kind", |file| file["signed"]["_type"] = json!("snapshot")),
        ("another specification", |file| {
            file["signed"]["spec_version"] = json!("2.0.0")
        }),
        ("a field more", |file| {
            file["signed"]["delegations"] = json!({ "keys": {}, "roles": [] })
        }),
        ("a field less", |file| {
            drop(file["signed"].as_object_mut().unwrap().remove("version"))
        }),
        ("a number as text", |file| file["signed"]["version"] = json!("1")),
        ("a fraction", |file| file["signed"]["version"] = json!(1.0)),
        ("a decomposed letter", |file| {
            file["signed"]["expires"] = json!("u\u{308}")
        }),
        ("a signature that is too short", |file| {
            file["signatures"][0]["sig"] = json!("00")
        }),
        ("upper-case hex", |file| {
            let sig = file["signatures"][0]["sig"].as_str().unwrap().to_uppercase();
            file["signatures"][0]["sig"] = json!(sig);
        }),
    ];
    for (what, change) in wrong {
        assert!(
            Document::<Targets>::parse(&spoil(&good, change)).is_err(),
            "{what}"
        );
    }
    assert!(Document::<Root>::parse(&good).is_err());
    for bytes in [
        &b""[..],
        b"{}",
        b"[]",
        b"\xff",
        b"{\"signed\":1,\"signatures\":[]}",
    ] {
        assert!(Document::<Targets>::parse(bytes).is_err(), "{bytes:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(Document::<Targets>::parse(deep.as_bytes()).is_err());
    let long = vec![b' '; latchkey_tuf::FILE_BYTES_MAX + 1];
    assert_eq!(Document::<Targets>::parse(&long).unwrap_err(), Refusal::TooLong);
}

#[test]
fn letters_outside_ascii_are_never_signed() {
    let mut with = targets(1);
    with.targets
        .values_mut()
        .for_each(|target| target.custom.version = "u\u{308}".to_owned());
    assert!(matches!(Document::new(with), Err(Refusal::NotAscii(_))));
    for name in [
        "\u{fc}.img",
        "a b",
        "../x",
        ".hidden",
        "-x",
        "",
        "a/b",
        "a%b",
        &"x".repeat(121),
    ] {
        assert!(TargetName::try_from(name.to_owned()).is_err(), "{name:?}");
    }
}

#[test]
fn other_white_space_and_order_say_the_same() {
    let document = signed(targets(1), &[4, 5]);
    let value: Value = serde_json::from_slice(&document.to_file()).unwrap();
    let spread = serde_json::to_vec_pretty(&value).unwrap();
    let read = trusted_root().targets(Document::parse(&spread).unwrap()).unwrap();
    assert_eq!(read.to_file(), document.to_file(), "one document has one file");
    assert_eq!(
        canonical(&value["signed"]).unwrap(),
        canonical(&json!(document.claims())).unwrap()
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_in_a_name(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = Document::<Root>::parse(&bytes);
        let _ = latchkey_tuf::kind(&bytes);
    }

    #[test]
    fn a_subset_of_keys_is_enough_exactly_from_the_threshold_on(mask in 0_u8..8, foreign in proptest::bool::ANY) {
        let mut signers: Vec<u8> = (0..3).filter(|bit| mask & (1 << bit) != 0).map(|bit| bit + 4).collect();
        let counting = signers.len();
        if foreign {
            signers.extend([1, 7, 9]);
        }
        let trusted = trusted_root().targets(signed(targets(1), &signers));
        proptest::prop_assert_eq!(trusted.is_ok(), counting >= 2);
        if let Ok(trusted) = trusted {
            let kept: Value = serde_json::from_slice(&trusted.to_file()).unwrap();
            proptest::prop_assert_eq!(kept["signatures"].as_array().unwrap().len(), counting);
        }
    }
}
