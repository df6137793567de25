//! Locks that lie: strangers who play one, and one that holds the key and means no good.

use latchkey_phone::error::Error;
use latchkey_phone::request::{Act, Administer};
use latchkey_phone::session::{Characteristic, Event, News, REPLY_MS, WHOLE_MS};
use latchkey_protocol::frame::sealed::{FRAME_MAX, FrameNonce, seal};
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Reader, Rest, Tail};
use proptest::prelude::*;

use crate::bench::*;

use Characteristic::{Keyturner, Pairing, UserData};

/// What the lock, with its key, says on the sealed characteristic.
fn sealed(door: &mut Door, phone: &Phone, message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; FRAME_MAX];
    let mut nonce = [0; 24];
    door.random.fill(&mut nonce);
    let id = phone.session.credentials().unwrap().authorization;
    let length = seal(
        message,
        id,
        &phone.key(),
        FrameNonce::from_random(nonce),
        &mut out,
    )
    .unwrap();
    out[..length].to_vec()
}

fn is_success(due: &Due) -> bool {
    matches!(due, Due::Tell(News::Paired | News::Done(_) | News::Accepted))
}

/// A phone that has asked for something and been given a challenge.
fn asked(door: &mut Door, request: impl Into<latchkey_phone::Request>) -> Phone {
    let mut phone = Phone::paired(door);
    let Due::Write(on, bytes) = phone.begin(door, request) else {
        panic!("nothing to write")
    };
    door.write(on, &bytes);
    let mut due = Due::Wait;
    while let Some((on, bytes)) = door.indications.pop_front() {
        assert!(matches!(due, Due::Wait));
        due = phone.event(door, Event::Received { on, bytes: &bytes });
    }
    assert!(matches!(due, Due::Write(UserData, _)));
    phone
}

fn hear(door: &mut Door, phone: &mut Phone, message: &dyn Payload) -> Due {
    let frame = sealed(door, phone, message);
    let (on, bytes) = (UserData, &frame[..]);
    phone.event(door, Event::Received { on, bytes })
}

fn states() -> KeyturnerStates {
    let mut fields = Reader::of_report(&[0; 27], latchkey_protocol::wire::PinWidth::Short);
    KeyturnerStates {
        nuki_state: fields.field().unwrap(),
        lock_state: fields.field().unwrap(),
        trigger: fields.field().unwrap(),
        time: fields.field().unwrap(),
        offset_minutes: 0,
        battery: Battery(0),
        config_updates: 0,
        lock_n_go_seconds: 0,
        last_action: None,
        last_trigger: Trigger::System.into(),
        last_completion: Completion::Success.into(),
        door: DoorState::Unavailable.into(),
        night_mode: Tail(None),
        accessories: Tail(None),
        remote: Tail(None),
        bluetooth_dbm: Tail(None),
        wifi_dbm: Tail(None),
        wifi: Tail(None),
        mqtt: Tail(None),
        thread: Tail(None),
        newer: Rest,
    }
}

#[test]
fn a_list_ends_at_what_was_asked_for() {
    let mut door = Door::new(Family::ToFourth, 247);
    let pin = door.pin(0);
    let mut phone = asked(&mut door, Administer::Codes { offset: 0, count: 5 }.with(pin));
    let entry = || KeypadCodeEntry {
        id: CodeId(1),
        code: KeypadCode::new(345_678).unwrap(),
        name: Name::EMPTY,
        enabled: true,
        created: DateTime::UNSET,
        last_active: DateTime::UNSET,
        lock_count: 0,
        limits: None,
    };
    for _ in 0..5 {
        assert!(matches!(
            hear(&mut door, &mut phone, &entry()),
            Due::Tell(News::Part(_))
        ));
    }
    let Due::Tell(News::Failed(failure)) = hear(&mut door, &mut phone, &entry()) else {
        panic!("a sixth is taken")
    };
    assert_eq!(failure.error, Error::TooMuch(KeypadCodeEntry::COMMAND));
    assert!(phone.session.is_over());
}

#[test]
fn states_without_end_are_not_listened_to_for_ever() {
    for accepted in [false, true] {
        let mut door = Door::new(Family::ToFourth, 247);
        let action = SimpleAction::Lock;
        let mut phone = asked(&mut door, Act::Simple { action });
        if accepted {
            let status = Status::Accepted;
            hear(&mut door, &mut phone, &StatusReport { status });
        }
        let told = (0..1_000).take_while(|_| {
            door.now_ms += REPLY_MS / 2;
            matches!(hear(&mut door, &mut phone, &states()), Due::Tell(News::States(_)))
        });
        assert_eq!(told.count(), 64);
        assert!(phone.session.is_over());
    }
}

#[test]
fn a_motion_without_end_is_given_up() {
    let mut door = Door::new(Family::ToFourth, 247);
    let action = SimpleAction::Lock;
    let mut phone = asked(&mut door, Act::Simple { action });
    let begun_ms = door.now_ms;
    let status = Status::Accepted;
    hear(&mut door, &mut phone, &StatusReport { status });
    // It tells of its progress just in time, every time.
    for _ in 0..10 {
        let by_ms = phone.session.next_deadline().unwrap();
        assert!(by_ms <= begun_ms + WHOLE_MS);
        if by_ms == begun_ms + WHOLE_MS {
            door.now_ms = by_ms;
            let told = phone.event(&mut door, Event::Tick);
            assert!(matches!(told, Due::Tell(News::Failed(_))));
            return;
        }
        door.now_ms = by_ms - 1;
        hear(&mut door, &mut phone, &states());
    }
    panic!("it goes on and on");
}

#[test]
fn states_before_a_challenge_do_not_put_it_off() {
    let mut door = Door::new(Family::ToFourth, 247);
    let mut phone = Phone::paired(&mut door);
    phone.begin(&mut door, Act::Config {});
    let by_ms = phone.session.next_deadline().unwrap();
    for _ in 0..50 {
        door.now_ms += 100;
        hear(&mut door, &mut phone, &states());
        assert_eq!(phone.session.next_deadline(), Some(by_ms));
    }
}

#[test]
fn drops_of_a_message_do_not_put_its_end_off() {
    let mut door = Door::new(Family::ToFourth, 23);
    let action = SimpleAction::Lock;
    let mut phone = asked(&mut door, Act::Simple { action });
    let by_ms = phone.session.next_deadline().unwrap();
    let frame = sealed(&mut door, &phone, &states());
    for byte in &frame[..frame.len() - 1] {
        let bytes = &[*byte];
        assert!(matches!(
            phone.event(&mut door, Event::Received { on: UserData, bytes }),
            Due::Wait
        ));
    }
    assert_eq!(phone.session.next_deadline(), Some(by_ms));
    door.now_ms = by_ms;
    assert!(matches!(
        phone.event(&mut door, Event::Tick),
        Due::Tell(News::Failed(_))
    ));
}

#[test]
fn accepted_comes_once_and_only_for_motions() {
    let status = Status::Accepted;
    let accepted = StatusReport { status };
    let mut door = Door::new(Family::ToFourth, 247);
    let action = SimpleAction::Lock;
    let mut phone = asked(&mut door, Act::Simple { action });
    assert!(is_success(&hear(&mut door, &mut phone, &accepted)));
    assert!(!is_success(&hear(&mut door, &mut phone, &accepted)));
    assert!(phone.session.is_over());
    let mut door = Door::new(Family::ToFourth, 247);
    let mut phone = asked(&mut door, Act::Config {});
    assert!(!is_success(&hear(&mut door, &mut phone, &accepted)));
}

#[test]
fn one_flipped_bit_in_an_answer_is_never_taken_for_it() {
    let complete = StatusReport {
        status: Status::Complete,
    };
    for bit in 0..55 * 8 {
        let mut door = Door::new(Family::ToFourth, 247);
        let action = SimpleAction::Lock;
        let mut phone = asked(&mut door, Act::Simple { action });
        let mut frame = sealed(&mut door, &phone, &complete);
        assert_eq!(frame.len(), 55);
        frame[bit / 8] ^= 1 << (bit % 8);
        let (on, bytes) = (UserData, &frame[..]);
        let due = phone.event(&mut door, Event::Received { on, bytes });
        assert!(!is_success(&due), "bit {bit}");
    }
}

#[test]
fn an_answer_for_another_authorization_is_none() {
    let mut door = Door::new(Family::ToFourth, 247);
    let action = SimpleAction::Lock;
    let mut phone = asked(&mut door, Act::Simple { action });
    let complete = StatusReport {
        status: Status::Complete,
    };
    let mut out = [0; FRAME_MAX];
    let nonce = FrameNonce::from_random([1; 24]);
    let length = seal(&complete, AuthorizationId(44), &phone.key(), nonce, &mut out).unwrap();
    let (on, bytes) = (UserData, &out[..length]);
    assert!(!is_success(
        &phone.event(&mut door, Event::Received { on, bytes })
    ));
    assert!(phone.session.is_over());
}

fn anything() -> impl Strategy<Value = (Characteristic, Vec<u8>)> {
    let on = prop_oneof![Just(Pairing), Just(Keyturner), Just(UserData)];
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..260),
        (0..0x120_u16, proptest::collection::vec(any::<u8>(), 0..130)).prop_map(|(command, payload)| {
            let mut bytes = command.to_le_bytes().to_vec();
            bytes.extend(payload);
            bytes
        }),
        (any::<[u8; 24]>(), 0..3_u32, 0..200_u16).prop_map(|(nonce, id, length)| {
            let mut bytes = nonce.to_vec();
            bytes.extend(id.to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.resize(30 + usize::from(length), 0x3C);
            bytes
        }),
    ];
    (on, bytes)
}

/// A payload of this number, whatever is in it.
#[derive(Debug)]
struct Raw(Command, Vec<u8>);

impl Payload for Raw {
    fn command(&self) -> Command {
        self.0
    }

    fn write(&self, out: &mut latchkey_protocol::wire::Writer<'_>) {
        out.bytes(&self.1);
    }
}

fn raw() -> impl Strategy<Value = Raw> {
    let commands = proptest::sample::select(FromLock::COMMANDS);
    (
        commands,
        proptest::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..80),
    )
        .prop_map(|(command, payload)| Raw(command, payload))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    /// What `fuzz/` drives by coverage.
    #[test]
    fn any_words_end_in_time(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        crate::body::any_lock(&data);
    }

    /// Whoever does not hold the key makes nothing of a session but its end.
    #[test]
    fn bytes_of_a_stranger_are_never_an_answer(
        indications in proptest::collection::vec((anything(), 0..4_000_u64), 1..60),
        pairing: bool,
        fifth: bool,
    ) {
        let mut door = Door::new(if fifth { Family::Fifth } else { Family::ToFourth }, 247);
        let mut phone = if pairing {
            Phone::begin_pairing(&mut door).0
        } else {
            let mut phone = Phone::paired(&mut door);
            let action = SimpleAction::Unlock;
            phone.begin(&mut door, Act::Simple { action });
            phone
        };
        for ((on, bytes), wait_ms) in indications {
            let due = phone.event(&mut door, Event::Received { on, bytes: &bytes });
            prop_assert!(!is_success(&due));
            door.now_ms += wait_ms;
        }
        door.now_ms += WHOLE_MS;
        phone.event(&mut door, Event::Tick);
        prop_assert!(phone.session.is_over());
    }

    /// Whoever holds it can lie, and not keep the session: it ends in time, after a bounded number of words.
    #[test]
    fn a_lock_that_means_no_good_costs_a_bounded_wait(
        messages in proptest::collection::vec((raw(), 0..20_000_u64), 1..300),
        count in 0..20_u16,
        list: bool,
    ) {
        let mut door = Door::new(Family::ToFourth, 247);
        let mut phone = if list {
            let pin = door.pin(0);
            asked(&mut door, Administer::Codes { offset: 0, count }.with(pin))
        } else {
            asked(&mut door, Act::Simple { action: SimpleAction::Lock })
        };
        let start_ms = door.now_ms;
        let mut told = 0;
        for (message, wait_ms) in messages {
            if phone.session.is_idle() || phone.session.is_over() {
                break;
            }
            if let Due::Tell(_) = hear(&mut door, &mut phone, &message) {
                told += 1;
            }
            let Some(by_ms) = phone.session.next_deadline() else { break };
            prop_assert!(by_ms <= start_ms + WHOLE_MS);
            door.now_ms += wait_ms;
            if door.now_ms >= by_ms {
                let ended = matches!(phone.event(&mut door, Event::Tick), Due::Tell(News::Failed(_)));
                prop_assert!(ended);
                break;
            }
        }
        prop_assert!(told <= 64 + usize::from(count) + 3, "{told}");
    }
}
