//! What a board program takes of the chip.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::read::elf::ElfFile32;
use object::{Endianness, Object, ObjectSection, ObjectSegment, SectionKind};

/// Bytes of flash and of RAM.
pub(crate) struct Size {
    /// Code, constants and the initial values of variables.
    pub(crate) flash: u64,
    /// Variables. The stack comes on top.
    pub(crate) ram: u64,
}

/// Reads it from an ELF file.
pub(crate) fn of(elf: &Path) -> Result<Size> {
    let data = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let file = ElfFile32::<Endianness>::parse(&*data)
        .with_context(|| format!("{} is no ELF file", elf.display()))?;
    let mut flash = 0_u64;
    for segment in file.segments() {
        flash = flash.saturating_add(segment.data()?.len() as u64);
    }
    let variables = |kind| matches!(kind, SectionKind::Data | SectionKind::UninitializedData);
    let ram = file
        .sections()
        .filter(|section| variables(section.kind()))
        .map(|section| section.size());
    Ok(Size {
        flash,
        ram: ram.sum(),
    })
}
