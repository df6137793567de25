//! The board under attack: QEMU with the bootloader, its flash in a file that is written from outside, and its
//! processor on GDB's leash.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::gdb::Gdb;

/// Where the processor sees the flash.
pub const FLASH: u32 = 0x2100_0000;
/// Size of the flash, in bytes.
pub const FLASH_SIZE: usize = 1 << 20;
const BACKING: u64 = 16 << 20;

/// A flash file in a folder of its own, both gone when this is.
pub struct FlashFolder {
    folder: TempDir,
    file: File,
}

impl FlashFolder {
    /// A chip that holds this.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(flash: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let path = folder.path().join("flash");
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(path)?;
        file.set_len(BACKING)?;
        file.write_all_at(flash, 0)?;
        Ok(Self { folder, file })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The board with this bootloader and flash, as a command to be completed.
#[must_use]
pub fn board(bootloader: &Path, flash: &FlashFolder) -> Command {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args([
        "-M",
        "mps2-an386,memory-backend=flash",
        "-display",
        "none",
        "-monitor",
        "none",
        "-object",
    ])
    .arg(format!(
        "memory-backend-file,id=flash,size={BACKING},share=on,mem-path={}",
        flash.path("flash").display()
    ))
    .arg("-kernel")
    .arg(bootloader)
    .stdin(Stdio::null());
    qemu
}

/// A board, halted at reset until it is told to run.
pub struct Machine {
    bootloader: PathBuf,
    flash: FlashFolder,
    qemu: Child,
    /// The processor.
    pub gdb: Gdb,
}

impl Machine {
    /// Powers the board up.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(bootloader: &Path, flash: &[u8]) -> Result<Self> {
        let flash = FlashFolder::new(flash)?;
        let (qemu, gdb) = power_up(bootloader, &flash)?;
        Ok(Self {
            bootloader: bootloader.to_owned(),
            flash,
            qemu,
            gdb,
        })
    }

    /// What the flash holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn flash(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; FLASH_SIZE];
        self.flash.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Makes the flash hold this.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_flash(&self, bytes: &[u8]) -> Result<()> {
        Ok(self.flash.file.write_all_at(bytes, 0)?)
    }

    /// A new processor in place of one that is beyond help; the flash stays.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn replace(&mut self) -> Result<()> {
        end(&mut self.qemu);
        (self.qemu, self.gdb) = power_up(&self.bootloader, &self.flash)?;
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end(&mut self.qemu);
    }
}

fn power_up(bootloader: &Path, flash: &FlashFolder) -> Result<(Child, Gdb)> {
    let socket = flash.path("gdb");
    let _ = std::fs::remove_file(&socket);
    let mut child = board(bootloader, flash)
        .args(["-S", "-serial", "null", "-chardev"])
        .arg(format!(
            "socket,id=gdb,path={},server=on,wait=off",
            socket.display()
        ))
        .args(["-gdb", "chardev:gdb"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start qemu-system-arm; `cargo xtask setup` installs it")?;
    match Gdb::connect(&socket) {
        Ok(gdb) => Ok((child, gdb)),
        Err(error) => {
            end(&mut child);
            Err(error)
        }
    }
}

/// Ends a process that was started here.
pub(crate) fn end(child: &mut Child) {
    // The only failure is that it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}
