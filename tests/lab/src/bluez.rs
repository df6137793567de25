//! A stand-in for BlueZ on a private D-Bus, over a controller of the virtual air: for clients that know BlueZ.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::builds::{checkout, peer_program};
use crate::{Air, Console};

/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

/// A D-Bus with an `org.bluez` on it. Dropping it ends both.
pub struct Bluez {
    process: Child,
    bus: String,
    /// Keeps reading, so that the process never waits for someone to take what it prints.
    _printed: Console,
}

impl Bluez {
    /// Takes the controller of this name.
    ///
    /// # Errors
    /// There is none, or something has not been set up.
    pub fn start(air: &Air, controller: &str) -> Result<Self> {
        // It ends when its standard input does, and its bus with it.
        let mut process = Command::new(peer_program("python")?)
            .arg(checkout().join("tests/air/bluez.py"))
            .arg(air.address(controller)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the stand-in for BlueZ")?;
        let output = process.stdout.take().context("it has no standard output")?;
        let mut console = Console::new(output, None);
        let line = console.wait_for("bluez: ", START)?;
        Ok(Self {
            process,
            bus: line.trim_start_matches("bluez: ").to_owned(),
            _printed: console,
        })
    }

    /// The bus, for `DBUS_SYSTEM_BUS_ADDRESS`.
    #[must_use]
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// Runs a client with this as its system bus; gives what it printed.
    ///
    /// # Errors
    /// It cannot be started, or fails; the error holds what it printed.
    pub fn run(&self, client: &mut Command) -> Result<String> {
        let output = client
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus)
            .stdin(Stdio::null())
            .output()
            .context("cannot start the client")?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the client failed ({}):\n{printed}{said}", output.status);
        }
        Ok(printed)
    }
}

impl Drop for Bluez {
    fn drop(&mut self) {
        // The bus dies with its parent. The only failure is that it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
