//! One of every message, with the content that `tests/vectors/make.py` gives it.

mod device;
mod people;

use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{PinWidth, Writer};

/// A message and how to read one like it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) message: Box<dyn Payload>,
    /// Reads a payload and writes what was read.
    pub(crate) again: fn(&[u8], PinWidth) -> Vec<u8>,
}

pub(super) fn sample<M: Message + 'static>(name: &'static str, message: M) -> Sample {
    Sample {
        name,
        message: Box::new(message),
        again: |bytes, width| payload(&M::read(bytes, width).unwrap()),
    }
}

/// A message's payload.
pub(crate) fn payload(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; PAYLOAD_MAX];
    let mut writer = Writer::new(&mut out);
    message.write(&mut writer);
    let length = writer.finish().unwrap();
    out[..length].to_vec()
}

pub(crate) fn samples() -> Vec<Sample> {
    [
        people::pairing(),
        people::authorizations(),
        device::actions_and_states(),
        device::configurations(),
        device::maintenance(),
        device::log(),
        device::time_control(),
        people::keypad(),
        device::updates(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(crate) const NONCE: Nonce = Nonce(counting(0x40));
pub(crate) const UUID: LockUuid = LockUuid(counting(0x10));
pub(crate) const APP: AppId = AppId(0x0102_0304);
pub(crate) const AUTHORIZATION: AuthorizationId = AuthorizationId(5);

/// Bytes that count up.
pub(crate) const fn counting<const N: usize>(mut from: u8) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = from;
        from += 1;
        at += 1;
    }
    bytes
}

pub(super) const CREATED: DateTime = date(2024, 2, 29, 23, 59, 58);
pub(super) const ACTIVE: DateTime = date(2026, 11, 26, 1, 2, 3);

pub(super) const fn date(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> DateTime {
    DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    }
}

pub(super) const fn clock(hour: u8, minute: u8) -> TimeOfDay {
    TimeOfDay { hour, minute }
}

pub(super) fn limits() -> TimeLimits {
    TimeLimits {
        from: date(2025, 1, 1, 0, 0, 0),
        until: date(2027, 12, 31, 23, 59, 59),
        weekdays: Weekdays::new(&[Weekday::Monday, Weekday::Sunday]),
        daily_from: clock(6, 30),
        daily_until: clock(22, 15),
    }
}

pub(crate) fn name() -> Name<32> {
    Name::new("Zoë's phone").unwrap()
}

pub(super) fn short_name() -> Name<20> {
    Name::new("Straße 1").unwrap()
}

pub(super) fn pin() -> Pin {
    Pin::short(0x1234)
}

pub(crate) fn wide_pin() -> Pin {
    Pin::long(987_654)
}

pub(super) fn code() -> KeypadCode {
    KeypadCode::new(987_654).unwrap()
}

pub(super) fn weekdays() -> Weekdays {
    Weekdays::new(&Weekday::ALL[1..6])
}

pub(super) fn version() -> Version {
    Version {
        major: 3,
        minor: 9,
        patch: 5,
    }
}
