//! What a program takes of flash and RAM.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, SectionKind};

use crate::machine::Machine;

/// RAM of the board.
const RAM: (u32, u32) = (0x2000_0000, 0x4_0000);
const LIMIT: Duration = Duration::from_secs(120);

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Code, constants and initial values.
    pub flash: u64,
    /// Variables, and the deepest stack where one was looked for.
    pub ram: u64,
}

/// What a program takes by its sections: its variables in RAM, without any stack.
///
/// # Errors
/// When it is no ELF file.
pub fn sections(program: &Path) -> Result<Sizes> {
    Ok(sections_and_end(program)?.0)
}

/// The same, with where its variables end: they need not begin where RAM does.
fn sections_and_end(program: &Path) -> Result<(Sizes, u32)> {
    let data = std::fs::read(program)?;
    let file = object::File::parse(&*data).context("the program is no ELF file")?;
    let (mut in_flash, mut variables, mut end) = (0, 0, u64::from(RAM.0));
    for section in file.sections() {
        let kind = section.kind();
        let initial = matches!(
            kind,
            SectionKind::Text | SectionKind::Data | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString
        );
        if !initial && kind != SectionKind::UninitializedData {
            continue;
        }
        let ram = u64::from(RAM.0)..u64::from(RAM.0 + RAM.1);
        let in_ram = ram.contains(&section.address());
        if in_ram {
            variables += section.size();
            end = end.max(section.address() + section.size());
        }
        if initial {
            in_flash += section.size();
        }
    }
    let sizes = Sizes {
        flash: in_flash,
        ram: variables,
    };
    Ok((sizes, u32::try_from(end)?))
}

/// Measures a boot of `flash`, whose image begins to run at `entry`. Memory of an emulated board is zero when it is
/// switched on, so what the stack has reached is not.
///
/// # Errors
/// When it does not boot.
pub fn measure(bootloader: &Path, flash: &[u8], entry: u32) -> Result<Sizes> {
    let (sizes, after_variables) = sections_and_end(bootloader)?;

    let mut machine = Machine::start(bootloader, flash)?;
    machine.gdb.break_at(entry)?;
    ensure!(
        machine.gdb.run(LIMIT)? && machine.gdb.pc()? == entry,
        "the image does not start"
    );
    let rest = machine
        .gdb
        .read(after_variables, (RAM.0 + RAM.1 - after_variables) as usize)?;
    let untouched = rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len());
    Ok(Sizes {
        ram: sizes.ram + (rest.len() - untouched) as u64,
        ..sizes
    })
}
