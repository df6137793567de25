//! Every request of the catalogue, against the real lock.

use latchkey_phone::request::{Act, Administer, Report, Settings};
use latchkey_phone::session::News;
use latchkey_protocol::frame::sealed::Sealed;
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{LockState, LogIndex, SortOrder};

use crate::bench::*;
use crate::tour::{in_short, tour};

fn take(family: Family, mtu: usize) {
    let mut door = Door::new(family, mtu);
    let mut phone = Phone::paired(&mut door);
    let steps = tour(|value| match family {
        Family::ToFourth => latchkey_protocol::value::Pin::short(value as u16),
        Family::Fifth => latchkey_protocol::value::Pin::long(value),
    });
    for (request, expected) in steps {
        let what = format!("{request:?}");
        let news = phone.ask(&mut door, request);
        assert_eq!(in_short(&news), expected, "{what}");
        assert!(phone.session.is_idle(), "{what}");
        assert_eq!(phone.session.next_deadline(), None, "{what}");
    }
    // Nothing was left out.
    let key = phone.key();
    let mut said = Vec::new();
    for (on, frame) in &mut phone.written {
        if *on == latchkey_phone::session::Characteristic::UserData {
            said.push(Sealed::read(frame).unwrap().open(&key).unwrap().command);
        }
    }
    for command in FromClient::COMMANDS {
        assert!(said.contains(command), "{command:?} was never said");
    }
}

#[test]
fn every_request_has_its_whole_conversation() {
    for family in [Family::ToFourth, Family::Fifth] {
        for mtu in [23, 247] {
            take(family, mtu);
        }
    }
}

#[test]
fn what_is_read_can_be_changed_and_set() {
    let mut door = Door::new(Family::ToFourth, 23);
    let mut phone = Phone::paired(&mut door);
    let read = |phone: &mut Phone, door: &mut Door| match phone.ask(door, Act::Config {}).pop() {
        Some(News::Done(Some(FromLock::Config(config)))) => Settings::of(&config).unwrap(),
        other => panic!("{other:?}"),
    };
    let before = read(&mut phone, &mut door);
    let settings = Settings {
        single_lock: !before.single_lock,
        ..before.clone()
    };
    let set = Administer::SetConfig {
        settings: settings.clone(),
    };
    let pin = door.pin(0);
    assert_eq!(phone.ask(&mut door, set.with(pin)), [News::Done(None)]);
    assert_eq!(read(&mut phone, &mut door), settings);
    assert_ne!(settings, before);
}

#[test]
fn the_states_of_a_motion_are_told_in_order() {
    let mut door = Door::new(Family::ToFourth, 23);
    let mut phone = Phone::paired(&mut door);
    let simple = Act::Simple {
        action: latchkey_protocol::value::SimpleAction::Lock,
    };
    let news = phone.ask(&mut door, simple);
    assert_eq!(news[0], News::Accepted);
    let states: Vec<_> = news
        .iter()
        .filter_map(|news| match news {
            News::States(states) => states.lock_state.known(),
            _ => None,
        })
        .collect();
    assert_eq!(states, [LockState::Locking, LockState::Locked]);
    assert_eq!(news.last(), Some(&News::Done(None)));
    assert_eq!(door.turns, 1);
}

#[test]
fn a_long_list_comes_whole_in_small_pieces() {
    let mut door = Door::new(Family::ToFourth, 23);
    let mut phone = Phone::paired(&mut door);
    for number in 0..40_u32 {
        let code =
            latchkey_protocol::value::KeypadCode::new(333_333 + number % 6 + 10 * (number / 6)).unwrap();
        let add = Administer::AddCode {
            code,
            name: latchkey_protocol::value::Name::new("Guest").unwrap(),
            limits: None,
        };
        let pin = door.pin(0);
        phone.ask(&mut door, add.with(pin));
    }
    let pin = door.pin(0);
    let news = phone.ask(
        &mut door,
        Administer::Codes {
            offset: 0,
            count: 100,
        }
        .with(pin),
    );
    assert_eq!(news.len(), 42, "count, forty, complete");
    assert!(phone.session.is_idle());
    let pin = door.pin(0);
    let log = Administer::Log {
        start: LogIndex(0),
        count: 0,
        order: SortOrder::Ascending,
        want_count: false,
    };
    assert_eq!(phone.ask(&mut door, log.with(pin)), [News::Done(None)]);
    let news = phone.ask(&mut door, Report::Battery {});
    assert_eq!(news.len(), 1);
}
