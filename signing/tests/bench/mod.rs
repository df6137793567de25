//! Runs the command in a folder of its own, and looks at what it said, how it ended and what it left.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub(crate) const DONE: i32 = 0;
pub(crate) const REFUSED: i32 = 1;
pub(crate) const USAGE: i32 = 2;
pub(crate) const FILE: i32 = 3;
pub(crate) const KEY: i32 = 4;

/// A folder to run the command in.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// With `app.bin`, a program for the emulated board.
    pub(crate) fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut program = vec![0x5a; 600];
        program[..4].copy_from_slice(&0x2004_0000_u32.to_le_bytes());
        program[4..8].copy_from_slice(&(0x2101_8000_u32 | 0x209).to_le_bytes());
        fs::write(bench.path("app.bin"), program).unwrap();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs with `keys/` standing for the example keys; arguments are split at spaces.
    pub(crate) fn run(&self, arguments: &str) -> Output {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &str, input: &str) -> Output {
        let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../keys-example/");
        let arguments = arguments
            .split(' ')
            .map(|argument| match argument.strip_prefix("keys/") {
                Some(name) => format!("{keys}{name}"),
                None => argument.to_owned(),
            });
        let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey-sign"))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    pub(crate) fn ends(&self, arguments: &str, code: i32) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
        text
    }

    /// Ends with this code, says this, and leaves the folder as it was.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &str, code: i32, says: &str) {
        let before = self.listing();
        let text = self.ends(arguments, code);
        assert!(text.contains(says), "{arguments}: {text}");
        assert_eq!(self.listing(), before, "{arguments}");
    }

    pub(crate) fn listing(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|file| file.unwrap().path());
        let mut files: Vec<_> = files
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &str) -> Value {
        serde_json::from_slice(&self.run(arguments).stdout).unwrap()
    }
}

pub(crate) const NEW: &str =
    "--version 1.2.3+4 --security-counter 7 --vid latchkey.example --cid lock-emulator-1";
pub(crate) const KEY_A: &str = "--allow-example-keys --key keys/release-a.pem";

/// A bench with `signed.bin`, signed by release-a.
pub(crate) fn with_signed() -> Bench {
    let bench = Bench::new();
    bench.ends(&format!("sign {KEY_A} {NEW} app.bin signed.bin"), DONE);
    bench
}
