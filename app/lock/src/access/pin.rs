//! The security PIN: what sets an administrator apart, and what guessing it costs.
//!
//! A guess is only ever made by a known authorization in a sealed message with a fresh nonce, or in a pairing of the 5th
//! generation that a hand at the button has opened; who cannot say that much cannot lock the owner out. The count of wrong guesses is on flash before the guess is answered. A lock on
//! which no PIN was set has the PIN 0.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::value::{ErrorCode, Pin};
use latchkey_storage::Storage;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::guesses::{Guesses, KEYPAD, PIN, Waiting};
use crate::store::form;
use crate::store::record::record;
use crate::store::{self, StoreFailed};

/// Why a PIN or a code was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It was looked at and is wrong; the level of the wait that begins, 0 for none.
    Missed(u8),
    /// It was not looked at.
    Waiting(Waiting),
    /// Flash failed. It was not looked at, or its being wrong could not be written down.
    Store,
}

impl From<StoreFailed> for Wrong {
    fn from(_: StoreFailed) -> Self {
        Self::Store
    }
}

impl Wrong {
    /// What a client hears about a PIN.
    #[must_use]
    pub fn pin_error(self) -> ErrorCode {
        match self {
            Self::Missed(_) => ErrorCode::BadPin,
            Self::Waiting(_) => ErrorCode::TooManyPinAttempts,
            Self::Store => ErrorCode::Unknown,
        }
    }

    /// What a keypad hears about a code.
    #[must_use]
    pub fn code_error(self) -> ErrorCode {
        match self {
            Self::Missed(0) => ErrorCode::CodeInvalid,
            Self::Missed(1) | Self::Waiting(Waiting { level: 0 | 1 }) => ErrorCode::CodeInvalidTimeout1,
            Self::Missed(2) | Self::Waiting(Waiting { level: 2 }) => ErrorCode::CodeInvalidTimeout2,
            Self::Missed(_) | Self::Waiting(_) => ErrorCode::CodeInvalidTimeout3,
            Self::Store => ErrorCode::Unknown,
        }
    }
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct PinRecord {
    pin: u32,
}

record! {
    PinRecord as Map from PinRecord { pin: 0 };
    required {
        0 => pin: form::Unsigned,
    }
    optional {}
}

#[derive(Clone, Copy, Debug, Default)]
struct GuessRecord {
    pin: u8,
    keypad: u8,
}

record! {
    GuessRecord as Map from GuessRecord::default();
    required {
        0 => pin: form::Unsigned,
        1 => keypad: form::Unsigned,
    }
    optional {}
}

/// Counts guesses of PIN and keypad codes, and knows whether a PIN is right.
#[derive(Debug)]
pub struct PinGuard {
    pin: Guesses,
    keypad: Guesses,
}

impl PinGuard {
    /// Takes up the rows of wrong guesses where they were. When that cannot be read, the rows are the longest.
    #[must_use]
    pub fn open<F: NorFlash>(storage: &mut Storage<F>, now_ms: u64) -> Self {
        let kept = match store::load(storage, store::GUESSES) {
            Ok(kept) => kept.unwrap_or_default(),
            Err(StoreFailed) => GuessRecord {
                pin: u8::MAX,
                keypad: u8::MAX,
            },
        };
        Self {
            pin: Guesses::resume(PIN, kept.pin, now_ms),
            keypad: Guesses::resume(KEYPAD, kept.keypad, now_ms),
        }
    }

    /// Whether this is the PIN.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn check<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        pin: &Pin,
        now_ms: u64,
    ) -> Result<(), Wrong> {
        self.pin.admit(now_ms).map_err(Wrong::Waiting)?;
        if is_right(storage, pin)? {
            if self.pin.hit() {
                self.save(storage)?;
            }
            return Ok(());
        }
        let level = self.pin.miss(now_ms);
        self.save(storage)?;
        Err(Wrong::Missed(level))
    }

    /// Whether a keypad code may be looked at now.
    ///
    /// # Errors
    /// [`Wrong::Waiting`].
    pub fn admit_code(&self, now_ms: u64) -> Result<(), Wrong> {
        self.keypad.admit(now_ms).map_err(Wrong::Waiting)
    }

    /// Takes in that a keypad code was right.
    ///
    /// # Errors
    /// [`Wrong::Store`].
    pub fn code_was_right<F: NorFlash>(&mut self, storage: &mut Storage<F>) -> Result<(), Wrong> {
        if self.keypad.hit() {
            self.save(storage)?;
        }
        Ok(())
    }

    /// Takes in that a keypad code was wrong, and says so.
    pub fn code_was_wrong<F: NorFlash>(&mut self, storage: &mut Storage<F>, now_ms: u64) -> Wrong {
        let level = self.keypad.miss(now_ms);
        match self.save(storage) {
            Ok(()) => Wrong::Missed(level),
            Err(StoreFailed) => Wrong::Store,
        }
    }

    fn save<F: NorFlash>(&self, storage: &mut Storage<F>) -> Result<(), StoreFailed> {
        let record = GuessRecord {
            pin: self.pin.wrong(),
            keypad: self.keypad.wrong(),
        };
        store::save(storage, store::GUESSES, &record)
    }
}

/// Writes a new PIN down.
///
/// # Errors
/// [`StoreFailed`]; then the old one counts.
pub(crate) fn set_pin<F: NorFlash>(storage: &mut Storage<F>, pin: &Pin) -> Result<(), StoreFailed> {
    let record = pin.expose(|pin| PinRecord { pin });
    store::save(storage, store::PIN, &record)
}

/// Whether a PIN other than 0 was set.
pub(crate) fn pin_is_set<F: NorFlash>(storage: &mut Storage<F>) -> Result<bool, StoreFailed> {
    let kept: Option<PinRecord> = store::load(storage, store::PIN)?;
    Ok(kept.is_some_and(|kept| kept.pin != 0))
}

fn is_right<F: NorFlash>(storage: &mut Storage<F>, pin: &Pin) -> Result<bool, StoreFailed> {
    let kept: Option<PinRecord> = store::load(storage, store::PIN)?;
    let right = Pin::long(kept.map_or(0, |kept| kept.pin));
    Ok(pin.ct_eq(&right).into())
}
