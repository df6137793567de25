//! The compiler for the boards and the web app. rustup's, with the targets added, where rustup can fetch them; else
//! Debian's, whose packages carry the library source, so that `core` or `std` is built on the spot. `LATCHKEY_TOOLCHAIN`, set to
//! `rustup` or `debian`, allows only that one: to see that both work.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;
use crate::setup;

/// The target of the web app.
pub(crate) const WEB_TARGET: &str = "wasm32-unknown-unknown";
/// The targets that the boards and the web app need.
const TARGETS: [&str; 3] = ["thumbv7em-none-eabi", "thumbv7em-none-eabihf", WEB_TARGET];
/// How long rustup may try to fetch a target before Debian's packages are used, in seconds.
const RUSTUP_PATIENCE_S: &str = "120";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";

/// A compiler that can build for the boards and the web.
pub(crate) enum Toolchain {
    /// The toolchain cargo runs under, with rustup's targets.
    Rustup,
    /// Debian's, building the library from source.
    Debian,
}

impl Toolchain {
    /// A cargo command (`build`, `clippy`) for `target`, to be completed with packages and features.
    pub(crate) fn cargo(&self, command: &str, target: &str) -> Result<Command> {
        match self {
            Self::Rustup => {
                let mut cargo = Command::new(env_cargo());
                cargo.args([command, "--target", target]);
                Ok(cargo)
            }
            Self::Debian => {
                let mut cargo = Command::new(DEBIAN_CARGO);
                let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
                cargo
                    .args([command, "--target", target])
                    .arg(if target == WEB_TARGET {
                        "-Zbuild-std=std,panic_abort"
                    } else {
                        "-Zbuild-std=core,alloc,compiler_builtins"
                    })
                    .args(["-Zbuild-std-features=compiler-builtins-mem"])
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env(linker, linker_path()?);
                Ok(cargo)
            }
        }
    }

    /// Whether it has clippy: Debian packages none for its newer compiler.
    pub(crate) fn has_lints(&self) -> bool {
        match self {
            Self::Rustup => true,
            Self::Debian => false,
        }
    }

    /// For people: which one it is.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rustup => "rustup's toolchain",
            Self::Debian => "Debian's rustc, building the library from source",
        }
    }
}

/// Finds a compiler for the boards and the web, or installs one.
pub(crate) fn provide() -> Result<Toolchain> {
    let only = std::env::var("LATCHKEY_TOOLCHAIN").ok();
    let allowed = |name| only.as_deref().is_none_or(|only| only == name);
    if allowed("rustup") && (rustup_has_targets() || (!debian_is_there() && rustup_adds_targets())) {
        return Ok(Toolchain::Rustup);
    }
    if !allowed("debian") {
        bail!("rustup has no {} and cannot fetch them here", TARGETS.join(", "));
    }
    if !debian_is_there() {
        setup::debian(
            &["rustc-web", "cargo-web", "rust-web-src"],
            "rustup cannot fetch the targets; Debian carries the library source",
        )?;
    }
    if !debian_is_there() {
        bail!("Debian's compiler was installed, but is not at {DEBIAN_CARGO} and {DEBIAN_SOURCE}");
    }
    Ok(Toolchain::Debian)
}

fn debian_is_there() -> bool {
    [DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_SOURCE]
        .iter()
        .all(|path| Path::new(path).exists())
}

fn rustup_adds_targets() -> bool {
    eprintln!("setup: adding the targets {} with rustup", TARGETS.join(", "));
    let mut rustup = Command::new("timeout");
    rustup
        .arg(RUSTUP_PATIENCE_S)
        .args(["rustup", "target", "add"])
        .args(TARGETS);
    command::succeeds(&mut rustup) && rustup_has_targets()
}

fn rustup_has_targets() -> bool {
    let library = |sysroot: &Path, target| sysroot.join("lib/rustlib").join(target).join("lib");
    sysroot().is_ok_and(|sysroot| TARGETS.iter().all(|target| library(&sysroot, target).is_dir()))
}

/// Where the running toolchain lies.
fn sysroot() -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    command::output(Command::new(rustc).args(["--print", "sysroot"])).map(|path| path.trim().into())
}

/// rustup ships a linker with every toolchain; Debian has it as a package.
fn linker_path() -> Result<PathBuf> {
    let host = "lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld";
    let shipped = sysroot()
        .map(|sysroot| sysroot.join(host))
        .ok()
        .filter(|path| path.exists());
    if let Some(path) = shipped {
        return Ok(path);
    }
    let debian = PathBuf::from("/usr/bin/ld.lld");
    if !debian.exists() {
        setup::debian(&["lld"], "the boards' programs are linked with it")?;
    }
    Ok(debian)
}

fn env_cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
