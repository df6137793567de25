//! Services and characteristics by their UUIDs.
//!
//! Only numbers: how a characteristic is registered, written or indicated is the radio's business. A client
//! subscribes to indications; every message goes out as indications of at most the connection's MTU less three
//! bytes, and comes in as writes or long writes.

// Every UUID of the protocol is this one with 16 bits set.
const fn uuid(short: u16) -> u128 {
    0xa92e_0000_5501_11e4_916c_0800_200c_9a66 | ((short as u128) << 96)
}

/// The service that only advertises: nobody ever paired with this lock.
pub const INITIALIZATION_SERVICE: u128 = uuid(0xe000);

/// Pairing, generations 1 to 4.
pub const PAIRING_SERVICE: u128 = uuid(0xe100);

/// Where pairing is written and indicated, in plain frames.
pub const PAIRING_DATA: u128 = uuid(0xe101);

/// Pairing, 5th generation.
pub const PAIRING_SERVICE_FIFTH: u128 = uuid(0xe300);

/// Where pairing of the 5th generation is written and indicated: plain frames first, sealed ones at the end.
pub const PAIRING_DATA_FIFTH: u128 = uuid(0xe301);

/// The lock itself.
pub const KEYTURNER_SERVICE: u128 = uuid(0xe200);

/// Plain frames: errors about sealed frames that did not open.
pub const KEYTURNER_DATA: u128 = uuid(0xe201);

/// Sealed frames.
pub const KEYTURNER_USER_DATA: u128 = uuid(0xe202);

/// Opener: pairing. A lock is told from an Opener by which of the two it has.
pub const OPENER_PAIRING_SERVICE: u128 = uuid(0xe100) ^ OPENER;

/// Opener: where pairing is written and indicated.
pub const OPENER_PAIRING_DATA: u128 = uuid(0xe101) ^ OPENER;

/// Opener: the Opener itself.
pub const OPENER_SERVICE: u128 = uuid(0xe200) ^ OPENER;

/// Opener: plain frames.
pub const OPENER_DATA: u128 = uuid(0xe201) ^ OPENER;

/// Opener: sealed frames.
pub const OPENER_USER_DATA: u128 = uuid(0xe202) ^ OPENER;

// a92ee... is a lock, a92ae... an Opener.
const OPENER: u128 = 0x0004_0000 << 96;

/// The longest ATT MTU that a lock agrees to, in bytes: every message fits one indication.
pub const MTU_MAX: u16 = 247;

/// The ATT MTU of a connection that has not agreed on another, in bytes.
pub const MTU_DEFAULT: u16 = 23;

/// What ATT puts around each piece of a message, in bytes.
pub const ATT_OVERHEAD: u16 = 3;

/// Updates by phone: the SMP service, as mcumgr's tools know it.
pub const SMP_SERVICE: u128 = 0x8d53_dc1d_1db7_4cd3_868b_8a52_7460_aa84;

/// Where SMP is written, and notified.
pub const SMP_CHARACTERISTIC: u128 = 0xda2e_7828_fbce_4e01_ae9e_2611_7499_7c48;
