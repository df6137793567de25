//! What a storage should hold: the same calls, on a map and a list.

use std::collections::BTreeMap;

use crate::random::Random;

/// One call that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Give this key this value.
    Put(u16, Secret),
    /// Remove this key.
    Remove(u16),
    /// Write a log entry.
    Append(Secret),
    /// Remove everything.
    Clear,
}

/// A value that can be told from all others, in any two words of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Which one.
    pub id: u16,
    /// In bytes.
    pub length: usize,
}

/// The highest byte of each of its words.
const TAG: u32 = 0xc3;

impl Secret {
    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let words = self.length.div_ceil(4);
        let bytes: Vec<u8> = (0..words as u32)
            .flat_map(|at| Self::word(self.id, at).to_le_bytes())
            .collect();
        bytes[..self.length].to_vec()
    }

    fn word(id: u16, at: u32) -> u32 {
        (TAG << 24) | (u32::from(id) << 8) | (at & 0xff)
    }

    /// Which secret two words that lie side by side are of. They may read as any value that differs from `words`
    /// in bits of `torn` only; `suspects` are the secrets that they then could be of.
    pub fn seen(words: [u32; 2], torn: [u32; 2], suspects: &[Self]) -> Option<u16> {
        if torn == [0; 2] {
            let [a, b] = words;
            let id = (a >> 8) as u16;
            return (a >> 24 == TAG && b == a.wrapping_add(1)).then_some(id);
        }
        let found = suspects.iter().find(|suspect| {
            (0..(suspect.length / 4) as u32 - 1).any(|at| {
                let expected = [Self::word(suspect.id, at), Self::word(suspect.id, at + 1)];
                (0..2).all(|n| (words[n] ^ expected[n]) & !torn[n] == 0)
            })
        });
        found.map(|secret| secret.id)
    }
}

/// See the module's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The records that count.
    pub records: BTreeMap<u16, Secret>,
    /// Every log entry since the last time that everything was removed.
    pub log: Vec<Secret>,
}

impl Model {
    /// What a call makes of it.
    #[must_use]
    pub fn after(&self, call: &Call) -> Self {
        let mut model = self.clone();
        match call {
            Call::Put(key, value) => drop(model.records.insert(*key, *value)),
            Call::Remove(key) => drop(model.records.remove(key)),
            Call::Append(entry) => model.log.push(*entry),
            Call::Clear => model = Self::default(),
        }
        model
    }

    /// What its records take on flash at least, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.records
            .values()
            .map(|value| 20 + value.length.next_multiple_of(4))
            .sum()
    }
}

/// What a story is mostly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Records and log.
    Both,
    /// The log.
    Log,
}

/// Any call, with values of up to `longest` bytes; `id` is new.
pub fn any_call(random: &mut Random, theme: Theme, id: u16, longest: usize) -> Call {
    /// Few, so that they are often replaced.
    const KEYS: u64 = 6;
    let key = 0x100 + random.below(KEYS) as u16;
    let secret = |random: &mut Random, longest: usize| Secret {
        id,
        length: random.below(longest as u64 + 1) as usize,
    };
    let from = match theme {
        Theme::Both => 0,
        Theme::Log => 20,
    };
    match from + random.below(32 - from) {
        0..16 => Call::Put(key, secret(random, longest)),
        16..22 => Call::Remove(key),
        22..31 => Call::Append(secret(random, latchkey_storage::ENTRY_MAX)),
        _ => Call::Clear,
    }
}
