//! `cargo xtask powercut`: cuts the power of emulated locks at random moments of an update, and of the
//! recoveries from earlier cuts. Each must end on the new version, confirmed, whole, and with the floor raised.
//!
//! A cut is `kill -9`. What it hit is read from the chip afterwards and not assumed: a kill aimed at the swap
//! may come late. A lock is given no more cuts on trial than the trial has starts for; with more, going back
//! to the old version would be right.

mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use latchkey_handoff::{Outcome, Phase, layout};
use latchkey_lab::{Builds, Lock, Records, Release, Server, SignedImage, Stage, Variant};
use serde_json::json;

use crate::{lab, workspace};
use plan::{AIMS, Cut, plan};

/// When to give up on a lock that does not come to where it must.
const PATIENCE: Duration = Duration::from_secs(120);
/// From this many runs on, every aimed stage must have been hit.
const RUNS_FOR_EVERY_STAGE: u32 = 20;
/// How long after a confirmation cuts are still aimed at it.
const AFTER_CONFIRMING: Duration = Duration::from_millis(600);

/// How many locks, and which cuts.
#[derive(Args)]
pub(crate) struct Options {
    /// Locks to update
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// Decides which moments are aimed at; a fresh one when not given
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON object at the end and nothing else
    #[arg(long)]
    json: bool,
}

/// What every run shares.
struct Site {
    builds: Builds,
    old: SignedImage,
    new: SignedImage,
    server: Server,
    folder: PathBuf,
}

/// How one run went.
#[derive(Default)]
struct Outcomes {
    /// Where cuts were aimed at.
    aims: Vec<Stage>,
    /// Where they fell.
    hits: Vec<Stage>,
    /// Why the promise was not held, when it was not.
    broken: Option<String>,
}

/// How long things take on this machine when nothing is cut.
struct Durations {
    /// From power to the bootloader's first line.
    startup: Duration,
    /// In each stage.
    stages: BTreeMap<Stage, Duration>,
}

impl Durations {
    /// How long to wait before a cut into a stage that was just entered, or that `resumed` by switching on.
    fn until(&self, cut: Cut, resumed: bool) -> Duration {
        let usual = self.stages.get(&cut.stage).copied().unwrap_or_default();
        let startup = if resumed { self.startup } else { Duration::ZERO };
        startup.saturating_add(usual.mul_f64(cut.into))
    }
}

/// Runs them all; an error when any lock did not hold.
pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let site = Site::open(lab::build(&[Variant::V1, Variant::V2])?)?;
    if !options.json {
        println!("seed {seed}; the same seed aims at the same moments");
    }
    let durations = site
        .rehearse()
        .context("without any cut, the update does not come through")?;
    if !options.json {
        println!("an update without a cut takes {}", spoken(&durations));
    }
    let bar = ProgressBar::new(options.runs.into()).with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} locks, {elapsed}",
    )?);
    let mut all = Vec::new();
    for run in 0..options.runs {
        let outcomes = site.lock(run, &plan(seed, run), &durations);
        if !options.json {
            bar.suspend(|| println!("{}", line(run, &outcomes)));
        }
        all.push(outcomes);
        bar.inc(1);
    }
    bar.finish_and_clear();
    conclude(options, seed, &all)
}

impl Site {
    /// A server that rolls out version 2 to whoever comes.
    fn open(builds: Builds) -> Result<Self> {
        let folder = workspace::scratch().join("powercut");
        // What an earlier call left; there may be nothing.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let old = Release::new(builds.payload(Variant::V1)?, 1).sign()?;
        let new = Release::new(builds.payload(Variant::V2)?, 2).sign()?;
        let server = Server::start(&folder.join("server"))?;
        server.trust_example_policy()?;
        server.publish(&new)?;
        server.roll_out(&new)?;
        Ok(Self {
            builds,
            old,
            new,
            server,
            folder,
        })
    }

    /// One update without a cut; gives how long each stage takes on this machine.
    fn rehearse(&self) -> Result<Durations> {
        let mut lock = self.new_lock("rehearsal")?;
        let mut stages = BTreeMap::new();
        let mut stage = Stage::Idle;
        while stage != Stage::Confirm {
            let start = Instant::now();
            let next = wait_until(&lock, |records| records.stage() != stage)
                .map_err(|error| anyhow::anyhow!("{}", told(&mut lock, &error.to_string())))?;
            stages.insert(stage, start.elapsed());
            stage = next.stage();
        }
        // The lock stays here until it starts again; what matters is its next start, which takes note.
        stages.insert(Stage::Confirm, AFTER_CONFIRMING);
        self.settle(&mut lock)?;
        lock.power_on()?;
        let start = Instant::now();
        lock.wait_for("boot: ", PATIENCE)?;
        let startup = start.elapsed();
        Ok(Durations { startup, stages })
    }

    /// One lock, cut as planned, brought to its end and looked at.
    fn lock(&self, run: u32, cuts: &[Cut], durations: &Durations) -> Outcomes {
        let mut outcomes = Outcomes {
            aims: cuts.iter().map(|cut| cut.stage).collect(),
            ..Outcomes::default()
        };
        let name = format!("lock-{run}");
        let result = self.new_lock(&name).and_then(|mut lock| {
            self.cut(&mut lock, cuts, durations, &mut outcomes.hits)
                .and_then(|()| self.settle(&mut lock))
                .map_err(|error| anyhow::anyhow!("{}", told(&mut lock, &format!("{error:#}"))))
        });
        match result {
            Ok(()) => {
                // The chip of a lock that did not hold is kept; this one held.
                let _ = std::fs::remove_file(self.chip(&name));
            }
            Err(error) => {
                let chip = self.chip(&name);
                outcomes.broken = Some(format!("{error:#}; its chip is kept in {}", chip.display()));
            }
        }
        outcomes
    }

    fn new_lock(&self, name: &str) -> Result<Lock> {
        let mut lock = Lock::factory(&self.builds, &self.chip(name), &self.old)?;
        lock.set_server(Some(self.server.url()));
        lock.power_on()?;
        let id = lock.identity(PATIENCE)?;
        self.server.approve(&id)?;
        Ok(lock)
    }

    fn chip(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("bin")
    }

    /// Makes the cuts; notes what each hit.
    fn cut(&self, lock: &mut Lock, cuts: &[Cut], durations: &Durations, hits: &mut Vec<Stage>) -> Result<()> {
        for cut in cuts {
            let there = |records: &Records| records.stage() >= cut.stage || self.confirmed(records);
            let resumed = lock.records().is_ok_and(|records| there(&records));
            let before = wait_until(lock, there)?;
            if before.stage() == Stage::Idle {
                // The update came through before anything was left to aim at.
                break;
            }
            match before.swapped().filter(|_| cut.stage == Stage::Swap) {
                Some(done) => wait_for_pages(lock, done + (1.0 - done) * cut.into)?,
                None => thread::sleep(durations.until(*cut, resumed)),
            }
            if lock.records().is_ok_and(|records| last_starts(&records)) {
                continue;
            }
            lock.cut_power();
            let after = lock.records()?;
            hits.push(after.stage());
            ensure!(
                after.floor >= before.floor,
                "the floor fell from {} to {}",
                before.floor,
                after.floor
            );
            lock.power_on()?;
        }
        Ok(())
    }

    fn confirmed(&self, records: &Records) -> bool {
        records.mailbox.confirmed == Some(self.new.digest.into())
    }

    /// Waits for the confirmation, starts once more so that the bootloader takes note, and looks at everything.
    fn settle(&self, lock: &mut Lock) -> Result<()> {
        wait_until(lock, |records| self.confirmed(records))?;
        lock.power_on()?;
        let settled = |records: &Records| {
            matches!(records.boot.phase, Phase::Steady { .. }) && records.floor == self.new.counter
        };
        let records = wait_until(lock, settled)?;
        let report = records.boot.report;
        ensure!(
            report.running == Some(self.new.digest.into()),
            "another image runs: {report:?}"
        );
        ensure!(
            report.outcome == Outcome::Steady,
            "the boot report says {:?}",
            report.outcome
        );
        let chip = lock.chip()?;
        let active = chip.part(layout::ACTIVE);
        ensure!(
            active.starts_with(&self.new.bytes),
            "ACTIVE is not the new image, byte for byte"
        );
        let id = lock.identity(PATIENCE)?;
        self.server.wait_for_event(&id, "confirmed", PATIENCE).map(drop)
    }
}

/// Whether the image on trial is in its last start, or may be by the time of a cut: one more would be too many.
fn last_starts(records: &Records) -> bool {
    records.stage() == Stage::Trial && records.trial_starts_left().is_some_and(|left| left < 2)
}

/// Waits until this part of a swap's pages has been copied. They go too fast to be hit by the clock.
fn wait_for_pages(lock: &Lock, part: f64) -> Result<()> {
    wait_until(lock, |records| records.swapped().is_none_or(|done| done >= part)).map(drop)
}

/// Watches the chip until its records are as wanted; going back to the old version is never wanted.
fn wait_until(lock: &Lock, wanted: impl Fn(&Records) -> bool) -> Result<Records> {
    let back = |records: &Records| records.stage() == Stage::Revert;
    let records = lock.wait_for_records(|records| wanted(records) || back(records), PATIENCE)?;
    ensure!(!back(&records), "it goes back to the old version");
    Ok(records)
}

/// What happened, with the end of what the lock printed.
fn told(lock: &mut Lock, what: &str) -> String {
    let lines = match lock.console() {
        Ok(console) => console.transcript().to_vec(),
        Err(_) => Vec::new(),
    };
    let tail = lines.iter().skip(lines.len().saturating_sub(20));
    tail.fold(format!("{what}; the lock's last lines:"), |text, line| {
        text + "\n    " + line
    })
}

/// The stages with how long each takes, for people.
fn spoken(durations: &Durations) -> String {
    let stages = durations
        .stages
        .iter()
        .filter(|(stage, _)| **stage != Stage::Confirm);
    let stages = stages.map(|(stage, time)| format!("{} ms {stage}", time.as_millis()));
    let stages = stages.collect::<Vec<_>>().join(", ");
    format!("{} ms to start, {stages}", durations.startup.as_millis())
}

/// One run, for people.
fn line(run: u32, outcomes: &Outcomes) -> String {
    let names = |stages: &[Stage]| {
        stages
            .iter()
            .map(|stage| stage.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (aims, hits) = (names(&outcomes.aims), names(&outcomes.hits));
    let hits = if hits.is_empty() { "nothing" } else { &hits };
    let end = match &outcomes.broken {
        None => "ends confirmed on the new version".to_owned(),
        Some(why) => format!("NOT HELD: {why}"),
    };
    format!("lock {run:>3}  aimed at {aims}; cut in {hits}; {end}")
}

/// Sums up; an error when anything was not held or not tried.
fn conclude(options: &Options, seed: u64, all: &[Outcomes]) -> Result<()> {
    let mut cuts: BTreeMap<Stage, usize> = AIMS.map(|stage| (stage, 0)).into();
    for stage in all.iter().flat_map(|outcomes| &outcomes.hits) {
        let count = cuts.entry(*stage).or_default();
        *count = count.saturating_add(1);
    }
    let broken = all.iter().filter(|outcomes| outcomes.broken.is_some()).count();
    let missed: Vec<_> = AIMS.iter().filter(|stage| cuts.get(stage) == Some(&0)).collect();
    let total: usize = cuts.values().sum();
    let by_stage: BTreeMap<_, _> = cuts.iter().map(|(stage, count)| (stage.name(), count)).collect();
    let all_hit = missed.is_empty() || options.runs < RUNS_FOR_EVERY_STAGE;
    let held = broken == 0 && all_hit;
    if options.json {
        let failures: Vec<_> = all
            .iter()
            .filter_map(|outcomes| outcomes.broken.as_ref())
            .collect();
        let summary = json!({
            "seed": seed, "runs": all.len(), "cuts": total, "cuts_by_stage": by_stage,
            "broken": broken, "failures": failures, "held": held,
        });
        println!("{summary}");
    } else {
        let stages: Vec<_> = by_stage
            .iter()
            .map(|(stage, count)| format!("{stage} {count}"))
            .collect();
        println!(
            "{} locks, {total} cuts ({}); {broken} not held",
            all.len(),
            stages.join(", ")
        );
    }
    ensure!(
        broken == 0,
        "{broken} of {} locks did not end on the new version; seed {seed}",
        all.len()
    );
    ensure!(all_hit, "no cut fell into {missed:?}; seed {seed}");
    Ok(())
}
