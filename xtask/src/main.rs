//! The project's tasks. `cargo xtask --help` lists them.
#![forbid(unsafe_code)]

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
enum Task {}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {}
}
