//! Reading and writing the fixed little-endian fields of a record body, in order, without indexing.

use crate::journal::{BODY, Body};

/// Takes fields off the front of a body.
pub(crate) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn new(body: &'b Body) -> Self {
        Self(body)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.bytes().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }
}

/// Puts fields into a body, one after the other. What is never put stays zero.
pub(crate) struct Writer {
    body: Body,
    used: usize,
}

impl Writer {
    pub(crate) const fn new() -> Self {
        Self {
            body: [0; BODY],
            used: 0,
        }
    }

    /// Fields beyond the body's end are dropped; the round-trip tests of each record would show it.
    pub(crate) fn put<const N: usize>(mut self, field: [u8; N]) -> Self {
        if let Some(space) = self.body.get_mut(self.used..).and_then(<[u8]>::first_chunk_mut) {
            *space = field;
        }
        self.used = self.used.saturating_add(N);
        self
    }

    pub(crate) const fn finish(self) -> Body {
        self.body
    }
}
