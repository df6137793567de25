//! What the laboratory runs: the board programs in every variant, and the server. Builds them all; cargo
//! makes that quick when nothing changed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use latchkey_lab::{Builds, HAWKBIT_TARGET, NUKI_RS_TARGET, TOUGH_TARGET, Variant};

use crate::firmware::{self, Board, Fault};
use crate::{command, setup, web, workspace};

/// Builds the board programs in these variants, the server, the signing command and the owner's; says where the former are.
pub(crate) fn build(variants: &[Variant]) -> Result<Builds> {
    setup::boards()?;
    setup::emulator()?;
    let builds = Builds::within(&workspace::scratch().join("lab"));
    for variant in variants.iter().copied() {
        let counter = variant.counter();
        firmware::build(&firmware::Options {
            out: Some(builds.folder(variant)),
            fault: fault(variant),
            ..firmware::Options::example(Board::Emulator, variant.version(), counter)
        })?;
    }
    web::build(&web::Options::default())?;
    // The server with the owners' web app in it, as operators have it.
    build_programs(&["--features", "latchkey-server/web-app"])?;
    Ok(builds)
}

/// Builds the programs that run on the host. Always all: cargo would build what they stand on anew for each choice.
pub(crate) fn build_programs(options: &[&str]) -> Result<()> {
    eprintln!("building latchkey, latchkey-server, latchkey-sign and latchkey-fleet");
    let mut build = vec!["build", "--quiet"];
    for package in [
        "latchkey-command",
        "latchkey-server",
        "latchkey-sign",
        "latchkey-fleet",
    ] {
        build.extend(["--package", package]);
    }
    build.extend(options);
    command::cargo(&build)
}

/// Builds the program that drives nuki-rs, in a workspace of its own.
pub(crate) fn build_nuki_rs() -> Result<()> {
    eprintln!("building nuki-rs, a client by others");
    let manifest = workspace::root().join("tests/nuki-rs/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(workspace::root())
        .args(["build", "--quiet", "--locked", "--target-dir", NUKI_RS_TARGET])
        .arg("--manifest-path")
        .arg(manifest)
        .env("SODIUM_LIB_DIR", setup::sodium()?);
    command::run(&mut build)
}

/// Builds the program that reads TUF repositories with tough, in a workspace of its own.
pub(crate) fn build_tough() -> Result<()> {
    build_client("tough", "tests/tuf", TOUGH_TARGET)
}

/// Builds the program that is a device as the crate hawkbit makes one, in a workspace of its own.
pub(crate) fn build_hawkbit() -> Result<()> {
    build_client("hawkbit", "tests/hawkbit", HAWKBIT_TARGET)
}

fn build_client(name: &str, folder: &str, target: &str) -> Result<()> {
    eprintln!("building {name}, a client by others");
    let manifest = workspace::root().join(folder).join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(workspace::root())
        .args(["build", "--quiet", "--locked", "--target-dir", target])
        .arg("--manifest-path")
        .arg(manifest);
    command::run(&mut build)
}

/// A program that [`build`] has built.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    // cargo puts them where it put this one.
    let this = std::env::current_exe().context("this program does not know where it lies")?;
    Ok(this.with_file_name(name))
}

fn fault(variant: Variant) -> Option<Fault> {
    match variant {
        Variant::V1 | Variant::V2 => None,
        Variant::Crash => Some(Fault::Crash),
        Variant::Hang => Some(Fault::Hang),
        Variant::NeverConfirm => Some(Fault::NeverConfirm),
    }
}
