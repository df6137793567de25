//! Debian's SWUpdate, unchanged, at the real server: it tells what it runs, is told to install, installs what was signed
//! for it off line, and refuses what was not.
//!
//! Its files are made by the very commands of the server's README, with a key of the test's own. What is not real: there
//! is no boot loader and no restart. SWUpdate keeps in the boot loader's environment that something was installed, and
//! reports success when it starts the next time. Without one it is told by its option `--confirm`, as SWUpdate has it for
//! boards without one, when the test starts it the second time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use latchkey_lab::{Console, SignedImage, swupdate_program};

use crate::hawkbit::{Site, downloaded, image};

/// How long anything it does may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Commands of the server's README: the block that begins so.
fn readme(beginning: &str) -> &'static str {
    let readme = include_str!("../../../update-server/README.md");
    let mut blocks = readme.split("```sh\n").skip(1);
    let block = blocks.find(|block| block.starts_with(beginning)).unwrap();
    block.split("```").next().unwrap()
}

/// The maker's machine: no server, no network.
struct Maker {
    folder: PathBuf,
    /// Where the device is to put the image.
    target: PathBuf,
}

impl Maker {
    fn new(site: &Site) -> Self {
        let folder = site.folder.path().join("maker");
        fs::create_dir(&folder).unwrap();
        Self {
            folder,
            target: site.folder.path().join("slot"),
        }
    }

    fn runs(&self, commands: &str) {
        let output = Command::new("sh")
            .args(["-eu", "-c", commands])
            .current_dir(&self.folder)
            .env("image", "lock.img")
            .env("version", "2.0.0")
            .env("target", &self.target)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A `.swu` of this image.
    fn makes(&self, image: &SignedImage) -> PathBuf {
        fs::write(self.folder.join("lock.img"), &image.bytes).unwrap();
        self.runs(readme("openssl req"));
        self.runs(readme("cat > sw-description"));
        self.folder.join("2.0.0.swu")
    }

    /// Packs what lies there once more, as who has no key can.
    fn packs_again(&self) {
        let packing = readme("cat > sw-description").lines().last().unwrap();
        assert!(packing.contains("cpio"), "{packing}");
        self.runs(packing);
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("swu.cert.pem")
    }
}

impl Site {
    fn attaches(&self, image: &SignedImage, file: &Path) -> Result<serde_json::Value, String> {
        let arguments = [
            "release",
            "attach",
            &image.digest.to_string(),
            "--swu",
            file.to_str().unwrap(),
        ];
        self.server
            .operator(&arguments)
            .map_err(|error| error.to_string())
    }

    /// Starts SWUpdate, as a device that runs this version.
    fn starts(&self, maker: &Maker, version: &str, counter: u8, options: &str) -> Device {
        let folder = self.folder.path().join("device");
        fs::create_dir_all(&folder).unwrap();
        let settings = format!(
            r#"globals: {{}};
            suricatta: {{ tenant = "DEFAULT"; url = "{}"; id = "{}"; targettoken = "{}"; }};
            identify: ( {{ name = "version"; value = "{version}"; }}, {{ name = "counter"; value = "{counter}"; }} );"#,
            self.server.url(),
            self.id,
            self.token
        );
        fs::write(folder.join("swupdate.cfg"), settings).unwrap();
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 2>&1"#])
            .arg(swupdate_program().unwrap())
            .args(["--verbose", "--file", "swupdate.cfg", "--hwrevision", "lock:1.0"])
            .arg("--key")
            .arg(maker.certificate())
            .arg("--suricatta")
            .arg(options)
            .current_dir(&folder)
            .env("TMPDIR", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let console = Console::new(process.stdout.take().unwrap(), None);
        Device { process, console }
    }
}

/// SWUpdate, as it runs on a device. Dropping it ends it, and the processes that it has started.
struct Device {
    process: Child,
    console: Console,
}

impl Device {
    fn says(&mut self, text: &str) {
        self.console.wait_for(text, LIMIT).unwrap();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // It ends its own processes when it is asked to end, and not when it is killed.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

#[test]
fn debian_s_swupdate_installs_what_was_signed_and_reports_it() {
    let site = Site::new();
    let maker = Maker::new(&site);
    let image = image(2);
    let file = maker.makes(&image);
    site.server.publish(&image).unwrap();
    let attached = site.attaches(&image, &file).unwrap();
    assert_eq!(attached[0]["format"], "SWUpdate crc");
    let rollout = site.server.roll_out(&image).unwrap();

    let mut device = site.starts(&maker, "1.0.0", 1, "");
    device.says("Update successful, executing post-update actions.");
    drop(device);
    assert!(
        fs::read(&maker.target).unwrap() == image.bytes,
        "byte for byte what was signed"
    );
    assert_eq!(site.runs(), "1.0.0+0", "it has not started again");
    assert_eq!(site.health(&rollout)["under_way"], 1);

    let mut device = site.starts(&maker, "2.0.0", 2, "--confirm 2");
    device.says("No pending action on server.");
    assert_eq!(site.health(&rollout)["confirmed"], 1);
    assert_eq!(site.runs(), "2.0.0+0");
}

#[test]
fn debian_s_swupdate_refuses_what_was_changed_after_it_was_signed() {
    let site = Site::new();
    let maker = Maker::new(&site);
    let image = image(2);
    maker.makes(&image);
    let description = maker.folder.join("sw-description");
    let signed = fs::read_to_string(&description).unwrap();
    fs::write(&description, signed.replace("2.0.0", "9.0.0")).unwrap();
    maker.packs_again();
    site.server.publish(&image).unwrap();
    // The server takes it: it has no key of the device's, and the image in it is the very one.
    site.attaches(&image, &maker.folder.join("2.0.0.swu")).unwrap();
    let rollout = site.server.roll_out(&image).unwrap();

    let mut device = site.starts(&maker, "1.0.0", 1, "");
    device.says("Signature verification failed");
    device.says("No pending action on server.");
    assert_eq!(site.health(&rollout)["refused"], 1);
    assert_eq!(site.runs(), "1.0.0+0");
    assert!(!maker.target.exists(), "nothing was installed");
}

#[test]
fn the_server_takes_no_swu_of_another_image() {
    let site = Site::new();
    let maker = Maker::new(&site);
    let image = image(2);
    let file = maker.makes(&image);
    site.server.publish(&image).unwrap();
    let mut bent = image.bytes.clone();
    *bent.last_mut().unwrap() ^= 1;
    fs::write(maker.folder.join("lock.img"), bent).unwrap();
    maker.packs_again();
    let refused = site.attaches(&image, &file).unwrap_err();
    assert!(refused.contains("not this release"), "{refused}");
}

#[test]
fn the_crate_hawkbit_takes_a_swu_as_any_file() {
    let site = Site::new();
    site.visit("success");
    let maker = Maker::new(&site);
    let image = image(2);
    let file = maker.makes(&image);
    site.server.publish(&image).unwrap();
    site.attaches(&image, &file).unwrap();
    let rollout = site.server.roll_out(&image).unwrap();
    let said = site.visit("success");
    assert!(
        downloaded(&said) == fs::read(&file).unwrap(),
        "byte for byte what was attached"
    );
    assert_eq!(site.health(&rollout)["confirmed"], 1);
}
