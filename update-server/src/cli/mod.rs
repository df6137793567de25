//! The command `latchkey-server`: the server itself, and thin commands over its operator API.

mod ask;
mod audit;
mod client;
mod cohort;
mod device;
mod incident;
mod openid;
mod policy;
mod release;
mod rollout;
mod rounds;
mod serve;
mod session;
mod show;
mod support;
mod token;
mod tuf;
mod webhook;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed or refused; the message says why and what to do
  2  the command line is not understood
  3  the server cannot be reached
  4  the server wants another token";

/// Publishes signed images, enrols locks, and tells each what it may install.
#[derive(Parser)]
#[command(name = "latchkey-server", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print facts as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server. Without any option it works: SQLite and a local folder, in ./latchkey-data.
    Serve(Box<serve::Serve>),
    /// Print the director's public key as PEM, for building locks. Makes the key when there is none.
    DirectorKey(serve::KeyPlace),
    /// Make, list and revoke tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// List who is signed in at the dashboard, and end that early.
    #[command(subcommand)]
    Session(session::Command),
    /// Say whose signatures count for a hardware class.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Publish until when each model gets security updates.
    #[command(subcommand)]
    Support(support::Command),
    /// Have others told of what happens.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Publish and list signed images.
    #[command(subcommand)]
    Release(release::Command),
    /// List, approve and revoke locks.
    #[command(subcommand)]
    Device(device::Command),
    /// Name sets of locks for rollouts to begin with.
    #[command(subcommand)]
    Cohort(cohort::Command),
    /// Roll a release out, pause it, abort it, see how it goes.
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Say which locks a weakness affects, for a report.
    #[command(subcommand)]
    Incident(incident::Command),
    /// Publish releases as a repository of The Update Framework, for standard clients.
    #[command(subcommand)]
    Tuf(tuf::Command),
    /// Show who changed what, and whether the log of it is whole.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
}

/// Why a command did not do what it should, with the exit code for it.
#[derive(Debug)]
pub(crate) struct CliError {
    code: u8,
    message: String,
}

impl CliError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
        }
    }

    /// The same, with what state remains and what to do.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.message = format!("{}. {more}", self.message.trim_end_matches('.'));
        self
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            code: 3,
            message: message.into(),
        }
    }

    pub(crate) fn unauthorised(message: impl Into<String>) -> Self {
        Self {
            code: 4,
            message: message.into(),
        }
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

/// Reads the command line and does what it says.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    // One TLS implementation for whatever speaks HTTPS here; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::error(&error.message);
            ExitCode::from(error.code)
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Serve(options) => serve::serve(*options, cli.json).await,
        Command::DirectorKey(place) => serve::director_key(&place, cli.json),
        Command::Completions { shell } => {
            // Into memory first: clap panics where it cannot write, as to a closed pipe.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "latchkey-server", &mut script);
            show::text(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        Command::Token(command) => token::run(command, cli.json).await,
        Command::Session(command) => session::run(command, cli.json).await,
        Command::Webhook(command) => webhook::run(command, cli.json).await,
        Command::Support(command) => support::run(command, cli.json).await,
        Command::Policy(command) => policy::run(command, cli.json).await,
        Command::Release(command) => release::run(command, cli.json).await,
        Command::Device(command) => device::run(command, cli.json).await,
        Command::Cohort(command) => cohort::run(command, cli.json).await,
        Command::Rollout(command) => rollout::run(command, cli.json).await,
        Command::Incident(command) => incident::run(command, cli.json).await,
        Command::Tuf(command) => tuf::run(command, cli.json).await,
        Command::Audit(command) => audit::run(command, cli.json).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_rollout_to_nobody_in_particular_is_not_understood() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        let create = "latchkey-server rollout create --release 0123456789";
        assert!(parse(&format!("{create} --all")));
        assert!(parse(&format!("{create} --device a --device b")));
        assert!(!parse(create));
        assert!(!parse(&format!("{create} --all --device a")));
    }
}
