//! Lives histories from a seed, as many as asked for, of bootloader and updater and of the lock's storage. `cargo xtask simulate` runs this, optimised.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use latchkey_boot::guards::Careful;
use latchkey_simulator::histories::{self, Tally};
use latchkey_simulator::storage;
use latchkey_storage::guards::Careful as Keeper;

/// Cut power at every flash operation of installs, trials, returns and rescues, and of the lock's storage, and again
/// at every operation of each recovery.
#[derive(Parser)]
#[command(name = "cargo xtask simulate")]
struct Arguments {
    /// Histories to live at least, of each part; every kind of story is told on every geometry, whatever this says
    #[arg(long, default_value_t = 1_000_000)]
    histories: u64,
    /// Where to begin; the same seed gives the same histories
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this part
    #[arg(long)]
    part: Option<Part>,
    /// Tell only the story of this number, with every cut
    #[arg(long, requires = "part")]
    story: Option<u64>,
}

/// What is cut off.
#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Bootloader and updater
    Boot,
    /// The lock's storage
    Storage,
}

impl Part {
    fn live(self, arguments: &Arguments) -> Result<Tally, String> {
        let &Arguments {
            histories,
            seed,
            story,
            ..
        } = arguments;
        match (self, story) {
            (Self::Boot, None) => histories::run::<Careful>(histories, seed).map_err(|why| why.to_string()),
            (Self::Boot, Some(story)) => {
                histories::tell::<Careful>(seed, story).map_err(|why| why.to_string())
            }
            (Self::Storage, None) => storage::run::<Keeper>(histories, seed).map_err(|why| why.to_string()),
            (Self::Storage, Some(story)) => {
                storage::tell::<Keeper>(seed, story).map_err(|why| why.to_string())
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Boot => "bootloader and updater",
            Self::Storage => "the lock's storage",
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("seed {}", arguments.seed);
    let parts = arguments
        .part
        .map_or(vec![Part::Boot, Part::Storage], |part| vec![part]);
    for part in parts {
        let start = Instant::now();
        match part.live(&arguments) {
            Ok(tally) => println!(
                "{}: {} histories, stories told: {}, {} s: every promise held",
                part.name(),
                tally.histories,
                tally.stories,
                start.elapsed().as_secs()
            ),
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
