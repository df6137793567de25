//! What was measured: kept by round, told as medians.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::Options;

/// What the disk does, beside the rates that stand on it.
pub(crate) const SYNCS: &str = "disk syncs";

/// What was measured, under the name of what it was.
#[derive(Default)]
pub(crate) struct Numbers {
    rounds: BTreeMap<&'static str, Vec<Value>>,
    raw: Vec<String>,
}

impl Numbers {
    /// Keeps what a generator said, word for word.
    pub(crate) fn keep(&mut self, said: String) {
        self.raw.push(said);
    }

    /// Keeps one round's number.
    pub(crate) fn add(&mut self, name: &'static str, value: Value) {
        eprintln!("  {name}: {value}");
        self.rounds.entry(name).or_default().push(value);
    }

    /// The middle one of a number's rounds.
    fn median(&self, name: &str, field: &str) -> Option<f64> {
        let rounds = self.rounds.get(name)?;
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| round[field].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// What else the machine does.
pub(crate) fn load_average() -> String {
    fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Prints the medians, and writes everything down.
pub(crate) fn finish(options: &Options, numbers: &Numbers, memory: &Value) -> Result<()> {
    let nginx = numbers
        .median("nginx, static answer", "per_second")
        .unwrap_or(f64::NAN);
    println!(
        "{:<28} {:>10} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "median of the rounds", "/s", "of nginx", "p50", "p99", "p99.9", "not 2xx"
    );
    for (name, rounds) in numbers.rounds.iter().filter(|(name, _)| **name != SYNCS) {
        let rate = numbers.median(name, "per_second").unwrap_or(f64::NAN);
        let time = |us: &str, text: &str| match numbers.median(name, us) {
            Some(us) => format!("{us:.0}us"),
            None => rounds[rounds.len() / 2][text].as_str().unwrap_or("–").to_owned(),
        };
        let failed: u64 = rounds.iter().filter_map(|round| round["not_2xx"].as_u64()).sum();
        println!(
            "{name:<28} {rate:>10.0} {:>9.3} {:>9} {:>9} {:>9} {failed:>8}",
            rate / nginx,
            time("p50_us", "p50"),
            time("p99_us", "p99"),
            time("p999_us", "p999"),
        );
        ensure!(
            failed == 0,
            "{name}: {failed} answers were no success, so the rate says nothing"
        );
    }
    println!("half: asked half as often as it answered; an answer's time begins when its request was due");
    println!(
        "disk: {:.0} syncs/s, one after the other",
        numbers.median(SYNCS, "per_second").unwrap_or(f64::NAN)
    );
    let megabytes = |name| numbers.median(name, "mb_per_second").unwrap_or(f64::NAN);
    println!(
        "download: {:.0} MB/s, nginx {:.0} MB/s",
        megabytes("image, SQLite"),
        megabytes("nginx, file")
    );
    for at in memory.as_array().into_iter().flatten() {
        let bytes = at["bytes"].as_u64().unwrap_or_default();
        println!("memory with {} devices: {} MB", at["devices"], bytes / 1_000_000);
    }
    let all = json!({
        "load_average": load_average(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "width": options.width,
        "devices": options.devices,
        "measured": numbers.rounds,
        "memory": memory,
        "wrk": numbers.raw,
    });
    if let Some(folder) = options.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&options.out, serde_json::to_string_pretty(&all)?)?;
    println!("all of it: {}", options.out.display());
    Ok(())
}
