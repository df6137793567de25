//! Settings and device key on flash, by sequential-storage: each item is its old or its new value at any
//! power cut.

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_futures::block_on;
use embedded_storage::nor_flash::NorFlash;
use latchkey_handoff::Region;
use latchkey_handoff::layout::STORAGE;
use latchkey_lock::DeviceKey;
use latchkey_lock::settings::{ENCODED_MAX, Settings};
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use zeroize::Zeroizing;

/// Item names. Frozen: they are on locks.
const DEVICE_KEY: u8 = 1;
const SETTINGS: u8 = 2;
/// An item with its head, in whole words.
const BUFFER: usize = ENCODED_MAX + 32;
const SEED: usize = 32;

/// Reading flash costs next to nothing here.
type NoCache = Cache<Uncached, Uncached, Uncached, u8>;

/// What is stored cannot be read, or not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreError;

/// The items on this flash.
pub(crate) struct Store<'f, F: NorFlash> {
    map: MapStorage<u8, BlockingAsync<Region<&'f mut F>>, NoCache>,
}

impl<'f, F: NorFlash> Store<'f, F> {
    pub(crate) fn open(flash: &'f mut F) -> Self {
        let config = const { MapConfig::new(0..STORAGE.size) };
        let region = BlockingAsync::new(Region::new(flash, STORAGE));
        Self {
            map: MapStorage::new(region, config, Cache::new_uncached()),
        }
    }

    /// The stored settings; those of a new lock when there are none.
    pub(crate) fn settings(&mut self) -> Result<Settings, StoreError> {
        let mut buffer = [0; BUFFER];
        match self.fetch(&mut buffer, SETTINGS)? {
            Some(bytes) => Settings::decode(bytes).map_err(|_| StoreError),
            None => Ok(Settings::default()),
        }
    }

    pub(crate) fn save(&mut self, settings: &Settings) -> Result<(), StoreError> {
        let mut bytes = [0; ENCODED_MAX];
        let length = settings.encode(&mut bytes).ok_or(StoreError)?;
        let bytes = bytes.get(..length).ok_or(StoreError)?;
        self.store(&mut [0; BUFFER], SETTINGS, bytes)
    }

    /// The device key; `None` on a lock that has not made one.
    pub(crate) fn device_key(&mut self) -> Result<Option<DeviceKey>, StoreError> {
        let mut buffer = Zeroizing::new([0; BUFFER]);
        let Some(bytes) = self.fetch(&mut *buffer, DEVICE_KEY)? else {
            return Ok(None);
        };
        let mut seed: [u8; SEED] = bytes.try_into().map_err(|_| StoreError)?;
        DeviceKey::from_seed(&mut seed).map(Some).ok_or(StoreError)
    }

    pub(crate) fn save_device_key(&mut self, key: &DeviceKey) -> Result<(), StoreError> {
        let mut buffer = Zeroizing::new([0; BUFFER]);
        key.expose(|seed| self.store(&mut *buffer, DEVICE_KEY, seed))
    }

    /// Empties the store. The lock is a new device afterwards.
    pub(crate) fn erase(&mut self) -> Result<(), StoreError> {
        // The flash is blocking, so nothing here ever waits.
        block_on(self.map.erase_all()).map_err(|_| StoreError)
    }

    fn fetch<'b>(&mut self, buffer: &'b mut [u8], item: u8) -> Result<Option<&'b [u8]>, StoreError> {
        block_on(self.map.fetch_item::<&[u8]>(buffer, &item)).map_err(|_| StoreError)
    }

    fn store(&mut self, buffer: &mut [u8], item: u8, bytes: &[u8]) -> Result<(), StoreError> {
        block_on(self.map.store_item(buffer, &item, &bytes)).map_err(|_| StoreError)
    }
}
