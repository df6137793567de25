//! `cargo xtask fuzz`: every fuzz target, guided by coverage, on stable Rust and without address sanitizer (there
//! is no `unsafe` to sanitize).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;

use crate::{command, setup, workspace};

/// What `cargo fuzz` asks of the compiler, but for what only nightly takes.
const INSTRUMENT: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg=fuzzing";
/// Named, so that build scripts are not instrumented.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What to fuzz, and how long.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Only targets whose names contain this
    pub(crate) only: Option<String>,
    /// Inputs a target, at most
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) runs: u64,
    /// Seconds a target, at most
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// Decides the inputs
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u32,
}

/// Builds the targets and runs each; ends at the first finding, whose input is kept and named.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::fuzzer()?;
    let folder = workspace::root().join("fuzz");
    let targets: Vec<_> = targets(&folder)?
        .into_iter()
        .filter(|name| options.only.as_ref().is_none_or(|only| name.contains(only)))
        .collect();
    ensure!(!targets.is_empty(), "no fuzz target has such a name");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command::run(
        Command::new(cargo)
            .current_dir(&folder)
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
            .env("RUSTFLAGS", INSTRUMENT),
    )?;
    // One to a core.
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    targets.chunks(at_once).try_for_each(|some| {
        thread::scope(|scope| {
            let folder = &folder;
            let begin = |name| scope.spawn(move || fuzz(options, folder, name));
            let runs: Vec<_> = some.iter().map(String::as_str).map(begin).collect();
            runs.into_iter()
                .try_for_each(|run| run.join().map_err(|_| anyhow!("the fuzzer's own run broke"))?)
        })
    })
}

fn fuzz(options: &Options, folder: &Path, name: &str) -> Result<()> {
    let found = folder.join("artifacts").join(name);
    let corpus = folder.join("corpus").join(name);
    for folder in [&found, &corpus] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let program = folder.join("target").join(TARGET).join("release").join(name);
    let ended = Command::new(&program)
        .arg(format!("-runs={}", options.runs))
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-seed={}", options.seed))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-timeout=20", "-rss_limit_mb=1024"])
        .arg(&corpus)
        .args(seeds(folder, name))
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(
        ended.status.success(),
        "{name} found something:\n{said}\nto see it again: {} FILE, with the file named above",
        program.display()
    );
    // `Done 1000000 runs in 9 second(s)`: everything else it says is about itself.
    let done = said.lines().find(|line| line.starts_with("Done "));
    println!("{name}: nothing found. {}", done.unwrap_or_default());
    Ok(())
}

/// Inputs that are kept with the sources: the golden images, and whatever lies in `fuzz/seeds/TARGET`.
fn seeds(folder: &Path, name: &str) -> Vec<PathBuf> {
    let golden = workspace::root().join("signing/image/tests/vectors");
    let own = folder.join("seeds").join(name);
    let golden = name.starts_with("image").then_some(golden);
    golden.into_iter().chain(own.is_dir().then_some(own)).collect()
}

/// The targets, by their files.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder.join("fuzz_targets"))? {
        let path = file?.path();
        if path.extension().is_some_and(|kind| kind == "rs") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort_unstable();
    Ok(names)
}
