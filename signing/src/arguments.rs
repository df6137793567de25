//! The command line.

pub(crate) mod tuf;

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use latchkey_image::{Hardware, Version};

use crate::failure::EXIT_CODES;

/// Make keys, sign firmware images, check and inspect them.
#[derive(Parser)]
#[command(name = "latchkey-sign", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Print facts as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an Ed25519 key, encrypted under a passphrase.
    Keygen(Keygen),
    /// Print the public half of a key.
    Public(Public),
    /// Sign a program, or add a signature to a signed image.
    Sign(Sign),
    /// Add a signature that was made elsewhere, over the digest from `sign --digest-out`.
    Attach(Attach),
    /// Check an image as a lock would.
    Verify(Verify),
    /// Show what is in an image, acceptable or not.
    Inspect {
        /// The image.
        image: PathBuf,
    },
    /// Make and sign the release engineers' part of a TUF repository: root and targets.
    #[command(subcommand)]
    Tuf(tuf::Tuf),
    /// Print a shell's completion script.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

#[derive(Args)]
pub(crate) struct Keygen {
    /// Where to write the private key (PKCS#8 PEM, readable by you alone). Never overwrites.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseSource,
    /// Leave the key unencrypted: who reads the file has the key.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) no_passphrase: bool,
}

#[derive(Args)]
pub(crate) struct PassphraseSource {
    /// Take the passphrase from this file's first line (- for standard input) instead of asking.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Public {
    /// A private or public key in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseSource,
    /// Write the public key here instead of printing it. Never overwrites.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Sign {
    /// The private key to sign with.
    #[arg(long, value_name = "FILE", required_unless_present = "digest_out")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseSource,
    /// Sign elsewhere: write the 32 digest bytes here (a new file) and no signature to OUT; `attach` takes it back.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) digest_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: Identity,
    #[command(flatten)]
    pub(crate) place: Place,
    /// The release before this one: the security counter must not be below its. (Its signatures are not checked.)
    #[arg(long, value_name = "IMAGE")]
    pub(crate) previous: Option<PathBuf>,
    /// Sign with a key that everyone has (for trying things out).
    #[arg(long)]
    pub(crate) allow_example_keys: bool,
    /// A program, or an image to which to add a signature.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where the image goes. May be the same file; never replaces what is no image.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

/// What an image says of itself; all of it is signed.
#[derive(Args)]
pub(crate) struct Identity {
    /// The image's version, for people: 1.2.3+4.
    #[arg(long, value_name = "X.Y.Z+B")]
    pub(crate) version: Option<Version>,
    /// Decides rollback: a lock never goes below the highest one it has confirmed.
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) security_counter: Option<u32>,
    /// Vendor: a domain name, or a UUID.
    #[arg(long, value_name = "NAME")]
    pub(crate) vid: Option<String>,
    /// Hardware class: its name, or a UUID.
    #[arg(long, value_name = "NAME")]
    pub(crate) cid: Option<String>,
    /// The lowest version that may upgrade to this one.
    #[arg(long, value_name = "X.Y.Z+B")]
    pub(crate) min_version: Option<Version>,
    /// Bytes before the program: a multiple of 0x200, at most 0x1000. Default: 0x200.
    #[arg(long, value_name = "BYTES", value_parser = number)]
    pub(crate) header_size: Option<u32>,
}

/// Where the image will run. Needed for checking the vector table; known by the class where it is one of ours.
#[derive(Args)]
pub(crate) struct Place {
    /// The board whose slot the program is linked for.
    #[arg(long, value_enum, conflicts_with_all = ["slot_address", "no_vector_table_check"])]
    pub(crate) board: Option<Board>,
    /// Address of the slot, for hardware that is not in the list of boards.
    #[arg(long, value_name = "ADDRESS", value_parser = number, requires_all = ["slot_size", "ram"])]
    pub(crate) slot_address: Option<u32>,
    /// Size of the slot in bytes.
    #[arg(long, value_name = "BYTES", value_parser = number, requires = "slot_address")]
    pub(crate) slot_size: Option<u32>,
    /// The hardware's RAM.
    #[arg(long, value_name = "FROM..TO", value_parser = range, requires = "slot_address")]
    pub(crate) ram: Option<Range<u32>>,
    /// Accept what is no program for the slot (for data; no lock of this project would run it).
    #[arg(long, conflicts_with = "slot_address")]
    pub(crate) no_vector_table_check: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Board {
    Emulator,
    Nrf52840,
}

impl Board {
    pub(crate) fn hardware(self) -> Hardware {
        match self {
            Self::Emulator => Hardware::EMULATOR,
            Self::Nrf52840 => Hardware::NRF52840,
        }
    }
}

#[derive(Args)]
pub(crate) struct Attach {
    /// The signature: 64 raw bytes, or those in base64.
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: PathBuf,
    /// The public key it was made with, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) public: PathBuf,
    /// Take a signature by a key that everyone has (for trying things out).
    #[arg(long)]
    pub(crate) allow_example_keys: bool,
    /// The image that `sign --digest-out` wrote.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where the image goes. May be the same file; never replaces what is no image.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("trust").required(true).args(["key", "policy"]))]
pub(crate) struct Verify {
    /// Trust this one public key (in PEM).
    #[arg(long, value_name = "PUB")]
    pub(crate) key: Option<PathBuf>,
    /// Trust by this policy file.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Demand this vendor. Default: the one the image names.
    #[arg(long, value_name = "NAME", visible_alias = "vendor")]
    pub(crate) vid: Option<String>,
    /// Demand this hardware class. Default: the one the image names.
    #[arg(long, value_name = "NAME", visible_alias = "class")]
    pub(crate) cid: Option<String>,
    /// Demand at least this security counter.
    #[arg(long, value_name = "N", default_value = "0", value_parser = number)]
    pub(crate) floor: u32,
    #[command(flatten)]
    pub(crate) place: Place,
    /// The image.
    pub(crate) image: PathBuf,
}

/// A number, decimal or with 0x.
fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("\"{text}\" is no number from 0 to {}", u32::MAX))
}

/// Two numbers with `..` between; the second is the first address beyond.
fn range(text: &str) -> Result<Range<u32>, String> {
    let (from, to) = text
        .split_once("..")
        .ok_or("write it as 0x20000000..0x20040000")?;
    let range = number(from)?..number(to)?;
    if range.is_empty() {
        Err("the range is empty".into())
    } else {
        Ok(range)
    }
}
