//! `cargo xtask demo`: the whole story on one machine, with the real programs, told as it happens.
//!
//! Each chapter is a claim that is seen to hold or not. The table at the end says which; the exit code is 0
//! only if all did.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use latchkey_handoff::layout;
use latchkey_image::Refusal;
use latchkey_lab::{Builds, Lock, Server, SignedImage, Variant};

use crate::{command, lab, workspace};

/// When a chapter gives up. Says nothing about how long it should take.
const LIMIT: Duration = Duration::from_secs(180);

/// Tells the story.
pub(crate) fn run() -> Result<()> {
    let builds = lab::build(&[Variant::V1, Variant::V2, Variant::Crash])?;
    let folder = workspace::scratch().join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let mut story = Story {
        chapters: Vec::new(),
        colour: std::io::stdout().is_terminal(),
    };
    let told = tell(&mut story, &builds, &folder);
    story.summary();
    told?;
    println!(
        "\nEverything the lock and the server wrote is in {}.",
        folder.display()
    );
    println!(
        "Next: `cargo xtask emulate --flash {}` runs that lock again.",
        folder.join("chip").display()
    );
    Ok(())
}

fn tell(story: &mut Story, builds: &Builds, folder: &Path) -> Result<()> {
    let mut bench = None;
    let engineers = Engineers {
        folder: folder.to_owned(),
    };

    let (v1, v2) = story.chapter("Two release engineers sign versions 1 and 2", || {
        let v1 = engineers.sign(builds, Variant::V1, "1.0.0", 1)?;
        let v2 = engineers.sign(builds, Variant::V2, "2.0.0", 2)?;
        Ok((
            format!("1.0.0 is {}, 2.0.0 is {}", short(&v1), short(&v2)),
            (v1, v2),
        ))
    })?;

    story.chapter(
        "A lock leaves the factory with version 1 and introduces itself to a server",
        || {
            let server = Server::start(&folder.join("server"))?;
            server.trust_example_policy()?;
            let mut lock = Lock::factory(builds, &folder.join("chip"), &v1)?;
            lock.set_echo("  lock| ");
            lock.set_server(Some(server.url()));
            lock.power_on()?;
            let device = lock.identity(LIMIT)?;
            server.approve(&device)?;
            server.wait_until_told(&device, LIMIT, |told| runs(told, &v1))?;
            let seen = format!("lock {device} runs 1.0.0 and was approved");
            bench = Some(Bench { server, lock, device });
            Ok((seen, ()))
        },
    )?;
    let Some(bench) = &mut bench else {
        bail!("there is no lock")
    };

    story.chapter(
        "Version 2 is published and rolled out; the lock installs and confirms it",
        || {
            bench.server.publish(&v2)?;
            let rollout = bench.server.roll_out(&v2)?;
            bench
                .server
                .wait_for_event_about(&bench.device, "confirmed", &v2, LIMIT)?;
            bench.server.abort(&rollout)?;
            Ok((
                "the server has the lock's own word that 2.0.0 runs, confirmed".to_owned(),
                (),
            ))
        },
    )?;

    let bad = story.chapter("A tampered image is refused by the server", || {
        let bad = tampered(&engineers.sign(builds, Variant::V2, "2.1.0", 3)?)?;
        let refusal = refused(bench.server.publish(&bad))?;
        Ok((refusal, bad))
    })?;

    story.chapter(
        "The same image, written into the lock's flash by force, is refused by the bootloader",
        || {
            let seen = bench.force(&bad, Refusal::DigestMismatch.code(), &v2)?;
            Ok((seen, ()))
        },
    )?;

    story.chapter(
        "An older image, rightly signed, is refused: the rollback floor holds",
        || {
            let (offered, floor) = (v1.counter, v2.counter);
            let too_old = Refusal::BelowFloor { offered, floor };
            let seen = bench.force(&v1, too_old.code(), &v2)?;
            Ok((seen, ()))
        },
    )?;

    story.chapter(
        "A crashing image, rightly signed, gets three starts; then version 2 is back",
        || {
            let crash = engineers.sign(builds, Variant::Crash, "3.0.0", 3)?;
            bench.server.publish(&crash)?;
            bench.server.roll_out(&crash)?;
            bench
                .server
                .wait_for_event_about(&bench.device, "reverted", &crash, LIMIT)?;
            bench
                .server
                .wait_until_told(&bench.device, LIMIT, |told| runs(told, &v2))?;
            Ok(("the lock reported the revert and runs 2.0.0".to_owned(), ()))
        },
    )
}

/// What the story plays with.
struct Bench {
    server: Server,
    lock: Lock,
    device: String,
}

impl Bench {
    /// Writes `image` into the DFU slot of the lock without its help and asks the bootloader to install it.
    /// Waits until the server has heard that it was refused for `reason`, and sees that `expected` runs.
    fn force(&mut self, image: &SignedImage, reason: u16, expected: &SignedImage) -> Result<String> {
        self.lock.cut_power();
        let mut chip = self.lock.chip()?;
        chip.put(layout::DFU.offset, &image.bytes)?;
        chip.forge_request(image.digest)?;
        chip.write_back(self.lock.flash())?;
        self.lock.power_on()?;
        let told = self
            .server
            .wait_for_boot_report(&self.device, "refused", reason, LIMIT)?;
        ensure!(runs(&told, expected), "another image runs: {told}");
        let text = told
            .pointer("/boot/reason_text")
            .and_then(serde_json::Value::as_str);
        Ok(format!(
            "refusal {reason}: {}",
            text.context("a refusal without a reason")?
        ))
    }
}

/// The people who sign. They use the real command, with the example keys.
struct Engineers {
    folder: PathBuf,
}

impl Engineers {
    /// Two of them sign a build.
    fn sign(&self, builds: &Builds, variant: Variant, version: &str, counter: u32) -> Result<SignedImage> {
        let payload = builds.payload_file(variant)?;
        let half = self.folder.join(format!("{version}-once.img"));
        let whole = self.folder.join(format!("{version}.img"));
        let hardware = latchkey_image::Hardware::EMULATOR;
        let mut first = sign_command("release-a")?;
        first.args(["--version", version, "--security-counter", &counter.to_string()]);
        first.args(["--vid", hardware.vendor_name, "--cid", hardware.class_name]);
        command::output(first.arg(payload).arg(&half))?;
        command::output(sign_command("release-b")?.arg(&half).arg(&whole))?;
        println!("  signed by release-a and release-b: {}", whole.display());
        SignedImage::open(fs::read(&whole)?)
    }
}

fn sign_command(key: &str) -> Result<Command> {
    let mut sign = Command::new(lab::program("latchkey-sign")?);
    sign.args(["sign", "--allow-example-keys", "--key"]);
    sign.arg(workspace::root().join("keys-example").join(format!("{key}.pem")));
    Ok(sign)
}

/// One bit of the payload flipped.
fn tampered(image: &SignedImage) -> Result<SignedImage> {
    let mut bad = image.clone();
    let middle = bad.bytes.len() / 2;
    *bad.bytes.get_mut(middle).context("an empty image")? ^= 1;
    Ok(bad)
}

/// What someone said who had to refuse.
fn refused(result: Result<()>) -> Result<String> {
    match result {
        Ok(()) => bail!("it was accepted"),
        Err(refusal) => {
            let text = refusal.to_string();
            let expected = format!("[refusal {}]", Refusal::DigestMismatch.code());
            ensure!(text.contains(&expected), "refused for another reason: {text}");
            // The command line comes first and is long.
            Ok(text
                .rsplit("latchkey-server: ")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned())
        }
    }
}

fn runs(told: &serde_json::Value, image: &SignedImage) -> bool {
    told.get("running")
        .is_some_and(|running| *running == image.digest.to_string())
}

fn short(image: &SignedImage) -> String {
    image.digest.to_string().chars().take(12).collect()
}

/// The chapters so far and whether they held.
struct Story {
    chapters: Vec<(&'static str, Result<String, String>)>,
    colour: bool,
}

impl Story {
    /// Tells one chapter: runs it and notes what was seen.
    fn chapter<T>(&mut self, title: &'static str, act: impl FnOnce() -> Result<(String, T)>) -> Result<T> {
        println!("\n{} {title}", self.paint("1", "==>"));
        match act() {
            Ok((seen, value)) => {
                println!("  {} {seen}", self.paint("32", "held:"));
                self.chapters.push((title, Ok(seen)));
                Ok(value)
            }
            Err(error) => {
                self.chapters.push((title, Err(format!("{error:#}"))));
                Err(error.context(title))
            }
        }
    }

    fn summary(&self) {
        println!("\n{}", self.paint("1", "Summary"));
        for (number, (title, outcome)) in (1..).zip(&self.chapters) {
            let (mark, text) = match outcome {
                Ok(seen) => (self.paint("32", "held  "), seen.as_str()),
                Err(error) => (
                    self.paint("31", "FAILED"),
                    error.lines().next().unwrap_or_default(),
                ),
            };
            println!("  {number}  {mark}  {title}\n             {text}");
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
