//! The bootloader's symbols: which function an address belongs to, and where a function is.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// An ELF file's functions.
pub struct Program {
    functions: BTreeMap<u32, Function>,
    text: Vec<(u32, Vec<u8>)>,
}

/// One function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Mangled, as the linker knows it.
    pub name: String,
    /// First instruction.
    pub start: u32,
    /// Behind the last.
    pub end: u32,
}

impl Program {
    /// Reads an ELF file.
    ///
    /// # Errors
    /// When it cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file =
            object::File::parse(&*data).with_context(|| format!("{} is no ELF file", path.display()))?;
        let mut functions = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
            let start = u32::try_from(symbol.address())? & !1;
            let end = start + u32::try_from(symbol.size())?;
            let name = symbol.name()?.to_owned();
            // Several names for one place: the one with a size.
            let entry = functions.entry(start).or_insert_with(|| Function {
                name: name.clone(),
                start,
                end,
            });
            if end > entry.end {
                *entry = Function { name, start, end };
            }
        }
        let mut text = Vec::new();
        for section in file
            .sections()
            .filter(|section| section.kind() == object::SectionKind::Text)
        {
            text.push((u32::try_from(section.address())?, section.data()?.to_vec()));
        }
        Ok(Self { functions, text })
    }

    /// The one function whose name contains `part`.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn function(&self, part: &str) -> Result<&Function> {
        let mut found = self
            .functions
            .values()
            .filter(|function| function.name.contains(part));
        let function = found
            .next()
            .with_context(|| format!("the bootloader has no function {part}"))?;
        match found.next() {
            None => Ok(function),
            Some(other) => anyhow::bail!("{part} is ambiguous: {} and {}", function.name, other.name),
        }
    }

    /// The function that holds `address`.
    #[must_use]
    pub fn at(&self, address: u32) -> Option<&Function> {
        let (_, function) = self.functions.range(..=address).next_back()?;
        (address < function.end).then_some(function)
    }

    /// The half-word of code at `address`.
    #[must_use]
    pub fn half_word(&self, address: u32) -> Option<u16> {
        self.text.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            let pair = bytes.get(at..at.checked_add(2)?)?;
            Some(u16::from_le_bytes([pair[0], pair[1]]))
        })
    }

    /// Length of the instruction at `address`, in bytes.
    #[must_use]
    pub fn length(&self, address: u32) -> Option<u32> {
        // Thumb-2: 0b11101, 0b11110 and 0b11111 in the top five bits begin a four-byte instruction.
        self.half_word(address)
            .map(|first| if first >> 11 >= 0b11101 { 4 } else { 2 })
    }
}
