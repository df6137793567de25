//! What strangers, guests and clumsy clients try over the air. Each try ends in the documented error or in silence,
//! leaves bolt and storage as they were, and leaves the lock serving its owner.

use latchkey_handoff::layout;
use latchkey_lab::{Owner, Phone};
use latchkey_phone::Request;
use latchkey_phone::request::{Act, Administer, Report};
use latchkey_phone::session::{Characteristic, News};
use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::Sealed;
use latchkey_protocol::gatt;
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::{
    Challenge, Command, ErrorReport, FromLock, KeyturnerStates, Message, Payload, PerformSimpleLockAction,
    PublicKeyOffer, RequestConfig, RequestData, StatusReport,
};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::pairing::client::PairingError;
use latchkey_protocol::value::{
    AuthorizationId, ErrorCode, LockAction, LockState, Nonce, Pin, SimpleAction, Status,
};
use latchkey_protocol::wire::PinWidth;
use latchkey_system_tests::{Client, Door, FAST_MOTOR_DEG_S, PATIENCE, uuid};

/// A door with an owner who is connected, a guest who has paired, and a stranger's phone.
struct Scene {
    door: Door,
    owner: Client,
    guest: Client,
    mallory: Phone,
}

fn lock(nonce: Nonce) -> PerformSimpleLockAction {
    let action = SimpleAction::Lock;
    PerformSimpleLockAction { action, nonce }
}

impl Scene {
    fn new() -> Self {
        let mut door = Door::new(&["owner", "guest", "mallory"], |lock| {
            lock.set_motor(FAST_MOTOR_DEG_S);
        });
        let mut owner = Client::new(door.phone("owner"), &door.address, gatt::MTU_MAX);
        owner.connect();
        owner.pair("Ann").unwrap();
        door.invite();
        let mut guest = Client::new(door.phone("guest"), &door.address, gatt::MTU_MAX);
        guest.connect();
        guest.pair("Bob").unwrap();
        let mallory = door.phone("mallory");
        Self {
            door,
            owner,
            guest,
            mallory,
        }
    }

    /// What lies in the lock's storage.
    fn stored(&self) -> Vec<u8> {
        self.door.lock.chip().unwrap().part(layout::STORAGE).to_vec()
    }

    /// The stranger connects, once more if need be, and hears everything.
    fn connect_mallory(&mut self) {
        if self.mallory.is_connected() {
            return;
        }
        self.mallory.connect(&self.door.address, gatt::MTU_MAX).unwrap();
        for number in [
            gatt::PAIRING_DATA,
            gatt::KEYTURNER_DATA,
            gatt::KEYTURNER_USER_DATA,
        ] {
            self.mallory.subscribe(&uuid(number)).unwrap();
        }
    }

    /// The stranger writes; gives what comes back: where, and the bytes.
    fn try_to(&mut self, on: u128, bytes: &[u8]) -> (String, Vec<u8>) {
        self.connect_mallory();
        self.mallory.write(&uuid(on), bytes).unwrap();
        let answer = self.mallory.next_indication(PATIENCE).unwrap();
        (answer.uuid, answer.bytes)
    }

    /// The stranger writes a frame that opens nothing.
    fn is_refused_in_plain(&mut self, frame: &[u8], what: &str) {
        let (on, bytes) = self.try_to(gatt::KEYTURNER_USER_DATA, frame);
        assert_eq!(on, uuid(gatt::KEYTURNER_DATA), "{what}");
        let code = plain_error(&bytes);
        let documented = [ErrorCode::NotAuthorized, ErrorCode::BadLength];
        assert!(documented.contains(&code), "{what}: {code:?}");
    }

    /// Nothing has changed, and the owner is served.
    fn check(&mut self, stored: &[u8]) {
        assert_eq!(self.owner.lock_state(), LockState::Unlocked);
        assert!(self.stored() == stored, "something was written");
        let said = self.owner.act(LockAction::Lock);
        assert_eq!(said.last(), Some(&complete()), "{said:?}");
        assert!(self.stored() != stored, "or writing would not have been noticed");
        assert!(!self.door.has_restarted());
    }
}

fn complete() -> FromLock {
    let status = Status::Complete;
    StatusReport { status }.into()
}

fn refusal(code: ErrorCode, command: Command) -> FromLock {
    let error = code.into();
    ErrorReport { error, command }.into()
}

fn plain_error(frame: &[u8]) -> ErrorCode {
    let frame = plain::read(frame).unwrap();
    assert_eq!(frame.command, ErrorReport::COMMAND);
    let report = ErrorReport::read(frame.payload, PinWidth::Short).unwrap();
    report.error.known().unwrap()
}

#[test]
fn replay_of_every_recorded_frame_does_nothing() {
    let mut scene = Scene::new();
    // Everything that the owner writes in a day: reads, a motion there and back.
    let mut recorded = Vec::new();
    for action in [SimpleAction::Lock, SimpleAction::Unlock] {
        let nonce = scene.owner.challenge();
        recorded.push(scene.owner.say(&PerformSimpleLockAction { action, nonce }));
        while scene.owner.hear() != complete() {}
    }
    let nonce = scene.owner.challenge();
    recorded.push(scene.owner.say(&RequestConfig { nonce }));
    scene.owner.hear();
    let stored = scene.stored();
    // On the owner's own connection, on the stranger's, and on one after that.
    for frame in &recorded {
        let user_data = uuid(gatt::KEYTURNER_USER_DATA);
        scene.owner.phone.write(&user_data, frame).unwrap();
        let FromLock::ErrorReport(report) = scene.owner.hear() else {
            panic!("it is answered")
        };
        assert_eq!(report.error, ErrorCode::BadNonce.into());
    }
    for _ in 0..2 {
        for frame in &recorded {
            let (on, answer) = scene.try_to(gatt::KEYTURNER_USER_DATA, frame);
            assert_eq!(
                on,
                uuid(gatt::KEYTURNER_USER_DATA),
                "sealed for the owner, not for the stranger"
            );
            let FromLock::ErrorReport(report) = scene.owner.open(&answer) else {
                panic!("it is answered")
            };
            assert_eq!(report.error, ErrorCode::BadNonce.into());
        }
        scene.mallory.disconnect().unwrap();
        scene.mallory.wait_for_disconnection(PATIENCE).unwrap();
    }
    scene.check(&stored);
}

/// Everything that an owner has ever written, pairing included, once more by somebody else: with nobody at the lock,
/// and with somebody at the button.
#[test]
fn replay_of_a_whole_life_gets_nothing() {
    let mut door = Door::new(&["owner", "mallory"], |lock| lock.set_motor(FAST_MOTOR_DEG_S));
    let mut owner = Owner::new(door.phone("owner"), &door.address, gatt::MTU_MAX);
    owner.connect().unwrap();
    assert_eq!(owner.pair("Ann").unwrap(), [News::Paired]);
    let asked: [Request; 4] = [
        Report::States {}.into(),
        Act::Config {}.into(),
        Administer::VerifyPin {}.with(Pin::short(0)),
        Act::Simple {
            action: SimpleAction::Lock,
        }
        .into(),
    ];
    for request in asked {
        let news = owner.ask(request).unwrap();
        assert!(matches!(news.last(), Some(News::Done(_))), "{news:?}");
    }
    let recorded = owner.take_written();
    let key = owner.credentials().unwrap().expose(|bytes| {
        let mut key = bytes[bytes.len() - 32..].try_into().unwrap();
        SharedKey::from_bytes(&mut key)
    });
    owner.disconnect().unwrap();
    let stored = door.lock.chip().unwrap().part(layout::STORAGE).to_vec();
    let mut mallory = door.phone("mallory");
    for at_the_button in [false, true] {
        if at_the_button {
            door.invite();
        }
        mallory.connect(&door.address, gatt::MTU_MAX).unwrap();
        for number in [gatt::PAIRING_DATA, gatt::KEYTURNER_USER_DATA] {
            mallory.subscribe(&uuid(number)).unwrap();
        }
        for (on, frame) in &recorded {
            mallory.write(&uuid(on.uuid(Family::ToFourth)), frame).unwrap();
            let mut answer = mallory.next_indication(PATIENCE).unwrap().bytes;
            if *on == Characteristic::Pairing {
                pairing_goes_nowhere(frame, &answer, at_the_button);
            } else {
                let opened = Sealed::read(&mut answer).unwrap().open(&key).unwrap();
                // A challenge or a state, which the stranger cannot read; or no.
                let told = [Challenge::COMMAND, KeyturnerStates::COMMAND, ErrorReport::COMMAND];
                assert!(told.contains(&opened.command), "{:?}", opened.command);
            }
        }
        mallory.disconnect().unwrap();
        mallory.wait_for_disconnection(PATIENCE).unwrap();
    }
    assert!(
        door.lock.chip().unwrap().part(layout::STORAGE) == stored,
        "something was written"
    );
    owner.connect().unwrap();
    let people = Administer::Authorizations { offset: 0, count: 9 };
    let news = owner.ask(people.with(Pin::short(0))).unwrap();
    assert_eq!(news.len(), 3, "one is one too many: {news:?}");
}

/// With nobody at the button, a lock says so. With somebody there, it gives its key and a nonce to whoever asks, and
/// ends with the first proof that was made for another nonce.
fn pairing_goes_nowhere(frame: &[u8], answer: &[u8], at_the_button: bool) {
    let asked = plain::read(frame).unwrap().command;
    let answered = plain::read(answer).unwrap().command;
    let expected = match asked {
        RequestData::COMMAND if at_the_button => PublicKeyOffer::COMMAND,
        PublicKeyOffer::COMMAND if at_the_button => Challenge::COMMAND,
        _ => ErrorReport::COMMAND,
    };
    assert_eq!(answered, expected, "to {asked:?}");
}

#[test]
fn a_nonce_is_good_once_and_not_beyond_its_connection() {
    let mut scene = Scene::new();
    let stored = scene.stored();
    let stale = || refusal(ErrorCode::BadNonce, PerformSimpleLockAction::COMMAND);
    let nonce = scene.owner.challenge();
    scene.owner.say(&RequestConfig { nonce });
    scene.owner.hear();
    scene.owner.say(&lock(nonce));
    assert_eq!(scene.owner.hear(), stale(), "used");
    let nonce = scene.owner.challenge();
    scene.owner.phone.disconnect().unwrap();
    scene.owner.phone.wait_for_disconnection(PATIENCE).unwrap();
    scene.owner.connect();
    scene.owner.say(&lock(nonce));
    assert_eq!(scene.owner.hear(), stale(), "from before the reconnect");
    let nonce = scene.owner.challenge();
    scene.guest.say(&lock(nonce));
    assert_eq!(scene.guest.hear(), stale(), "another authorization's");
    scene.check(&stored);
}

#[test]
fn swapped_authorization_ids_open_nothing() {
    let mut scene = Scene::new();
    let stored = scene.stored();
    let nonce = scene.guest.challenge();
    let owner = scene.owner.id();
    // The guest's box under the owner's id and under ones that nobody has.
    for id in [owner.0, 0, 77, u32::MAX] {
        let mut swapped = scene.guest.seal(&lock(nonce));
        swapped[24..28].copy_from_slice(&id.to_le_bytes());
        scene.is_refused_in_plain(&swapped, "another id in front of the box");
    }
    let claimed = scene.guest.seal_as(owner, &lock(nonce));
    scene.is_refused_in_plain(&claimed, "the owner's id, the guest's key");
    let mut inside = scene.guest.seal_as(owner, &lock(nonce));
    inside[24..28].copy_from_slice(&scene.guest.id().0.to_le_bytes());
    scene.is_refused_in_plain(&inside, "the owner's id in the guest's box");
    scene.check(&stored);
}

#[test]
fn changed_cut_and_overlong_frames_move_nothing() {
    let mut scene = Scene::new();
    let stored = scene.stored();
    let nonce = scene.guest.challenge();
    let frame = scene.guest.seal(&lock(nonce));
    let bits = (0..frame.len() * 8).filter(|bit| {
        // A longer length waits for more and is tried below; an id that is nobody's, above.
        !(28..30).contains(&(bit / 8))
    });
    for bit in bits.step_by(7) {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        scene.is_refused_in_plain(&flipped, &format!("bit {bit}"));
    }
    let mut no_tag = frame.clone();
    no_tag[30..46].fill(0);
    scene.is_refused_in_plain(&no_tag, "no MAC");
    for more in [1, 20, 100] {
        let mut longer = frame.clone();
        longer.resize(frame.len() + more, 0xA5);
        scene.is_refused_in_plain(&longer, "overlong");
    }
    // One that never becomes whole gets no answer, and its sender is dropped.
    for length in [1, 29, 30, frame.len() - 1] {
        scene.connect_mallory();
        let user_data = uuid(gatt::KEYTURNER_USER_DATA);
        scene.mallory.write(&user_data, &frame[..length]).unwrap();
        assert_eq!(
            scene.owner.lock_state(),
            LockState::Unlocked,
            "the owner does not wait"
        );
        scene.mallory.wait_for_disconnection(PATIENCE).unwrap();
        assert!(
            scene.mallory.next_indication(PATIENCE).is_err(),
            "nothing was said"
        );
    }
    scene.check(&stored);
}

#[test]
fn who_has_not_paired_gets_nowhere() {
    let mut scene = Scene::new();
    let stored = scene.stored();
    // Commands, with a key of the stranger's own.
    for payload in [
        &lock(Nonce([0; 32])) as &dyn Payload,
        &RequestConfig {
            nonce: Nonce([0; 32]),
        },
    ] {
        let frame = scene.guest.seal_as(AuthorizationId(9), payload);
        scene.is_refused_in_plain(&frame, "nobody's authorization");
    }
    let (on, answer) = scene.try_to(gatt::KEYTURNER_DATA, &[1, 0, 4, 0, 0xC0, 0xD0]);
    assert_eq!(on, uuid(gatt::KEYTURNER_DATA));
    assert_eq!(plain_error(&answer), ErrorCode::NotAuthorized);
    scene.mallory.disconnect().unwrap();
    scene.mallory.wait_for_disconnection(PATIENCE).unwrap();
    // Pairing, with nobody at the button.
    drop(std::mem::replace(&mut scene.mallory, scene.door.phone("mallory")));
    let mut eve = Client::new(
        scene.door.phone("mallory"),
        &scene.door.address,
        gatt::MTU_DEFAULT,
    );
    eve.connect();
    let refused = eve.pair("Eve").unwrap_err();
    assert_eq!(refused, PairingError::Refused(ErrorCode::NotPairing.into()));
    scene.check(&stored);
}

#[test]
fn two_at_once_are_served_one_after_the_other() {
    let mut scene = Scene::new();
    let theirs = scene.guest.challenge();
    let mine = scene.owner.challenge();
    scene.owner.say(&lock(mine));
    scene.guest.say(&lock(theirs));
    let mut ends = Vec::new();
    for client in [&mut scene.owner, &mut scene.guest] {
        loop {
            match client.hear() {
                FromLock::KeyturnerStates(_) => {}
                FromLock::StatusReport(report) if report.status == Status::Accepted => {}
                end => break ends.push(end),
            }
        }
    }
    let busy = refusal(ErrorCode::Busy, PerformSimpleLockAction::COMMAND);
    assert_eq!(ends[0], complete());
    // Too late is done already; in time is busy.
    assert!(ends[1] == busy || ends[1] == complete(), "{ends:?}");
    assert_eq!(scene.guest.lock_state(), LockState::Locked);
    assert!(!scene.door.has_restarted());
}
