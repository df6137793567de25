//! Lives histories from a seed, as many as asked for. `cargo xtask simulate` runs this, optimised.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use latchkey_boot::guards::Careful;
use latchkey_simulator::histories;

/// Cut power at every flash operation of installs, trials, returns and rescues, and again at every operation of
/// each recovery.
#[derive(Parser)]
#[command(name = "cargo xtask simulate")]
struct Arguments {
    /// Histories to live at least; every kind of story is told on every geometry, whatever this says
    #[arg(long, default_value_t = 1_000_000)]
    histories: u64,
    /// Where to begin; the same seed gives the same histories
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tell only the story of this number, with every cut
    #[arg(long)]
    story: Option<u64>,
}

fn main() -> ExitCode {
    let Arguments {
        histories,
        seed,
        story,
    } = Arguments::parse();
    println!("seed {seed}");
    let start = Instant::now();
    let told = match story {
        Some(story) => histories::tell::<Careful>(seed, story),
        None => histories::run::<Careful>(histories, seed),
    };
    match told {
        Ok(tally) => {
            println!(
                "{} histories, stories told: {}, {} s: every promise held",
                tally.histories,
                tally.stories,
                start.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
