//! Records on flash: under which key each lies, and how it is written.
//!
//! Every record is one CBOR map with small integer keys, or an array where it has to be short. What this version does not
//! know is skipped, and what came later is optional, so an older image reads what a newer one wrote and the other way
//! round; without a required field there is no record. Storage keys and map keys are frozen: they are on locks. Nothing
//! here decides anything.

use embedded_storage::nor_flash::NorFlash;
use latchkey_storage::{ENTRY_MAX, Key, Storage};
use zeroize::Zeroizing;

pub(crate) mod form;
pub(crate) mod record;

pub(crate) use record::{Record, decode, encode};

#[cfg(test)]
mod tests;

/// The longest record, in bytes.
pub(crate) const RECORD_MAX: usize = 512;

/// Who the lock is and what it handed out. Written at the first start.
pub(crate) const LOCK: Key = Key(0x0100);
/// The configuration.
pub(crate) const CONFIG: Key = Key(0x0101);
/// The advanced configuration.
pub(crate) const ADVANCED: Key = Key(0x0102);
/// The security PIN.
pub(crate) const PIN: Key = Key(0x0103);
/// Wrong guesses in a row.
pub(crate) const GUESSES: Key = Key(0x0104);
/// Where the bolt stands, and its stops.
pub(crate) const BOLT: Key = Key(0x0105);
/// Time control entries.
pub(crate) const TIME_CONTROL: Key = Key(0x0106);
/// The latest time that the lock was told.
pub(crate) const CLOCK: Key = Key(0x0107);
/// Authorizations, one to a slot from here on.
pub(crate) const AUTHORIZATIONS: u16 = 0x1000;
/// Keypad codes, one to a slot from here on.
pub(crate) const CODES: u16 = 0x2000;

/// A record could not be read or written. What was to be done with it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFailed;

/// The record under this key; `None` when there is none.
///
/// # Errors
/// [`StoreFailed`] also when no version of this program wrote what lies there: what cannot be read is never taken
/// for what was never set.
#[inline(never)]
pub(crate) fn load<T, F>(storage: &mut Storage<F>, key: Key) -> Result<Option<T>, StoreFailed>
where
    T: Record,
    F: NorFlash,
{
    let mut buffer = Zeroizing::new([0; RECORD_MAX]);
    let found = storage.get(key, &mut *buffer).map_err(|_| StoreFailed)?;
    found.map(|bytes| decode(bytes).ok_or(StoreFailed)).transpose()
}

/// Writes a record. It is on flash, whole, when this returns without an error.
#[inline(never)]
pub(crate) fn save<T, F>(storage: &mut Storage<F>, key: Key, record: &T) -> Result<(), StoreFailed>
where
    T: Record,
    F: NorFlash,
{
    let mut buffer = Zeroizing::new([0; RECORD_MAX]);
    let bytes = encode(record, &mut *buffer).ok_or(StoreFailed)?;
    storage.put(key, bytes).map_err(|_| StoreFailed)
}

/// Removes a record. Neither it nor any earlier one under its key can be read from flash any more when this returns
/// without an error.
pub(crate) fn remove<F: NorFlash>(storage: &mut Storage<F>, key: Key) -> Result<(), StoreFailed> {
    storage.remove(key).map_err(|_| StoreFailed)
}

/// Appends to the log. The entry is on flash when this returns without an error.
#[inline(never)]
pub(crate) fn append<T, F>(storage: &mut Storage<F>, entry: &T) -> Result<(), StoreFailed>
where
    T: Record,
    F: NorFlash,
{
    let mut buffer = [0; ENTRY_MAX];
    let bytes = encode(entry, &mut buffer).ok_or(StoreFailed)?;
    storage.append(bytes).map_err(|_| StoreFailed)?;
    Ok(())
}

/// The log entry of this number; `None` when it is gone, damaged or of no version of this program.
#[inline(never)]
pub(crate) fn entry<T, F>(storage: &mut Storage<F>, number: u32) -> Option<T>
where
    T: Record,
    F: NorFlash,
{
    let mut buffer = [0; ENTRY_MAX];
    let found = storage.entry(number, &mut buffer).ok().flatten();
    found.and_then(decode)
}
