//! Keypad codes.

use super::layout::messages;
use crate::value::{CodeId, DateTime, KeypadCode, Name, TimeLimits};
use crate::wire::Always;

messages! {
    /// Gives out a code.
    guarded AddKeypadCode = 0x0041 {
        /// What to type in.
        code: KeypadCode,
        /// Whose it is.
        name: Name<20>,
        /// When it may be used.
        limits: Always<TimeLimits>,
    }

    /// The code that was added. No status follows.
    plain KeypadCodeId = 0x0042 {
        /// Its number.
        id: CodeId,
        /// When it was made, local.
        created: DateTime,
    }

    /// Asks for the list of codes.
    guarded RequestKeypadCodes = 0x0043 {
        /// How many to skip.
        offset: u16,
        /// At most how many.
        count: u16,
    }

    /// How many codes will follow.
    plain KeypadCodeCount = 0x0044 {
        /// Clients are known to wait for exactly so many.
        count: u16,
    }

    /// One code.
    plain KeypadCodeEntry = 0x0045 {
        /// Its number.
        id: CodeId,
        /// What to type in.
        code: KeypadCode,
        /// Whose it is.
        name: Name<20>,
        /// Whether it opens anything.
        enabled: bool,
        /// When it was made, local.
        created: DateTime,
        /// When it was used last, local; all zeros when never.
        last_active: DateTime,
        /// How often it moved the lock.
        lock_count: u16,
        /// When it may be used. Without limits these bytes are not there.
        limits: Option<TimeLimits>,
    }

    /// Changes a code.
    guarded UpdateKeypadCode = 0x0046 {
        /// Its number.
        id: CodeId,
        /// What to type in.
        code: KeypadCode,
        /// Whose it is.
        name: Name<20>,
        /// Whether it opens anything.
        enabled: bool,
        /// When it may be used.
        limits: Always<TimeLimits>,
    }

    /// Takes a code away.
    guarded RemoveKeypadCode = 0x0047 {
        /// Its number.
        id: CodeId,
    }
}
