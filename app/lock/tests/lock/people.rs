//! Authorizations and keypad codes: added, listed, limited, removed, up to the last place.

use crate::bench::*;
use latchkey_lock::lock::Characteristic;
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Always;

use AuthorizationType::{App, Bridge, Keypad};

pub(crate) fn add_code(client: &Client, house: &mut House, code: u32) -> Vec<FromLock> {
    add_limited_code(client, house, code, None)
}

pub(crate) fn add_limited_code(
    client: &Client,
    house: &mut House,
    code: u32,
    limits: Option<TimeLimits>,
) -> Vec<FromLock> {
    client.command(house, |nonce| AddKeypadCode {
        code: KeypadCode::new(code).unwrap(),
        name: Name::new("Cleaner").unwrap(),
        limits: Always(limits),
        nonce,
        pin: client.pin(0),
    })
}

pub(crate) fn type_in(keypad: &Client, house: &mut House, code: u32, action: KeypadAction) -> Vec<FromLock> {
    keypad.command(house, |nonce| PerformKeypadAction {
        source: KeypadSource::Code,
        code: EnteredCode::new(code),
        action,
        nonce,
    })
}

fn update(client: &Client, house: &mut House, change: impl FnOnce(&mut UpdateAuthorizationEntry)) {
    let mut update = UpdateAuthorizationEntry {
        authorization: AuthorizationId(0),
        name: Name::new("Changed").unwrap(),
        enabled: true,
        remote_allowed: true,
        limits: Always(None),
        nonce: client.challenge(house),
        pin: client.pin(0),
    };
    change(&mut update);
    assert_eq!(client.say(house, &update), [complete()]);
}

/// Six digits from 1 to 9, different for each `n`.
fn nth_code(n: u32) -> u32 {
    (0..6).fold(0, |code, place| code * 10 + 3 + n / 7_u32.pow(5 - place) % 7)
}

#[test]
fn a_hundred_authorizations_fit_and_are_listed_own_first() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    for n in 1..100 {
        let replies = phone.command(&mut house, |nonce| InviteAuthorization {
            name: Name::new("Guest").unwrap(),
            kind: App,
            key: CarriedKey::new([n; 32]),
            remote_allowed: true,
            limits: Always(None),
            nonce,
            pin: phone.pin(0),
        });
        assert_eq!(replies[0].command(), InvitedAuthorization::COMMAND, "{n}");
    }
    let full = phone.command(&mut house, |nonce| InviteAuthorization {
        name: Name::new("Guest").unwrap(),
        kind: App,
        key: CarriedKey::new([100; 32]),
        remote_allowed: true,
        limits: Always(None),
        nonce,
        pin: phone.pin(0),
    });
    assert_eq!(
        full,
        [error(ErrorCode::TooManyEntries, InviteAuthorization::COMMAND)]
    );
    house.hold_button(5_000);
    house.connect(B);
    let refused = house.pair_now(B, App, "One too many").err().unwrap();
    let expected = latchkey_protocol::pairing::client::PairingError::Refused(ErrorCode::MaxUser.into());
    assert_eq!(refused, expected);

    let mut house = house.restart();
    house.connect(A);
    let last = Client {
        id: AuthorizationId(100),
        key: latchkey_protocol::key::SharedKey::from_bytes(&mut [99; 32]),
        ..phone.on(A)
    };
    let list = |house: &mut House, offset, count| {
        let replies = last.command(house, |nonce| RequestAuthorizationEntries {
            offset,
            count,
            nonce,
            pin: last.pin(0),
        });
        let count = match &replies[0] {
            FromLock::AuthorizationEntryCount(count) => count.count,
            other => panic!("no count: {other:?}"),
        };
        let ids = replies.iter().filter_map(|reply| match reply {
            FromLock::AuthorizationEntry(entry) => Some(entry.authorization.0),
            _ => None,
        });
        assert_eq!(replies.last(), Some(&complete()));
        (count, ids.collect::<Vec<u32>>())
    };
    let (count, ids) = list(&mut house, 0, 200);
    assert_eq!((count, ids.len()), (100, 100));
    assert_eq!(ids[..3], [100, 1, 2]);
    assert_eq!(list(&mut house, 98, 10), (100, vec![98, 99]));
    assert_eq!(list(&mut house, 100, 10), (100, vec![]));
    assert_eq!(list(&mut house, u16::MAX, u16::MAX), (100, vec![]));
}

#[test]
fn a_hundred_codes_fit_are_unique_and_come_back() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    for n in 0..100 {
        let replies = add_code(&phone, &mut house, nth_code(n));
        assert_eq!(replies[0].command(), KeypadCodeId::COMMAND, "{n}");
        assert_eq!(replies.len(), 1, "no status follows");
    }
    let full = [error(ErrorCode::TooManyEntries, AddKeypadCode::COMMAND)];
    assert_eq!(add_code(&phone, &mut house, nth_code(100)), full);
    let mut house = house.restart();
    house.connect(A);
    let list = |house: &mut House, offset, count| {
        let replies = phone.command(house, |nonce| RequestKeypadCodes {
            offset,
            count,
            nonce,
            pin: phone.pin(0),
        });
        let count = match &replies[0] {
            FromLock::KeypadCodeCount(count) => count.count,
            other => panic!("no count: {other:?}"),
        };
        let codes = replies.iter().filter_map(|reply| match reply {
            FromLock::KeypadCodeEntry(entry) => Some(entry.code.expose(|code| code)),
            _ => None,
        });
        assert_eq!(replies.last(), Some(&complete()));
        (count, codes.collect::<Vec<u32>>())
    };
    let (count, codes) = list(&mut house, 0, 200);
    assert_eq!(count, 100);
    assert_eq!(codes, (0..100).map(nth_code).collect::<Vec<_>>());
    assert_eq!(list(&mut house, 95, 3), (3, (95..98).map(nth_code).collect()));
    assert_eq!(list(&mut house, 98, 10), (2, (98..100).map(nth_code).collect()));
    assert_eq!(list(&mut house, 100, 10), (0, vec![]));
    for n in [0, 50, 99] {
        let replies = type_in(&phone, &mut house, nth_code(n), KeypadAction::Intelligent);
        assert_eq!(apart(replies).1, [accepted(), complete()], "{n}");
    }
    let removed = phone.command(&mut house, |nonce| RemoveKeypadCode {
        id: CodeId(51),
        nonce,
        pin: phone.pin(0),
    });
    assert_eq!(removed, [complete()]);
    let gone = [error(ErrorCode::CodeInvalid, PerformKeypadAction::COMMAND)];
    assert_eq!(
        type_in(&phone, &mut house, nth_code(50), KeypadAction::Unlock),
        gone
    );
    assert_eq!(add_code(&phone, &mut house, nth_code(50)).len(), 1);
}

#[test]
fn a_lock_with_everything_full_still_works() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    phone.tell_time(&mut house, MONDAY_MORNING);
    let always = Some(TimeLimits {
        from: DateTime {
            year: 2020,
            month: 1,
            day: 1,
            ..DateTime::UNSET
        },
        ..TimeLimits::default()
    });
    for n in 1..100 {
        let replies = phone.command(&mut house, |nonce| InviteAuthorization {
            name: Name::new("A name of thirty-two bytes, here").unwrap(),
            kind: App,
            key: CarriedKey::new([n; 32]),
            remote_allowed: true,
            limits: Always(always),
            nonce,
            pin: phone.pin(0),
        });
        assert_eq!(replies[0].command(), InvitedAuthorization::COMMAND, "{n}");
    }
    for n in 0..100 {
        let replies = add_limited_code(&phone, &mut house, nth_code(n), always);
        assert_eq!(replies[0].command(), KeypadCodeId::COMMAND, "{n}");
    }
    let mut schedule = |hour| {
        phone.command(&mut house, |nonce| AddTimeControlEntry {
            weekdays: Weekdays::EVERY,
            time: TimeOfDay { hour, minute: 59 },
            action: LockAction::FobAction3,
            nonce,
            pin: phone.pin(0),
        })
    };
    for n in 0..32 {
        assert_eq!(schedule(n % 24)[0].command(), TimeControlEntryId::COMMAND, "{n}");
    }
    let full = [error(ErrorCode::TooManyEntries, AddTimeControlEntry::COMMAND)];
    assert_eq!(schedule(0), full);
    for _ in 0..200 {
        phone.act(&mut house, LockAction::Lock);
        let unlocked = type_in(&phone, &mut house, nth_code(99), KeypadAction::Unlock);
        assert_eq!(apart(unlocked).1, [accepted(), complete()]);
    }
    let mut house = house.restart();
    house.connect(A);
    assert_eq!(
        apart(phone.act(&mut house, LockAction::Lock)).1,
        [accepted(), complete()]
    );
}

#[test]
fn a_code_that_exists_is_not_given_out_twice() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    add_code(&phone, &mut house, 345_678);
    add_code(&phone, &mut house, 456_789);
    let taken = |command| [error(ErrorCode::CodeAlreadyExists, command)];
    assert_eq!(
        add_code(&phone, &mut house, 345_678),
        taken(AddKeypadCode::COMMAND)
    );
    let mut change = |id, code| {
        phone.command(&mut house, |nonce| UpdateKeypadCode {
            id: CodeId(id),
            code: KeypadCode::new(code).unwrap(),
            name: Name::new("Gardener").unwrap(),
            enabled: true,
            limits: Always(None),
            nonce,
            pin: phone.pin(0),
        })
    };
    assert_eq!(change(1, 456_789), taken(UpdateKeypadCode::COMMAND));
    assert_eq!(change(1, 345_678), [complete()], "its own");
    assert_eq!(change(1, 567_891), [complete()]);
    let none = [error(ErrorCode::BadParameter, UpdateKeypadCode::COMMAND)];
    assert_eq!(change(3, 678_912), none);
}

#[test]
fn a_keypad_works_with_codes_and_locks_without() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    add_code(&phone, &mut house, 345_678);
    let keypad = house.pair(B, Keypad, "Keypad");
    let arrow = |house: &mut House, action| {
        keypad.command(house, |nonce| PerformKeypadAction {
            source: KeypadSource::ArrowKey,
            code: EnteredCode::new(0),
            action,
            nonce,
        })
    };
    let invalid = [error(ErrorCode::CodeInvalid, PerformKeypadAction::COMMAND)];
    assert_eq!(arrow(&mut house, KeypadAction::Unlatch), invalid);
    let done = [accepted(), complete()];
    assert_eq!(apart(arrow(&mut house, KeypadAction::Intelligent)).1, done);
    assert_eq!(
        arrow(&mut house, KeypadAction::Intelligent),
        invalid,
        "it would unlock"
    );
    let unlocked = type_in(&keypad, &mut house, 345_678, KeypadAction::Unlock);
    assert_eq!(apart(unlocked).1, done);
    let newest = phone.log(&mut house).swap_remove(0);
    let expected = LogEvent::KeypadAction {
        action: KeypadAction::Unlock.into(),
        source: KeypadSource::Code.into(),
        completion: Completion::Success.into(),
        code: CodeId(1),
    };
    assert_eq!((newest.event, newest.name.as_str()), (expected, "Cleaner"));
    assert_eq!(newest.authorization, keypad.id);
}

#[test]
fn uses_are_counted_for_who_used_the_lock() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    phone.tell_time(&mut house, MONDAY_MORNING);
    add_code(&phone, &mut house, 345_678);
    phone.act(&mut house, LockAction::Lock);
    phone.act(&mut house, LockAction::Lock);
    type_in(&phone, &mut house, 345_678, KeypadAction::Unlock);
    let mut house = house.restart();
    house.connect(A);
    let replies = phone.command(&mut house, |nonce| RequestAuthorizationEntries {
        offset: 0,
        count: 1,
        nonce,
        pin: phone.pin(0),
    });
    let FromLock::AuthorizationEntry(entry) = &replies[1] else {
        panic!("no entry: {replies:?}")
    };
    assert_eq!(entry.lock_count, 2, "doing nothing does not count");
    assert_eq!(entry.last_active.year, 2026);
    let replies = phone.command(&mut house, |nonce| RequestKeypadCodes {
        offset: 0,
        count: 1,
        nonce,
        pin: phone.pin(0),
    });
    let FromLock::KeypadCodeEntry(entry) = &replies[1] else {
        panic!("no entry: {replies:?}")
    };
    assert_eq!(entry.lock_count, 1);
}

#[test]
fn pairing_again_takes_the_place_of_the_same_client_only() {
    let mut house = House::new();
    let before = house.pair(A, App, "Ann");
    let other = house.pair(B, App, "Bob");
    let after = house.pair(A, App, "Ann");
    house.connect(C);
    let lost = before.on(C);
    let frame = lost.seal(
        &mut house,
        &RequestConfig {
            nonce: Nonce([0; 32]),
        },
    );
    house.write(C, Characteristic::UserData, &frame);
    let expected = [(Characteristic::Keyturner, ErrorCode::NotAuthorized)];
    assert_eq!(plain_errors(house.read(C)), expected);
    other.states(&mut house);
    after.states(&mut house);
    assert_ne!(before.id, after.id);
}

#[test]
fn a_removed_client_is_put_out_at_once_and_for_good() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    guest.states(&mut house);
    let remove = |house: &mut House, id| {
        phone.command(house, |nonce| RemoveAuthorizationEntry {
            authorization: id,
            nonce,
            pin: phone.pin(0),
        })
    };
    assert_eq!(remove(&mut house, guest.id), [complete()]);
    assert!(!house.is_connected(B));
    let none = [error(ErrorCode::InvalidAuthId, RemoveAuthorizationEntry::COMMAND)];
    assert_eq!(remove(&mut house, guest.id), none);
    let mut house = house.restart();
    house.connect(B);
    let frame = guest.seal(
        &mut house,
        &RequestConfig {
            nonce: Nonce([0; 32]),
        },
    );
    house.write(B, Characteristic::UserData, &frame);
    let expected = [(Characteristic::Keyturner, ErrorCode::NotAuthorized)];
    assert_eq!(plain_errors(house.read(B)), expected);
}

#[test]
fn whoever_removes_himself_hears_that_it_is_done() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let replies = phone.command(&mut house, |nonce| RemoveAuthorizationEntry {
        authorization: phone.id,
        nonce,
        pin: phone.pin(0),
    });
    assert_eq!(replies, [complete()]);
    assert!(!house.is_connected(A));
    house.connect(A);
    assert!(
        house.pair_now(A, App, "Eve").is_err(),
        "an empty lock is not a new lock"
    );
    let mut house = house.restart();
    house.connect(A);
    assert!(house.pair_now(A, App, "Eve").is_err());
}

#[test]
fn a_disabled_client_gets_one_answer_whatever_it_asks() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    let nonce = guest.challenge(&mut house);
    update(&phone, &mut house, |update| {
        update.authorization = guest.id;
        update.enabled = false;
    });
    assert!(!house.is_connected(B), "put out at once");
    house.connect(B);
    let action = PerformSimpleLockAction {
        action: SimpleAction::Lock,
        nonce,
    };
    let disabled = |command| [error(ErrorCode::Disabled, command)];
    assert_eq!(
        guest.say(&mut house, &action),
        disabled(PerformSimpleLockAction::COMMAND)
    );
    let challenge = guest.ask(&mut house, Challenge::COMMAND);
    assert_eq!(challenge, disabled(RequestData::COMMAND));
    assert_eq!(house.at_deg, 0);
    update(&phone, &mut house, |update| update.authorization = guest.id);
    assert_eq!(
        apart(guest.act(&mut house, LockAction::Lock)).1.last(),
        Some(&complete())
    );
}

#[test]
fn an_expired_or_out_of_hours_client_moves_nothing() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    let limit = |house: &mut House, limits| {
        update(&phone, house, |update| {
            update.authorization = guest.id;
            update.limits = Always(Some(limits));
        });
    };
    let noon = |day| DateTime {
        day,
        hour: 12,
        ..MONDAY_MORNING.date()
    };
    let weekend = TimeLimits {
        weekdays: Weekdays::new(&[Weekday::Saturday, Weekday::Sunday]),
        ..TimeLimits::default()
    };
    let expired = TimeLimits {
        until: DateTime { month: 5, ..noon(31) },
        ..TimeLimits::default()
    };
    let evening = TimeLimits {
        daily_from: TimeOfDay { hour: 18, minute: 0 },
        daily_until: TimeOfDay { hour: 22, minute: 0 },
        ..TimeLimits::default()
    };
    limit(&mut house, TimeLimits::default());
    let not_now = |command| [error(ErrorCode::TimeNotAllowed, command)];
    let refused = guest.ask(&mut house, Challenge::COMMAND);
    assert_eq!(
        refused,
        not_now(RequestData::COMMAND),
        "the lock does not know the time"
    );
    phone.tell_time(&mut house, MONDAY_MORNING);
    let nonce = guest.challenge(&mut house);
    for limits in [weekend, expired, evening] {
        limit(&mut house, limits);
        let action = PerformSimpleLockAction {
            action: SimpleAction::Lock,
            nonce,
        };
        let refused = guest.say(&mut house, &action);
        assert_eq!(refused, not_now(PerformSimpleLockAction::COMMAND), "{limits:?}");
    }
    assert_eq!(house.at_deg, 0);
    let unsound = phone.command(&mut house, |nonce| UpdateAuthorizationEntry {
        authorization: guest.id,
        name: guest.name,
        enabled: true,
        remote_allowed: true,
        limits: Always(Some(TimeLimits {
            daily_from: TimeOfDay { hour: 99, minute: 0 },
            ..TimeLimits::default()
        })),
        nonce,
        pin: phone.pin(0),
    });
    let refused = error(ErrorCode::BadParameter, UpdateAuthorizationEntry::COMMAND);
    assert_eq!(unsound, [refused]);
}

#[test]
fn who_may_not_act_from_afar_may_not_through_a_bridge() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let bridge = house.pair(B, Bridge, "Bridge");
    update(&phone, &mut house, |update| {
        update.authorization = phone.id;
        update.remote_allowed = false;
    });
    assert_eq!(
        apart(phone.act(&mut house, LockAction::Lock)).1.last(),
        Some(&complete())
    );
    bridge.states(&mut house);
    let afar = phone.on(B);
    assert_eq!(
        afar.ask(&mut house, Challenge::COMMAND),
        [error(ErrorCode::RemoteNotAllowed, RequestData::COMMAND)]
    );
    assert_eq!(
        apart(bridge.act(&mut house, LockAction::Unlock)).1.last(),
        Some(&complete())
    );
}

#[test]
fn a_code_that_is_off_or_out_of_hours_opens_nothing_and_is_no_guess() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    phone.tell_time(&mut house, MONDAY_MORNING);
    let evening = TimeLimits {
        daily_from: TimeOfDay { hour: 18, minute: 0 },
        daily_until: TimeOfDay { hour: 22, minute: 0 },
        ..TimeLimits::default()
    };
    add_limited_code(&phone, &mut house, 345_678, Some(evening));
    add_code(&phone, &mut house, 456_789);
    phone.command(&mut house, |nonce| UpdateKeypadCode {
        id: CodeId(2),
        code: KeypadCode::new(456_789).unwrap(),
        name: Name::new("Off").unwrap(),
        enabled: false,
        limits: Always(None),
        nonce,
        pin: phone.pin(0),
    });
    for _ in 0..10 {
        for (code, why) in [
            (345_678, ErrorCode::TimeNotAllowed),
            (456_789, ErrorCode::Disabled),
        ] {
            let replies = type_in(&phone, &mut house, code, KeypadAction::Lock);
            assert_eq!(replies, [error(why, PerformKeypadAction::COMMAND)]);
        }
    }
    assert_eq!(house.at_deg, 0);
}
