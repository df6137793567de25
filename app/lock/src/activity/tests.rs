#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use super::*;
use crate::store::{RECORD_MAX, decode, encode};
use latchkey_protocol::message::Movement;
use latchkey_protocol::value::{
    ActionFlags, CodeId, Completion, KeypadAction, KeypadSource, LockAction, SortOrder, Trigger,
};
use proptest::prelude::*;

/// Room in the ring for one entry, in bytes.
const ENTRY_MAX: usize = 55;

fn entry(event: LogEvent) -> Entry {
    Entry::new(
        UnixTime(u32::MAX),
        AuthorizationId(u32::MAX),
        Name::new("01234567890123456789012345678901").unwrap(),
        event,
    )
}

#[test]
fn the_longest_entries_fit_and_come_back() {
    let movement = Movement {
        action: Some(LockAction::FobAction3.into()),
        trigger: Trigger::Mqtt.into(),
        flags: ActionFlags(255),
        completion: Completion::Unknown.into(),
    };
    let keypad = LogEvent::KeypadAction {
        action: KeypadAction::LockNGo.into(),
        source: KeypadSource::Fingerprint.into(),
        completion: Completion::InvalidCode.into(),
        code: CodeId(u16::MAX),
    };
    for event in [LogEvent::LockAction(movement), keypad, LogEvent::Logging(true)] {
        let mut bytes = [0; RECORD_MAX];
        let written = encode(&entry(event), &mut bytes).unwrap();
        assert!(written.len() <= ENTRY_MAX, "{}", written.len());
        assert_eq!(decode::<Entry>(written).unwrap(), entry(event));
    }
}

#[test]
fn a_suffix_is_cut_between_characters() {
    let name = Name::new("A name of thirty-one bytes, ho!").unwrap();
    assert_eq!(with_suffix(&name, "é").as_str(), name.as_str());
    assert_eq!(
        with_suffix(&name, "e and more").as_str(),
        "A name of thirty-one bytes, ho!e"
    );
    assert_eq!(
        with_suffix(&Name::new("Bo").unwrap(), " (web)").as_str(),
        "Bo (web)"
    );
}

fn all(mut query: Query, there: core::ops::Range<u32>) -> Vec<u32> {
    core::iter::from_fn(|| query.next(there.clone())).collect()
}

#[test]
fn queries_go_from_the_first_or_beyond_an_index() {
    let there = 10..15;
    let query = |start, count, order| all(Query::new(LogIndex(start), count, order), there.clone());
    let (up, down) = (SortOrder::Ascending, SortOrder::Descending);
    assert_eq!(query(0, 2, up), [10, 11]);
    assert_eq!(query(0, 2, down), [14, 13]);
    // Index 12 is number 11.
    assert_eq!(query(12, 9, up), [12, 13, 14]);
    assert_eq!(query(12, 9, down), [10]);
    assert_eq!(query(1, 9, up), [10, 11, 12, 13, 14], "long gone");
    assert_eq!(query(u32::MAX, 9, up), [0; 0]);
    assert_eq!(query(u32::MAX, 1, down), [14]);
    assert_eq!(query(1, 9, down), [0; 0]);
    assert_eq!(all(Query::new(LogIndex(0), 9, down), 0..2), [1, 0]);
    assert_eq!(all(Query::new(LogIndex(0), 9, up), 0..0), [0; 0]);
}

proptest! {
    #[test]
    fn a_query_gives_each_entry_once_and_in_order(
        start in 0..40_u32, count: u16, ascending: bool, first in 0..20_u32, length in 0..20_u32,
    ) {
        let order = if ascending { SortOrder::Ascending } else { SortOrder::Descending };
        let there = first..first + length;
        let given = all(Query::new(LogIndex(start), count, order), there.clone());
        let mut wanted: Vec<u32> = there
            .filter(|number| match (order, start) {
                (_, 0) => true,
                (SortOrder::Ascending, _) => number + 1 > start,
                (SortOrder::Descending, _) => number + 1 < start,
            })
            .collect();
        if !ascending {
            wanted.reverse();
        }
        wanted.truncate(count.into());
        prop_assert_eq!(given, wanted);
    }
}
