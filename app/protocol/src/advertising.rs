//! What a lock sends to everybody: that it is there, who it is, and whether it wants to be paired or has news.
//!
//! Three forms. In door mode it looks like an iBeacon, whose last byte ("transmit power") says by its lowest bit
//! whether anything happened since a bridge last asked. Before pairing it names the service that waits.
//! Everything here is public and unauthenticated: anybody can send it.

use core::fmt;

use crate::gatt;
use crate::pairing::Family;
use crate::value::NukiId;
use crate::wire::Writer;

/// The longest payload of a legacy advertisement, in bytes.
pub const PAYLOAD_MAX: usize = 31;

// AD types, Bluetooth Assigned Numbers, section 2.3.
const FLAGS: u8 = 0x01;
const COMPLETE_LOCAL_NAME: u8 = 0x09;
const SERVICE_DATA_128: u8 = 0x21;
const MANUFACTURER_DATA: u8 = 0xFF;

/// Discoverable by anybody; no classic Bluetooth.
const GENERAL_LE_ONLY: u8 = 0x06;

/// Apple's company number and the mark of an iBeacon behind it.
const IBEACON: [u8; 4] = [0x4C, 0x00, 0x02, 0x15];

/// -60 dBm, whose lowest bit is clear; with it set, something happened. Some clients know exactly these two.
const QUIET: u8 = 0xC4;
const CHANGED: u8 = 0x01;

const NAME_START: &[u8; 5] = b"Nuki_";

/// What a lock says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advertisement {
    /// Nobody ever paired with it.
    Uninitialized(NukiId),
    /// It takes a new client, this way.
    Pairing(Family, NukiId),
    /// At work.
    DoorMode {
        /// Who it is.
        id: NukiId,
        /// Whether anything happened that no bridge has asked for yet.
        state_changed: bool,
    },
}

/// The payload of an advertisement or a scan response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertisingData {
    bytes: [u8; PAYLOAD_MAX],
    length: usize,
}

impl AdvertisingData {
    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn build(fill: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut bytes = [0; PAYLOAD_MAX];
        let mut out = Writer::new(&mut bytes);
        fill(&mut out);
        // Every payload here has one length, and it fits (see the tests).
        let length = out.finish().unwrap_or(0);
        Self { bytes, length }
    }
}

impl Advertisement {
    /// The advertisement's payload.
    #[must_use]
    pub fn data(&self) -> AdvertisingData {
        AdvertisingData::build(|out| {
            structure(out, FLAGS, &[&[GENERAL_LE_ONLY]]);
            match *self {
                Self::Uninitialized(id) => service_data(out, gatt::INITIALIZATION_SERVICE, id),
                Self::Pairing(Family::ToFourth, id) => service_data(out, gatt::PAIRING_SERVICE, id),
                Self::Pairing(Family::Fifth, id) => service_data(out, gatt::PAIRING_SERVICE_FIFTH, id),
                Self::DoorMode { id, state_changed } => {
                    let service = gatt::KEYTURNER_SERVICE.to_be_bytes();
                    let power = QUIET | if state_changed { CHANGED } else { 0 };
                    let id = id.get().to_be_bytes();
                    structure(out, MANUFACTURER_DATA, &[&IBEACON, &service, &id, &[power]]);
                }
            }
        })
    }

    /// Who it is.
    #[must_use]
    pub const fn id(&self) -> NukiId {
        match self {
            Self::Uninitialized(id) | Self::Pairing(_, id) | Self::DoorMode { id, .. } => *id,
        }
    }

    /// Reads an advertisement's payload.
    ///
    /// # Errors
    /// [`NotALock`].
    pub fn read(data: &[u8]) -> Result<Self, NotALock> {
        find(data, |kind, content| match kind {
            SERVICE_DATA_128 => read_service_data(content),
            MANUFACTURER_DATA => read_beacon(content),
            _ => None,
        })
    }
}

/// The payload of the scan response: the lock's name.
#[must_use]
pub fn scan_response(id: NukiId) -> AdvertisingData {
    AdvertisingData::build(|out| {
        structure(out, COMPLETE_LOCAL_NAME, &[NAME_START, &hexadecimal(id)]);
    })
}

/// Reads a scan response's payload.
///
/// # Errors
/// [`NotALock`].
pub fn read_scan_response(data: &[u8]) -> Result<NukiId, NotALock> {
    find(data, |kind, content| {
        if kind != COMPLETE_LOCAL_NAME {
            return None;
        }
        let digits: &[u8; 8] = content.strip_prefix(NAME_START)?.try_into().ok()?;
        let id = digits.iter().try_fold(0_u32, |id, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            id.checked_mul(16)?.checked_add(digit)
        })?;
        NukiId::new(id)
    })
}

/// Why an advertisement is none of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotALock {
    /// Nothing in it says so.
    SomethingElse,
    /// A structure in it is longer than what is left of it.
    Truncated,
}

impl fmt::Display for NotALock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SomethingElse => "no lock sent this advertisement",
            Self::Truncated => "an advertisement is cut off",
        })
    }
}

impl core::error::Error for NotALock {}

fn structure(out: &mut Writer<'_>, kind: u8, parts: &[&[u8]]) {
    let length = parts
        .iter()
        .fold(1_usize, |length, part| length.saturating_add(part.len()));
    out.field(&u8::try_from(length).unwrap_or(u8::MAX));
    out.field(&kind);
    for part in parts {
        out.bytes(part);
    }
}

fn service_data(out: &mut Writer<'_>, service: u128, id: NukiId) {
    let parts: [&[u8]; 2] = [&service.to_le_bytes(), &id.get().to_be_bytes()];
    structure(out, SERVICE_DATA_128, &parts);
}

fn hexadecimal(id: NukiId) -> [u8; 8] {
    let mut left = id.get();
    let mut digits = [0; 8];
    for digit in digits.iter_mut().rev() {
        let value = char::from_digit(left & 0xF, 16).unwrap_or_default();
        *digit = u8::try_from(value.to_ascii_uppercase()).unwrap_or_default();
        left >>= 4;
    }
    digits
}

// The first structure in which `wanted` sees what it looks for. An empty one ends the payload early.
fn find<T>(mut data: &[u8], wanted: impl Fn(u8, &[u8]) -> Option<T>) -> Result<T, NotALock> {
    while let [length, rest @ ..] = data {
        if *length == 0 {
            break;
        }
        let (structure, rest) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(NotALock::Truncated)?;
        if let [kind, content @ ..] = structure
            && let Some(found) = wanted(*kind, content)
        {
            return Ok(found);
        }
        data = rest;
    }
    Err(NotALock::SomethingElse)
}

fn read_service_data(content: &[u8]) -> Option<Advertisement> {
    let (service, id) = content.split_first_chunk()?;
    let id = NukiId::new(u32::from_be_bytes(id.try_into().ok()?))?;
    match u128::from_le_bytes(*service) {
        gatt::INITIALIZATION_SERVICE => Some(Advertisement::Uninitialized(id)),
        gatt::PAIRING_SERVICE => Some(Advertisement::Pairing(Family::ToFourth, id)),
        gatt::PAIRING_SERVICE_FIFTH => Some(Advertisement::Pairing(Family::Fifth, id)),
        _ => None,
    }
}

fn read_beacon(content: &[u8]) -> Option<Advertisement> {
    let content = content.strip_prefix(&IBEACON)?;
    let (service, rest) = content.split_first_chunk()?;
    if u128::from_be_bytes(*service) != gatt::KEYTURNER_SERVICE {
        return None;
    }
    let (id, power) = rest.split_first_chunk()?;
    let id = NukiId::new(u32::from_be_bytes(*id))?;
    let [power] = power else { return None };
    Some(Advertisement::DoorMode {
        id,
        state_changed: power & CHANGED != 0,
    })
}
