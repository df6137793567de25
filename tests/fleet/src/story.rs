//! What the fleet lives through, and what has to hold in it.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use latchkey_directive::DeviceId;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::lock::{Lock, Release};
use crate::server::INTERVAL_S;

const HOUR_MS: u64 = 3_600_000;
pub(crate) const INTERVAL_MS: u64 = 1000 * INTERVAL_S as u64;
/// Longest wait of a lock that was told to call at the usual time: a tenth more, and a start.
const ROUND_MS: u64 = INTERVAL_MS + INTERVAL_MS / 10 + 60_000;
/// Shares of the fleet, in percent, one after the other.
const STAGES: [u32; 3] = [1, 20, 100];
/// How many requests the checks have under way.
const CHECKS: usize = 16;

/// One part of the story.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chapter {
    /// What happened.
    pub(crate) name: &'static str,
    /// What came of it.
    pub(crate) outcome: String,
    /// By the locks' clock.
    pub(crate) fleet_hours: f64,
    /// By ours.
    pub(crate) seconds: f64,
    /// Of locks.
    pub(crate) requests: u64,
    /// Answers that were none, or no success.
    pub(crate) failed: u64,
    /// Half of the answers took no longer, in milliseconds.
    pub p50_ms: f64,
    /// One in a hundred took longer, in milliseconds.
    pub p99_ms: f64,
    /// Of the server, in bytes.
    pub(crate) memory_bytes: Option<u64>,
}

/// The fleet, and what has been told so far.
pub(crate) struct Story {
    /// Everybody.
    pub(crate) fleet: Fleet,
    /// So far.
    pub(crate) chapters: Vec<Chapter>,
    /// Told as it happens.
    pub(crate) tell: fn(&Chapter),
}

struct Began {
    at: Instant,
    fleet_ms: u64,
}

impl Story {
    fn begin(&self) -> Began {
        drop(self.fleet.wire.counted());
        Began {
            at: Instant::now(),
            fleet_ms: self.fleet.now_ms,
        }
    }

    fn end(&mut self, name: &'static str, began: &Began, outcome: String) -> u64 {
        let mut count = self.fleet.wire.counted();
        let failures = count.failures();
        let chapter = Chapter {
            name,
            outcome: outcome + &failures,
            fleet_hours: (self.fleet.now_ms - began.fleet_ms) as f64 / HOUR_MS as f64,
            seconds: began.at.elapsed().as_secs_f64(),
            requests: count.requests(),
            failed: count.failed(),
            p50_ms: count.percentile_ms(0.5),
            p99_ms: count.percentile_ms(0.99),
            memory_bytes: self.fleet.server.memory(),
        };
        (self.tell)(&chapter);
        self.chapters.push(chapter);
        count.failed()
    }

    /// Every lock is named to the server, introduces itself and checks in.
    pub(crate) async fn enrol(&mut self) -> Result<()> {
        let began = self.begin();
        let ids: Vec<String> = self.fleet.ids().iter().map(DeviceId::to_string).collect();
        for names in ids.chunks(10_000) {
            let body = json!({ "devices": names }).to_string();
            self.fleet
                .server
                .ask(Method::POST, "/api/v1/devices", body)
                .await?;
        }
        self.fleet.live(INTERVAL_MS + ROUND_MS, |_| false).await?;
        let strangers = self.end("first calls", &began, format!("{} locks enrolled", ids.len()));
        ensure!(
            strangers == ids.len() as u64,
            "each lock is told once that it is not known, and {strangers} answers said so"
        );
        Ok(())
    }

    /// A good release reaches every lock, stage by stage, though the server is killed on the way.
    pub(crate) async fn good_release(&mut self, file: Vec<u8>, release: &Release) -> Result<()> {
        let image = release.running.image;
        let all = self.fleet.alive().count();
        let began = self.begin();
        let rules =
            json!({ "stages": STAGES, "advance": { "confirmed": (all / 200).max(1), "soak_hours": 1 } });
        let rollout = self.fleet.server.roll_out(file, rules).await?;
        let deadline_ms = self.fleet.now_ms + 24 * HOUR_MS;
        let half = self
            .fleet
            .live(deadline_ms, |fleet| fleet.runs(image) >= all / 2)
            .await?;
        ensure!(
            half,
            "a day after its start the rollout has not reached half of the locks"
        );
        self.fleet.server.kill().await?;
        self.fleet.rest().await?;
        let outcome = format!("killed with {} of {all} locks updated", self.fleet.runs(image));
        self.end("a good release, to half of them", &began, outcome);

        let began = self.begin();
        self.fleet.server.start_again().await?;
        let lost = self.lost().await?;
        ensure!(
            lost == 0,
            "{lost} reports were acknowledged and are not there after the kill"
        );
        let reached = self
            .fleet
            .live(deadline_ms, |fleet| fleet.runs(image) == all)
            .await?;
        self.fleet.rest().await?;
        let runs = self.fleet.runs(image);
        ensure!(
            reached && runs == all,
            "the good release runs on {runs} of {all} locks"
        );
        let status = self.fleet.server.rollout(&rollout).await?;
        let outcome = format!(
            "started again, nothing acknowledged is lost; runs on all {runs}, the server knows of {}",
            status["health"]["confirmed"]
        );
        ensure!(
            status["health"]["confirmed"] == all,
            "the server counts otherwise: {status}"
        );
        let failed = self.end("the same, to all of them", &began, outcome);
        ensure!(
            failed == 0,
            "{failed} requests failed after the server was there again"
        );
        Ok(())
    }

    /// A release that breaks some locks stops its own rollout before it reaches the fleet.
    pub(crate) async fn bad_release(&mut self, file: Vec<u8>, release: &Release) -> Result<()> {
        let image = release.running.image;
        let all = self.fleet.alive().count();
        let began = self.begin();
        let rules = json!({
            "stages": STAGES,
            "advance": { "confirmed": (all / 200).max(1), "soak_hours": 3 },
            "halt": { "failures": (all / 500).clamp(2, 50), "percent": 5, "sample": 50, "silence_hours": 1 },
        });
        let rollout = self.fleet.server.roll_out(file, rules).await?;
        let mut status = Value::Null;
        for _ in 0..48 {
            let next_ms = self.fleet.now_ms + HOUR_MS / 2;
            self.fleet.live(next_ms, |_| false).await?;
            status = self.fleet.server.rollout(&rollout).await?;
            if status["state"] != "running" {
                break;
            }
        }
        ensure!(status["state"] == "halted", "the bad release goes on: {status}");
        let touched = self.fleet.offered(image);
        let percent = status["percent"].as_f64().context("the rollout names no share")?;
        ensure!(
            percent < 100.0,
            "it halted only when it had reached everybody: {status}"
        );
        ensure!(
            touched <= all * 30 / 100,
            "{touched} of {all} locks were touched, though it was at {percent} %"
        );
        let next_ms = self.fleet.now_ms + ROUND_MS;
        self.fleet.live(next_ms, |_| false).await?;
        ensure!(
            self.fleet.offered(image) == touched,
            "it was offered after it halted"
        );
        let outcome = format!(
            "halted at {percent} % ({}): {touched} of {all} locks touched, {} never came back, the others run",
            status["halted_because"].as_str().unwrap_or("no reason given"),
            self.fleet.gone()
        );
        let failed = self.end("a release that breaks 3 %", &began, outcome);
        ensure!(failed == 0, "{failed} requests failed");
        Ok(())
    }

    /// All locks lose the network for an hour, and come back in the same moment: `width` of them at once, by new
    /// connections, and one more for each that is answered.
    pub(crate) async fn outage(&mut self, width: usize) -> Result<()> {
        self.fleet.width = width;
        self.fleet.reconnect()?;
        self.fleet.network(false);
        let back_ms = self.fleet.now_ms + HOUR_MS;
        self.fleet.live(back_ms, |_| false).await?;
        let began = self.begin();
        self.fleet.network(true);
        let due = |lock: &&Lock| lock.wakes_ms().is_some_and(|at_ms| at_ms <= back_ms);
        let storm = self.fleet.alive().filter(due).count();
        ensure!(
            storm > self.fleet.alive().count() / 2,
            "only {storm} locks came back at once"
        );
        self.fleet.live(back_ms, |_| false).await?;
        let seconds = began.at.elapsed().as_secs_f64();
        let outcome =
            format!("{storm} locks came back, {width} at once, and all were answered after {seconds:.1} s");
        let failed = self.end("an hour without a network", &began, outcome);
        ensure!(failed == 0, "{failed} requests of the returning locks failed");
        let lost = self.lost().await?;
        ensure!(
            lost == 0,
            "{lost} reports were acknowledged and are not there at the end"
        );
        Ok(())
    }

    /// How many acknowledged reports the server does not have.
    async fn lost(&self) -> Result<usize> {
        ensure!(
            !self.fleet.receipted.is_empty(),
            "no report was acknowledged at all"
        );
        let mut by_lock = std::collections::BTreeMap::<DeviceId, Vec<u64>>::new();
        for (device, sequence, _) in &self.fleet.receipted {
            by_lock.entry(*device).or_default().push(*sequence);
        }
        let server = &self.fleet.server;
        stream::iter(by_lock)
            .map(async |(device, sequences)| {
                let path = format!("/api/v1/devices/{device}/reports");
                let kept = server.ask(Method::GET, &path, "").await?;
                let kept = kept.as_array().context("reports come as a list")?;
                let is_kept = |sequence: &&u64| kept.iter().any(|report| report["sequence"] == **sequence);
                Ok::<_, anyhow::Error>(sequences.len() - sequences.iter().filter(is_kept).count())
            })
            .buffer_unordered(CHECKS)
            .try_fold(0, async |sum, lost| Ok(sum + lost))
            .await
    }
}
