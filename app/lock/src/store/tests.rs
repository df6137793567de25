//! Records are frozen: these bytes lie on locks. Golden, from the codec that minicbor's derive made for earlier
//! versions, which left out what was none.

use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::LogEvent;
use latchkey_protocol::value::{
    AuthorizationId, AuthorizationType, CodeId, KeypadCode, LockAction, Name, TimeControlId, TimeOfDay,
    Weekdays,
};

use super::{RECORD_MAX, Record, decode, encode};
use crate::access::{Authorization, Code};
use crate::activity;
use crate::clock::UnixTime;
use crate::config::{Advanced, Config};
use crate::schedule::{Entries, Entry};
use crate::settings::Settings;

fn name<const N: usize>() -> Name<N> {
    Name::new("Anna").unwrap()
}

fn authorization() -> Authorization {
    let key = SharedKey::from_bytes(&mut [7; 32]);
    Authorization::new(AuthorizationId(300), AuthorizationType::Fob, name(), key)
}

fn code() -> Code {
    Code {
        id: CodeId(9),
        code: KeypadCode::new(345_678).unwrap(),
        name: name(),
        enabled: true,
        created: 70_000,
        last_active: 0,
        lock_count: 256,
        limits: None,
    }
}

fn schedule() -> Entries {
    let mut entries = Entries::default();
    let entry = Entry {
        id: TimeControlId(3),
        enabled: true,
        weekdays: Weekdays::EVERY,
        time: TimeOfDay { hour: 22, minute: 5 },
        action: LockAction::Unlock,
    };
    entries.push(entry).unwrap();
    entries
}

fn logged() -> activity::Entry {
    let time = UnixTime(1_700_000_000);
    activity::Entry::new(time, AuthorizationId(5), name(), LogEvent::Logging(true))
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.count_start();
    settings
}

fn written<T: Record>(record: &T) -> Vec<u8> {
    let mut bytes = [0; RECORD_MAX];
    encode(record, &mut bytes).unwrap().to_vec()
}

/// What lies on locks is read as what was written there; cut off or with bytes behind it, it is no record.
fn holds<T: Record>(record: &T, golden: &str) {
    let (pairs, []) = golden.as_bytes().as_chunks::<2>() else {
        panic!("half a byte");
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect();
    assert_eq!(written(&decode::<T>(&bytes).unwrap()), written(record));
    for bytes in [bytes, written(record)] {
        assert!(decode::<T>(&bytes).is_some());
        for short in 0..bytes.len() {
            assert!(decode::<T>(&bytes[..short]).is_none(), "cut off after {short}");
        }
        assert!(
            decode::<T>(&[&bytes[..], &[0]].concat()).is_none(),
            "bytes behind"
        );
    }
}

#[test]
fn records_of_every_version_are_read() {
    holds(
        &Config::new(name()),
        "b20044416e6e6101fa0000000002fa0000000003f404f505f506f50703080009000a040b030c000df40e000f19ffff100011f5",
    );
    holds(
        &Advanced::default(),
        "b818000001000200030004140501060507f4080009f50a030b19012c0cf40df40e4216000f42060010f411f412f413f414f415f5160017f4",
    );
    holds(
        &authorization(),
        "aa00442c01000001020244000000000344416e6e61045820070707070707070707070707070707070707070707070707070707070707070705f506f5070008000900",
    );
    holds(
        &code(),
        "a700420900011a0005464e0244416e6e6103f5041a00011170050006190100",
    );
    holds(&schedule(), "a10081854103f541004216054101");
    holds(&logged(), "841a6553f1000544416e6e61420101");
    holds(&settings(), "a3000102800300");
}

#[test]
fn without_a_required_field_there_is_no_record() {
    let mut bytes = [0; RECORD_MAX];
    let length = encode(&authorization(), &mut bytes).unwrap().len();
    // Key 4 is the key: call it 20, which nobody knows.
    let at = bytes.iter().position(|byte| *byte == 4).unwrap();
    bytes[at] = 20;
    assert!(decode::<Authorization>(&bytes[..length]).is_none());
}
