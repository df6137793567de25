//! Pairing from the client's side, in both families.

use latchkey_phone::error::{Effect, Error, Failure};
use latchkey_phone::request::Report;
use latchkey_phone::session::{Event, News};
use latchkey_phone::{Credentials, Session};
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::message::KeyturnerStates;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::pairing::client::{PairingError, Way};
use latchkey_protocol::value::{ErrorCode, Pin};

use crate::bench::*;
use crate::tour::{Told, in_short};
use latchkey_protocol::message::Message;

const FAMILIES: [Family; 2] = [Family::ToFourth, Family::Fifth];

fn refused(code: ErrorCode) -> News {
    News::Failed(Failure {
        error: Error::Pairing(PairingError::Refused(code.into())),
        effect: Effect::None,
    })
}

fn is_uninitialized(door: &Door) -> bool {
    !matches!(
        door.lock.advertisement(door.now_ms + 200_000),
        Advertisement::DoorMode { .. }
    )
}

#[test]
fn pairs_and_comes_back_with_what_was_stored() {
    for (family, mtu) in FAMILIES
        .into_iter()
        .flat_map(|family| [(family, 23), (family, 247)])
    {
        let mut door = Door::new(family, mtu);
        let phone = Phone::paired(&mut door);
        let mut stored = phone.session.credentials().unwrap().expose(|bytes| *bytes);
        door.disconnect();
        let credentials = Credentials::from_bytes(&mut stored).unwrap();
        let mut phone = Phone::open(&mut door, credentials);
        let news = phone.ask(&mut door, Report::States {});
        assert_eq!(in_short(&news), [Told::Answer(KeyturnerStates::COMMAND)]);
    }
}

#[test]
fn nobody_is_paired_before_the_credentials_are_stored() {
    for family in FAMILIES {
        let mut door = Door::new(family, 247);
        let (mut phone, mut due) = Phone::begin_pairing(&mut door);
        // Everything up to the word that says: store this.
        while !matches!(due, Due::Store) {
            if let Due::Write(on, bytes) = &due {
                door.write(*on, bytes);
            }
            let (on, bytes) = door.indications.pop_front().expect("the lock answers");
            due = phone.event(&mut door, Event::Received { on, bytes: &bytes });
        }
        assert!(!phone.session.is_idle());
        // In generations 1 to 4 the lock waits for the client; in the 5th it cannot.
        assert_eq!(is_uninitialized(&door), family == Family::ToFourth);
        let due = phone.event(&mut door, Event::Stored);
        assert_eq!(phone.run(&mut door, due), [News::Paired]);
        assert!(!is_uninitialized(&door));
    }
}

#[test]
fn without_the_button_the_lock_says_so() {
    for family in FAMILIES {
        let mut door = Door::new(family, 23);
        drop(Phone::paired(&mut door));
        door.disconnect();
        let (mut phone, due) = Phone::begin_pairing(&mut door);
        assert_eq!(phone.run(&mut door, due), [refused(ErrorCode::NotPairing)]);
        assert!(phone.session.is_over());
    }
}

#[test]
fn a_wrong_pin_pairs_nobody() {
    let mut door = Door::new(Family::Fifth, 23);
    let (mut phone, due) = Phone::begin_pairing_by(&mut door, Way::Fifth(Pin::long(123_456)));
    assert_eq!(phone.run(&mut door, due), [refused(ErrorCode::BadPin)]);
    assert!(is_uninitialized(&door));
}

#[test]
fn a_connection_that_ends_half_way_ends_pairing_and_says_what_may_be_left() {
    for family in FAMILIES {
        let mut effects = Vec::new();
        for messages in 0.. {
            let mut door = Door::new(family, 247);
            let (mut phone, mut due) = Phone::begin_pairing(&mut door);
            for _ in 0..messages {
                if let Due::Write(on, bytes) = &due {
                    door.write(*on, bytes);
                }
                if let Due::Store = due {
                    due = phone.event(&mut door, Event::Stored);
                    continue;
                }
                let Some((on, bytes)) = door.indications.pop_front() else {
                    break;
                };
                due = phone.event(&mut door, Event::Received { on, bytes: &bytes });
            }
            if let Due::Tell(News::Paired) = due {
                break;
            }
            let Due::Tell(News::Failed(failure)) = phone.event(&mut door, Event::Disconnected) else {
                panic!("after {messages} messages nothing has ended")
            };
            assert_eq!(failure.error, Error::Disconnected);
            assert!(phone.session.is_over());
            effects.push(failure.effect);
        }
        // Unknown from where the lock may have stored it, and never before.
        let first_unknown = effects
            .iter()
            .position(|effect| *effect == Effect::Unknown)
            .unwrap();
        assert!(first_unknown >= 3, "{effects:?}");
        assert!(
            effects[first_unknown..]
                .iter()
                .all(|effect| *effect == Effect::Unknown)
        );
    }
}

#[test]
fn no_changed_bit_of_the_lock_pairs() {
    for family in FAMILIES {
        // Where the changed bit goes is in the number of the indication: 1 to 8 messages, any of their bits.
        for seed in 0..150_u64 {
            let mut door = Door::new(family, 247);
            let (mut phone, mut due) = Phone::begin_pairing(&mut door);
            let target = seed % 5;
            let mut count = 0;
            let told = loop {
                match due {
                    Due::Write(on, bytes) => {
                        door.write(on, &bytes);
                    }
                    Due::Store => {
                        due = phone.event(&mut door, Event::Stored);
                        continue;
                    }
                    Due::Tell(news) => break Some(news),
                    Due::Wait => {}
                }
                let Some((on, mut bytes)) = door.indications.pop_front() else {
                    break None;
                };
                if count == target {
                    let bit = (seed * 7_919) as usize % (bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                count += 1;
                due = phone.event(&mut door, Event::Received { on, bytes: &bytes });
            };
            let changed = count > target;
            assert!(!changed || told != Some(News::Paired), "{family:?} {seed}");
        }
    }
}

#[test]
fn damaged_or_foreign_credentials_are_refused() {
    use latchkey_phone::credentials::BadCredentials;
    let mut door = Door::new(Family::ToFourth, 247);
    let phone = Phone::paired(&mut door);
    let good = phone.session.credentials().unwrap().expose(|bytes| *bytes);
    for (at, value, error) in [
        (0, 2, BadCredentials::Version(2)),
        (1, 9, BadCredentials::Damaged),
    ] {
        let mut bad = good;
        bad[at] = value;
        assert_eq!(Credentials::from_bytes(&mut bad).err(), Some(error));
        assert_eq!(bad, [0; Credentials::LENGTH], "wiped also when refused");
    }
    let mut no_key = good;
    no_key[26..].fill(0);
    assert_eq!(
        Credentials::from_bytes(&mut no_key).err(),
        Some(BadCredentials::Damaged)
    );
    let mut nobody = good;
    nobody[6..10].fill(0);
    assert_eq!(
        Credentials::from_bytes(&mut nobody).err(),
        Some(BadCredentials::Damaged)
    );
    let session = Session::open(Credentials::from_bytes(&mut { good }).unwrap());
    assert!(session.into_credentials().unwrap().expose(|bytes| *bytes == good));
}
