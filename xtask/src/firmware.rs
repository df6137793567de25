//! `cargo xtask firmware`: bootloader and lock app for a board, as files a programmer or the emulator takes.
//!
//! The same sources give the same bytes on every machine with the same compiler: paths are mapped away.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use latchkey_image::{Hardware, SecurityCounter, Version};
use latchkey_lab::Release;
use object::{Object, ObjectSegment};

use crate::toolchain::{self, Toolchain};
use crate::{command, setup, workspace};

/// What to build.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Which board to build for
    #[arg(long, value_enum)]
    pub(crate) board: Board,
    /// Version of the lock app, X.Y.Z or X.Y.Z+B
    #[arg(long)]
    pub(crate) version: String,
    /// Its security counter: a lock never goes back below the highest it has confirmed
    #[arg(long, default_value_t = 1)]
    pub(crate) security_counter: u32,
    /// Folder for the results; .latchkey/firmware/BOARD-VERSION when not given
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Trust policy baked into bootloader and app; without it the example keys are trusted
    #[arg(long)]
    pub(crate) policy: Option<PathBuf>,
    /// Public key of the update server's director, PEM; without it the example key is trusted
    #[arg(long)]
    pub(crate) director: Option<PathBuf>,
    /// A build for locks in the field: refuses every example key
    #[arg(long, requires = "policy", requires = "director")]
    pub(crate) release: bool,
    /// A bad app, to see what becomes of it
    #[arg(long, value_enum)]
    pub(crate) fault: Option<Fault>,
}

/// A board Latchkey runs on.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Board {
    /// QEMU's mps2-an386
    Emulator,
    /// Nordic nRF52840
    Nrf52840,
}

impl Board {
    pub(crate) const ALL: [Self; 2] = [Self::Emulator, Self::Nrf52840];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Nrf52840 => "nrf52840",
        }
    }

    fn hardware(self) -> Hardware {
        match self {
            Self::Emulator => Hardware::EMULATOR,
            Self::Nrf52840 => Hardware::NRF52840,
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Emulator => "thumbv7em-none-eabi",
            Self::Nrf52840 => "thumbv7em-none-eabihf",
        }
    }
}

/// Ways for a lock app to be bad.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Faults at start
    Crash,
    /// Stops at start
    Hang,
    /// Runs, but never confirms itself
    NeverConfirm,
}

impl Fault {
    fn feature(self) -> &'static str {
        match self {
            Self::Crash => "fault-crash",
            Self::Hang => "fault-hang",
            Self::NeverConfirm => "fault-never-confirm",
        }
    }
}

/// The files a build leaves behind.
pub(crate) struct Built {
    /// The bootloader as an ELF file, for the emulator and for debuggers.
    pub(crate) bootloader: PathBuf,
    /// The lock app's payload, ready to be signed.
    pub(crate) app: PathBuf,
    /// The lock app signed with the example keys, where those are what the build trusts.
    pub(crate) signed: Option<PathBuf>,
}

impl Options {
    /// A build that trusts the example keys.
    pub(crate) fn example(board: Board, version: &str, security_counter: u32) -> Self {
        Self {
            board,
            version: version.to_owned(),
            security_counter,
            out: None,
            policy: None,
            director: None,
            release: false,
            fault: None,
        }
    }
}

/// Builds both and says where they are and what comes next.
pub(crate) fn run(options: &Options) -> Result<()> {
    let built = build(options)?;
    println!("bootloader  {}", built.bootloader.display());
    println!("lock app    {}", built.app.display());
    match &built.signed {
        Some(signed) => println!("signed with the example keys  {}", signed.display()),
        None => println!(
            "next: `latchkey-sign sign --version {} --security-counter {} --vid {} --cid {} --key KEY {} OUT`",
            options.version,
            options.security_counter,
            options.board.hardware().vendor_name,
            options.board.hardware().class_name,
            built.app.display()
        ),
    }
    Ok(())
}

/// Builds bootloader and lock app for every board; the linker refuses what does not fit.
pub(crate) fn build_all_boards() -> Result<()> {
    for board in Board::ALL {
        let built = build(&Options::example(board, "1.0.0", 1))?;
        for program in [&built.bootloader.with_extension("bin"), &built.app] {
            println!("{:>8} bytes  {}", program.metadata()?.len(), program.display());
        }
    }
    Ok(())
}

/// Builds both.
pub(crate) fn build(options: &Options) -> Result<Built> {
    let name = format!("{}-{}", options.board.name(), options.version);
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| workspace::scratch().join("firmware").join(name));
    let bootloader = build_bootloader(options, &out)?;
    let elf = out.join("app.elf");
    let package = format!("latchkey-firmware-{}", options.board.name());
    fs::copy(
        compile(options, "app", &package, options.fault.map(Fault::feature))?,
        &elf,
    )?;
    let app = out.join("app.bin");
    flatten(&elf, &app)?;
    let signed = match options.policy {
        Some(_) => None,
        None => Some(sign(options, &app, &out.join("app.signed.bin"))?),
    };
    Ok(Built {
        bootloader,
        app,
        signed,
    })
}

/// Builds the bootloader into a folder; gives its ELF file.
pub(crate) fn build_bootloader(options: &Options, out: &Path) -> Result<PathBuf> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let bootloader = out.join("bootloader.elf");
    let package = format!("latchkey-boot-{}", options.board.name());
    fs::copy(compile(options, "firmware", &package, None)?, &bootloader)?;
    flatten(&bootloader, &out.join("bootloader.bin"))?;
    Ok(bootloader)
}

/// Builds the plain form of the emulated board's bootloader, which is there to be attacked and never ships.
pub(crate) fn build_plain_bootloader(out: &Path) -> Result<PathBuf> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let options = Options::example(Board::Emulator, "0.0.0", 0);
    let bootloader = out.join("plain.elf");
    fs::copy(
        compile(&options, "firmware", "latchkey-boot-emulator", Some("plain-jump"))?,
        &bootloader,
    )?;
    Ok(bootloader)
}

/// Signs with two of the three example keys, as the example policy asks.
fn sign(options: &Options, app: &Path, to: &Path) -> Result<PathBuf> {
    let version = options.version.parse::<Version>().context("--version")?;
    let hardware = options.board.hardware();
    let release = Release {
        version,
        counter: SecurityCounter(options.security_counter),
        vendor: hardware.vendor,
        class: hardware.class,
        ..Release::new(fs::read(app)?, version.major)
    };
    fs::write(to, release.sign()?.bytes)?;
    Ok(to.to_owned())
}

/// Compiles one board program by a profile of the workspace; gives its ELF file.
fn compile(options: &Options, profile: &str, package: &str, feature: Option<&str>) -> Result<PathBuf> {
    let toolchain = toolchain::provide()?;
    eprintln!("building {package} {} with {}", options.version, toolchain.name());
    let mut cargo = cargo(&toolchain, "build", options)?;
    cargo.args(["--profile", profile, "--package", package]);
    if let Some(feature) = feature {
        cargo.args(["--features", feature]);
    }
    command::run(&mut cargo)?;
    let folder = target_folder().join(options.board.target());
    Ok(folder.join(profile).join(package))
}

/// Lints every board's programs, and the crates that only they use.
pub(crate) fn lint_all_boards() -> Result<()> {
    let toolchain = toolchain::provide()?;
    if !toolchain.has_lints() {
        println!("SKIPPED: {} has no clippy", toolchain.name());
        return Ok(());
    }
    for board in Board::ALL {
        let mut cargo = cargo(&toolchain, "clippy", &Options::example(board, "1.0.0", 1))?;
        let name = board.name();
        let packages = [
            format!("latchkey-board-{name}"),
            format!("latchkey-boot-{name}"),
            format!("latchkey-firmware-{name}"),
            "latchkey-board-cortex-m".to_owned(),
            "latchkey-boot-cortex-m".to_owned(),
        ];
        for package in packages {
            cargo.args(["--package", &package]);
        }
        command::run(cargo.args(["--", "--deny", "warnings"]))?;
    }
    Ok(())
}

/// A cargo command for a board's programs, which build for nobody else and want to be told whom to trust.
fn cargo(toolchain: &Toolchain, command: &str, options: &Options) -> Result<Command> {
    let target = options.board.target();
    let keys = workspace::root().join("keys-example");
    let policy = options.policy.clone().unwrap_or_else(|| keys.join("policy.toml"));
    let director = options
        .director
        .clone()
        .unwrap_or_else(|| keys.join("director.pub.pem"));
    let mut cargo = toolchain.cargo(command, target)?;
    cargo
        .current_dir(workspace::root())
        .args(["--quiet", "--target-dir"])
        .arg(target_folder())
        .arg("--config")
        .arg(path_mapping(target)?)
        .env("LATCHKEY_VERSION", &options.version)
        .env("LATCHKEY_POLICY", absolute(&policy)?)
        .env("LATCHKEY_DIRECTOR", absolute(&director)?);
    if options.release {
        cargo.env("LATCHKEY_RELEASE", "1");
    }
    if options.board == Board::Nrf52840 {
        let headers = setup::clang_headers()?;
        cargo.env(
            "BINDGEN_EXTRA_CLANG_ARGS",
            format!("-isystem {}", headers.display()),
        );
    }
    Ok(cargo)
}

fn target_folder() -> PathBuf {
    workspace::root().join("target/boards")
}

/// `--config` value that maps this machine's paths out of the programs.
pub(crate) fn path_mapping(target: &str) -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let home = home.context("neither CARGO_HOME nor a home directory is known")?;
    let root = workspace::root();
    Ok(format!(
        "target.{target}.rustflags=[{:?}, {:?}]",
        format!("--remap-path-prefix={}=/src", root.display()),
        format!("--remap-path-prefix={}=/cargo", home.display()),
    ))
}

fn absolute(path: &Path) -> Result<OsString> {
    let path = path
        .canonicalize()
        .with_context(|| format!("cannot find {}", path.display()))?;
    Ok(path.into_os_string())
}

/// Writes what an ELF file loads into flash as one raw file, from the lowest load address up.
fn flatten(elf: &Path, raw: &Path) -> Result<()> {
    let data = fs::read(elf)?;
    let file = object::read::elf::ElfFile32::<object::Endianness>::parse(&*data)
        .with_context(|| format!("{} is no ELF file", elf.display()))?;
    let mut parts = Vec::new();
    for segment in file.segments() {
        let bytes = segment.data()?;
        if !bytes.is_empty() {
            parts.push((segment.elf_program_header().p_paddr.get(file.endian()), bytes));
        }
    }
    parts.sort_by_key(|(address, _)| *address);
    let Some((base, _)) = parts.first().copied() else {
        bail!("{} loads nothing", elf.display())
    };
    let mut image = Vec::new();
    for (address, bytes) in parts {
        let offset = usize::try_from(address.checked_sub(base).context("segments out of order")?)?;
        if offset < image.len() {
            bail!("{} loads two things at {address:#x}", elf.display());
        }
        image.resize(offset, 0xff);
        image.extend_from_slice(bytes);
    }
    fs::write(raw, image)?;
    Ok(())
}
