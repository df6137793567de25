//! `cargo xtask test`: set up, then every test, cheap ones first. What CI runs.

mod release;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use latchkey_lab::Variant;

use crate::{command, firmware, lab, setup, web, workspace};

/// One step: what it proves, and how.
struct Step {
    proves: &'static str,
    by: By,
}

enum By {
    /// A cargo command.
    Cargo(&'static [&'static str]),
    /// Another of these tasks.
    Task(&'static [&'static str]),
    /// A function of this program.
    Function(fn() -> Result<()>),
}

const STEPS: &[Step] = &[
    Step {
        proves: "the sources are formatted, and no lint complains",
        by: By::Task(&["lint"]),
    },
    Step {
        proves: "cores, tools, server, and power cuts at every flash operation",
        by: By::Cargo(&["test", "--quiet"]),
    },
    Step {
        proves: "the server does on PostgreSQL what it does on SQLite",
        by: By::Function(server_on_postgres),
    },
    Step {
        proves: "the web app's own modules do what they say",
        by: By::Function(web::test_modules),
    },
    Step {
        proves: "a fleet of 5,000 is updated; a bad release stops itself; kill and outage lose nothing",
        by: By::Task(&["fleet"]),
    },
    Step {
        proves: "fuzzing finds nothing, for as long as a test run has",
        by: By::Task(&["fuzz"]),
    },
    Step {
        proves: "both boards' programs build and fit",
        by: By::Function(firmware::build_all_boards),
    },
    Step {
        proves: "release builds refuse the example keys",
        by: By::Function(release::refuses_example_keys),
    },
    Step {
        proves: "the boot chain costs no more than it may",
        by: By::Task(&["measure"]),
    },
    Step {
        proves: "one glitch anywhere boots no bad image (a sample)",
        by: By::Task(&["attack"]),
    },
    Step {
        proves: "the whole road works on the emulator: updates, Bluetooth, clients by others; attacks lead nowhere",
        by: By::Function(system),
    },
    Step {
        proves: "kill -9 at any moment of an update ends on the new version",
        by: By::Task(&["powercut"]),
    },
    Step {
        proves: "the demo holds",
        by: By::Task(&["demo"]),
    },
];

/// Which steps to run.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Leave out the steps before this one: to go on after a failure was mended
    #[arg(long, value_name = "STEP", default_value_t = 1)]
    pub(crate) from: usize,
}

/// Sets up and runs every step; stops at the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::everything()?;
    for (number, step) in (1..).zip(STEPS).skip(options.from.saturating_sub(1)) {
        println!("\n[{number}/{}] {}", STEPS.len(), step.proves);
        let start = Instant::now();
        step.by
            .run()
            .with_context(|| format!("step {number} failed: {}", step.proves))?;
        println!(
            "[{number}/{}] holds ({} s)",
            STEPS.len(),
            start.elapsed().as_secs()
        );
    }
    Ok(())
}

impl By {
    fn run(&self) -> Result<()> {
        match self {
            Self::Cargo(arguments) => command::cargo(arguments),
            Self::Task(arguments) => command::run(Command::new(std::env::current_exe()?).args(*arguments)),
            Self::Function(function) => function(),
        }
    }
}

fn server_on_postgres() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command::run(
        Command::new(cargo)
            .current_dir(workspace::root())
            // Without a package: what the step before has built is what runs.
            .args(["test", "--quiet", "--test", "server"])
            .env("LATCHKEY_TEST_DATABASE", "postgres"),
    )
}

fn system() -> Result<()> {
    lab::build(&Variant::ALL)?;
    lab::build_nuki_rs()?;
    lab::build_tough()?;
    lab::build_hawkbit()?;
    const TEST: [&str; 5] = ["test", "--quiet", "--package", "latchkey-system-tests", "--"];
    // A browser is a dozen processes, and what a person would wait for has to come in time: one for each core.
    let browsers = ["browser::", "dashboard::", "openid::", "web_app::"];
    let skipped = browsers.iter().flat_map(|module| ["--skip", *module]);
    let others: Vec<_> = TEST
        .into_iter()
        .chain(["--test-threads=6"])
        .chain(skipped)
        .collect();
    command::cargo(&others)?;
    let browsers: Vec<_> = TEST
        .into_iter()
        .chain(["--test-threads=2"])
        .chain(browsers)
        .collect();
    command::cargo(&browsers)
}
