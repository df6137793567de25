//! Where each record lies: the only thing about records that is kept in RAM.
//!
//! Sorted by key. Six bytes a record, room for [`RECORDS_MAX`] of them, and no value.

use heapless::Vec;

use crate::{Key, RECORDS_MAX};

/// A record's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The word that the record begins at, counted from the start of the storage.
    word: u16,
    /// Length of its value, in bytes.
    pub(crate) length: u16,
}

impl Spot {
    /// A record at this offset in bytes. None when it lies further out than spots reach.
    pub(crate) fn new(offset: u32, length: u16) -> Option<Self> {
        let word = u16::try_from(offset / 4).ok()?;
        Some(Self { word, length })
    }

    /// Offset in bytes from the start of the storage.
    pub(crate) fn offset(self) -> u32 {
        u32::from(self.word).saturating_mul(4)
    }
}

/// See the module's header.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Vec<(Key, Spot), RECORDS_MAX>,
}

/// There are as many records as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexFull;

impl Index {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.is_full()
    }

    pub(crate) fn get(&self, key: Key) -> Option<Spot> {
        let at = self.find(key).ok()?;
        self.entries.get(at).map(|(_, spot)| *spot)
    }

    /// Gives the spot that was there before.
    pub(crate) fn set(&mut self, key: Key, spot: Spot) -> Result<Option<Spot>, IndexFull> {
        match self.find(key) {
            Ok(at) => Ok(self
                .entries
                .get_mut(at)
                .map(|(_, old)| core::mem::replace(old, spot))),
            Err(at) => match self.entries.insert(at, (key, spot)) {
                Ok(()) => Ok(None),
                Err(_) => Err(IndexFull),
            },
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Spot> {
        let at = self.find(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// The keys from `first` on, ascending.
    pub(crate) fn keys_from(&self, first: Key) -> impl Iterator<Item = Key> + '_ {
        let at = self.find(first).unwrap_or_else(|at| at);
        self.entries.iter().skip(at).map(|(key, _)| *key)
    }

    fn find(&self, key: Key) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }
}
