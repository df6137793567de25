//! Every command of the protocol, said by a client that may.

use crate::bench::*;
use crate::everyday::set_advanced;
use latchkey_lock::lock::{DoorSense, Event};
use latchkey_protocol::frame::sealed::{HEADER_LENGTH, OVERHEAD, Sealed};
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::{Family, Identity as Who, client::Way};
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Always, PinWidth, Rest, Tail};

use AuthorizationType::App;

pub(crate) fn set_config(nonce: Nonce, pin: Pin) -> SetConfig {
    SetConfig {
        name: Name::new("Back door").unwrap(),
        latitude: 47.0,
        longitude: 15.0,
        auto_unlatch: false,
        pairing_enabled: true,
        button_enabled: true,
        led_enabled: true,
        led_brightness: 2,
        offset_minutes: 60,
        daylight_saving: DaylightSaving::European,
        fob_action_1: FobAction::Unlock,
        fob_action_2: FobAction::Lock,
        fob_action_3: FobAction::None,
        single_lock: false,
        advertising_mode: AdvertisingMode::Normal,
        time_zone: TimeZoneId::EuropeBerlin,
        nonce,
        pin,
    }
}

/// Says every command of the catalogue; gives what was said to each.
fn everything(house: &mut House, client: &Client) -> Vec<(Command, Vec<FromLock>)> {
    let mut said = Vec::new();
    let p = |value| client.pin(value);
    let mut say = |house: &mut House, message: &mut dyn FnMut(Nonce) -> FromClient| {
        let nonce = client.challenge(house);
        let message = message(nonce);
        let command = message.command();
        let mut replies = client.say(house, &message);
        // A held latch takes its time.
        house.wait(4_000);
        replies.append(&mut client.hear(house));
        said.push((command, apart(replies).1));
    };
    macro_rules! say {
        ($($message:expr),+ $(,)?) => { $( say(house, &mut |nonce| $message(nonce).into()); )+ };
    }
    say!(
        |nonce| UpdateTime {
            time: MONDAY_MORNING.date(),
            nonce,
            pin: p(0)
        },
        |nonce| RequestConfig { nonce },
        |nonce| RequestAdvancedConfig { nonce },
        |nonce| set_config(nonce, p(0)),
        |nonce| SetSecurityPin {
            new_pin: p(4_711),
            nonce,
            pin: p(0)
        },
        |nonce| VerifySecurityPin { nonce, pin: p(4_711) },
        |nonce| SetSecurityPin {
            new_pin: p(0),
            nonce,
            pin: p(4_711)
        },
        |nonce| RequestCalibration { nonce, pin: p(0) },
        |nonce| InviteAuthorization {
            name: Name::new("Guest").unwrap(),
            kind: App,
            key: CarriedKey::new([9; 32]),
            remote_allowed: false,
            limits: Always(None),
            nonce,
            pin: p(0),
        },
        |nonce| UpdateAuthorizationEntry {
            authorization: AuthorizationId(2),
            name: Name::new("Visitor").unwrap(),
            enabled: true,
            remote_allowed: true,
            limits: Always(Some(TimeLimits::default())),
            nonce,
            pin: p(0),
        },
        |nonce| RequestAuthorizationEntries {
            offset: 0,
            count: 100,
            nonce,
            pin: p(0)
        },
        |nonce| RemoveAuthorizationEntry {
            authorization: AuthorizationId(2),
            nonce,
            pin: p(0)
        },
        |nonce| PerformLockAction {
            action: LockAction::Lock,
            app: AppId(0),
            flags: ActionFlags(0),
            suffix: Tail(Some(Name::new(" (web)").unwrap())),
            nonce,
        },
        |nonce| PerformSimpleLockAction {
            action: SimpleAction::Unlock,
            nonce
        },
        |nonce| AddKeypadCode {
            code: KeypadCode::new(987_654).unwrap(),
            name: Name::new("Cleaner").unwrap(),
            limits: Always(None),
            nonce,
            pin: p(0),
        },
        |nonce| RequestKeypadCodes {
            offset: 0,
            count: 100,
            nonce,
            pin: p(0)
        },
        |nonce| UpdateKeypadCode {
            id: CodeId(1),
            code: KeypadCode::new(345_678).unwrap(),
            name: Name::new("Cleaner").unwrap(),
            enabled: true,
            limits: Always(None),
            nonce,
            pin: p(0),
        },
        |nonce| PerformKeypadAction {
            source: KeypadSource::Code,
            code: EnteredCode::new(345_678),
            action: KeypadAction::Lock,
            nonce,
        },
        |nonce| RemoveKeypadCode {
            id: CodeId(1),
            nonce,
            pin: p(0)
        },
        |nonce| AddTimeControlEntry {
            weekdays: Weekdays::EVERY,
            time: TimeOfDay { hour: 23, minute: 0 },
            action: LockAction::Lock,
            nonce,
            pin: p(0),
        },
        |nonce| UpdateTimeControlEntry {
            id: TimeControlId(1),
            enabled: false,
            weekdays: Weekdays::EVERY,
            time: TimeOfDay { hour: 22, minute: 0 },
            action: LockAction::FullLock,
            nonce,
            pin: p(0),
        },
        |nonce| RequestTimeControlEntries { nonce, pin: p(0) },
        |nonce| RemoveTimeControlEntry {
            id: TimeControlId(1),
            nonce,
            pin: p(0)
        },
        |nonce| EnableLogging {
            enabled: true,
            nonce,
            pin: p(0)
        },
        |nonce| RequestLogEntries {
            start: LogIndex(0),
            count: 100,
            order: SortOrder::Ascending,
            want_count: true,
            nonce,
            pin: p(0),
        },
        |nonce| OpenUpdateWindow {
            seconds: 600,
            image: Tail(Some([1; 32])),
            nonce,
            pin: p(0),
        },
        |nonce| CloseUpdateWindow { nonce, pin: p(0) },
        |nonce| RequestReboot { nonce, pin: p(0) },
    );
    said.push((SetAdvancedConfig::COMMAND, set_advanced(client, house, |_| {})));
    for wanted in [
        Challenge::COMMAND,
        KeyturnerStates::COMMAND,
        BatteryReport::COMMAND,
        FirmwareStatus::COMMAND,
        UpdateStatus::COMMAND,
    ] {
        said.push((RequestData::COMMAND, client.ask(house, wanted)));
    }
    said
}

fn kinds(replies: &[FromLock]) -> Vec<Command> {
    replies.iter().map(FromLock::command).collect()
}

fn check_everything(house: &mut House, client: &Client) {
    house.lock.set_on_trial(false);
    let said = everything(house, client);
    for command in FromClient::COMMANDS {
        assert!(
            said.iter().any(|(said, _)| said == command),
            "{command:?} was never said"
        );
    }
    let status = StatusReport::COMMAND;
    for (command, replies) in &said {
        assert!(
            replies
                .iter()
                .all(|reply| reply.command() != ErrorReport::COMMAND),
            "{command:?}: {replies:?}"
        );
        let expected = match *command {
            RequestData::COMMAND => continue,
            RequestConfig::COMMAND => vec![Config::COMMAND],
            RequestAdvancedConfig::COMMAND => vec![AdvancedConfig::COMMAND],
            InviteAuthorization::COMMAND => vec![InvitedAuthorization::COMMAND],
            AddKeypadCode::COMMAND => vec![KeypadCodeId::COMMAND],
            AddTimeControlEntry::COMMAND => vec![TimeControlEntryId::COMMAND],
            RequestAuthorizationEntries::COMMAND => {
                let entry = AuthorizationEntry::COMMAND;
                vec![AuthorizationEntryCount::COMMAND, entry, entry, status]
            }
            RequestKeypadCodes::COMMAND => {
                vec![KeypadCodeCount::COMMAND, KeypadCodeEntry::COMMAND, status]
            }
            RequestTimeControlEntries::COMMAND => {
                vec![TimeControlEntryCount::COMMAND, TimeControlEntry::COMMAND, status]
            }
            RequestLogEntries::COMMAND => {
                // Calibration, lock, unlock, keypad, logging.
                let mut expected = vec![LogEntryCount::COMMAND];
                expected.extend([LogEntry::COMMAND; 5]);
                expected.push(status);
                expected
            }
            PerformLockAction::COMMAND
            | PerformSimpleLockAction::COMMAND
            | PerformKeypadAction::COMMAND
            | RequestCalibration::COMMAND => vec![status, status],
            _ => vec![status],
        };
        assert_eq!(kinds(replies), expected, "{command:?}");
    }
}

#[test]
fn every_command_is_answered_as_documented() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    check_everything(&mut house, &phone);
}

#[test]
fn every_command_is_answered_with_the_wide_pin_of_the_fifth_generation() {
    let mut house = fifth();
    let phone = pair_fifth(&mut house, 0).unwrap();
    assert_eq!(phone.width, PinWidth::Long);
    check_everything(&mut house, &phone);
}

fn fifth() -> House {
    let mut identity = identity();
    identity.family = Family::Fifth;
    House::with(identity)
}

fn pair_fifth(
    house: &mut House,
    pin: u32,
) -> Result<Client, latchkey_protocol::pairing::client::PairingError> {
    house.hold_button(5_000);
    house.connect(A);
    let who = Who {
        kind: App,
        app: AppId(7),
        name: Name::new("Fifth").unwrap(),
    };
    house.pair_as(A, Way::Fifth(Pin::long(pin)), who)
}

#[test]
fn the_fifth_generation_pairs_with_the_pin_alone() {
    let mut house = fifth();
    let phone = pair_fifth(&mut house, 0).unwrap();
    let set = phone.command(&mut house, |nonce| SetSecurityPin {
        new_pin: Pin::long(123_456),
        nonce,
        pin: Pin::long(0),
    });
    assert_eq!(set, [complete()]);
    assert!(pair_fifth(&mut house, 0).is_err());
    assert!(pair_fifth(&mut house, 123_456).is_ok());
}

#[test]
fn messages_have_the_lengths_that_clients_know() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let payload = |house: &mut House, message: &dyn Payload| {
        let frame = phone.seal(house, message);
        house.read(A);
        house.write(A, latchkey_lock::lock::Characteristic::UserData, &frame);
        let (_, frame) = house.read(A).swap_remove(0);
        assert!(frame.len() + 3 <= 136, "fits one indication");
        frame.len() - OVERHEAD
    };
    let wanted = KeyturnerStates::COMMAND;
    let ask = RequestData { wanted, extra: Rest };
    assert_eq!(payload(&mut house, &ask), 27);
    let nonce = phone.challenge(&mut house);
    assert_eq!(payload(&mut house, &RequestConfig { nonce }), 78);
    let nonce = phone.challenge(&mut house);
    assert_eq!(payload(&mut house, &RequestAdvancedConfig { nonce }), 31);
    assert_eq!(HEADER_LENGTH, 30);
}

#[test]
fn the_configuration_comes_back_as_set_and_is_counted() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let before = phone.states(&mut house).config_updates;
    phone.tell_time(&mut house, MONDAY_MORNING);
    phone.command(&mut house, |nonce| set_config(nonce, phone.pin(0)));
    let mut house = house.restart();
    house.connect(A);
    phone.tell_time(&mut house, MONDAY_MORNING);
    let states = phone.states(&mut house);
    assert_eq!(states.config_updates, before + 1);
    assert_eq!(states.offset_minutes, 120, "summer in Berlin");
    assert_eq!(states.time, MONDAY_MORNING.date(), "in UTC");
    let replies = phone.command(&mut house, |nonce| RequestConfig { nonce });
    let [FromLock::Config(config)] = &replies[..] else {
        panic!("no configuration: {replies:?}")
    };
    assert_eq!(config.name.as_str(), "Back door");
    assert_eq!(config.time_zone, TimeZoneId::EuropeBerlin.into());
    assert_eq!((config.has_fob, config.has_keypad), (false, false));
    assert_eq!(config.firmware, house.identity.firmware);
}

#[test]
fn values_out_of_bounds_are_refused_and_change_nothing() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let replies = phone.command(&mut house, |nonce| SetConfig {
        led_brightness: 6,
        ..set_config(nonce, phone.pin(0))
    });
    assert_eq!(replies, [error(ErrorCode::BadParameter, SetConfig::COMMAND)]);
    assert_eq!(phone.states(&mut house).config_updates, 0);
    let replies = set_advanced(&phone, &mut house, |set| set.settings.unlatch_seconds = 31);
    assert_eq!(
        replies,
        [error(ErrorCode::BadParameter, SetAdvancedConfig::COMMAND)]
    );
    let replies = phone.command(&mut house, |nonce| UpdateTime {
        time: DateTime {
            month: 13,
            ..MONDAY_MORNING.date()
        },
        nonce,
        pin: phone.pin(0),
    });
    assert_eq!(replies, [error(ErrorCode::BadParameter, UpdateTime::COMMAND)]);
    for (id, time) in [(1, 24), (9, 12)] {
        let replies = phone.command(&mut house, |nonce| UpdateTimeControlEntry {
            id: TimeControlId(id),
            enabled: true,
            weekdays: Weekdays::EVERY,
            time: TimeOfDay {
                hour: time,
                minute: 0,
            },
            action: LockAction::Lock,
            nonce,
            pin: phone.pin(0),
        });
        let refused = error(ErrorCode::BadParameter, UpdateTimeControlEntry::COMMAND);
        assert_eq!(replies, [refused]);
    }
}

#[test]
fn commands_that_nobody_has_documented_get_an_error() {
    struct Raw(u16, Vec<u8>);
    impl Payload for Raw {
        fn command(&self) -> Command {
            Command(self.0)
        }
        fn write(&self, out: &mut latchkey_protocol::wire::Writer<'_>) {
            out.bytes(&self.1);
        }
    }
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    for id in [
        0x0000, 0x002F, 0x0049, 0x004B, 0x004C, 0x0050, 0x0057, 0x0058, 0x0059, 0x005A, 0x0060, 0x0063,
        0x0065, 0x006E, 0x0080, 0x008B, 0x0090, 0x0098, 0x009A, 0x0110, 0xFFFF,
    ] {
        for length in [0, 1, 34, 60] {
            let replies = phone.say(&mut house, &Raw(id, vec![0; length]));
            assert_eq!(replies, [error(ErrorCode::Unknown, Command(id))], "{id:#06x}");
        }
    }
    for wanted in [0x0003, 0x000F, 0x0010, 0x0015, 0x7777] {
        let refused = error(ErrorCode::BadParameter, RequestData::COMMAND);
        assert_eq!(phone.ask(&mut house, Command(wanted)), [refused]);
    }
}

#[test]
fn a_restart_is_asked_for_and_answered_first() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    assert!(!house.lock.wants_restart(house.now_ms));
    let replies = phone.command(&mut house, |nonce| RequestReboot {
        nonce,
        pin: phone.pin(0),
    });
    assert_eq!(replies, [complete()]);
    assert!(!house.lock.wants_restart(house.now_ms));
    house.wait(1_000);
    assert!(house.lock.wants_restart(house.now_ms));
}

#[test]
fn the_log_is_read_in_both_orders_from_any_place() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    house.event(Event::Door(DoorSense::Closed));
    for _ in 0..3 {
        house.event(Event::Door(DoorSense::Opened));
        house.event(Event::Door(DoorSense::Closed));
    }
    let mut ask = |start, count, order, want_count| {
        let replies = phone.command(&mut house, |nonce| RequestLogEntries {
            start: LogIndex(start),
            count,
            order,
            want_count,
            nonce,
            pin: phone.pin(0),
        });
        let mut indices = Vec::new();
        let mut counts = Vec::new();
        for reply in &replies[..replies.len() - 1] {
            match reply {
                FromLock::LogEntry(entry) => indices.push(entry.index.0),
                FromLock::LogEntryCount(count) => counts.push(count.count),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(replies.last(), Some(&complete()));
        (indices, counts)
    };
    let (up, down) = (SortOrder::Ascending, SortOrder::Descending);
    assert_eq!(ask(0, 2, up, true), (vec![1, 2], vec![6]));
    assert_eq!(ask(0, 2, down, false), (vec![6, 5], vec![]));
    assert_eq!(ask(4, 9, up, false).0, [5, 6]);
    assert_eq!(ask(4, 9, down, false).0, [3, 2, 1]);
    assert_eq!(ask(6, 9, up, false).0, [0; 0]);
    assert_eq!(ask(0, 0, down, true), (vec![], vec![6]));
}

#[test]
fn logging_that_is_switched_off_says_so_and_stops() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let switch = |house: &mut House, enabled| {
        let replies = phone.command(house, |nonce| EnableLogging {
            enabled,
            nonce,
            pin: phone.pin(0),
        });
        assert_eq!(replies, [complete()]);
    };
    switch(&mut house, false);
    phone.act(&mut house, LockAction::Lock);
    switch(&mut house, true);
    phone.act(&mut house, LockAction::Unlock);
    let events: Vec<LogEvent> = phone.log(&mut house).iter().map(|entry| entry.event).collect();
    assert!(matches!(events[0], LogEvent::LockAction(_)));
    assert_eq!(events[1..], [LogEvent::Logging(true), LogEvent::Logging(false)]);
}

#[test]
fn a_suffix_stands_behind_the_name_in_the_log() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    phone.act_with(&mut house, LockAction::Lock, ActionFlags(0), Some(" (web)"));
    assert_eq!(phone.log(&mut house)[0].name.as_str(), "Ann (web)");
}

#[test]
fn whoever_was_invited_comes_in_with_the_key_of_the_invitation() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let replies = phone.command(&mut house, |nonce| InviteAuthorization {
        name: Name::new("Guest").unwrap(),
        kind: App,
        key: CarriedKey::new([9; 32]),
        remote_allowed: false,
        limits: Always(None),
        nonce,
        pin: phone.pin(0),
    });
    let [FromLock::InvitedAuthorization(invited)] = &replies[..] else {
        panic!("no invitation: {replies:?}")
    };
    let guest = Client {
        link: B,
        id: invited.authorization,
        key: SharedKey::from_bytes(&mut [9; 32]),
        name: Name::new("Guest").unwrap(),
        width: PinWidth::Short,
    };
    house.connect(B);
    assert_eq!(
        apart(guest.act(&mut house, LockAction::Lock)).1.last(),
        Some(&complete())
    );
    assert_eq!(phone.log(&mut house)[0].name.as_str(), "Guest");
    let mut frame = guest.seal(
        &mut house,
        &RequestConfig {
            nonce: Nonce([0; 32]),
        },
    );
    assert!(Sealed::read(&mut frame).is_ok());
}
