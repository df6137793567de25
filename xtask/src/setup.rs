//! What the tasks need beyond Rust: found when it is there, installed when it is not. Says what it installs,
//! asks nobody, and costs a few milliseconds when all is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::toolchain;
use crate::workspace;

/// Everything any task needs.
pub(crate) fn everything() -> Result<()> {
    boards()?;
    clang_headers()?;
    emulator()?;
    fuzzer()?;
    dbus()?;
    keyring()?;
    sodium()?;
    browser()?;
    postgres()?;
    npm()?;
    clock()?;
    swupdate()?;
    peers().map(drop)
}

/// A C++ compiler, which the fuzzing engine is built with.
pub(crate) fn fuzzer() -> Result<()> {
    if command::succeeds(Command::new("c++").arg("--version")) {
        return Ok(());
    }
    debian(&["g++"], "the fuzzing engine is C++")
}

/// A compiler for the boards.
pub(crate) fn boards() -> Result<()> {
    toolchain::provide().map(drop)
}

/// libclang's own headers, as a folder, with libclang beside them: the nRF52840's radio library is bound to Rust when
/// it is built.
pub(crate) fn clang_headers() -> Result<PathBuf> {
    if let Some(found) = find_clang_headers() {
        return Ok(found);
    }
    debian(
        &["libclang-dev"],
        "the nRF52840's radio library is bound to Rust with it",
    )?;
    find_clang_headers().context("libclang-dev was installed, but its headers are not below /usr/lib/llvm-*")
}

fn find_clang_headers() -> Option<PathBuf> {
    let versions = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    versions(Path::new("/usr/lib"))
        .into_iter()
        .filter(|llvm| llvm.join("lib/libclang.so").exists())
        .flat_map(|llvm| versions(&llvm.join("lib/clang")))
        .map(|clang| clang.join("include"))
        .find(|headers| headers.join("stdint.h").exists())
}

/// libsodium, as a folder, for a client by others that stands on it. It would build one of its own, and run all of
/// libsodium's tests in the course of it.
pub(crate) fn sodium() -> Result<PathBuf> {
    if let Some(found) = find_sodium() {
        return Ok(found);
    }
    debian(&["libsodium-dev"], "nuki-rs, a client by others, stands on it")?;
    find_sodium().context("libsodium-dev was installed, but no libsodium.a is below /usr/lib")
}

fn find_sodium() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    folders
        .map(|folder| folder.path())
        .find(|folder| folder.join("libsodium.a").exists())
}

/// A D-Bus daemon, for clients of the lock that know BlueZ.
pub(crate) fn dbus() -> Result<()> {
    if command::succeeds(Command::new("dbus-daemon").arg("--version")) {
        return Ok(());
    }
    debian(&["dbus-daemon"], "some clients of the lock talk over D-Bus")
}

/// gnome-keyring, for keys that an owner keeps in the system's keyring. Some 11 MB.
pub(crate) fn keyring() -> Result<()> {
    if command::succeeds(Command::new("gnome-keyring-daemon").arg("--version")) {
        return Ok(());
    }
    debian(&["gnome-keyring"], "the owner's command keeps keys in it")
}

/// Chromium, for web pages that use Bluetooth. Some 300 MB, and for the tests alone.
pub(crate) fn browser() -> Result<()> {
    if command::succeeds(Command::new("chromium").arg("--version")) {
        return Ok(());
    }
    debian(&["chromium"], "the tests open web pages in it")
}

/// What the server is measured beside and with: nginx, and wrk.
pub(crate) fn http_peers() -> Result<()> {
    let has = |program: &str| command::succeeds(Command::new("which").arg(program));
    if has("wrk") && has("nginx") {
        return Ok(());
    }
    debian(
        &["nginx-light", "wrk"],
        "the server is measured beside nginx, by wrk",
    )
}

/// Python with goosebit, in an environment of its own: its needs are not those of the tests' peers.
pub(crate) fn goosebit() -> Result<PathBuf> {
    Ok(environment("goosebit", "goosebit.txt")?.join("bin/python"))
}

/// A clock that a test can set, for a program that does not know it is in one.
pub(crate) fn clock() -> Result<()> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    if folders
        .into_iter()
        .any(|folder| folder.path().join("faketime/libfaketimeMT.so.1").exists())
    {
        return Ok(());
    }
    debian(
        &["faketime"],
        "the fleet's hours pass in moments, for the server too",
    )
}

/// SWUpdate as Debian builds it, which the server's updates are installed with; and openssl and cpio, which its files are
/// made with. It is unpacked into a folder and not installed, since that would start its services; only the libraries
/// that it stands on are installed.
pub(crate) fn swupdate() -> Result<()> {
    for program in ["cpio", "openssl"] {
        if !command::succeeds(Command::new("which").arg(program)) {
            debian(&[program], "files for SWUpdate are made with it")?;
        }
    }
    let folder = workspace::scratch().join("swupdate");
    if command::succeeds(Command::new(folder.join("usr/bin/swupdate")).arg("--version")) {
        return Ok(());
    }
    let why = "SWUpdate is a client of the server's, by others";
    on_debian(&["swupdate"], why)?;
    eprintln!(
        "setup: unpacking Debian's swupdate into {} ({why})",
        folder.display()
    );
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    apt(&["update"])?;
    command::output(
        Command::new("apt-get")
            .current_dir(&folder)
            .args(["--quiet", "download", "swupdate"]),
    )?;
    let package = fs::read_dir(&folder)?
        .next()
        .context("apt-get downloaded no swupdate")??
        .path();
    command::output(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([&package, &folder]),
    )?;
    let needs = command::output(
        Command::new("dpkg-deb")
            .arg("--field")
            .arg(&package)
            .arg("Depends"),
    )?;
    apt(&["satisfy", "--yes", "--no-install-recommends", needs.trim()])
}

/// PostgreSQL's programs, for clusters that tests make and end themselves. The cluster that Debian makes on its own is
/// not touched.
pub(crate) fn postgres() -> Result<()> {
    let installed = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    if installed
        .into_iter()
        .any(|version| version.path().join("bin/initdb").exists())
    {
        return Ok(());
    }
    debian(
        &["postgresql"],
        "the server's tests run on it as well as on SQLite",
    )
}

/// Node, which runs the tests of the web app's own modules.
pub(crate) fn node() -> Result<()> {
    if command::succeeds(Command::new("node").arg("--version")) {
        return Ok(());
    }
    debian(&["nodejs"], "the web app's modules are tested in it")
}

/// What the tests take from npm, as the lock file has it.
pub(crate) fn npm() -> Result<()> {
    node()?;
    let folder = workspace::scratch().join("npm");
    let files = ["package.json", "package-lock.json"];
    let wanted = |name: &str| fs::read(workspace::root().join("xtask/peers").join(name));
    let is_there =
        |name| wanted(name).is_ok_and(|wanted| fs::read(folder.join(name)).is_ok_and(|held| held == wanted));
    let stamp = folder.join("installed");
    if stamp.exists() && files.into_iter().all(is_there) {
        return Ok(());
    }
    if !command::succeeds(Command::new("npm").arg("--version")) {
        debian(
            &["npm"],
            "the tests measure pages by axe-core's rules, and sign in at oidc-provider",
        )?;
    }
    eprintln!(
        "setup: installing axe-core and oidc-provider into {}",
        folder.display()
    );
    fs::create_dir_all(&folder)?;
    if stamp.exists() {
        fs::remove_file(&stamp)?;
    }
    for name in files {
        fs::write(folder.join(name), wanted(name)?)?;
    }
    let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    command::output(Command::new("npm").current_dir(&folder).args(quiet))?;
    Ok(fs::write(stamp, "")?)
}

/// The emulator.
pub(crate) fn emulator() -> Result<()> {
    if command::succeeds(Command::new("qemu-system-arm").arg("--version")) {
        return Ok(());
    }
    debian(&["qemu-system-arm"], "the emulated lock runs in QEMU")
}

/// The Python environment with the programs of others that the tests use; gives its folder.
pub(crate) fn peers() -> Result<PathBuf> {
    environment("venv", "requirements.txt")
}

/// A Python environment with what a list in `xtask/peers` names and pins; gives its folder.
fn environment(name: &str, list: &str) -> Result<PathBuf> {
    let wanted_path = workspace::root().join("xtask/peers").join(list);
    let wanted =
        fs::read_to_string(&wanted_path).with_context(|| format!("cannot read {}", wanted_path.display()))?;
    let folder = workspace::scratch().join(name);
    let stamp = folder.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if !command::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        debian(&["python3", "python3-venv"], "the peers are Python programs")?;
    }
    eprintln!(
        "setup: installing {} into {}",
        requirement_names(&wanted),
        folder.display()
    );
    command::output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )?;
    command::output(
        Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&wanted_path),
    )?;
    fs::write(&stamp, wanted)?;
    Ok(folder)
}

/// Installs Debian packages, as root or through sudo.
///
/// # Errors
/// When this is no Debian, nobody may install, or a package is not to be had; the message names the packages.
pub(crate) fn debian(packages: &[&str], why: &str) -> Result<()> {
    on_debian(packages, why)?;
    eprintln!("setup: installing Debian's {} ({why})", packages.join(", "));
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn on_debian(packages: &[&str], why: &str) -> Result<()> {
    if Path::new("/etc/debian_version").exists() {
        return Ok(());
    }
    bail!(
        "{why}: please install {} by hand, then run this again",
        packages.join(", ")
    );
}

fn apt(arguments: &[&str]) -> Result<()> {
    let root = command::output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut command = if root {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    };
    command::output(
        command
            .arg("--quiet")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .map(drop)
    .context("apt-get could not install; run this as root, or install the packages by hand")
}

fn requirement_names(requirements: &str) -> String {
    let lines = requirements.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '-']))
        .map(|line| line.split_whitespace().next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join(", ")
}
