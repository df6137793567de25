//! Numbers that open doors: the security PIN and keypad codes. And the nonce of a challenge, which is not secret
//! but has its only use in proving that one knows a secret now.
//!
//! Secrets here have no `Clone` and no `Copy`, compare in constant time, are wiped when dropped, and print as
//! dots. `grep expose` is the audit of who sees them in clear.

use core::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::wire::{Field, PinWidth, Reader, Writer};

/// The nonce of a challenge: 32 bytes from the lock's random number generator. Single use is
/// the business of whoever holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 32]);

impl ConstantTimeEq for Nonce {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Field for Nonce {
    const MAX: usize = 32;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(Self)
    }
}

/// The security PIN. 0 stands for "none set".
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Pin {
    value: u32,
    #[zeroize(skip)]
    width: PinWidth,
}

impl Pin {
    /// A PIN of generations 1 to 4: at most 65,535.
    #[must_use]
    pub const fn short(value: u16) -> Self {
        Self {
            value: value as u32,
            width: PinWidth::Short,
        }
    }

    /// A PIN of the 5th generation.
    #[must_use]
    pub const fn long(value: u32) -> Self {
        Self {
            value,
            width: PinWidth::Long,
        }
    }

    /// How wide it is on the wire.
    #[must_use]
    pub const fn width(&self) -> PinWidth {
        self.width
    }

    /// Lends the number to whoever stores or shows it.
    pub fn expose<R>(&self, with: impl FnOnce(u32) -> R) -> R {
        with(self.value)
    }
}

/// As wide as the reader says PINs are; as wide as it was made when written.
impl Field for Pin {
    const MAX: usize = PinWidth::Long.bytes();

    fn write(&self, out: &mut Writer<'_>) {
        let bytes = Zeroizing::new(self.value.to_le_bytes());
        let [low, high, ..] = *bytes;
        match self.width {
            PinWidth::Short => out.bytes(&[low, high]),
            PinWidth::Long => out.bytes(&*bytes),
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.pin_width() {
            PinWidth::Short => from.field().map(Self::short),
            PinWidth::Long => from.field().map(Self::long),
        }
    }
}

/// The number alone decides; the width is public.
impl ConstantTimeEq for Pin {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.value.ct_eq(&other.value)
    }
}

/// A keypad code that may be given out: six digits from 1 to 9, not beginning with 12 (as Nuki keypads have it).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeypadCode(u32);

impl KeypadCode {
    const DIGITS: u32 = 6;
    const RESERVED_START: u32 = 12;

    /// `None` when a keypad could not type it in, or would take its beginning for something else.
    #[must_use]
    pub fn new(code: u32) -> Option<Self> {
        let digits = (0..Self::DIGITS).try_fold(code, |left, _| (left % 10 != 0).then_some(left / 10));
        let start = code / 10_000;
        (digits == Some(0) && start != Self::RESERVED_START).then_some(Self(code))
    }

    /// Whether this is what somebody typed in. Takes the same time for every answer.
    #[must_use]
    pub fn matches(&self, entered: &EnteredCode) -> Choice {
        self.0.ct_eq(&entered.0)
    }

    /// Lends the number to whoever stores or shows it.
    pub fn expose<R>(&self, with: impl FnOnce(u32) -> R) -> R {
        with(self.0)
    }
}

impl ConstantTimeEq for KeypadCode {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Field for KeypadCode {
    const MAX: usize = 4;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let value = Self::new(from.field()?);
        from.known(value, "keypad code")
    }
}

/// What was typed in at a keypad: any number at all, to be compared and forgotten.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EnteredCode(u32);

impl EnteredCode {
    /// What a keypad sends.
    #[must_use]
    pub const fn new(code: u32) -> Self {
        Self(code)
    }
}

impl ConstantTimeEq for EnteredCode {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Field for EnteredCode {
    const MAX: usize = 4;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(Self)
    }
}

/// A shared key inside a message: an invitation brings the key of the one who is invited.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CarriedKey([u8; 32]);

impl CarriedKey {
    /// A key on its way into a message.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Lends the bytes to whoever makes a key of them.
    pub fn expose<R>(&self, with: impl FnOnce(&[u8; 32]) -> R) -> R {
        with(&self.0)
    }
}

impl ConstantTimeEq for CarriedKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Field for CarriedKey {
    const MAX: usize = 32;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.0);
    }

    /// All zeros is no key: everybody knows it, and clients take it for none.
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let key = Self(from.field()?);
        let none = bool::from(key.0.ct_eq(&[0; 32]));
        from.known((!none).then_some(key), "key")
    }
}

// Messages carry these and are printed and compared in tests; neither may tell anything.
macro_rules! hidden {
    ($($name:ident),+) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.ct_eq(other).into()
            }
        }

        impl Eq for $name {}
    )+ };
}

hidden!(Pin, KeypadCode, EnteredCode, CarriedKey);
