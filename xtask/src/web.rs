//! `cargo xtask web`: the owner's web app, as the files that a server serves.
//!
//! The Rust half is compiled for browsers and made a module by wasm-bindgen; the rest is copied as it stands. The same
//! sources give the same bytes on every machine with the same compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use sha2::{Digest, Sha256};

use crate::toolchain::{self, WEB_TARGET};
use crate::{command, firmware, setup, workspace};

/// What to build.
#[derive(Args, Clone, Default)]
pub(crate) struct Options {
    /// Trust policy for images, the one baked into bootloaders; without it the example keys are trusted
    #[arg(long)]
    policy: Option<PathBuf>,
    /// A build for owners of locks in the field: refuses every example key
    #[arg(long, requires = "policy")]
    release: bool,
}

/// Builds it and says where it is and what comes next.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = build(options)?;
    let size = fs::metadata(folder.join("latchkey_bg.wasm"))?.len();
    println!("web app  {} (WebAssembly: {size} bytes)", folder.display());
    println!("next: `cargo build --release --package latchkey-server --features web-app`");
    Ok(())
}

/// Runs the tests of the page's own modules, in Node and without a browser. What they do in one is tested in one.
pub(crate) fn test_modules() -> Result<()> {
    setup::node()?;
    let folder = workspace::root().join("app/phone/web");
    command::output(Command::new("node").current_dir(folder).arg("--test")).map(drop)
}

/// Builds it; gives the folder.
pub(crate) fn build(options: &Options) -> Result<PathBuf> {
    let program = compile(options)?;
    let folder = workspace::scratch().join("web");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let paths = [program.to_string_lossy(), folder.to_string_lossy()];
    let bindgen = ["run", "--quiet", "--package", "latchkey-web-bindgen", "--"];
    command::cargo(&[&bindgen[..], &[&paths[0], &paths[1]]].concat())?;
    let page = workspace::root().join("app/phone/web/page");
    for entry in fs::read_dir(&page).with_context(|| format!("cannot read {}", page.display()))? {
        let from = entry?.path();
        if let Some(name) = from.file_name().filter(|_| from.is_file()) {
            fs::copy(&from, folder.join(name))?;
        }
    }
    list(&folder)?;
    if !options.release {
        // The server does not start with such a page, unless it is told to take example keys.
        fs::write(folder.join("TRIAL"), "not for owners of locks in the field\n")?;
    }
    Ok(folder)
}

/// Writes down for the service worker which files there are, with a version that stands for the bytes of all.
fn list(folder: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().into_string();
        names.push(name.map_err(|name| anyhow!("{} is no name for a file", name.display()))?);
    }
    names.sort();
    let mut hash = Sha256::new();
    for name in &names {
        let bytes = fs::read(folder.join(name))?;
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(bytes);
    }
    let version = hex::encode(hash.finalize());
    // The worker itself is the browser's to keep, and the page is asked for by its folder.
    let kept: Vec<&str> = names
        .iter()
        .map(|name| if name == "index.html" { "./" } else { name })
        .filter(|name| *name != "sw.js")
        .collect();
    let files = serde_json::to_string(&kept)?;
    fs::write(
        folder.join("files.js"),
        format!("export const VERSION = \"{version}\";\nexport const FILES = {files};\n"),
    )?;
    Ok(())
}

fn compile(options: &Options) -> Result<PathBuf> {
    let toolchain = toolchain::provide()?;
    eprintln!("building the web app with {}", toolchain.name());
    let keys = workspace::root().join("keys-example/policy.toml");
    let policy = options.policy.as_deref().unwrap_or(&keys);
    let target_folder = workspace::root().join("target/boards");
    let mut cargo = toolchain.cargo("build", WEB_TARGET)?;
    cargo
        .current_dir(workspace::root())
        .args([
            "--quiet",
            "--profile",
            "web",
            "--package",
            "latchkey-web",
            "--lib",
        ])
        .arg("--target-dir")
        .arg(&target_folder)
        .arg("--config")
        .arg(firmware::path_mapping(WEB_TARGET)?)
        .env("LATCHKEY_POLICY", absolute(policy)?);
    if options.release {
        cargo.env("LATCHKEY_RELEASE", "1");
    }
    command::run(&mut cargo)?;
    Ok(target_folder.join(WEB_TARGET).join("web/latchkey_web.wasm"))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("cannot find {}", path.display()))
}
