//! The bootloader's symbols: which function an address belongs to, and where a function is.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

/// An ELF file's functions.
pub struct Program {
    functions: BTreeMap<u32, Function>,
    data: Vec<(String, u32)>,
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
        let mut data = Vec::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Data) {
            data.push((symbol.name()?.to_owned(), u32::try_from(symbol.address())?));
        }
        let mut text = Vec::new();
        for section in file
            .sections()
            .filter(|section| section.kind() == object::SectionKind::Text)
        {
            text.push((u32::try_from(section.address())?, section.data()?.to_vec()));
        }
        Ok(Self {
            functions,
            data,
            text,
        })
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

    /// The function of exactly this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(&self, name: &str) -> Result<&Function> {
        let mut functions = self.functions.values();
        functions
            .find(|function| function.name == name)
            .with_context(|| format!("the bootloader has no {name}"))
    }

    /// Address of the one variable whose name contains `part`.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn variable(&self, part: &str) -> Result<u32> {
        let mut found = self.data.iter().filter(|(name, _)| name.contains(part));
        match (found.next(), found.next()) {
            (Some((_, address)), None) => Ok(*address),
            _ => anyhow::bail!("the bootloader has not exactly one variable {part}"),
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

    /// Whether the instruction at `address` decides by the flags: a conditional branch, or the head of an IT block.
    #[must_use]
    pub fn is_conditional(&self, address: u32) -> bool {
        let (Some(first), second) = (self.half_word(address), self.half_word(address + 2)) else {
            return false;
        };
        let short_branch = first >> 12 == 0b1101 && (first >> 8 & 0xf) < 0xe;
        let it = first >> 8 == 0xbf && first & 0xf != 0;
        let long_branch = first >> 11 == 0b11110
            && second.is_some_and(|second| {
                second >> 14 == 0b10 && second >> 12 & 1 == 0 && first >> 6 & 0xf < 0xe
            });
        short_branch || it || long_branch
    }

    /// Where in the code something branches to `target`, with or without a link.
    #[must_use]
    pub fn calls_to(&self, target: u32) -> Vec<u32> {
        let mut found = Vec::new();
        for (start, bytes) in &self.text {
            for at in (0..bytes.len().saturating_sub(3)).step_by(2) {
                let address = start + at as u32;
                let first = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
                let second = u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]);
                if branch(address, first, second) == Some(target) {
                    found.push(address);
                }
            }
        }
        found
    }
}

/// Where a `bl` or `b.w` goes.
fn branch(address: u32, first: u16, second: u16) -> Option<u32> {
    if first >> 11 != 0b11110 || second & 0x9000 != 0x9000 {
        return None;
    }
    let (first, second) = (u32::from(first), u32::from(second));
    let sign = first >> 10 & 1;
    let (j1, j2) = (second >> 13 & 1, second >> 11 & 1);
    let (i1, i2) = (j1 ^ sign ^ 1, j2 ^ sign ^ 1);
    let offset = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
    let signed = (offset << 7) as i32 >> 7;
    Some(address.wrapping_add(4).wrapping_add_signed(signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_go_where_the_disassembler_says() {
        // bl 0x4624 at 0x44; bl 0x6a0e at 0xaa44; b.w back to 0x1000 at 0x1100: from llvm-objdump.
        assert_eq!(branch(0x44, 0xf004, 0xfaee), Some(0x4624));
        assert_eq!(branch(0xaa44, 0xf7fb, 0xffe3), Some(0x6a0e));
        assert_eq!(branch(0x1100, 0xf7ff, 0xbf7e), Some(0x1000));
        // dsb sy, and a conditional branch: neither goes anywhere by itself.
        assert_eq!(branch(0x44, 0xf3bf, 0x8f4f), None);
        assert_eq!(branch(0x44, 0xf000, 0x8004), None);
    }

    #[test]
    fn instructions_that_look_at_flags_are_told_from_others() {
        let code = |half: &[u16]| Program {
            functions: BTreeMap::new(),
            data: Vec::new(),
            text: vec![(0, half.iter().flat_map(|half| half.to_le_bytes()).collect())],
        };
        // bne, it ne, beq.w
        for conditional in [[0xd1fe, 0xbf00], [0xbf18, 0x4770], [0xf000, 0x8004]] {
            assert!(code(&conditional).is_conditional(0), "{conditional:x?}");
        }
        // nop, udf, svc, b, bl
        for other in [
            [0xbf00, 0xbf00],
            [0xde00, 0xbf00],
            [0xdf00, 0xbf00],
            [0xe7fe, 0xbf00],
            [0xf004, 0xfaee],
        ] {
            assert!(!code(&other).is_conditional(0), "{other:x?}");
        }
    }
}
