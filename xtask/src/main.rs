//! The project's tasks. `cargo xtask --help` lists them.
#![forbid(unsafe_code)]

mod attack;
mod bench;
mod command;
mod demo;
mod emulate;
mod firmware;
mod fleet;
mod fuzz;
mod lab;
mod lint;
mod measure;
mod powercut;
mod setup;
mod simulate;
mod soak;
mod test;
mod toolchain;
mod web;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Latchkey's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// One variant a task, one module a variant.
#[derive(Subcommand)]
enum Task {
    /// The whole story on one machine: sign, publish, roll out, install, confirm, refuse, revert
    Demo,
    /// Install what the other tasks need and this machine lacks; every task does this by itself
    Setup,
    /// Build bootloader and lock app for a board
    Firmware(firmware::Options),
    /// Run the emulated lock on a flash file, its console in this terminal, until it is killed
    Emulate(emulate::Options),
    /// Count what the boot chain costs: bytes, instructions, flash operations, beside what others cost
    Measure(measure::Options),
    /// Glitch the emulated bootloader: one skipped instruction, anywhere, must not boot a bad image
    Attack(attack::Options),
    /// Thousands of simulated locks against a real server: a good release, a bad one, a kill, an outage
    Fleet(fleet::Options),
    /// Measure the server beside others, on one core each: wants a machine with nothing else to do
    Bench(bench::Options),
    /// Fuzz every parser, guided by coverage
    Fuzz(fuzz::Options),
    /// Check the sources' form, and everything that lints say
    Lint,
    /// Run every test
    Test(test::Options),
    /// Cut the power of emulated locks at random moments of an update; each must come through
    Powercut(powercut::Options),
    /// Cut power in the simulator: at every flash operation, and again at every operation of the recovery
    Simulate(simulate::Options),
    /// Build the owner's web app: .latchkey/web, which the server's feature `web-app` takes in
    Web(web::Options),
    /// Lock, unlock, connect and leave, thousands of times: nothing may be dropped or used up
    Soak(soak::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Demo => demo::run(),
        Task::Setup => setup::everything(),
        Task::Firmware(options) => {
            setup::boards()?;
            firmware::run(&options)
        }
        Task::Emulate(options) => {
            setup::boards()?;
            setup::emulator()?;
            emulate::run(&options)
        }
        Task::Measure(options) => measure::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Attack(options) => attack::run(&options),
        Task::Fleet(options) => fleet::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Lint => lint::run(),
        Task::Test(options) => test::run(&options),
        Task::Powercut(options) => powercut::run(&options),
        Task::Simulate(options) => simulate::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Web(options) => web::run(&options),
    }
}
