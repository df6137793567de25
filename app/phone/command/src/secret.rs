//! PINs and codes, asked for where nobody can look over a shoulder: from a file, from the environment, or typed in on a
//! terminal. Never from an argument, which other users of a machine can read.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use latchkey_protocol::value::{KeypadCode, Pin};
use latchkey_protocol::wire::PinWidth;
use zeroize::Zeroizing;

use crate::failure::{Failure, Kind, Outcome};

/// What holds a secret is not longer, in bytes.
const SECRET_MAX: u64 = 4_096;
const PIN_VARIABLE: &str = "LATCHKEY_PIN";

/// Where the lock's security PIN comes from.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PinSource {
    /// Take the lock's security PIN from this file's first line (- for standard input) instead of asking. Else: the
    /// variable LATCHKEY_PIN. 0 where none is set.
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

impl PinSource {
    /// The PIN that guards the lock now. Asked for once, however often it is needed.
    pub(crate) fn ask(&self, width: PinWidth) -> Outcome<Asked> {
        let text = obtain(
            self.pin_file.as_deref(),
            PIN_VARIABLE,
            "--pin-file",
            "Security PIN (Enter if none is set): ",
        )?;
        parse_pin(&text, width)?;
        Ok(Asked { text, width })
    }

    /// The same; nothing where none is given and nobody is there to ask.
    pub(crate) fn ask_somebody(&self, width: PinWidth) -> Outcome<Option<Asked>> {
        if self.is_given() || std::io::stdin().is_terminal() {
            return self.ask(width).map(Some);
        }
        Ok(None)
    }

    /// The one that is given, else that of a lock on which none is set.
    pub(crate) fn given_or_none_set(&self, width: PinWidth) -> Outcome<Asked> {
        if self.is_given() {
            return self.ask(width);
        }
        let text = Zeroizing::default();
        Ok(Asked { text, width })
    }

    fn is_given(&self) -> bool {
        self.pin_file.is_some() || std::env::var_os(PIN_VARIABLE).is_some()
    }
}

/// A PIN that was given, for each request that needs one. [`Pin`] has no `Clone`.
pub(crate) struct Asked {
    text: Zeroizing<String>,
    width: PinWidth,
}

impl Asked {
    pub(crate) fn pin(&self) -> Outcome<Pin> {
        parse_pin(&self.text, self.width)
    }
}

/// A secret from a file, the environment or a terminal, in this order.
pub(crate) fn obtain(
    file: Option<&Path>,
    variable: &str,
    option: &str,
    prompt: &str,
) -> Outcome<Zeroizing<String>> {
    if let Some(path) = file {
        let text = whole(path, prompt)?;
        let line = text.lines().next().unwrap_or_default().trim();
        return Ok(Zeroizing::new(line.to_owned()));
    }
    if let Ok(value) = std::env::var(variable) {
        return Ok(Zeroizing::new(value.trim().to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Kind::Secret,
            format!("nobody is there to ask for it: give {option} or set {variable}; nothing was done"),
        ));
    }
    type_in(prompt)
}

/// All of a file that holds one secret; for `-`, what is typed or piped in.
pub(crate) fn whole(path: &Path, prompt: &str) -> Outcome<Zeroizing<String>> {
    if is_stdin(path) && std::io::stdin().is_terminal() {
        return type_in(prompt);
    }
    read(path)
}

/// What people call the place that a secret came from.
pub(crate) fn place(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A file's content, or what comes by standard input.
fn read(path: &Path) -> Outcome<Zeroizing<String>> {
    // Room for all of it at once: growing would leave copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX as usize));
    let read = if is_stdin(path) {
        std::io::stdin().take(SECRET_MAX).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(SECRET_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::file(path, "read the secret from", error))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Failure::file(path, "read the secret from", "it holds no text")),
    }
}

fn type_in(prompt: &str) -> Outcome<Zeroizing<String>> {
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(Kind::Secret, format!("cannot read what you type: {error}")))
}

/// A PIN as people write it: digits; nothing for none.
pub(crate) fn parse_pin(text: &str, width: PinWidth) -> Outcome<Pin> {
    let wrong = |most: &str| {
        Failure::new(
            Kind::Secret,
            format!("that is no PIN of this lock, which has digits and is at most {most}; nothing was done"),
        )
    };
    let digits = if text.is_empty() { "0" } else { text };
    match width {
        PinWidth::Short => digits.parse().map(Pin::short).map_err(|_| wrong("65535")),
        PinWidth::Long => digits.parse().map(Pin::long).map_err(|_| wrong("4294967295")),
    }
}

/// A keypad code as people write it.
pub(crate) fn parse_code(text: &str) -> Outcome<KeypadCode> {
    let code = text.parse().ok().and_then(KeypadCode::new);
    code.ok_or_else(|| {
        Failure::new(
            Kind::Secret,
            "a keypad code has six digits from 1 to 9 and does not begin with 12; nothing was done",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_as_wide_as_the_locks() {
        assert_eq!(parse_pin("", PinWidth::Short).unwrap(), Pin::short(0));
        assert_eq!(parse_pin("0042", PinWidth::Short).unwrap(), Pin::short(42));
        assert!(parse_pin("65536", PinWidth::Short).is_err());
        assert_eq!(parse_pin("654321", PinWidth::Long).unwrap(), Pin::long(654_321));
        assert!(parse_pin("12a4", PinWidth::Long).is_err());
    }

    #[test]
    fn refusals_name_no_secret() {
        for (what, refused) in [
            ("987654321", parse_pin("987654321", PinWidth::Short).unwrap_err()),
            ("129999", parse_code("129999").unwrap_err()),
        ] {
            assert!(!refused.to_string().contains(what), "{refused}");
        }
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b" 4711 \nmore\n").unwrap();
        let taken = obtain(Some(file.path()), "NONE", "--pin-file", "").unwrap();
        assert_eq!(taken.as_str(), "4711");
    }
}
