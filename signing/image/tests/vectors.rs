//! The golden vectors: each gets the verdict that is written down for it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use latchkey_image::policy_file::PolicyFile;
use latchkey_image::{Authority, Bytes, Hardware, Image, SecurityCounter, TrustPolicy};
use serde::Deserialize;

#[derive(Deserialize)]
struct Listing {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    file: String,
    verdict: u16,
    threshold: u8,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

fn listing() -> Vec<Vector> {
    let text = fs::read_to_string(folder().join("vectors.toml")).unwrap();
    toml::from_str::<Listing>(&text).unwrap().vector
}

/// What a lock of class lock-emulator-1 with floor 7 says.
fn verdict(image: &[u8], threshold: u8) -> u16 {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../../keys-example/policy.toml");
    let file = PolicyFile::parse(&fs::read_to_string(keys).unwrap()).unwrap();
    let keys: Vec<_> = file.keys().map(|(_, key)| key).collect();
    let Hardware {
        vendor, class, slot, ..
    } = Hardware::EMULATOR;
    let policy = TrustPolicy::new(threshold, &keys).unwrap();
    let authority = Authority {
        policy,
        vendor,
        class,
        slot,
    };
    let mut flash = Bytes::new(image);
    let answer =
        Image::parse(&mut flash).and_then(|image| authority.verify(image, SecurityCounter(7)).map(drop));
    answer.map_or_else(|refusal| refusal.code(), |()| 0)
}

#[test]
fn every_vector_gets_its_verdict() {
    let mut wrong = Vec::new();
    for Vector {
        file,
        verdict: expected,
        threshold,
    } in listing()
    {
        let found = verdict(&fs::read(folder().join(&file)).unwrap(), threshold);
        if found != expected {
            wrong.push(format!("{file}: {found} and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_is_listed() {
    let listed: BTreeSet<String> = listing().into_iter().map(|vector| vector.file).collect();
    let there = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = there.filter(|name| name.ends_with(".bin")).collect();
    assert_eq!(listed, there);
}

#[test]
fn we_write_what_imgtool_writes() {
    for (ours, imgtools) in [
        ("ours.bin", "plain.bin"),
        ("ours-min-version.bin", "min-version.bin"),
    ] {
        let read = |name: &str| fs::read(folder().join(name)).unwrap();
        assert!(read(ours) == read(imgtools), "{ours} differs from {imgtools}");
    }
}
