//! The command line of `tuf`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use latchkey_tuf::Expires;

use super::PassphraseSource;

#[derive(Subcommand)]
pub(crate) enum Tuf {
    /// Say whose signatures count: the first root, or the one that follows.
    #[command(subcommand)]
    Root(Root),
    /// Say which images there are.
    #[command(subcommand)]
    Targets(Targets),
    /// Add a signature to a root or targets file.
    Sign(Sign),
    /// Check a root or targets file as the server and clients do, and say who has signed it.
    Verify(Verify),
}

#[derive(Subcommand)]
pub(crate) enum Root {
    /// Make the first root. Clients carry it; keep the file.
    New(RootNew),
    /// Make the root that follows another: other keys, or the same for longer.
    Next(RootNext),
}

#[derive(Subcommand)]
pub(crate) enum Targets {
    /// Make the first list of images.
    New(TargetsNew),
    /// Make the list that follows another.
    Next(TargetsNext),
}

#[derive(Args)]
pub(crate) struct RootNew {
    /// Until when it counts: a day such as 2027-11-26, or so many days from now, such as 365d.
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    pub(crate) expires: Expires,
    /// A key that signs roots (PEM, public half); say it again for each.
    #[arg(long = "root-key", value_name = "PUB", required = true)]
    pub(crate) root_keys: Vec<PathBuf>,
    /// So many of them must sign a root.
    #[arg(long, value_name = "M")]
    pub(crate) root_threshold: u32,
    /// A key that signs lists of images; say it again for each.
    #[arg(long = "targets-key", value_name = "PUB", required = true)]
    pub(crate) targets_keys: Vec<PathBuf>,
    /// So many of them must sign a list of images.
    #[arg(long, value_name = "M")]
    pub(crate) targets_threshold: u32,
    /// The update server's key, from `latchkey-server tuf key`.
    #[arg(long, value_name = "PUB")]
    pub(crate) server_key: PathBuf,
    /// Name keys that everyone has (for trying things out).
    #[arg(long)]
    pub(crate) allow_example_keys: bool,
    /// Where it goes. Never overwrites.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct RootNext {
    /// Until when it counts: a day such as 2027-11-26, or so many days from now, such as 365d.
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    pub(crate) expires: Expires,
    /// A further key that signs roots.
    #[arg(long = "add-root-key", value_name = "PUB")]
    pub(crate) add_root: Vec<PathBuf>,
    /// A key that signs roots no more.
    #[arg(long = "remove-root-key", value_name = "PUB")]
    pub(crate) remove_root: Vec<PathBuf>,
    /// So many must sign a root from now on.
    #[arg(long, value_name = "M")]
    pub(crate) root_threshold: Option<u32>,
    /// A further key that signs lists of images.
    #[arg(long = "add-targets-key", value_name = "PUB")]
    pub(crate) add_targets: Vec<PathBuf>,
    /// A key that signs lists of images no more.
    #[arg(long = "remove-targets-key", value_name = "PUB")]
    pub(crate) remove_targets: Vec<PathBuf>,
    /// So many must sign a list of images from now on.
    #[arg(long, value_name = "M")]
    pub(crate) targets_threshold: Option<u32>,
    /// The update server's new key.
    #[arg(long, value_name = "PUB")]
    pub(crate) server_key: Option<PathBuf>,
    /// Name keys that everyone has (for trying things out).
    #[arg(long)]
    pub(crate) allow_example_keys: bool,
    /// The root that it follows, signed.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where it goes. Never overwrites.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

/// Images to list.
#[derive(Args)]
pub(crate) struct Images {
    /// An image to list; say it again for each.
    #[arg(long = "add", value_name = "IMAGE", requires = "policy")]
    pub(crate) add: Vec<PathBuf>,
    /// The trust policy that images must meet to be listed.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct TargetsNew {
    /// Until when it counts: a day such as 2027-11-26, or so many days from now, such as 90d.
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    pub(crate) expires: Expires,
    #[command(flatten)]
    pub(crate) images: Images,
    /// Where it goes. Never overwrites.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct TargetsNext {
    /// Until when it counts: a day such as 2027-11-26, or so many days from now, such as 90d.
    #[arg(long, value_name = "WHEN", value_parser = expires)]
    pub(crate) expires: Expires,
    #[command(flatten)]
    pub(crate) images: Images,
    /// A name to list no more.
    #[arg(long = "remove", value_name = "NAME")]
    pub(crate) remove: Vec<String>,
    /// The root whose keys signed IN.
    #[arg(long, value_name = "ROOT")]
    pub(crate) root: PathBuf,
    /// The list that it follows, signed.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Where it goes. Never overwrites.
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct Sign {
    /// The private key to sign with.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseSource,
    /// The root in force: for targets the one whose keys count, for a root the one that it follows.
    #[arg(long, value_name = "ROOT")]
    pub(crate) root: Option<PathBuf>,
    /// Sign with a key that everyone has (for trying things out).
    #[arg(long)]
    pub(crate) allow_example_keys: bool,
    /// The file; the signature is added in place.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The root in force: for targets the one whose keys count, for a root the one that it follows.
    #[arg(long, value_name = "ROOT")]
    pub(crate) root: Option<PathBuf>,
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

const DAY_S: u64 = 86_400;

/// A day, or so many days from now.
fn expires(text: &str) -> Result<Expires, String> {
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days
            .parse()
            .map_err(|_| format!("\"{text}\" is no number of days"))?;
        return Ok(Expires::at(now_s().saturating_add(days.saturating_mul(DAY_S))));
    }
    Expires::day(text).map_err(|_| format!("\"{text}\" is no day; write 2027-11-26, or 365d"))
}

/// Seconds since 1970, by this machine's clock.
pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
