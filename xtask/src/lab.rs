//! What the laboratory runs: the board programs in every variant, and the server. Builds them all; cargo
//! makes that quick when nothing changed.

use std::process::Command;

use anyhow::Result;
use latchkey_lab::{Builds, Variant};

use crate::firmware::{self, Board, Fault};
use crate::{command, setup, workspace};

/// Builds everything and says where it is.
pub(crate) fn build() -> Result<Builds> {
    setup::boards()?;
    setup::emulator()?;
    let builds = Builds::within(&workspace::scratch().join("lab"));
    for variant in Variant::ALL {
        let counter = variant.counter();
        firmware::build(&firmware::Options {
            out: Some(builds.folder(variant)),
            fault: fault(variant),
            ..firmware::Options::example(Board::Emulator, variant.version(), counter)
        })?;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut server = Command::new(cargo);
    server.current_dir(workspace::root());
    command::run(server.args(["build", "--quiet", "--package", "latchkey-server"]))?;
    Ok(builds)
}

fn fault(variant: Variant) -> Option<Fault> {
    match variant {
        Variant::V1 | Variant::V2 => None,
        Variant::Crash => Some(Fault::Crash),
        Variant::Hang => Some(Fault::Hang),
        Variant::NeverConfirm => Some(Fault::NeverConfirm),
    }
}
