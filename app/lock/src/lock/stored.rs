//! The lock's own records: what stands in each, and how the first start and every other one read them.

use embedded_storage::nor_flash::NorFlash;
use heapless::String;
use latchkey_protocol::value::{LockUuid, Name, Version};
use latchkey_storage::Storage;

use super::Identity;
use crate::activity::Entry;
use crate::bolt::{Bolt, Geometry, Kept as BoltKept};
use crate::clock::{EARLIEST, UnixTime};
use crate::config::{Advanced, Config};
use crate::schedule::Entries;
use crate::store::form;
use crate::store::record::record;
use crate::store::{self, StoreFailed};

/// Who the lock is and what it handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// Random, the same until the next factory reset.
    pub(super) uuid: LockUuid,
    /// The highest authorization id ever given out.
    pub(super) last_authorization: u32,
    /// The highest code id ever given out.
    pub(super) last_code: u16,
    /// Somebody has paired since the last factory reset.
    pub(super) initialized: bool,
    /// The firmware that last ran.
    pub(super) firmware: Option<Version>,
}

record! {
    Kept as Map from Kept {
        uuid: LockUuid([0; 16]),
        last_authorization: 0,
        last_code: 0,
        initialized: false,
        firmware: None,
    };
    required {
        0 => uuid: form::Wire,
        1 => last_authorization: form::Unsigned,
        2 => last_code: form::Unsigned,
        3 => initialized: form::Flag,
    }
    optional {
        4 => firmware: form::Maybe<form::Wire>,
    }
}

/// Where the bolt stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BoltRecord {
    pub(super) total_deg: Option<u16>,
    pub(super) at_deg: Option<i16>,
    /// It is to be locked again after a lock'n'go.
    pub(super) lock_n_go: bool,
}

record! {
    BoltRecord as Map from BoltRecord::default();
    required {}
    optional {
        0 => total_deg: form::Maybe<form::Unsigned>,
        1 => at_deg: form::Maybe<form::Signed>,
        2 => lock_n_go: form::Flag,
    }
}

impl BoltRecord {
    pub(super) fn of(kept: BoltKept, lock_n_go: bool) -> Self {
        Self {
            total_deg: kept.total_deg,
            at_deg: kept.at_deg,
            lock_n_go,
        }
    }
}

/// The latest time that the lock was told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClockRecord {
    pub(super) told: u32,
}

record! {
    ClockRecord as Map from ClockRecord::default();
    required {
        0 => told: form::Unsigned,
    }
    optional {}
}

pub(super) fn first_start<F: NorFlash>(
    storage: &mut Storage<F>,
    uuid: [u8; 16],
    firmware: Version,
) -> Result<Kept, StoreFailed> {
    let kept = Kept {
        uuid: LockUuid(uuid),
        last_authorization: 0,
        last_code: 0,
        initialized: false,
        firmware: Some(firmware),
    };
    store::save(storage, store::LOCK, &kept)?;
    Ok(kept)
}

pub(super) fn default_name(identity: &Identity) -> Name<32> {
    use core::fmt::Write as _;
    let mut text: String<32> = String::new();
    // Thirteen characters.
    let _ = write!(text, "Nuki_{}", identity.nuki_id);
    Name::new(&text).unwrap_or(Name::EMPTY)
}

pub(super) fn geometry(config: &Config, advanced: &Advanced, total_deg: Option<u16>) -> Geometry {
    Geometry {
        total_deg,
        unlocked_deg: advanced.unlocked_offset,
        locked_deg: advanced.locked_offset,
        single_locked_deg: advanced.single_locked_offset,
        transition_deg: advanced.unlocked_to_locked_offset,
        single_lock: config.single_lock,
        hold_s: advanced.unlatch_seconds,
    }
}

#[inline(never)]
pub(super) fn open_bolt<F: NorFlash>(
    storage: &mut Storage<F>,
    identity: &Identity,
    config: &Config,
    advanced: &Advanced,
    now_ms: u64,
) -> (Bolt, Option<BoltRecord>) {
    // A place that cannot be read is a place that is not known: the motor finds it.
    let was: Option<BoltRecord> = store::load(storage, store::BOLT).unwrap_or(None);
    let record = was.unwrap_or_default();
    let kept = BoltKept {
        total_deg: record.total_deg.or(identity.mounted_deg),
        at_deg: record.at_deg,
    };
    let bolt = Bolt::start(geometry(config, advanced, kept.total_deg), kept, now_ms);
    (bolt, was)
}

pub(super) fn open_time_control<F: NorFlash>(storage: &mut Storage<F>) -> Entries {
    let entries: Option<Entries> = store::load(storage, store::TIME_CONTROL).unwrap_or(None);
    entries.unwrap_or_default()
}

/// The latest time that anything on flash speaks of.
pub(super) fn latest_time<F: NorFlash>(storage: &mut Storage<F>) -> UnixTime {
    let told: Option<ClockRecord> = store::load(storage, store::CLOCK).unwrap_or(None);
    let newest = storage.newest();
    let logged: Option<Entry> = newest.and_then(|number| store::entry(storage, number));
    let told = told.map_or(EARLIEST, |record| UnixTime(record.told));
    let logged = logged.map_or(EARLIEST, |entry| entry.time());
    told.max(logged)
}
