//! How a command ends badly: which exit code, and a sentence that says what to do.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes and what they mean, for `--help`. The numbers are frozen.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done; with verify: accepted
  1  refused: the image is not acceptable, or signing it would break a rule
  2  the command line makes no sense
  3  a file could not be read or written; nothing was half-written
  4  a key, passphrase or policy is not usable";

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An image is not acceptable, or signing it would break a rule.
    Refused(String),
    /// The arguments contradict each other or leave something open.
    Usage(String),
    /// A file could not be read or written.
    File(String),
    /// A key, passphrase or policy is not usable.
    Key(String),
}

impl Failure {
    /// A refusal that names the file.
    pub(crate) fn refused(path: &Path, why: impl fmt::Display) -> Self {
        Self::Refused(format!("{}: {why}", path.display()))
    }

    /// A file problem that names the file.
    pub(crate) fn file(path: &Path, what: &str, error: impl fmt::Display) -> Self {
        Self::File(format!("cannot {what} {}: {error}", path.display()))
    }

    /// A key problem that names the file.
    pub(crate) fn key(path: &Path, why: impl fmt::Display) -> Self {
        Self::Key(format!("{}: {why}", path.display()))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::File(_) => 3,
            Self::Key(_) => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(message) | Self::Usage(message) | Self::File(message) | Self::Key(message) => {
                f.write_str(message)
            }
        }
    }
}
