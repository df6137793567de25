//! `tuf`: root and targets, made and signed by several engineers; what is refused, and that a refusal leaves every
//! file as it was.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod bench;

use std::fs;

use bench::{Bench, DONE, FILE, KEY_A, NEW, REFUSED, USAGE};
use latchkey_tuf::{Document, Root, Targets, Trusted};

const EXPIRES: &str = "--expires 400d";

/// A bench with keys of a team: alice, bob and carol for everything, dora who comes later, the server, and a policy.
fn team() -> Bench {
    let bench = Bench::new();
    for name in ["alice", "bob", "carol", "dora", "server"] {
        bench.ends(&format!("keygen --no-passphrase --out {name}.pem"), DONE);
        bench.ends(&format!("public --key {name}.pem --out {name}.pub.pem"), DONE);
    }
    let mut policy = "threshold = 1\n".to_owned();
    for name in ["alice", "bob"] {
        let pem = fs::read_to_string(bench.path(&format!("{name}.pub.pem"))).unwrap();
        policy.push_str(&format!(
            "[[keys]]\nname = \"{name}\"\npublic = \"\"\"\n{pem}\"\"\"\n"
        ));
    }
    fs::write(bench.path("policy.toml"), policy).unwrap();
    bench.ends(&format!("sign --key alice.pem {NEW} app.bin app.img"), DONE);
    bench
}

fn root_new(bench: &Bench) {
    bench.ends(
        &format!(
            "tuf root new {EXPIRES} --root-key alice.pub.pem --root-key bob.pub.pem --root-key carol.pub.pem \
             --root-threshold 2 --targets-key alice.pub.pem --targets-key bob.pub.pem --targets-threshold 2 \
             --server-key server.pub.pem 1.root.json"
        ),
        DONE,
    );
}

/// With a root that two have signed.
fn with_root() -> Bench {
    let bench = team();
    root_new(&bench);
    bench.ends("tuf sign --key alice.pem 1.root.json", DONE);
    bench.ends("tuf sign --key carol.pem 1.root.json", DONE);
    bench
}

/// With targets that two have signed as well.
fn with_targets() -> Bench {
    let bench = with_root();
    bench.ends(
        &format!("tuf targets new {EXPIRES} --policy policy.toml --add app.img targets.json"),
        DONE,
    );
    for name in ["alice", "bob"] {
        bench.ends(
            &format!("tuf sign --key {name}.pem --root 1.root.json targets.json"),
            DONE,
        );
    }
    bench
}

fn root(bench: &Bench, name: &str) -> Document<Root> {
    Document::parse(&fs::read(bench.path(name)).unwrap()).unwrap()
}

#[test]
fn two_engineers_make_a_root_and_targets_that_verify() {
    let bench = with_targets();
    let facts = bench.json("tuf verify --json --root 1.root.json targets.json");
    assert_eq!(facts["accepted"], true);
    assert_eq!(facts["targets"][0], "lock-emulator-1-1.2.3-4.img");
    assert_eq!(bench.json("tuf verify --json 1.root.json")["root_threshold"], 2);
    let trusted = Trusted::pinned(root(&bench, "1.root.json")).unwrap();
    let targets = Document::<Targets>::parse(&fs::read(bench.path("targets.json")).unwrap()).unwrap();
    let targets = trusted.targets(targets).unwrap();
    let (_, target) = targets.get().targets.iter().next().unwrap();
    let image = fs::read(bench.path("app.img")).unwrap();
    assert_eq!(target.hashes.sha256, latchkey_tuf::Hash::of(&image));
    assert_eq!(target.length, image.len() as u64);
    assert_eq!(
        (target.custom.security_counter, target.custom.version.as_str()),
        (7, "1.2.3+4")
    );
}

#[test]
fn a_signature_too_few_is_said_and_not_verified() {
    let bench = team();
    root_new(&bench);
    let said = bench.json("tuf sign --json --key alice.pem 1.root.json");
    assert!(
        said["missing"][0].as_str().unwrap().starts_with("1 of "),
        "{said}"
    );
    bench.refuses(
        "tuf verify 1.root.json",
        REFUSED,
        "has 1 good signature(s) of 2 needed",
    );
    // The same engineer again is still one.
    bench.ends("tuf sign --key alice.pem 1.root.json", DONE);
    bench.refuses(
        "tuf verify 1.root.json",
        REFUSED,
        "has 1 good signature(s) of 2 needed",
    );
}

#[test]
fn a_strangers_first_root_follows_no_root_in_force() {
    let bench = with_root();
    // It calls itself the first, and needs nobody's word then: named beside a root in force, it is refused all the same.
    bench.refuses("tuf verify --root 1.root.json 1.root.json", REFUSED, "version");
    bench.ends("tuf verify 1.root.json", DONE);
}

#[test]
fn a_key_is_rotated_with_the_word_of_the_old_root_and_the_new() {
    let bench = with_root();
    bench.ends(
        &format!(
            "tuf root next {EXPIRES} --add-root-key dora.pub.pem --remove-root-key alice.pub.pem \
             1.root.json 2.root.json"
        ),
        DONE,
    );
    bench.refuses(
        "tuf sign --key dora.pem 2.root.json",
        USAGE,
        "name that one with --root",
    );
    for name in ["dora", "carol"] {
        bench.ends(
            &format!("tuf sign --key {name}.pem --root 1.root.json 2.root.json"),
            DONE,
        );
    }
    bench.refuses(
        "tuf verify --root 1.root.json 2.root.json",
        REFUSED,
        "by the keys of root version 1",
    );
    bench.ends("tuf sign --key bob.pem --root 1.root.json 2.root.json", DONE);
    bench.ends("tuf verify --root 1.root.json 2.root.json", DONE);
    let first = Trusted::pinned(root(&bench, "1.root.json")).unwrap();
    let second = first.succeed(root(&bench, "2.root.json")).unwrap();
    // Alice signs targets still, so her key is in the file still.
    assert_eq!(second.get().keys.len(), 5);
    bench.refuses(
        "tuf verify --root 2.root.json 2.root.json",
        REFUSED,
        "the one to follow 2 is 3",
    );
}

#[test]
fn targets_follow_only_what_was_signed() {
    let bench = with_targets();
    bench.ends(
        &format!(
            "sign --key bob.pem {} app.bin next.img",
            NEW.replace("1.2.3+4", "1.3.0")
        ),
        DONE,
    );
    let next = format!("tuf targets next {EXPIRES} --root 1.root.json --policy policy.toml");
    bench.refuses(
        &format!("{next} --add app.img targets.json next.json"),
        REFUSED,
        "listed already",
    );
    bench.refuses(
        &format!("{next} --remove lock-9.img targets.json next.json"),
        REFUSED,
        "it lists lock-emulator-1-1.2.3-4.img",
    );
    bench.ends(&format!("{next} --add next.img targets.json next.json"), DONE);
    let facts = bench.json("tuf sign --json --key alice.pem --root 1.root.json next.json");
    assert_eq!(
        (
            facts["version"].as_u64(),
            facts["targets"].as_array().unwrap().len()
        ),
        (Some(2), 2)
    );
    bench.refuses(
        &format!("{next} next.json more.json"),
        REFUSED,
        "has 1 good signature(s) of 2 needed",
    );
}

#[test]
fn images_that_the_policy_refuses_are_not_listed() {
    let bench = team();
    bench.ends(&format!("sign --key dora.pem {NEW} app.bin foreign.img"), DONE);
    let new = format!("tuf targets new {EXPIRES}");
    bench.refuses(&format!("{new} --add app.img targets.json"), USAGE, "--policy");
    bench.refuses(
        &format!("{new} --policy policy.toml --add foreign.img targets.json"),
        REFUSED,
        "foreign.img",
    );
    bench.refuses(
        &format!("{new} --policy policy.toml --add app.bin targets.json"),
        REFUSED,
        "app.bin",
    );
}

#[test]
fn keys_that_would_not_count_sign_nothing() {
    let bench = with_targets();
    bench.refuses(
        "tuf sign --key dora.pem 1.root.json",
        REFUSED,
        "none that signs root",
    );
    bench.refuses(
        "tuf sign --key carol.pem --root 1.root.json targets.json",
        REFUSED,
        "none that signs targets",
    );
    bench.refuses(
        "tuf sign --key server.pem --root 1.root.json targets.json",
        REFUSED,
        "none that signs targets",
    );
    bench.refuses("tuf sign --key alice.pem targets.json", USAGE, "--root");
    bench.refuses(
        &format!("tuf sign {KEY_A} --root 1.root.json targets.json"),
        REFUSED,
        "none that signs targets",
    );
    bench.refuses(
        "tuf sign --key keys/release-a.pem --root 1.root.json targets.json",
        REFUSED,
        "example key",
    );
}

#[test]
fn the_servers_key_signs_neither_root_nor_targets() {
    let bench = team();
    for (role, other) in [("root", "targets"), ("targets", "root")] {
        bench.refuses(
            &format!(
                "tuf root new {EXPIRES} --{role}-key server.pub.pem --{role}-threshold 1 --{other}-key alice.pub.pem \
                 --{other}-threshold 1 --server-key server.pub.pem 1.root.json"
            ),
            REFUSED,
            "signs on line and off line",
        );
    }
}

#[test]
fn what_clients_read_differently_or_is_over_is_never_signed() {
    let bench = with_targets();
    let spoil = |from: &str, to: &str| {
        let text = fs::read_to_string(bench.path("targets.json")).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(bench.path("spoilt.json"), text.replacen(from, to, 1)).unwrap();
    };
    let sign = "tuf sign --key alice.pem --root 1.root.json spoilt.json";
    spoil("\"version\":\"1.2.3+4\"", "\"version\":\"u\u{308}\"");
    bench.refuses(sign, REFUSED, "not printable ASCII");
    let text = fs::read_to_string(bench.path("targets.json")).unwrap();
    let at = text.find("\"expires\":\"").unwrap() + 11;
    let expires = &text[at..at + 20];
    spoil(expires, &expires.replace('Z', ".5Z"));
    bench.refuses(sign, REFUSED, "whole seconds");
    spoil(expires, "2020-01-01T00:00:00Z");
    bench.refuses(sign, REFUSED, "expired at 2020-01-01T00:00:00Z");
    spoil("{\"signatures\"", "{\"signature\"");
    bench.refuses(sign, REFUSED, "not metadata of the expected shape");
    bench.refuses(
        "tuf targets new --expires 2020-01-01 old.json",
        REFUSED,
        "expired at 2020-01-01T00:00:00Z",
    );
    bench.refuses(
        "tuf targets new --expires soon old.json",
        USAGE,
        "write 2027-11-26",
    );
    bench.refuses(
        &format!("tuf targets new {EXPIRES} targets.json"),
        FILE,
        "not overwritten",
    );
}
