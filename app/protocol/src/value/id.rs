//! Numbers that name things.

use core::fmt;

use super::number::numbers;
use crate::wire::{Field, Reader, Writer};

// A number or byte string that is only a name: every value reads.
macro_rules! names {
    ($($(#[$meta:meta])* $name:ident($raw:ty);)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub $raw);

        impl Field for $name {
            const MAX: usize = <$raw as Field>::MAX;

            fn write(&self, out: &mut Writer<'_>) {
                out.field(&self.0);
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.field().map(Self)
            }
        }
    )+ };
}

names! {
    /// Names an authorization on one lock. Given by the lock at pairing.
    AuthorizationId(u32);
    /// What a client calls itself. Chosen by the client, proves nothing, need not be unique.
    AppId(u32);
    /// Names a keypad code on one lock.
    CodeId(u16);
    /// Names a time control entry on one lock.
    TimeControlId(u8);
    /// The place of an entry in the activity log; later entries have higher ones.
    LogIndex(u32);
    /// Random, the same until the lock is reset to factory state.
    LockUuid([u8; 16]);
}

impl AuthorizationId {
    /// What a client of the 5th generation writes while it has no authorization yet: bytes `7F FF FF FF`.
    pub const PENDING: Self = Self(u32::from_le_bytes([0x7F, 0xFF, 0xFF, 0xFF]));

    /// Whether a lock may give this id to anybody. Clients take 0 for "not paired"; [`Self::PENDING`] is taken,
    /// in either byte order.
    #[must_use]
    pub const fn is_assignable(self) -> bool {
        self.0 != 0 && self.0 != Self::PENDING.0 && self.0 != Self::PENDING.0.swap_bytes()
    }
}

numbers! {
    /// What kind of client holds an authorization.
    AuthorizationType: u8, "authorization type" {
        /// A phone.
        App = 0,
        /// A bridge to the home network.
        Bridge = 1,
        /// A fob.
        Fob = 2,
        /// A keypad.
        Keypad = 3,
    }
}

/// The lock's name to people, printed as eight hexadecimal digits. Above 0 and at most 0x7FFF_FFFF, since phones
/// are known to take it for a signed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NukiId(u32);

impl NukiId {
    /// `None` for 0 and for what a phone would read as negative.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        if id == 0 || id > i32::MAX as u32 {
            None
        } else {
            Some(Self(id))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for NukiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

impl Field for NukiId {
    const MAX: usize = 4;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let value = Self::new(from.field()?);
        from.known(value, "Nuki ID")
    }
}

/// A firmware version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Counts changes that break.
    pub major: u8,
    /// Counts changes that add.
    pub minor: u8,
    /// Counts corrections.
    pub patch: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Field for Version {
    const MAX: usize = 3;

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&[self.major, self.minor, self.patch]);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let [major, minor, patch] = *from.bytes()?;
        Some(Self { major, minor, patch })
    }
}
