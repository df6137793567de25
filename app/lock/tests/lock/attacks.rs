//! What strangers, guests and former guests try. Each try ends in the documented error or in silence, leaves bolt and
//! records as they were, and leaves the lock serving others.

use crate::bench::*;
use latchkey_lock::lock::{Characteristic, Event, LINKS};
use latchkey_protocol::frame::{plain, sealed};
use latchkey_protocol::key::{Authenticator, PublicKey, SharedKey};
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::client::PairingError;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Rest;
use proptest::prelude::*;

use AuthorizationType::App;
use Characteristic::{Keyturner, Pairing, UserData};

/// Everything on flash: records and log.
fn flash_of(house: &mut House) -> Vec<(u16, Vec<u8>)> {
    let keys: Vec<latchkey_storage::Key> = house.storage.keys().collect();
    let mut all = Vec::new();
    for key in keys {
        let mut buffer = [0; latchkey_storage::VALUE_MAX];
        let value = house.storage.get(key, &mut buffer).unwrap().unwrap();
        all.push((key.0, value.to_vec()));
    }
    all.push((u16::MAX, house.storage.entries().end.to_le_bytes().to_vec()));
    all
}

/// The house, its owner, and what everything was like before the attack.
struct Scene {
    house: House,
    owner: Client,
    flash: Vec<(u16, Vec<u8>)>,
    commands: usize,
}

impl Scene {
    fn new() -> Self {
        let mut house = House::new();
        let owner = house.pair(A, App, "Ann");
        Self::of(house, owner)
    }

    fn of(mut house: House, owner: Client) -> Self {
        let flash = flash_of(&mut house);
        let commands = house.commands.len();
        Self {
            house,
            owner,
            flash,
            commands,
        }
    }

    /// Nothing changed, and the owner is served.
    fn check(mut self) {
        assert_eq!(
            self.house.commands.len(),
            self.commands,
            "the motor was told something"
        );
        assert!(flash_of(&mut self.house) == self.flash, "something was written");
        if !self.house.is_connected(A) {
            self.house.connect(A);
        }
        self.house.read(A);
        let replies = self.owner.act(&mut self.house, LockAction::Lock);
        assert_eq!(apart(replies).1, [accepted(), complete()]);
    }
}

fn plain_refusal(code: ErrorCode) -> Vec<(Characteristic, ErrorCode)> {
    vec![(Keyturner, code)]
}

fn lock(nonce: Nonce) -> PerformSimpleLockAction {
    PerformSimpleLockAction {
        action: SimpleAction::Lock,
        nonce,
    }
}

#[test]
fn replay_of_every_recorded_frame_does_nothing() {
    let mut house = House::new();
    // A stranger records everything that the owner writes, pairing included.
    let mut recorded: Vec<(Characteristic, Vec<u8>)> = Vec::new();
    let owner = house.pair(A, App, "Ann");
    for action in [SimpleAction::Lock, SimpleAction::Unlock] {
        let nonce = owner.challenge(&mut house);
        let frame = owner.seal(&mut house, &PerformSimpleLockAction { action, nonce });
        recorded.push((UserData, frame.clone()));
        house.write(A, UserData, &frame);
    }
    let nonce = owner.challenge(&mut house);
    let pin = owner.pin(0);
    let frame = owner.seal(&mut house, &crate::catalogue::set_config(nonce, pin));
    recorded.push((UserData, frame.clone()));
    house.write(A, UserData, &frame);
    house.read(A);

    for same_connection in [true, false] {
        let scene = Scene::of(house, owner.on(A));
        house = scene.house;
        let link = if same_connection { A } else { B };
        if !same_connection {
            house.connect(B);
        }
        for (on, frame) in &recorded {
            house.write(link, *on, frame);
            let replies = owner.on(link).open(house.read(link));
            let [FromLock::ErrorReport(report)] = &replies[..] else {
                panic!("{replies:?}")
            };
            assert_eq!(report.error, ErrorCode::BadNonce.into());
        }
        assert_eq!(house.commands.len(), scene.commands);
        assert!(flash_of(&mut house) == scene.flash);
    }
    Scene::of(house, owner).check();
}

#[test]
fn replay_of_a_whole_pairing_gets_no_authorization() {
    // Everything that a client says in pairing, said again word for word in a new pairing mode.
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let request = RequestData {
        wanted: PublicKeyOffer::COMMAND,
        extra: Rest,
    };
    let key = PublicKeyOffer {
        key: PublicKey([9; 32]),
    };
    let proof = AuthorizationAuthenticator {
        authenticator: Authenticator([1; 32]),
    };
    house.hold_button(5_000);
    let scene = Scene::of(house, owner);
    let mut house = scene.house;
    house.connect(B);
    house.say(B, &request.into());
    house.say(B, &key.into());
    house.read(B);
    house.say(B, &proof.into());
    assert_eq!(
        plain_errors(house.read(B)),
        [(Pairing, ErrorCode::BadAuthenticator)]
    );
    Scene { house, ..scene }.check();
}

#[test]
fn a_nonce_is_good_once_right_or_wrong() {
    let mut scene = Scene::new();
    let (house, owner) = (&mut scene.house, &scene.owner);
    let stale = |command| [error(ErrorCode::BadNonce, command)];
    let nonce = owner.challenge(house);
    let read = owner.say(house, &RequestConfig { nonce });
    assert_eq!(read[0].command(), Config::COMMAND);
    assert_eq!(
        owner.say(house, &lock(nonce)),
        stale(PerformSimpleLockAction::COMMAND)
    );
    let nonce = owner.challenge(house);
    let wrong = Nonce([0; 32]);
    assert_eq!(
        owner.say(house, &lock(wrong)),
        stale(PerformSimpleLockAction::COMMAND)
    );
    assert_eq!(
        owner.say(house, &lock(nonce)),
        stale(PerformSimpleLockAction::COMMAND)
    );
    scene.check();
}

#[test]
fn a_nonce_of_another_authorization_or_connection_or_before_a_reconnect_is_none() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    let mut scene = Scene::of(house, owner);
    let (house, owner) = (&mut scene.house, &scene.owner);
    let stale = [error(ErrorCode::BadNonce, PerformSimpleLockAction::COMMAND)];

    let theirs = owner.challenge(house);
    assert_eq!(guest.say(house, &lock(theirs)), stale, "another authorization's");
    // Both on one connection: whoever speaks last ends the other's challenge.
    let here = guest.on(A);
    let theirs = owner.challenge(house);
    assert_eq!(here.say(house, &lock(theirs)), stale, "on the same connection");
    house.connect(C);
    let mine = owner.challenge(house);
    assert_eq!(owner.on(C).say(house, &lock(mine)), stale, "another connection's");
    let before = owner.challenge(house);
    house.disconnect(A);
    house.connect(A);
    assert_eq!(owner.say(house, &lock(before)), stale, "from before");
    scene.check();
}

#[test]
fn swapped_authorization_ids_open_nothing() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    let mut scene = Scene::of(house, owner);
    let (house, owner) = (&mut scene.house, &scene.owner);
    let nonce = guest.challenge(house);
    let frame = guest.seal(house, &lock(nonce));
    // The guest's box under the owner's id, and under one that nobody has.
    for id in [owner.id.0, 0, 77, u32::MAX] {
        let mut swapped = frame.clone();
        swapped[24..28].copy_from_slice(&id.to_le_bytes());
        house.read(B);
        house.write(B, UserData, &swapped);
        assert_eq!(
            plain_errors(house.read(B)),
            plain_refusal(ErrorCode::NotAuthorized),
            "{id}"
        );
    }
    // The guest's own key, with the owner's id inside and outside.
    let as_owner = Client {
        id: owner.id,
        ..guest.on(B)
    };
    let frame = as_owner.seal(house, &lock(nonce));
    house.write(B, UserData, &frame);
    assert_eq!(
        plain_errors(house.read(B)),
        plain_refusal(ErrorCode::NotAuthorized)
    );
    // The guest's own key and id outside, the owner's id inside.
    let mut frame = [0; sealed::FRAME_MAX];
    let fresh = house.frame_nonce();
    let length = sealed::seal(&lock(nonce), owner.id, &guest.key, fresh, &mut frame).unwrap();
    frame[24..28].copy_from_slice(&guest.id.0.to_le_bytes());
    house.write(B, UserData, &frame[..length]);
    assert_eq!(
        plain_errors(house.read(B)),
        plain_refusal(ErrorCode::NotAuthorized)
    );
    scene.check();
}

#[test]
fn one_flipped_bit_anywhere_moves_nothing() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    let mut scene = Scene::of(house, owner);
    let house = &mut scene.house;
    let nonce = guest.challenge(house);
    let frame = guest.seal(house, &lock(nonce));
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if !house.is_connected(B) {
            house.connect(B);
        }
        house.read(B);
        house.write(B, UserData, &flipped);
        for (on, frame) in house.read(B) {
            assert_eq!(on, Keyturner, "bit {bit}");
            let frame = plain::read(&frame).unwrap();
            assert_eq!(frame.command, ErrorReport::COMMAND);
        }
        // A longer length waits for more; that ends as well.
        house.wait(6_000);
    }
    scene.check();
}

#[test]
fn truncated_and_overlong_frames_move_nothing() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    let mut scene = Scene::of(house, owner);
    let house = &mut scene.house;
    for length in 0..300 {
        house.connect(B);
        let nonce = guest.challenge(house);
        let mut frame = guest.seal(house, &lock(nonce));
        if frame.len() == length {
            continue;
        }
        frame.resize(length, 0xA5);
        house.write(B, UserData, &frame);
        assert!(house.read(B).iter().all(|(on, _)| *on == Keyturner), "{length}");
        house.wait(5_000);
        if length > 0 {
            house.disconnect(B);
        }
    }
    scene.check();
}

#[test]
fn a_box_with_a_wrong_checksum_or_payload_is_answered_in_private() {
    struct Raw(u16, usize);
    impl Payload for Raw {
        fn command(&self) -> Command {
            Command(self.0)
        }
        fn write(&self, out: &mut latchkey_protocol::wire::Writer<'_>) {
            out.bytes(&[2; 120][..self.1]);
        }
    }
    let mut scene = Scene::new();
    let (house, owner) = (&mut scene.house, &scene.owner);
    for command in FromClient::COMMANDS {
        for length in 0..120 {
            // Right lengths with nonsense in them are refused for their nonce or a value.
            let replies = owner.say(house, &Raw(command.0, length));
            let [FromLock::ErrorReport(report)] = &replies[..] else {
                panic!("{command:?} {length}: {replies:?}")
            };
            let error = report.error.known().unwrap();
            let documented = [ErrorCode::BadLength, ErrorCode::BadParameter, ErrorCode::BadNonce];
            assert!(documented.contains(&error), "{command:?} {length}: {error:?}");
        }
    }
    scene.check();
}

#[test]
fn pairing_without_the_button_is_refused_step_by_step() {
    let mut scene = Scene::new();
    let house = &mut scene.house;
    house.connect(B);
    let refused = house.pair_now(B, App, "Eve").err().unwrap();
    assert_eq!(refused, PairingError::Refused(ErrorCode::NotPairing.into()));
    let steps: [PairingFromClient; 5] = [
        RequestData {
            wanted: PublicKeyOffer::COMMAND,
            extra: Rest,
        }
        .into(),
        PublicKeyOffer {
            key: PublicKey([9; 32]),
        }
        .into(),
        AuthorizationAuthenticator {
            authenticator: Authenticator([0; 32]),
        }
        .into(),
        AuthorizationData {
            authenticator: Authenticator([0; 32]),
            kind: App,
            app: AppId(1),
            name: Name::new("Eve").unwrap(),
            nonce: Nonce([0; 32]),
        }
        .into(),
        AuthorizationIdConfirmation {
            authenticator: Authenticator([0; 32]),
            authorization: AuthorizationId(1),
        }
        .into(),
    ];
    for step in &steps {
        house.read(B);
        house.say(B, step);
        assert_eq!(plain_errors(house.read(B)), [(Pairing, ErrorCode::NotPairing)]);
    }
    scene.check();
}

#[test]
fn a_short_or_forbidden_press_opens_no_pairing() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    house.hold_button(4_999);
    house.connect(B);
    assert!(house.pair_now(B, App, "Eve").is_err());
    let set = owner.command(&mut house, |nonce| SetConfig {
        pairing_enabled: false,
        ..crate::catalogue::set_config(nonce, owner.pin(0))
    });
    assert_eq!(set, [complete()]);
    house.hold_button(6_000);
    house.connect(B);
    assert!(house.pair_now(B, App, "Eve").is_err());
}

#[test]
fn pairing_mode_lets_one_in_and_ends() {
    let mut house = House::new();
    house.pair(A, App, "Ann");
    house.hold_button(5_000);
    house.connect(B);
    house.connect(C);
    // The second had begun when the first was done.
    house.say(
        C,
        &RequestData {
            wanted: PublicKeyOffer::COMMAND,
            extra: Rest,
        }
        .into(),
    );
    house.read(C);
    house.pair_now(B, App, "Bob").unwrap();
    house.say(
        C,
        &PublicKeyOffer {
            key: PublicKey([9; 32]),
        }
        .into(),
    );
    assert_eq!(plain_errors(house.read(C)), [(Pairing, ErrorCode::NotPairing)]);
}

#[test]
fn pairing_that_is_never_ended_writes_nothing() {
    let mut house = House::new();
    let before = flash_of(&mut house);
    let work = house.chip.flash().work().bytes;
    for _ in 0..5 {
        house.connect(A);
        house.pair_up_to_the_grant(A);
        house.disconnect(A);
    }
    assert!(flash_of(&mut house) == before);
    assert_eq!(
        house.chip.flash().work().bytes,
        work,
        "a stranger must not wear the flash"
    );
    house.connect(A);
    let paired = house.pair_now(A, App, "Ann").unwrap();
    assert_eq!(
        paired.id,
        AuthorizationId(6),
        "what was granted is granted to nobody else"
    );
}

#[test]
fn commands_before_pairing_are_refused_in_plain() {
    let mut house = House::new();
    house.connect(A);
    let nobody = Client {
        link: A,
        id: AuthorizationId(1),
        key: SharedKey::from_bytes(&mut [1; 32]),
        name: Name::new("Eve").unwrap(),
        width: latchkey_protocol::wire::PinWidth::Short,
    };
    let frame = nobody.seal(&mut house, &lock(Nonce([0; 32])));
    house.write(A, UserData, &frame);
    assert_eq!(
        plain_errors(house.read(A)),
        plain_refusal(ErrorCode::NotAuthorized)
    );
    house.write(A, Keyturner, &frame);
    assert_eq!(
        plain_errors(house.read(A)),
        plain_refusal(ErrorCode::NotAuthorized)
    );
    assert_eq!(house.commands.len(), 1, "looking for its bolt, after the start");
}

#[test]
fn a_key_that_everybody_knows_is_refused() {
    let mut house = House::new();
    house.connect(A);
    house.say(
        A,
        &RequestData {
            wanted: PublicKeyOffer::COMMAND,
            extra: Rest,
        }
        .into(),
    );
    house.read(A);
    house.say(
        A,
        &PublicKeyOffer {
            key: PublicKey([0; 32]),
        }
        .into(),
    );
    assert_eq!(
        plain_errors(house.read(A)),
        [(Pairing, ErrorCode::PairingBadParameter)]
    );
}

#[test]
fn a_former_owner_has_no_way_back_after_a_factory_reset() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    owner.act(&mut house, LockAction::Lock);
    crate::people::add_code(&owner, &mut house, 345_678);
    let uuid_and_keys = flash_of(&mut house);
    house.event(Event::Button(true));
    house.wait(29_999);
    assert!(!house.lock.take_factory_reset());
    house.wait(1);
    assert!(house.lock.take_factory_reset());
    assert!(!house.lock.take_factory_reset());
    house.event(Event::Button(false));
    assert!((0..LINKS).all(|link| !house.connected[link]));
    house.connect(A);
    let frame = owner.seal(&mut house, &lock(Nonce([0; 32])));
    house.write(A, UserData, &frame);
    assert_eq!(
        plain_errors(house.read(A)),
        plain_refusal(ErrorCode::NotAuthorized)
    );
    let new = house.pair_now(A, App, "New").unwrap();
    assert_eq!(
        new.log(&mut house),
        [],
        "whoever was here before is nobody's business"
    );
    assert_eq!(
        house.lock_state(&new),
        LockState::Locked,
        "the bolt is where it was"
    );
    // Nothing of what was stored can be read from the chip.
    let bytes = house.chip.bytes();
    owner
        .key
        .expose(|key| assert!(!bytes.windows(32).any(|window| window == key)));
    for (_, value) in uuid_and_keys.iter().filter(|(_, value)| value.len() >= 32) {
        assert!(!bytes.windows(value.len()).any(|window| window == value));
    }
}

#[test]
fn a_removed_key_cannot_be_read_from_the_chip() {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    guest.act(&mut house, LockAction::Lock);
    owner.command(&mut house, |nonce| RemoveAuthorizationEntry {
        authorization: guest.id,
        nonce,
        pin: owner.pin(0),
    });
    let bytes = house.chip.bytes();
    let lies_there = |key: &SharedKey| key.expose(|key| bytes.windows(32).any(|window| window == key));
    assert!(!lies_there(&guest.key));
    assert!(lies_there(&owner.key), "or this test could not fail");
}

fn characteristics() -> impl Strategy<Value = Characteristic> {
    prop_oneof![Just(Pairing), Just(Keyturner), Just(UserData)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..260),
        // Plausible beginnings.
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
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Bytes of any kind on any characteristic, in pairing mode and out of it, by somebody without a key.
    #[test]
    fn no_bytes_from_a_stranger_change_anything(
        writes in proptest::collection::vec((characteristics(), bytes(), 0..3_000_u64), 1..40),
        pairing: bool,
    ) {
        let mut house = House::new();
        let owner = house.pair(A, App, "Ann");
        if pairing {
            house.hold_button(5_000);
        }
        let mut scene = Scene::of(house, owner);
        for (on, bytes, wait_ms) in writes {
            if !scene.house.is_connected(B) {
                scene.house.connect(B);
            }
            scene.house.write(B, on, &bytes);
            scene.house.read(B);
            scene.house.wait(wait_ms);
        }
        scene.check();
    }
}
