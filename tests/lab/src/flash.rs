//! A lock's flash, as a file that survives the lock's process.
//!
//! Knows bytes and places only; [`Chip`](crate::Chip) knows what they mean.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Size of the memory the emulated board backs with the file; the chip is its first megabyte.
pub(crate) const BACKING_BYTES: u64 = 16 << 20;
/// Size of the chip.
pub(crate) const CHIP_BYTES: usize = 1 << 20;

/// A flash file. Remains when this value is dropped.
#[derive(Clone, Debug)]
pub struct FlashFile {
    path: PathBuf,
}

impl FlashFile {
    /// A chip as it leaves the factory: erased, with `image` (a signed image) in the ACTIVE slot.
    ///
    /// # Errors
    /// When the file cannot be written or the image does not fit.
    pub fn factory(path: &Path, active_offset: u32, image: &[u8]) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(BACKING_BYTES)?;
        file.write_all_at(&vec![0xff; CHIP_BYTES], 0)?;
        let flash = Self {
            path: path.to_owned(),
        };
        flash.write(active_offset, image)?;
        Ok(flash)
    }

    /// A chip that was used before.
    ///
    /// # Errors
    /// When there is no such file or it is not a flash file.
    pub fn open(path: &Path) -> Result<Self> {
        let length = path
            .metadata()
            .with_context(|| format!("cannot open {}", path.display()))?
            .len();
        if length != BACKING_BYTES {
            bail!(
                "{} has {length} bytes; a flash file has {BACKING_BYTES}",
                path.display()
            );
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Overwrites bytes as no lock could: what an attacker with the chip in hand, or a failing chip, does.
    ///
    /// # Errors
    /// When the bytes do not lie within the chip.
    pub fn write(&self, offset: u32, bytes: &[u8]) -> Result<()> {
        let end = usize::try_from(offset)?.checked_add(bytes.len());
        if end.is_none_or(|end| end > CHIP_BYTES) {
            bail!("{} bytes at {offset:#x} lie outside the chip", bytes.len());
        }
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.write_all_at(bytes, u64::from(offset))?;
        Ok(())
    }

    /// Reads from the chip.
    ///
    /// # Errors
    /// When the bytes do not lie within the chip.
    pub fn read(&self, offset: u32, length: usize) -> Result<Vec<u8>> {
        let end = usize::try_from(offset)?.checked_add(length);
        if end.is_none_or(|end| end > CHIP_BYTES) {
            bail!("{length} bytes at {offset:#x} lie outside the chip");
        }
        let mut bytes = vec![0; length];
        File::open(&self.path)?.read_exact_at(&mut bytes, u64::from(offset))?;
        Ok(bytes)
    }

    /// A copy of the chip as it is now.
    ///
    /// # Errors
    /// When the file cannot be copied.
    pub fn copy_to(&self, path: &Path) -> Result<Self> {
        Self::factory(path, 0, &self.read(0, CHIP_BYTES)?)
    }
}
