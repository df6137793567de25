//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgGroup, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use latchkey_protocol::value::{AuthorizationType, KeypadAction, NukiId};

use crate::failure::EXIT_CODES;
use crate::limits::Limits;
use crate::policy::PolicySource;
use crate::secret::PinSource;
use crate::server::ServerPlace;
use crate::store::parse_id;

/// Options whose value is a file with a secret in it, or - for standard input.
const SECRET_FILES: [&str; 4] = ["code-file", "invitation", "new-pin-file", "pin-file"];

/// Pair with a lock over Bluetooth, use it, look after its users and codes, and update it. No account is needed.
#[derive(Parser)]
#[command(name = "latchkey", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Those that this program was started with; ends it where they make no sense.
    pub(crate) fn of_this_program() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut matches = Self::command().try_get_matches_from(words)?;
        check_stdin(&matches)?;
        Self::from_arg_matches_mut(&mut matches)
    }
}

/// What is read from standard input is gone, so that two secrets cannot both come from there.
fn check_stdin(matches: &ArgMatches) -> Result<(), clap::Error> {
    let mut leaf = matches;
    while let Some((_, below)) = leaf.subcommand() {
        leaf = below;
    }
    let is_stdin = |option: &&&str| {
        let values = leaf.try_get_raw(&option.replace('-', "_")).ok().flatten();
        values.is_some_and(|mut values| values.any(|value| value == "-"))
    };
    let from_stdin: Vec<&str> = SECRET_FILES.iter().filter(is_stdin).copied().collect();
    match from_stdin.as_slice() {
        [] | [_] => Ok(()),
        [first, second, ..] => Err(Arguments::command().error(
            ErrorKind::ArgumentConflict,
            format!("--{first} and --{second} cannot both be standard input; give one of them as a file"),
        )),
    }
}

#[derive(Args)]
pub(crate) struct Common {
    /// Print facts as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Which lock, by its name here; with `pair`, the name to give it. Not needed while there is only one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) lock: Option<String>,
    /// Keep credentials in this folder instead of the one that the system has for it.
    #[arg(long, global = true, value_name = "FOLDER", env = "LATCHKEY_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Use a Bluetooth controller of the laboratory: tcp-client:HOST:PORT.
    #[arg(long, global = true, value_name = "CONTROLLER", env = "LATCHKEY_HCI")]
    pub(crate) hci: Option<String>,
    /// How many seconds to listen for locks. [default: 20, with `scan` 5]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) listen: Option<Duration>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the locks in range.
    Scan,
    /// Pair with a lock whose button was held for five seconds, and keep the credentials.
    Pair(Pair),
    /// Remove what `pair` kept of a lock here. The lock is not asked, and still knows this client.
    Forget {
        /// As what it was paired.
        #[arg(long = "as", value_enum, default_value = "app")]
        kind: Role,
    },
    /// Show lock, door, battery and what runs.
    Status,
    /// Lock the door.
    Lock,
    /// Unlock the door.
    Unlock,
    /// Unlock the door and hold the latch back for a moment.
    Unlatch,
    /// Show who did what and when, newest first.
    Log(Log),
    /// Who may use the lock.
    #[command(subcommand)]
    Users(Users),
    /// Keypad codes. They are never shown: the lock knows them, and who was given one.
    #[command(subcommand)]
    Codes(Codes),
    /// The lock's configuration.
    #[command(subcommand)]
    Config(Config),
    /// The security PIN, which guards all but using the lock.
    #[command(subcommand)]
    Pin(PinCommand),
    /// Updates of the lock's firmware.
    #[command(subcommand)]
    Update(Update),
    /// Be the keypad that was paired by `pair --as keypad`.
    #[command(subcommand)]
    Keypad(Keypad),
    /// Be the fob that was paired by `pair --as fob`.
    #[command(subcommand)]
    Fob(Fob),
    /// Print a shell's completion script.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

#[derive(Args)]
pub(crate) struct Pair {
    /// As what to pair.
    #[arg(long = "as", value_enum, default_value = "app")]
    pub(crate) kind: Role,
    /// Pair with this lock, where several wait for it: eight hexadecimal digits, as `scan` shows them.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    pub(crate) id: Option<NukiId>,
    /// What the lock's list of users says.
    #[arg(long, value_name = "NAME", default_value = "latchkey")]
    pub(crate) user: String,
    /// Do not pair, but take the invitation in this file, as `users invite` or somebody's web app made it (- to type
    /// or paste it in).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "user", "kind", "pin_file"])]
    pub(crate) invitation: Option<PathBuf>,
    /// Keep the key in the system's keyring, not in a file.
    #[arg(long, env = "LATCHKEY_KEYRING")]
    pub(crate) keyring: bool,
    #[command(flatten)]
    pub(crate) pin: PinSource,
}

/// What this program stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    App,
    Keypad,
    Fob,
}

impl Role {
    pub(crate) const fn kind(self) -> AuthorizationType {
        match self {
            Self::App => AuthorizationType::App,
            Self::Keypad => AuthorizationType::Keypad,
            Self::Fob => AuthorizationType::Fob,
        }
    }
}

#[derive(Args)]
pub(crate) struct Log {
    /// At most so many entries.
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) count: u16,
    #[command(flatten)]
    pub(crate) pin: PinSource,
}

#[derive(Subcommand)]
pub(crate) enum Users {
    /// List them.
    List {
        #[command(flatten)]
        pin: PinSource,
    },
    /// Let somebody in who is not here: makes an invitation to give them. Whoever has it can use the lock.
    Invite(Invite),
    /// Let somebody do nothing until enabled again.
    Disable(Chosen),
    /// Undo that.
    Enable(Chosen),
    /// Take somebody off the list, for good.
    Remove(Chosen),
}

#[derive(Args)]
#[command(group(ArgGroup::new("way").required(true)))]
pub(crate) struct Invite {
    /// What the list of users will say.
    pub(crate) user: String,
    /// Where to write the invitation. Never overwrites.
    #[arg(long, value_name = "FILE", group = "way")]
    pub(crate) out: Option<PathBuf>,
    /// Show it here instead, as a QR code; see that nobody else looks on.
    #[arg(long, group = "way")]
    pub(crate) qr: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) pin: PinSource,
}

/// One entry of a list.
#[derive(Args)]
pub(crate) struct Chosen {
    /// By its number, or by its name where only one has it.
    pub(crate) which: String,
    #[command(flatten)]
    pub(crate) pin: PinSource,
}

#[derive(Subcommand)]
pub(crate) enum Codes {
    /// List them, without the digits.
    List {
        #[command(flatten)]
        pin: PinSource,
    },
    /// Give out a code: six digits from 1 to 9, not beginning with 12.
    Add {
        /// Whose it is.
        user: String,
        #[command(flatten)]
        code: CodeSource,
        #[command(flatten)]
        limits: Limits,
        #[command(flatten)]
        pin: PinSource,
    },
    /// Change a code: what is not named stays.
    Update {
        #[command(flatten)]
        chosen: Chosen,
        /// Whose it is from now on.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Give other digits.
        #[arg(long)]
        new_code: bool,
        #[command(flatten)]
        code: CodeSource,
        /// Whether it opens anything.
        #[arg(long, value_name = "BOOL")]
        enabled: Option<bool>,
        /// Lift all limits.
        #[arg(long, conflicts_with_all = ["from", "until", "days", "between"])]
        always: bool,
        #[command(flatten)]
        limits: Limits,
    },
    /// Take a code back, for good.
    Remove(Chosen),
}

/// Where a code comes from that is to be given out.
#[derive(Args)]
pub(crate) struct CodeSource {
    /// Take the digits from this file's first line (- for standard input) instead of asking. Else: the variable
    /// LATCHKEY_CODE.
    #[arg(long, value_name = "FILE")]
    pub(crate) code_file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Show it.
    Get {
        /// Only these settings.
        names: Vec<String>,
    },
    /// Change settings; the others stay.
    Set {
        /// NAME=VALUE, with names as `config get` shows them.
        #[arg(required = true, value_name = "NAME=VALUE")]
        changes: Vec<String>,
        #[command(flatten)]
        pin: PinSource,
    },
    /// Set the lock's clock by this computer's. Limits in time need it, and a lock that lost its power.
    Clock {
        #[command(flatten)]
        pin: PinSource,
    },
}

#[derive(Subcommand)]
pub(crate) enum PinCommand {
    /// Set a new one.
    Set {
        /// Take the new PIN from this file's first line instead of asking. Else: the variable LATCHKEY_NEW_PIN.
        #[arg(long, value_name = "FILE")]
        new_pin_file: Option<PathBuf>,
        #[command(flatten)]
        pin: PinSource,
    },
}

#[derive(Subcommand)]
pub(crate) enum Update {
    /// See whether there is one for this lock.
    Check {
        #[command(flatten)]
        server: ServerPlace,
    },
    /// Fetch it, and check its signatures. Goes on where an earlier download broke off.
    Download {
        #[command(flatten)]
        server: ServerPlace,
        #[command(flatten)]
        policy: PolicySource,
        /// Where to write the image. [default: latchkey-DIGEST.bin]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Bring it to the lock over Bluetooth, and wait until the lock says that it runs and has confirmed itself.
    Install(Install),
}

#[derive(Args)]
pub(crate) struct Install {
    /// An image that is at hand; then no server is needed. Without it: what the update server has.
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerPlace,
    #[command(flatten)]
    pub(crate) policy: PolicySource,
    /// Install without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) pin: PinSource,
}

#[derive(Subcommand)]
pub(crate) enum Keypad {
    /// Type in a code.
    Enter {
        /// The digits.
        code: String,
        /// What to do.
        #[arg(long, value_enum, default_value = "toggle")]
        action: Typed,
    },
}

/// What a keypad asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Typed {
    /// Lock when unlocked, unlock when locked.
    Toggle,
    Unlock,
    Lock,
    Unlatch,
}

impl Typed {
    pub(crate) const fn action(self) -> KeypadAction {
        match self {
            Self::Toggle => KeypadAction::Intelligent,
            Self::Unlock => KeypadAction::Unlock,
            Self::Lock => KeypadAction::Lock,
            Self::Unlatch => KeypadAction::Unlatch,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Fob {
    /// Press its button.
    Press {
        /// So often.
        #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=3))]
        times: u8,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=600).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is no number of seconds from 1 to 600"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn standard_input_is_read_for_one_secret_only() {
        for line in [
            "latchkey codes add Ann --pin-file - --code-file -",
            "latchkey codes update 3 --new-code --code-file=- --pin-file=-",
            "latchkey pin set --new-pin-file - --pin-file -",
        ] {
            let refused = read(line).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::ArgumentConflict);
            let words = refused.to_string();
            assert!(
                words.contains("--pin-file cannot both be standard input"),
                "{words}"
            );
        }
        for line in [
            "latchkey codes add Ann --pin-file - --code-file code",
            "latchkey codes add - --pin-file pin --code-file -",
            "latchkey log --pin-file -",
        ] {
            assert!(read(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn every_option_for_a_file_with_a_secret_is_known_as_one() {
        let mut named = all_arguments(&Arguments::command());
        named.retain(|name| name.ends_with("-file") || name == "invitation");
        named.sort();
        named.dedup();
        assert_eq!(named, SECRET_FILES);
    }

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_secret_is_an_argument() {
        let long: Vec<String> = all_arguments(&Arguments::command());
        for secret in ["pin", "code", "key", "new-pin"] {
            assert!(!long.iter().any(|name| name == secret), "--{secret}");
        }
    }

    fn all_arguments(command: &clap::Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(|argument| argument.get_long());
        let below = command.get_subcommands().flat_map(all_arguments);
        own.map(str::to_owned)
            .collect::<Vec<_>>()
            .into_iter()
            .chain(below)
            .collect()
    }
}
