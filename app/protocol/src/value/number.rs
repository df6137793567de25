//! Numbers with a meaning: the one place where an enum and its bytes are tied together.

use crate::wire::{Field, Reader, Writer};

/// A kind of number of which only some values mean something.
pub trait Number: Copy + Sized + 'static {
    /// How it stands on the wire.
    type Raw: Field + Copy;

    /// Every value, in the order of the numbers.
    const ALL: &'static [Self];

    /// The number on the wire.
    fn number(self) -> Self::Raw;

    /// The meaning of a number; `None` when it has none.
    fn from_number(number: Self::Raw) -> Option<Self>;
}

/// A number out of a lock's report, which may be newer than its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported<T: Number> {
    /// A number that this version knows.
    Known(T),
    /// A number that this version has no meaning for.
    Unknown(T::Raw),
}

impl<T: Number> Reported<T> {
    /// The meaning, if it has one here.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown(_) => None,
        }
    }

    fn raw(self) -> T::Raw {
        match self {
            Self::Known(known) => known.number(),
            Self::Unknown(raw) => raw,
        }
    }
}

impl<T: Number> From<T> for Reported<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl<T: Number> Field for Reported<T> {
    const MAX: usize = T::Raw::MAX;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.raw());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let raw = from.field()?;
        Some(T::from_number(raw).map_or(Self::Unknown(raw), Self::Known))
    }
}

// Defines an enum whose variants are the known numbers of a field. Reading an unknown number is an error that
// names the field; where it must not be, the message says `Reported<..>`.
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        $name:ident: $raw:ty, $what:literal {
            $($(#[$variant_meta:meta])* $variant:ident = $number:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr($raw)]
        pub enum $name {
            $($(#[$variant_meta])* $variant = $number,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number on the wire. Frozen.
            #[must_use]
            pub const fn number(self) -> $raw {
                self as $raw
            }

            /// The meaning of a number; `None` when it has none.
            #[must_use]
            pub const fn from_number(number: $raw) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl $crate::value::Number for $name {
            type Raw = $raw;
            const ALL: &'static [Self] = Self::ALL;

            fn number(self) -> $raw {
                self.number()
            }

            fn from_number(number: $raw) -> Option<Self> {
                Self::from_number(number)
            }
        }

        impl $crate::wire::Field for $name {
            const MAX: usize = size_of::<$raw>();

            fn write(&self, out: &mut $crate::wire::Writer<'_>) {
                out.field(&self.number());
            }

            fn read(from: &mut $crate::wire::Reader<'_>) -> Option<Self> {
                let value = Self::from_number(from.field()?);
                from.known(value, $what)
            }
        }
    };
}

pub(crate) use numbers;
