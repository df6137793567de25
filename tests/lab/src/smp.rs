//! smpclient, the field's tool for updates over Bluetooth, on the virtual air.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::Air;
use crate::builds::{checkout, peer_program};

/// Has smpclient do this with the lock that is advertised under this name; gives what it printed.
/// `tests/air/sender.py` says which commands there are.
///
/// # Errors
/// It is not set up, finds no such lock, or ends otherwise than it should; the error holds what it printed.
pub fn smpclient(air: &Air, controller: &str, lock: &str, commands: &[&str]) -> Result<String> {
    let output = Command::new(peer_program("python")?)
        .arg(checkout().join("tests/air/sender.py"))
        .arg(air.address(controller)?)
        .arg(lock)
        .args(commands)
        .stdin(Stdio::null())
        .output()
        .context("cannot start smpclient")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("smpclient failed ({}):\n{printed}{said}", output.status);
    }
    Ok(printed)
}
