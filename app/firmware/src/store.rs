//! The update client's settings and the device key, among the other records of the lock's storage.

use embedded_storage::nor_flash::NorFlash;
use latchkey_lock::DeviceKey;
use latchkey_lock::settings::{ENCODED_MAX, Settings};
use latchkey_storage::{Key, Storage};
use zeroize::Zeroizing;

/// Record names; those of `latchkey_lock` begin at 0x0100. Frozen: they are on locks.
const DEVICE_KEY: Key = Key(0x0001);
const SETTINGS: Key = Key(0x0002);
/// Only there while [`answers`] runs, or where the power was cut then.
const PROBE: Key = Key(0x0003);
const SEED: usize = 32;

/// What is stored cannot be read, or not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreError;

/// The stored settings; those of a new lock when there are none.
pub(crate) fn settings<F: NorFlash>(storage: &mut Storage<F>) -> Result<Settings, StoreError> {
    let mut buffer = [0; ENCODED_MAX];
    match storage.get(SETTINGS, &mut buffer).map_err(|_| StoreError)? {
        Some(bytes) => Settings::decode(bytes).map_err(|_| StoreError),
        None => Ok(Settings::default()),
    }
}

pub(crate) fn save<F: NorFlash>(storage: &mut Storage<F>, settings: &Settings) -> Result<(), StoreError> {
    let mut bytes = [0; ENCODED_MAX];
    let length = settings.encode(&mut bytes).ok_or(StoreError)?;
    let bytes = bytes.get(..length).ok_or(StoreError)?;
    storage.put(SETTINGS, bytes).map_err(|_| StoreError)
}

/// Whether the storage takes a record, gives it back, and forgets it.
pub(crate) fn answers<F: NorFlash>(storage: &mut Storage<F>, probe: &[u8; 16]) -> Result<bool, StoreError> {
    let mut buffer = [0; 16];
    storage.put(PROBE, probe).map_err(|_| StoreError)?;
    let kept = storage.get(PROBE, &mut buffer).map_err(|_| StoreError)? == Some(probe);
    storage.remove(PROBE).map_err(|_| StoreError)?;
    let gone = storage.get(PROBE, &mut buffer).map_err(|_| StoreError)?.is_none();
    Ok(kept && gone)
}

/// The device key; `None` on a lock that has not made one.
pub(crate) fn device_key<F: NorFlash>(storage: &mut Storage<F>) -> Result<Option<DeviceKey>, StoreError> {
    let mut buffer = Zeroizing::new([0; SEED]);
    let Some(bytes) = storage.get(DEVICE_KEY, &mut *buffer).map_err(|_| StoreError)? else {
        return Ok(None);
    };
    let mut seed: [u8; SEED] = bytes.try_into().map_err(|_| StoreError)?;
    DeviceKey::from_seed(&mut seed).map(Some).ok_or(StoreError)
}

pub(crate) fn save_device_key<F: NorFlash>(
    storage: &mut Storage<F>,
    key: &DeviceKey,
) -> Result<(), StoreError> {
    key.expose(|seed| storage.put(DEVICE_KEY, seed))
        .map_err(|_| StoreError)
}
