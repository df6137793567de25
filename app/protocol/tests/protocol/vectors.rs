//! Reads the vector files: lines of a name and hexadecimal bytes.

use std::collections::BTreeMap;

/// The vectors of one file, by name.
pub(crate) struct Vectors(BTreeMap<&'static str, Vec<u8>>);

impl Vectors {
    pub(crate) fn published() -> Self {
        Self::parse(include_str!("../vectors/published.txt"))
    }

    pub(crate) fn messages() -> Self {
        Self::parse(include_str!("../vectors/messages.txt"))
    }

    pub(crate) fn pairing() -> Self {
        Self::parse(include_str!("../vectors/pairing.txt"))
    }

    fn parse(text: &'static str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let vectors: BTreeMap<_, _> = lines
            .clone()
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .map(|(name, hex)| (name, bytes(hex)))
            .collect();
        assert_eq!(vectors.len(), lines.count(), "every name is there once");
        Self(vectors)
    }

    pub(crate) fn get(&self, name: &str) -> &[u8] {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("there is no vector {name}"))
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.get(name).try_into().unwrap()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
