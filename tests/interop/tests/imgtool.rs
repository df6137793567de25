//! Images both ways, and key files both ways.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use latchkey_interop::{latchkey_sign, peer, succeeded, workspace};
use serde::Deserialize;
use serde_json::Value;

const IDENTITY: [&str; 4] = ["--vid", "latchkey.example", "--cid", "lock-emulator-1"];

/// The two programs, and a folder to run them in.
struct Bench {
    imgtool: PathBuf,
    sign: PathBuf,
    folder: tempfile::TempDir,
}

impl Bench {
    /// With `app.bin`, a program for the emulated board of a length that leaves the areas unaligned.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut program = vec![0x5a; 10_005];
        program[..4].copy_from_slice(&0x2004_0000_u32.to_le_bytes());
        program[4..8].copy_from_slice(&(0x2101_8000_u32 | 0x209).to_le_bytes());
        fs::write(folder.path().join("app.bin"), program).unwrap();
        Self {
            imgtool: peer("imgtool").unwrap(),
            sign: latchkey_sign().unwrap(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn run(&self, program: &Path, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that asks for nothing may be gone before it is told.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn imgtool(&self, arguments: &[&str]) -> String {
        succeeded("imgtool", &self.run(&self.imgtool, arguments, "")).unwrap()
    }

    fn sign(&self, arguments: &[&str]) -> String {
        succeeded("latchkey-sign", &self.run(&self.sign, arguments, "")).unwrap()
    }

    /// `imgtool sign`, version 1.2.3+4 and our fields.
    fn imgtool_sign(&self, more: &[&str], output: &str) {
        let common = [
            "sign",
            "--pad-header",
            "-H",
            "0x200",
            "-S",
            "0x20000",
            "--align",
            "4",
            "-v",
            "1.2.3+4",
        ];
        self.imgtool(
            &[
                &common[..],
                &["-s", "7"],
                &IDENTITY[..],
                more,
                &["app.bin", output],
            ]
            .concat(),
        );
    }

    /// `latchkey-sign sign` of the same.
    fn sign_alike(&self, more: &[&str], output: &str) {
        let common = ["sign", "--version", "1.2.3+4", "--security-counter", "7"];
        self.sign(&[&common[..], &IDENTITY[..], more, &["app.bin", output]].concat());
    }

    /// What `latchkey-sign verify` says: 0 or the refusal's code.
    fn verdict(&self, trust: &[&str], image: &str) -> u64 {
        let arguments = [&["verify", "--json"], trust, &[image]].concat();
        let output = self.run(&self.sign, &arguments, "");
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(facts["accepted"], output.status.success());
        facts["code"].as_u64().unwrap_or_default()
    }

    fn imgtool_verifies(&self, key: &str, image: &str) -> bool {
        self.run(&self.imgtool, &["verify", "-k", key, image], "")
            .status
            .success()
    }
}

fn key(name: &str) -> String {
    workspace()
        .join("keys-example")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

#[derive(Deserialize)]
struct Listing {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    file: String,
    verdict: u64,
    threshold: u8,
    reproducible: bool,
}

/// imgtool makes every sample kind now, and each is byte for byte the committed one and gets its verdict.
#[test]
fn imgtools_images_are_the_golden_vectors_and_get_their_verdicts() {
    let bench = Bench::new();
    let vectors = workspace().join("signing/image/tests/vectors");
    let made = bench.path("vectors");
    let made_path = made.to_str().unwrap();
    let arguments = [
        vectors.join("make.py").to_str().unwrap().to_owned(),
        made_path.to_owned(),
        "--imgtool".into(),
        bench.imgtool.to_str().unwrap().to_owned(),
        "--latchkey-sign".into(),
        bench.sign.to_str().unwrap().to_owned(),
        "--keys".into(),
        workspace()
            .join("keys-example")
            .canonicalize()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
    ];
    let python = peer("python").unwrap();
    succeeded(
        "make.py",
        &bench.run(&python, &arguments.each_ref().map(String::as_str), ""),
    )
    .unwrap();

    let listing = fs::read_to_string(made.join("vectors.toml")).unwrap();
    assert_eq!(listing, fs::read_to_string(vectors.join("vectors.toml")).unwrap());
    let listing: Listing = toml::from_str(&listing).unwrap();
    assert!(listing.vector.len() > 30);
    let one = bench.path("one-of-three.toml");
    let policy = fs::read_to_string(key("policy.toml")).unwrap();
    fs::write(&one, policy.replace("threshold = 2", "threshold = 1")).unwrap();
    let policies = [one.to_str().unwrap().to_owned(), key("policy.toml")];
    for Vector {
        file,
        verdict,
        threshold,
        reproducible,
    } in listing.vector
    {
        if reproducible {
            assert!(
                fs::read(made.join(&file)).unwrap() == fs::read(vectors.join(&file)).unwrap(),
                "{file} differs"
            );
        }
        let policy = &policies[usize::from(threshold) - 1];
        let trust = [
            "--policy",
            policy,
            "--floor",
            "7",
            "--vid",
            "latchkey.example",
            "--cid",
            "lock-emulator-1",
        ];
        assert_eq!(
            bench.verdict(&trust, made.join(&file).to_str().unwrap()),
            verdict,
            "{file}"
        );
    }
}

#[test]
fn our_images_are_imgtools_byte_for_byte_and_imgtool_verifies_them() {
    let bench = Bench::new();
    let (a, b) = (key("release-a.pem"), key("release-b.pem"));
    bench.imgtool_sign(&["-k", &a], "imgtool.bin");
    bench.sign_alike(&["--allow-example-keys", "--key", &a], "ours.bin");
    assert!(bench.read("imgtool.bin") == bench.read("ours.bin"));

    bench.sign(&[
        "sign",
        "--allow-example-keys",
        "--key",
        &b,
        "ours.bin",
        "both.bin",
    ]);
    for image in ["ours.bin", "both.bin"] {
        assert!(
            bench.imgtool_verifies(&key("release-a.pub.pem"), image),
            "{image}"
        );
        assert!(
            !bench.imgtool_verifies(&key("release-c.pub.pem"), image),
            "{image}"
        );
    }
    assert!(
        bench.imgtool_verifies(&key("release-b.pub.pem"), "both.bin"),
        "the second of two signers"
    );
    let dump = bench.imgtool(&["dumpinfo", "both.bin"]);
    assert_eq!(dump.matches("ED25519").count(), 2, "{dump}");

    let mut flipped = bench.read("ours.bin");
    flipped[5000] ^= 1;
    fs::write(bench.path("flipped.bin"), flipped).unwrap();
    assert!(!bench.imgtool_verifies(&key("release-a.pub.pem"), "flipped.bin"));
}

#[test]
fn images_that_imgtool_padded_to_the_slot() {
    let bench = Bench::new();
    let a = key("release-a.pem");
    bench.imgtool_sign(&["-k", &a], "plain.bin");
    for option in ["--pad", "--test", "--confirm"] {
        bench.imgtool_sign(&["-k", &a, option], "padded.bin");
        assert_eq!(bench.read("padded.bin").len(), 0x20000, "{option}");
        assert_eq!(
            bench.verdict(&["--key", &key("release-a.pub.pem")], "padded.bin"),
            0,
            "{option}"
        );
        bench.sign(&[
            "sign",
            "--allow-example-keys",
            "--key",
            &key("release-b.pem"),
            "padded.bin",
            "both.bin",
        ]);
        assert_eq!(
            bench.verdict(&["--policy", &key("policy.toml")], "both.bin"),
            0,
            "{option}"
        );
    }
}

#[test]
fn a_signature_made_elsewhere_goes_from_one_tool_to_the_other() {
    let bench = Bench::new();
    let a = key("release-a.pem");
    bench.imgtool_sign(&["-k", &a, "--sig-out", "signature.b64"], "imgtool.bin");
    bench.sign_alike(&["--digest-out", "digest"], "unsigned.bin");
    let public = key("release-a.pub.pem");
    let attach = [
        "attach",
        "--allow-example-keys",
        "--public",
        &public,
        "--signature",
        "signature.b64",
    ];
    bench.sign(&[&attach[..], &["unsigned.bin", "ours.bin"]].concat());
    assert!(bench.read("imgtool.bin") == bench.read("ours.bin"));

    bench.imgtool_sign(&["--vector-to-sign", "digest"], "imgtool-digest");
    assert_eq!(bench.read("imgtool-digest"), bench.read("digest"));
}

/// imgtool reads keys with Python's cryptography, which is OpenSSL's reader.
#[test]
fn key_files_are_read_by_both() {
    let bench = Bench::new();
    fs::write(bench.path("passphrase"), "correct horse\n").unwrap();
    bench.sign(&["keygen", "--out", "plain.pem", "--no-passphrase"]);
    bench.sign(&["keygen", "--out", "locked.pem", "--passphrase-file", "passphrase"]);
    bench.imgtool(&["keygen", "-t", "ed25519", "-k", "theirs.pem"]);
    for (name, passphrase) in [
        ("plain.pem", ""),
        ("locked.pem", "correct horse\n"),
        ("theirs.pem", ""),
    ] {
        let theirs = bench.run(&bench.imgtool, &["getpub", "-e", "pem", "-k", name], passphrase);
        let theirs = succeeded("imgtool getpub", &theirs).unwrap();
        let ours = bench.sign(&["public", "--key", name, "--passphrase-file", "passphrase"]);
        assert_eq!(theirs.trim(), ours.trim(), "{name}");
    }
}

/// imgtool asks for a new passphrase on the terminal or its standard input, and encrypts with PBKDF2.
#[test]
fn imgtools_encrypted_keys_are_read() {
    let bench = Bench::new();
    fs::write(bench.path("passphrase"), "correct horse\n").unwrap();
    let make = ["keygen", "-t", "ed25519", "-p", "-k", "theirs.pem"];
    let twice = "correct horse\ncorrect horse\n";
    succeeded("imgtool keygen", &bench.run(&bench.imgtool, &make, twice)).unwrap();
    assert!(
        String::from_utf8(bench.read("theirs.pem"))
            .unwrap()
            .contains("ENCRYPTED")
    );
    bench.sign(&["public", "--key", "theirs.pem", "--passphrase-file", "passphrase"]);
}
