//! The board programs that the laboratory runs, and where they lie. `cargo xtask` makes them; nothing here
//! builds, and nothing here goes on without one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// How far the table behind a program reaches: with it an image fills most of its slot of 384 KB.
const PAYLOAD_BYTES: usize = 360 * 1024;

/// A lock app that the laboratory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Version 1.0.0, as from the factory.
    V1,
    /// Version 2.0.0, a good update.
    V2,
    /// Faults at start.
    Crash,
    /// Stops at start, and feeds no watchdog.
    Hang,
    /// Runs and checks in, but never confirms itself.
    NeverConfirm,
}

impl Variant {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::V1, Self::V2, Self::Crash, Self::Hang, Self::NeverConfirm];

    /// The name of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::NeverConfirm => "never-confirm",
        }
    }

    /// The version it is built as.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V1 => "1.0.0",
            Self::V2 | Self::Crash | Self::Hang | Self::NeverConfirm => "2.0.0",
        }
    }

    /// The security counter it is signed with: its major version.
    #[must_use]
    pub fn counter(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 | Self::Crash | Self::Hang | Self::NeverConfirm => 2,
        }
    }
}

/// The folder with one folder a variant, `bootloader.elf` and `app.bin` in each.
#[derive(Clone, Debug)]
pub struct Builds {
    folder: PathBuf,
}

impl Builds {
    /// Where `LATCHKEY_LAB` says, or `.latchkey/lab` in this checkout.
    #[must_use]
    pub fn find() -> Self {
        let folder = std::env::var_os("LATCHKEY_LAB").map(PathBuf::from);
        Self {
            folder: folder.unwrap_or_else(|| checkout().join(".latchkey/lab")),
        }
    }

    /// Those in `folder`.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The folder of one variant, whether or not it is there.
    #[must_use]
    pub fn folder(&self, variant: Variant) -> PathBuf {
        self.folder.join(variant.name())
    }

    /// The bootloader; the same whatever the app.
    ///
    /// # Errors
    /// It has not been built; the message says what builds it.
    pub fn bootloader(&self) -> Result<PathBuf> {
        there(self.folder(Variant::V1).join("bootloader.elf"))
    }

    /// The file with a lock app's payload, ready to be signed.
    ///
    /// # Errors
    /// It has not been built; the message says what builds it.
    pub fn payload_file(&self, variant: Variant) -> Result<PathBuf> {
        there(self.folder(variant).join("app.bin"))
    }

    /// A lock app's payload, ready to be signed: the program, and behind it a table that it does not use and
    /// that is another in every variant. Two builds of the same sources hardly differ, and an update between
    /// them would move hardly a page.
    ///
    /// # Errors
    /// It has not been built; the message says what builds it.
    pub fn payload(&self, variant: Variant) -> Result<Vec<u8>> {
        let path = self.payload_file(variant)?;
        let mut payload = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let length = PAYLOAD_BYTES.saturating_sub(payload.len());
        payload.extend(table(variant.name()).take(length));
        Ok(payload)
    }
}

/// The `latchkey-server` program: where `LATCHKEY_SERVER_PROGRAM` says, or in the folder that cargo put this
/// program in.
///
/// # Errors
/// It has not been built; the message says what builds it.
pub fn server_program() -> Result<PathBuf> {
    program("latchkey-server", "LATCHKEY_SERVER_PROGRAM")
}

/// The `latchkey` program: where `LATCHKEY_PROGRAM` says, or in the folder that cargo put this program in.
///
/// # Errors
/// It has not been built; the message says what builds it.
pub fn owner_program() -> Result<PathBuf> {
    program("latchkey", "LATCHKEY_PROGRAM")
}

/// The `latchkey-sign` program: where `LATCHKEY_SIGN_PROGRAM` says, or in the folder that cargo put this program in.
///
/// # Errors
/// It has not been built; the message says what builds it.
pub fn sign_program() -> Result<PathBuf> {
    program("latchkey-sign", "LATCHKEY_SIGN_PROGRAM")
}

fn program(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return there(path.into());
    }
    let this = std::env::current_exe().context("this program does not know where it lies")?;
    // Programs lie in target/PROFILE, tests one folder further down.
    let mut folders = this.ancestors().skip(1).take(2);
    match folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.exists())) {
        Some(path) => Ok(path),
        None => there(this.with_file_name(name)),
    }
}

/// A program of the Python environment: `$LATCHKEY_VENV/bin/NAME`, by default in `.latchkey/venv`.
///
/// # Errors
/// It is not there; the message says what installs it.
pub fn peer_program(name: &str) -> Result<PathBuf> {
    let environment = std::env::var_os("LATCHKEY_VENV").map(PathBuf::from);
    let environment = environment.unwrap_or_else(|| checkout().join(".latchkey/venv"));
    let program = environment.join("bin").join(name);
    if !program.is_file() {
        bail!("{} is missing: run `cargo xtask setup`", program.display());
    }
    Ok(program)
}

/// SWUpdate, as Debian has it.
///
/// # Errors
/// It is not there; the message says what fetches it.
pub fn swupdate_program() -> Result<PathBuf> {
    let program = checkout().join(".latchkey/swupdate/usr/bin/swupdate");
    if !program.is_file() {
        bail!("{} is missing: run `cargo xtask setup`", program.display());
    }
    Ok(program)
}

/// Where `tests/nuki-rs` is built.
pub const NUKI_RS_TARGET: &str = "target/nuki-rs";

/// The program that drives nuki-rs.
///
/// # Errors
/// It has not been built; the message says what builds it.
pub fn nuki_rs_program() -> Result<PathBuf> {
    there(checkout().join(NUKI_RS_TARGET).join("debug/latchkey-nuki-rs"))
}

/// Where `tests/tuf` is built.
pub const TOUGH_TARGET: &str = "target/tough";

/// The program that reads a TUF repository with tough.
///
/// # Errors
/// It has not been built; the message says what builds it.
pub fn tough_program() -> Result<PathBuf> {
    there(checkout().join(TOUGH_TARGET).join("debug/latchkey-tough"))
}

/// Where `tests/hawkbit` is built.
pub const HAWKBIT_TARGET: &str = "target/hawkbit";

/// The program that is a device as the crate hawkbit makes one.
///
/// # Errors
/// It has not been built; the message says what builds it.
pub fn hawkbit_program() -> Result<PathBuf> {
    there(checkout().join(HAWKBIT_TARGET).join("debug/latchkey-hawkbit"))
}

/// The root of this checkout.
pub(crate) fn checkout() -> PathBuf {
    // Cargo fixes this crate's place when it builds it: two folders below the root.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Bytes without a pattern, the same for the same name.
fn table(name: &str) -> impl Iterator<Item = u8> {
    let seed = name.bytes().fold(1, |seed: u32, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    // Xorshift, as Marsaglia gives it for 32 bits.
    let next = |state: &u32| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 17);
        Some(state ^ (state << 5))
    };
    let words = std::iter::successors(Some(seed), next);
    words.flat_map(u32::to_le_bytes)
}

fn there(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!(
            "{} has not been built; run `cargo xtask test`, which builds what the tests need",
            path.display()
        );
    }
    Ok(path)
}
