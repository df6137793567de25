//! NOR flash that loses power. Knows nothing of what is stored on it.
//!
//! The contract that it keeps, and breaks everything up to:
//!
//! - Words are four bytes. Programming clears bits and sets none; erasing sets all bits of whole pages. The
//!   words of one write are programmed in ascending order.
//! - Power can go before, inside or after any operation (one call of `erase` or `write`). From then on nothing
//!   answers until [`Nor::power_on`].
//! - Inside a write: the words before a chosen one are programmed, those after it untouched, that one is torn:
//!   every bit that was to be cleared may read either way.
//! - Inside an erase: every bit of the page may read either way.
//! - A torn bit may read differently at each read, until its word is programmed with a 0 there, or its page is
//!   erased to the end. Programming a 1 settles nothing.
//! - Nothing else changes: no other word, no earlier page.
//!
//! It counts what is done to it, and notes what a driver must not do ([`Nor::misused`]): setting a bit by
//! programming, or programming a word to two values.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

use crate::random::Random;

const WORD: usize = 4;

/// Simulated NOR flash with pages of `PAGE` bytes.
#[derive(Clone, Debug)]
pub struct Nor<const PAGE: usize> {
    words: Vec<u32>,
    /// Bits of each word that read as they please.
    torn: Vec<u32>,
    /// Torn words of each page: pages without any are read fast.
    torn_words: Vec<u32>,
    programs: Vec<u8>,
    /// How often each page was erased.
    erased: Vec<u64>,
    cut: Option<Cut>,
    off: bool,
    random: Random,
    work: Work,
    misused: Option<&'static str>,
}

/// When the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// At which operation, counted from [`Nor::power_on`].
    pub operation: u64,
    /// At which moment of it.
    pub moment: Moment,
}

/// A moment of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is done.
    Before,
    /// Some of it is done.
    Inside,
    /// All of it is done, and nobody was told.
    After,
}

/// What was done to a flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Pages erased.
    pub erases: u64,
    /// Bytes programmed.
    pub bytes: u64,
    /// Calls of `erase` and `write`.
    pub operations: u64,
    /// Calls of `read`.
    pub reads: u64,
    /// Most often that one word was programmed between two erases.
    pub programs: u8,
}

impl<const PAGE: usize> Nor<PAGE> {
    /// A flash of `pages` pages, full of what `random` gives.
    #[must_use]
    pub fn used(pages: usize, mut random: Random) -> Self {
        let words = pages * PAGE / WORD;
        Self {
            words: (0..words).map(|_| random.word()).collect(),
            torn: vec![0; words],
            torn_words: vec![0; pages],
            programs: vec![0; words],
            erased: vec![0; pages],
            cut: None,
            off: false,
            random,
            work: Work::default(),
            misused: None,
        }
    }

    /// Gives it power, until `cut`. Torn bits read as `random` has it.
    pub fn power_on(&mut self, cut: Option<Cut>, random: Random) {
        (self.off, self.cut, self.random) = (false, cut, random);
        self.work.operations = 0;
    }

    /// Whether the power is gone.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.off
    }

    /// What was done to it. `operations` counts from the last [`Nor::power_on`], the rest from the beginning.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }

    /// How often each page was erased, from the beginning.
    #[must_use]
    pub fn erased(&self) -> &[u64] {
        &self.erased
    }

    /// The first thing done to it that a driver must not do.
    #[must_use]
    pub const fn misused(&self) -> Option<&'static str> {
        self.misused
    }

    /// Whether `bytes` lie at `offset`, every bit of them settled.
    #[must_use]
    pub fn holds(&self, offset: usize, bytes: &[u8]) -> bool {
        bytes.chunks(WORD).zip(offset / WORD..).all(|(chunk, word)| {
            let found = self.words[word].to_le_bytes();
            let torn = self.torn[word].to_le_bytes();
            chunk == &found[..chunk.len()] && torn[..chunk.len()].iter().all(|bits| *bits == 0)
        })
    }

    /// Every two words that lie side by side, each with the bits of it that are torn.
    pub fn pairs(&self) -> impl Iterator<Item = [(u32, u32); 2]> + '_ {
        let word = |at: usize| (self.words[at], self.torn[at]);
        (1..self.words.len()).map(move |at| [word(at - 1), word(at)])
    }

    /// Puts `bytes` at `offset`, as a factory does: no operation, nothing torn.
    pub fn put(&mut self, offset: usize, bytes: &[u8]) {
        for (chunk, word) in bytes.chunks(WORD).zip(offset / WORD..) {
            let mut new = self.words[word].to_le_bytes();
            new[..chunk.len()].copy_from_slice(chunk);
            self.words[word] = u32::from_le_bytes(new);
            self.settle(word, u32::MAX);
        }
    }

    /// Flips bits of the word at `offset`, as age does.
    pub fn rot(&mut self, offset: usize, bits: u32) {
        self.words[offset / WORD] ^= bits;
    }

    fn settle(&mut self, word: usize, bits: u32) {
        let before = self.torn[word];
        self.torn[word] = before & !bits;
        if before != 0 && self.torn[word] == 0 {
            self.torn_words[word * WORD / PAGE] -= 1;
        }
    }

    fn tear(&mut self, word: usize, bits: u32) {
        if self.torn[word] == 0 && bits != 0 {
            self.torn_words[word * WORD / PAGE] += 1;
        }
        self.torn[word] |= bits;
    }

    /// Counts an operation and says at which moment of it the power goes, if it does.
    fn operate(&mut self) -> Result<Option<Moment>, PowerCut> {
        if self.off {
            return Err(PowerCut);
        }
        let number = self.work.operations;
        self.work.operations += 1;
        let cut = self.cut.filter(|cut| cut.operation == number);
        self.off = cut.is_some();
        Ok(cut.map(|cut| cut.moment))
    }

    fn program(&mut self, word: usize, new: u32) {
        let (old, torn) = (self.words[word], self.torn[word]);
        if !old & new & !torn != 0 {
            self.misused = Some("a write would have to set bits");
        }
        self.words[word] = old & new;
        self.settle(word, !new);
        self.programs[word] = self.programs[word].saturating_add(1);
        self.work.programs = self.work.programs.max(self.programs[word]);
        self.work.bytes += WORD as u64;
    }

    /// One word as it reads now. `whim` is the same for all words of one read, often.
    fn look(&mut self, word: usize, whim: u64) -> u32 {
        let (old, torn) = (self.words[word], self.torn[word]);
        match whim {
            _ if torn == 0 => old,
            0 => old,
            1 => old | torn,
            2 => old & !torn,
            3 if self.random.below(2) == 0 => old,
            3 => old | torn,
            _ => (old & !torn) | (self.random.word() & torn),
        }
    }
}

/// The power is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut;

impl embedded_storage::nor_flash::NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const PAGE: usize> ErrorType for Nor<PAGE> {
    type Error = PowerCut;
}

impl<const PAGE: usize> ReadNorFlash for Nor<PAGE> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        if self.off {
            return Err(PowerCut);
        }
        self.work.reads += 1;
        let first = offset as usize / WORD;
        assert!(
            offset.is_multiple_of(4) && bytes.len().is_multiple_of(WORD),
            "reads are whole words"
        );
        let last = offset as usize + bytes.len();
        let torn = self.torn_words[offset as usize / PAGE..last.div_ceil(PAGE)]
            .iter()
            .any(|words| *words > 0);
        let whim = if torn { self.random.below(5) } else { 0 };
        for (chunk, word) in bytes.chunks_mut(WORD).zip(first..) {
            let value = if torn {
                self.look(word, whim)
            } else {
                self.words[word]
            };
            chunk.copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.words.len() * WORD
    }
}

impl<const PAGE: usize> NorFlash for Nor<PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        let (from, to) = (from as usize, to as usize);
        assert!(
            from.is_multiple_of(PAGE) && to == from + PAGE,
            "one whole page at a time"
        );
        let cut = self.operate()?;
        if cut == Some(Moment::Before) {
            return Err(PowerCut);
        }
        self.work.erases += 1;
        self.erased[from / PAGE] += 1;
        for word in from / WORD..to / WORD {
            if cut == Some(Moment::Inside) {
                self.tear(word, u32::MAX);
            } else {
                self.words[word] = u32::MAX;
                self.settle(word, u32::MAX);
                self.programs[word] = 0;
            }
        }
        if cut.is_some() { Err(PowerCut) } else { Ok(()) }
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        assert!(
            offset.is_multiple_of(4) && bytes.len().is_multiple_of(WORD),
            "writes are whole words"
        );
        let cut = self.operate()?;
        let count = bytes.len() / WORD;
        let whole = match cut {
            Some(Moment::Before) => 0,
            // The first and the last word are where it matters most.
            Some(Moment::Inside) => match self.random.below(3) {
                0 => 0,
                1 => count - 1,
                _ => self.random.below(count as u64) as usize,
            },
            Some(Moment::After) | None => count,
        };
        for (chunk, index) in bytes.chunks(WORD).zip(0..count) {
            let word = offset as usize / WORD + index;
            let new = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
            if index < whole {
                self.program(word, new);
            } else if cut == Some(Moment::Inside) && index == whole {
                self.tear(word, self.words[word] & !new);
                self.programs[word] = self.programs[word].saturating_add(1);
            }
        }
        if cut.is_some() { Err(PowerCut) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flash() -> Nor<256> {
        let mut flash = Nor::used(2, Random::new(1));
        flash.erase(0, 256).unwrap();
        flash
    }

    fn values(flash: &mut Nor<256>, offset: u32) -> std::collections::BTreeSet<u32> {
        (0..200)
            .map(|_| {
                let mut bytes = [0; 4];
                flash.read(offset, &mut bytes).unwrap();
                u32::from_le_bytes(bytes)
            })
            .collect()
    }

    fn torn(operation: u64) -> Option<Cut> {
        Some(Cut {
            operation,
            moment: Moment::Inside,
        })
    }

    #[test]
    fn a_torn_word_reads_differently_and_only_in_bits_that_were_to_be_cleared() {
        let mut flash = flash();
        flash.power_on(torn(0), Random::new(2));
        assert_eq!(flash.write(0, &0xffff_0fff_u32.to_le_bytes()), Err(PowerCut));
        assert_eq!(flash.write(4, &[0; 4]), Err(PowerCut), "nothing answers any more");
        flash.power_on(None, Random::new(3));
        let seen = values(&mut flash, 0);
        assert!(seen.len() > 3, "{seen:x?}");
        assert!(seen.iter().all(|value| value | 0xf000 == u32::MAX), "{seen:x?}");
        flash.write(0, &0xffff_0fff_u32.to_le_bytes()).unwrap();
        assert_eq!(
            values(&mut flash, 0).len(),
            1,
            "programmed once more, it is settled"
        );
        assert!(flash.holds(0, &0xffff_0fff_u32.to_le_bytes()));
    }

    #[test]
    fn a_torn_erase_is_settled_by_nothing_but_an_erase() {
        let mut flash = flash();
        flash.power_on(torn(0), Random::new(2));
        assert_eq!(flash.erase(0, 256), Err(PowerCut));
        flash.power_on(None, Random::new(3));
        assert!(values(&mut flash, 0).len() > 3);
        flash.write(0, &0xffff_0000_u32.to_le_bytes()).unwrap();
        let seen = values(&mut flash, 0);
        assert!(
            seen.len() > 1 && seen.iter().all(|value| value & 0xffff == 0),
            "{seen:x?}"
        );
        flash.erase(0, 256).unwrap();
        assert_eq!(values(&mut flash, 0), [u32::MAX].into());
    }

    #[test]
    fn before_does_nothing_and_after_does_all() {
        for (moment, expected) in [(Moment::Before, u32::MAX), (Moment::After, 7)] {
            let mut flash = flash();
            flash.power_on(Some(Cut { operation: 0, moment }), Random::new(2));
            assert_eq!(flash.write(0, &7_u32.to_le_bytes()), Err(PowerCut));
            flash.power_on(None, Random::new(3));
            assert_eq!(values(&mut flash, 0), [expected].into());
        }
    }

    #[test]
    fn setting_bits_by_programming_is_noted() {
        let mut flash = flash();
        flash.write(0, &[0; 4]).unwrap();
        assert_eq!(flash.misused(), None);
        flash.write(0, &1_u32.to_le_bytes()).unwrap();
        assert!(flash.misused().is_some());
    }
}
