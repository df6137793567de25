//! Names of fixed length, padded with zeros.

use core::fmt;

use crate::wire::{Field, Reader, Writer};

/// UTF-8 in `N` bytes, padded with zeros. Kept as it came, byte for byte, because authenticators are computed
/// over it; what is shown ends at the first zero, and before a last character that the sender cut in two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<const N: usize>([u8; N]);

impl<const N: usize> Name<N> {
    /// No name.
    pub const EMPTY: Self = Self([0; N]);

    /// A name from text. `None` when it is longer than `N` bytes or holds a zero.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.contains('\0')).then_some(Self(bytes))
    }

    /// A name from bytes of the wire or of flash. `None` when they are no UTF-8 (a last character that was cut
    /// is overlooked).
    #[must_use]
    pub fn from_bytes(bytes: [u8; N]) -> Option<Self> {
        let name = Self(bytes);
        match core::str::from_utf8(name.used()) {
            Ok(_) => Some(name),
            Err(error) => error.error_len().is_none().then_some(name),
        }
    }

    /// All `N` bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let used = self.used();
        match core::str::from_utf8(used) {
            Ok(text) => text,
            Err(error) => used
                .get(..error.valid_up_to())
                .and_then(|valid| core::str::from_utf8(valid).ok())
                .unwrap_or_default(),
        }
    }

    fn used(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> Field for Name<N> {
    const MAX: usize = N;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let value = Self::from_bytes(from.field()?);
        from.known(value, "name")
    }
}
