//! Images: what is signed, verified and shown, what is refused with which exit code, and that a refusal leaves no
//! file behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod bench;

use std::fs;
use std::path::Path;

use bench::{Bench, DONE, FILE, KEY, KEY_A, NEW, REFUSED, USAGE, with_signed};
use serde_json::Value;

#[test]
fn a_signed_program_verifies_and_tells_its_fields() {
    let bench = with_signed();
    let facts = bench.json("verify --json --key keys/release-a.pub.pem signed.bin");
    for (name, value) in [
        ("accepted", Value::from(true)),
        ("version", "1.2.3+4".into()),
        ("security_counter", 7.into()),
        ("vendor", "b86b3d25-9702-52ab-874f-55ef769da8b8".into()),
        ("class", "578539cc-9663-55bd-91a2-1ede0ac0bf1c".into()),
        ("signatures", 1.into()),
        ("bytes_behind_image", 0.into()),
    ] {
        assert_eq!(facts[name], value, "{name}");
    }
    bench.ends("verify --key keys/release-a.pub.pem --vid latchkey.example --cid lock-emulator-1 --floor 7 signed.bin", DONE);
}

#[test]
fn two_signers_one_after_the_other() {
    let bench = with_signed();
    bench.refuses("verify --policy keys/policy.toml signed.bin", REFUSED, "(1 of 2)");
    bench.ends(
        "sign --allow-example-keys --key keys/release-c.pem signed.bin both.bin",
        DONE,
    );
    bench.ends("verify --policy keys/policy.toml both.bin", DONE);
    let digest = |file: &str| {
        bench.json(&format!("verify --json --key keys/release-a.pub.pem {file}"))["image_digest"].clone()
    };
    assert_eq!(digest("signed.bin"), digest("both.bin"));
    bench.refuses(
        &format!("sign {KEY_A} both.bin both.bin"),
        REFUSED,
        "has signed already",
    );
    bench.refuses(
        &format!("sign {KEY_A} --version 2.0.0 signed.bin out.bin"),
        USAGE,
        "leave --version away",
    );
}

#[test]
fn verify_refuses_what_a_lock_would() {
    let bench = with_signed();
    let key = "verify --key keys/release-a.pub.pem";
    bench.refuses(
        "verify --key keys/release-b.pub.pem signed.bin",
        REFUSED,
        "none of the signers",
    );
    bench.refuses(
        &format!("{key} --floor 8 signed.bin"),
        REFUSED,
        "(counter 7, floor 8)",
    );
    bench.refuses(
        &format!("{key} --vendor example.com --board emulator signed.bin"),
        REFUSED,
        "another vendor's",
    );
    bench.refuses(
        &format!("{key} --class lock-nrf52840-1 signed.bin"),
        REFUSED,
        "for other hardware",
    );
    bench.refuses(
        &format!("{key} --board nrf52840 signed.bin"),
        REFUSED,
        "no entry into the program",
    );
    bench.refuses(&format!("{key} app.bin"), REFUSED, "not an image");
    let mut flipped = fs::read(bench.path("signed.bin")).unwrap();
    flipped[0x200 + 100] ^= 1;
    fs::write(bench.path("flipped.bin"), flipped).unwrap();
    bench.refuses(&format!("{key} flipped.bin"), REFUSED, "not what was signed");
    let facts = bench.json(&format!("{key} --json flipped.bin"));
    assert_eq!(
        (&facts["accepted"], &facts["code"]),
        (&Value::from(false), &Value::from(35))
    );
    bench.refuses("verify signed.bin", USAGE, "--policy");
}

#[test]
fn what_is_no_program_for_its_slot_is_not_signed() {
    let bench = Bench::new();
    fs::write(
        bench.path("text.bin"),
        "no program at all, and long enough for two words",
    )
    .unwrap();
    let sign = format!("sign {KEY_A} {NEW}");
    bench.refuses(&format!("{sign} text.bin out.bin"), REFUSED, "no stack pointer");
    bench.refuses(
        &format!("{sign} --board nrf52840 app.bin out.bin"),
        REFUSED,
        "no entry into the program",
    );
    bench.refuses(
        &format!("{sign} --header-size 0x400 app.bin out.bin"),
        REFUSED,
        "no entry into the program",
    );
    fs::write(bench.path("huge.bin"), vec![0; 400 * 1024]).unwrap();
    bench.refuses(
        &format!("{sign} huge.bin out.bin"),
        REFUSED,
        "does not fit its slot",
    );
    fs::write(bench.path("short.bin"), [0; 7]).unwrap();
    bench.refuses(
        &format!("{sign} short.bin out.bin"),
        REFUSED,
        "too short to be a program",
    );
    bench.ends(&format!("{sign} --no-vector-table-check text.bin out.bin"), DONE);
    bench.refuses(
        "sign --allow-example-keys --key keys/release-b.pem out.bin out.bin",
        REFUSED,
        "no stack pointer",
    );
}

#[test]
fn hardware_that_is_not_ours_needs_its_slot_said() {
    let bench = Bench::new();
    let sign = format!("sign {KEY_A} --version 1.0.0 --security-counter 1 --vid example.com --cid lock-v1");
    bench.refuses(&format!("{sign} app.bin out.bin"), USAGE, "its slot is not known");
    let place = "--slot-address 0x21018000 --slot-size 0x60000 --ram 0x20000000..0x20040000";
    bench.ends(&format!("{sign} {place} app.bin out.bin"), DONE);
    bench.ends(
        &format!("verify --key keys/release-a.pub.pem {place} out.bin"),
        DONE,
    );
    bench.refuses(
        &format!("{sign} --slot-address 0x21018000 app.bin out.bin"),
        USAGE,
        "--slot-size",
    );
}

#[test]
fn identity_fields_are_complete_and_plain() {
    let bench = Bench::new();
    for option in [
        "--version 1.2.3+4",
        "--security-counter 7",
        "--vid latchkey.example",
        "--cid lock-emulator-1",
    ] {
        let rest = NEW.replace(option, "").replace("  ", " ");
        let name = option.split(' ').next().unwrap();
        bench.refuses(
            &format!("sign {KEY_A} {} app.bin out.bin", rest.trim()),
            USAGE,
            &format!("needs {name}"),
        );
    }
    let with = |from: &str, to: &str| format!("sign {KEY_A} {} app.bin out.bin", NEW.replace(from, to));
    bench.refuses(
        &with("latchkey.example", "lаtchkey.example"),
        REFUSED,
        "printable ASCII",
    );
    bench.refuses(
        &with("lock-emulator-1", "lock\u{200b}"),
        REFUSED,
        "printable ASCII",
    );
    bench.refuses(&with("1.2.3+4", "v1.0"), USAGE, "not a version");
    bench.refuses(&with("1.2.3+4", "256.0.0"), USAGE, "not a version");
    bench.refuses(&with("counter 7", "counter 4294967296"), USAGE, "is no number");
    bench.refuses(
        &format!("sign {KEY_A} {NEW} --header-size 0x20 app.bin out.bin"),
        REFUSED,
        "header size",
    );
    bench.refuses(
        &format!("sign {KEY_A} {NEW} --header-size 0x10200 app.bin out.bin"),
        REFUSED,
        "header size",
    );
}

#[test]
fn the_counter_does_not_fall_below_the_release_before() {
    let bench = with_signed();
    let sign = |counter: &str| {
        let new = NEW.replace("counter 7", &format!("counter {counter}"));
        format!("sign {KEY_A} {new} --previous signed.bin app.bin out.bin")
    };
    bench.refuses(&sign("6"), REFUSED, "(counter 6, floor 7)");
    bench.ends(&sign("7"), DONE);
    bench.ends(&sign("8"), DONE);
    bench.refuses(
        &sign("8").replace("signed.bin", "app.bin"),
        REFUSED,
        "not an image",
    );
    let other = sign("8")
        .replace("lock-emulator-1", "other")
        .replace("--previous", "--board emulator --previous");
    bench.refuses(&other, REFUSED, "for other hardware");
}

#[test]
fn inspect_shows_what_there_is_and_why_it_would_be_refused() {
    let bench = with_signed();
    let text = String::from_utf8(bench.run("inspect signed.bin").stdout).unwrap();
    for part in [
        "1.2.3+4",
        "(latchkey.example)",
        "(lock-emulator-1)",
        "SEC_CNT",
        "(an example key)",
        "acceptable",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let vectors = "../signing/image/tests/vectors";
    for (name, code) in [
        ("encrypted-aes128", 6),
        ("compressed", 7),
        ("pure", 22),
        ("truncated", 11),
        ("no-fields", 27),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(vectors)
            .join(format!("{name}.bin"));
        fs::copy(path, bench.path("image.bin")).unwrap();
        let facts = bench.json("inspect --json image.bin");
        assert_eq!(facts["verdict"]["code"], code, "{name}");
        assert!(!facts["areas"].as_array().unwrap().is_empty(), "{name}");
    }
    fs::write(bench.path("short"), [0; 31]).unwrap();
    bench.refuses("inspect short", REFUSED, "too short");
    fs::write(bench.path("noise"), vec![0xa5; 4096]).unwrap();
    bench.ends("inspect noise", DONE);
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let bench = with_signed();
    bench.refuses(
        &format!("sign {KEY_A} {NEW} nowhere.bin out.bin"),
        FILE,
        "cannot read nowhere.bin",
    );
    bench.refuses(
        &format!("sign {KEY_A} {NEW} app.bin nowhere/out.bin"),
        FILE,
        "cannot write nowhere/out.bin",
    );
    bench.refuses(
        &format!("sign --key app.bin {NEW} app.bin out.bin"),
        KEY,
        "not a text file",
    );
    bench.refuses(
        &format!("sign --key keys/release-a.pub.pem {NEW} app.bin out.bin"),
        KEY,
        "no Ed25519 private key",
    );
    bench.refuses(
        "verify --key keys/policy.toml signed.bin",
        KEY,
        "no Ed25519 public key",
    );
    bench.refuses(
        "verify --policy keys/release-a.pub.pem signed.bin",
        KEY,
        "cannot be read",
    );
    let huge = fs::File::create(bench.path("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    let text = bench.ends("inspect huge", FILE);
    assert!(text.contains("16 MiB"), "{text}");
}

#[test]
fn only_images_are_overwritten() {
    let bench = with_signed();
    let before = fs::read(bench.path("signed.bin")).unwrap();
    bench.ends(
        &format!(
            "sign {KEY_A} {} app.bin signed.bin",
            NEW.replace("counter 7", "counter 8")
        ),
        DONE,
    );
    assert_ne!(fs::read(bench.path("signed.bin")).unwrap(), before);
    bench.ends("keygen --out key.pem --no-passphrase", DONE);
    bench.refuses(
        &format!("sign --key key.pem {NEW} app.bin key.pem"),
        FILE,
        "is no image",
    );
    bench.refuses(
        &format!("sign --key key.pem {NEW} app.bin app.bin"),
        FILE,
        "is no image",
    );
    bench.refuses(
        &format!("sign --digest-out key.pem {NEW} app.bin out.bin"),
        FILE,
        "not overwritten",
    );
}

#[test]
fn completions_and_help_know_the_commands() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(bench.run(&format!("completions {shell}")).stdout).unwrap();
        assert!(script.contains("security-counter"), "{shell}");
    }
    let help = String::from_utf8(bench.run("--help").stdout).unwrap();
    assert!(help.contains("Exit codes:"), "{help}");
}
