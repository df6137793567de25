//! Devices by others at the real server: the crate hawkbit, as its registry has it, calls, tells, downloads, reports and
//! leaves what it is to leave.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use latchkey_lab::{Release, Server, SignedImage, hawkbit_program};
use serde_json::Value;

/// A server with a device by others.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) folder: tempfile::TempDir,
}

/// Small, and plausible to the lock's check.
pub(crate) fn image(major: u8) -> SignedImage {
    let entry = latchkey_image::Hardware::EMULATOR.slot.address + 0x200 + 0x41;
    let mut payload = [0x2004_0000_u32.to_le_bytes(), entry.to_le_bytes()].concat();
    payload.resize(50_000, major);
    Release::new(payload, major).sign().unwrap()
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(&folder.path().join("server")).unwrap();
        server.serve_hawkbit().unwrap();
        server.trust_example_policy().unwrap();
        let class = ["device", "hawkbit", "--class", "lock-emulator-1"];
        let made = server.operator(&class).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            id: text("id"),
            token: text("token"),
            server,
            folder,
        }
    }

    fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// One call of the device, which runs version 1 and ends what it installs so; gives what it printed.
    pub(crate) fn visit(&self, ends: &str) -> String {
        self.visit_of(["1.0.0", "1"], ends)
    }

    /// The same of a device that runs this version with this counter.
    fn visit_of(&self, runs: [&str; 2], ends: &str) -> String {
        let output = Command::new(hawkbit_program().unwrap())
            .args([self.server.url(), &self.id, &self.token])
            .arg(self.downloads())
            .args(runs)
            .arg(ends)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        said
    }

    fn rolls_out(&self, image: &SignedImage) -> String {
        self.server.publish(image).unwrap();
        self.server.roll_out(image).unwrap()
    }

    pub(crate) fn health(&self, rollout: &str) -> Value {
        self.server.operator(&["rollout", "status", rollout]).unwrap()["health"].clone()
    }

    pub(crate) fn runs(&self) -> Value {
        self.server.device(&self.id).unwrap()["told"]["version"].clone()
    }
}

/// The one file that a visit downloaded.
pub(crate) fn downloaded(said: &str) -> Vec<u8> {
    let mut files = said.lines().filter_map(|line| line.strip_prefix("file "));
    let (file, more) = (files.next().unwrap(), files.next());
    assert_eq!(more, None, "{said}");
    fs::read(file).unwrap()
}

#[test]
fn the_crate_hawkbit_tells_what_it_runs_installs_and_confirms() {
    let site = Site::new();
    assert!(site.visit("success").contains("told 1.0.0 1"));
    assert_eq!(site.runs(), "1.0.0+0");
    let image = image(2);
    let rollout = site.rolls_out(&image);
    let said = site.visit("success");
    assert!(said.contains("closed"), "{said}");
    assert!(downloaded(&said) == image.bytes, "byte for byte what was signed");
    assert_eq!(site.health(&rollout)["confirmed"], 1);
    assert_eq!(site.runs(), "2.0.0+0");
    let said = site.visit_of(["2.0.0", "2"], "success");
    assert!(
        said.contains("told 2.0.0 2"),
        "whether it still runs that: {said}"
    );
    assert!(!said.contains("closed"), "it is over: {said}");
    assert_eq!(site.health(&rollout)["confirmed"], 1);
    let said = site.visit_of(["2.0.0", "2"], "success");
    assert!(!said.contains("told"), "it has told: {said}");
}

#[test]
fn the_crate_hawkbit_tells_that_it_fell_back_behind_its_success() {
    let site = Site::new();
    site.visit("success");
    let rollout = site.rolls_out(&image(2));
    site.visit("success");
    assert_eq!(site.health(&rollout)["confirmed"], 1);
    let said = site.visit("success");
    assert!(said.contains("told 1.0.0 1"), "{said}");
    assert_eq!(site.health(&rollout)["reverted"], 1);
    assert_eq!(site.runs(), "1.0.0+0");
}

#[test]
fn the_crate_hawkbit_fails_once_and_leaves_what_was_aborted() {
    let site = Site::new();
    site.visit("success");
    let rollout = site.rolls_out(&image(2));
    let said = site.visit("failure");
    assert!(said.contains("closed"), "{said}");
    assert_eq!(site.health(&rollout)["refused"], 1);
    assert_eq!(site.runs(), "1.0.0+0");
    let said = site.visit("success");
    assert!(said.contains("told 1.0.0 1"), "what the failure left: {said}");
    assert!(!said.contains("closed"), "it rests: {said}");

    let rollout = site.rolls_out(&image(3));
    let said = site.visit("later");
    assert!(said.contains("offered 2"), "{said}");
    site.server.abort(&rollout).unwrap();
    let said = site.visit("success");
    assert!(said.contains("leaves 2") && !said.contains("closed"), "{said}");
    let said = site.visit("success");
    assert!(
        said.contains("told 1.0.0 1") && !said.contains("leaves"),
        "it is over: {said}"
    );
}
