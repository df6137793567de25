//! The command `latchkey` as it is built, with credentials in a folder of its own, on a radio of the laboratory.

use std::path::Path;
use std::process::{Command, Stdio};

use latchkey_lab::{Bluez, owner_program};
use serde_json::Value;
use tempfile::TempDir;

/// How the command reaches locks.
pub enum Way {
    /// By the stand-in for BlueZ: btleplug, as on a computer with an adapter.
    Bluez(Bluez),
    /// By a controller of the virtual air, at this address: trouble-host.
    Hci(String),
}

/// Somebody with a computer.
pub struct Latchkey {
    way: Way,
    home: TempDir,
}

/// What came of one command.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub told: String,
    /// Standard error.
    pub said: String,
}

impl Latchkey {
    /// Somebody who has never used it.
    ///
    /// # Panics
    /// When there is no place for a folder.
    #[must_use]
    pub fn new(way: Way) -> Self {
        let home = TempDir::new().unwrap();
        Self { way, home }
    }

    /// Where credentials lie, and whatever else a test puts there.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The command with these arguments, ready to be run: without a terminal, with the PIN 0.
    ///
    /// # Panics
    /// When it was not built.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(owner_program().unwrap_or_else(|error| panic!("{error:#}")));
        match &self.way {
            Way::Bluez(bluez) => command.env("DBUS_SYSTEM_BUS_ADDRESS", bluez.bus()),
            Way::Hci(address) => command.env("LATCHKEY_HCI", format!("tcp-client:{address}")),
        };
        command
            .args(arguments)
            .env("LATCHKEY_DATA", self.home.path())
            .env("LATCHKEY_PIN", "0")
            .env("XDG_CONFIG_HOME", self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs it.
    ///
    /// # Panics
    /// When it cannot be started, or ends by a signal.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Runs it with `--json`; gives the facts that it told.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn facts(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        serde_json::from_str(&ran.told).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

/// Runs a command that [`Latchkey::command`] gave.
///
/// # Panics
/// When it cannot be started, or ends by a signal.
#[must_use]
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or_else(|| panic!("{output:?}")),
        told: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}
