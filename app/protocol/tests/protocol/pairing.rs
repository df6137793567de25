//! Pairing: whole conversations against another implementation's bytes, and everything that must end one.

use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::key::{PublicKey, SecretKey, SharedKey};
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::client::{self, ClientPairing, PairingError, Way};
use latchkey_protocol::pairing::lock::{self, Application, LockPairing};
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::*;
use latchkey_protocol::wire::PinWidth;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::samples::{APP, AUTHORIZATION, UUID, name, wide_pin};
use crate::vectors::Vectors;

fn identity(kind: AuthorizationType) -> Identity {
    Identity {
        kind,
        app: APP,
        name: name(),
    }
}

fn fresh(byte: u8) -> Fresh {
    let mut bytes = [byte; 32];
    bytes[31] = 1;
    Fresh::from_random(bytes)
}

fn frame(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; 256];
    let length = plain::write(message, &mut out).unwrap();
    out[..length].to_vec()
}

fn client_says(answer: Result<client::Answer, PairingError>) -> (ClientPairing, Vec<u8>) {
    match answer.unwrap() {
        client::Answer::Say(pairing, message) => (pairing, frame(&message)),
        _ => panic!("the client says nothing"),
    }
}

fn lock_says((pairing, answer): (LockPairing, lock::Answer)) -> (LockPairing, Vec<u8>) {
    (pairing, said(&answer))
}

fn said(answer: &lock::Answer) -> Vec<u8> {
    match answer {
        lock::Answer::Say(message) => frame(message),
        _ => panic!("the lock says nothing"),
    }
}

fn refusal(answer: &lock::Answer) -> ErrorCode {
    let said = said(answer);
    let read = plain::read(&said).unwrap();
    match PairingFromLock::read(read.command, read.payload, PinWidth::Short).unwrap() {
        PairingFromLock::ErrorReport(report) => report.error.known().unwrap(),
        other => panic!("no refusal: {other:?}"),
    }
}

fn asks((pairing, answer): (LockPairing, lock::Answer)) -> (LockPairing, Application) {
    match answer {
        lock::Answer::Decide(application) => (pairing, application),
        _ => panic!("nobody asks to come in"),
    }
}

fn stores(answer: lock::Answer) -> lock::Unstored {
    match answer {
        lock::Answer::Store(unstored) => unstored,
        _ => panic!("there is nothing to store"),
    }
}

fn secret(name: &str) -> SecretKey {
    SecretKey::from_bytes(&mut Vectors::pairing().array(name)).unwrap()
}

fn lock_secret() -> Fresh {
    Fresh::from_random(Vectors::pairing().array("lock_secret"))
}

#[test]
fn both_sides_pair_as_another_implementation_does() {
    let vectors = Vectors::pairing();
    let step = |number: u8| vectors.get(&format!("fourth.{number}"));
    let identity = identity(AuthorizationType::Bridge);

    let (client, message) = ClientPairing::start(Way::ToFourth, identity, secret("client_secret"));
    let lock = LockPairing::new(Family::ToFourth, false);
    assert!(!lock.is_under_way());
    assert_eq!(frame(&message), step(1));
    let (lock, said) = lock_says(lock.receive(step(1), lock_secret()));
    assert!(lock.is_under_way());
    assert_eq!(said, step(2));
    let (client, said) = client_says(client.receive(step(2), fresh(0)));
    assert_eq!(said, step(3));
    let (lock, said) = lock_says(lock.receive(step(3), fresh(0xA1)));
    assert_eq!(said, step(4));
    let (client, said) = client_says(client.receive(step(4), fresh(0)));
    assert_eq!(said, step(5));
    let (lock, said) = lock_says(lock.receive(step(5), fresh(0xA2)));
    assert_eq!(said, step(6));
    let (client, said) = client_says(client.receive(step(6), fresh(0xB1)));
    assert_eq!(said, step(7));
    let (_, application) = asks(lock.receive(step(7), fresh(0)));
    assert_eq!(*application.identity(), identity);
    assert!(application.pin().is_none());
    let (lock, said) = lock_says(application.grant(AUTHORIZATION, UUID, fresh(0xA3)));
    assert_eq!(said, step(8));
    let client::Answer::Store(unstored) = client.receive(step(8), fresh(0)).unwrap() else {
        panic!()
    };
    let (client, said) = client_says(Ok(unstored.stored()));
    assert_eq!(said, step(9));
    let (lock, answer) = lock.receive(step(9), fresh(0));
    assert!(!lock.is_under_way());
    let unstored = stores(answer);
    let new = unstored.authorization();
    assert_eq!((new.authorization, new.identity), (AUTHORIZATION, identity));
    new.key.expose(|key| assert_eq!(key, vectors.get("shared")));
    assert_eq!(self::said(&unstored.stored()), step(10));
    let client::Answer::Paired(paired) = client.receive(step(10), fresh(0)).unwrap() else {
        panic!()
    };
    assert_eq!((paired.authorization, paired.uuid), (AUTHORIZATION, UUID));
    paired.key.expose(|key| assert_eq!(key, vectors.get("shared")));
}

/// Both sides of the 5th generation, up to what the lock decides about.
fn fifth_until_application() -> (ClientPairing, Application) {
    let vectors = Vectors::pairing();
    let step = |number: u8| vectors.get(&format!("fifth.{number}"));
    let identity = identity(AuthorizationType::App);

    let (client, message) = ClientPairing::start(Way::Fifth(wide_pin()), identity, secret("client_secret"));
    let lock = LockPairing::new(Family::Fifth, true);
    assert_eq!(frame(&message), step(1));
    let (lock, said) = lock_says(lock.receive(step(1), lock_secret()));
    assert_eq!(said, step(2));
    let (client, said) = client_says(client.receive(step(2), fresh(0)));
    assert_eq!(said, step(3));
    let (lock, said) = lock_says(lock.receive(step(3), fresh(0xA1)));
    assert_eq!(said, step(4));
    let (client, said) = client_says(client.receive(step(4), fresh(0)));
    assert_eq!(said, step(5));
    let (lock, said) = lock_says(lock.receive(step(5), fresh(0xA2)));
    assert_eq!(said, step(6));
    let client::Answer::SaySealed(sealing) = client.receive(step(6), fresh(0)).unwrap() else {
        panic!()
    };
    let mut out = [0; sealed::FRAME_MAX];
    let (client, length) = sealing
        .seal(FrameNonce::from_random([0xC1; 24]), &mut out)
        .unwrap();
    assert_eq!(&out[..length], step(7));
    let (_, application) = asks(lock.receive_sealed(&mut out[..length]));
    assert_eq!(*application.identity(), identity);
    (client, application)
}

#[test]
fn both_sides_of_the_fifth_generation_pair_as_another_implementation_does() {
    let vectors = Vectors::pairing();
    let (client, application) = fifth_until_application();
    assert_eq!(application.pin(), Some(&wide_pin()));
    let (_, answer) = application.grant(AUTHORIZATION, UUID, fresh(0));
    let unstored = stores(answer);
    unstored
        .authorization()
        .key
        .expose(|key| assert_eq!(key, vectors.get("shared")));
    let lock::Answer::SaySealed(grant) = unstored.stored() else {
        panic!()
    };
    let mut out = [0; sealed::FRAME_MAX];
    let length = grant.seal(FrameNonce::from_random([0xC2; 24]), &mut out).unwrap();
    assert_eq!(&out[..length], vectors.get("fifth.8"));
    let client::Answer::Store(unstored) = client.receive_sealed(&mut out[..length]).unwrap() else {
        panic!()
    };
    let client::Answer::Paired(paired) = unstored.stored() else {
        panic!()
    };
    assert_eq!((paired.authorization, paired.uuid), (AUTHORIZATION, UUID));
}

#[test]
fn a_wrong_pin_is_refused_in_words() {
    let (client, application) = fifth_until_application();
    let answer = application.refuse(ErrorCode::BadPin);
    assert_eq!(refusal(&answer), ErrorCode::BadPin);
    let error = client.receive(&said(&answer), fresh(0)).err().unwrap();
    assert_eq!(error, PairingError::Refused(ErrorCode::BadPin.into()));
}

#[test]
fn nothing_was_acknowledged_that_could_not_be_stored() {
    let (_, application) = fifth_until_application();
    let (_, answer) = application.grant(AUTHORIZATION, UUID, fresh(0));
    assert_eq!(refusal(&stores(answer).failed()), ErrorCode::Unknown);
}

#[test]
fn ids_that_clients_misunderstand_are_never_given_out() {
    for id in [0, 0x7FFF_FFFF, 0xFFFF_FF7F] {
        let (_, application) = fifth_until_application();
        let (_, answer) = application.grant(AuthorizationId(id), UUID, fresh(0));
        assert_eq!(refusal(&answer), ErrorCode::Unknown, "{id:#x}");
    }
}

/// X25519 points of low order, in every form that is not reduced further (cr.yp.to/ecdh.html), and zero.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn low_order() -> impl Iterator<Item = PublicKey> {
    LOW_ORDER.into_iter().map(|hex| {
        PublicKey(std::array::from_fn(|at| {
            u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()
        }))
    })
}

#[test]
fn a_lock_refuses_keys_of_low_order() {
    for key in low_order() {
        let lock = LockPairing::new(Family::ToFourth, false);
        let (lock, _) = lock.receive(Vectors::pairing().get("fourth.1"), lock_secret());
        let (lock, answer) = lock.receive(&frame(&PublicKeyOffer { key }), fresh(0xA1));
        assert_eq!(refusal(&answer), ErrorCode::PairingBadParameter, "{key:?}");
        assert!(!lock.is_under_way());
    }
}

#[test]
fn a_client_refuses_keys_of_low_order() {
    for key in low_order() {
        let identity = identity(AuthorizationType::App);
        let (client, _) = ClientPairing::start(Way::ToFourth, identity, secret("client_secret"));
        let error = client.receive(&frame(&PublicKeyOffer { key }), fresh(0)).err();
        assert_eq!(error, Some(PairingError::WeakKey), "{key:?}");
    }
}

#[test]
fn a_generator_that_does_not_work_makes_no_key() {
    assert!(SecretKey::from_bytes(&mut [0; 32]).is_none());
    let lock = LockPairing::new(Family::ToFourth, false);
    let (_, answer) = lock.receive(Vectors::pairing().get("fourth.1"), Fresh::from_random([0xFF; 32]));
    assert_eq!(refusal(&answer), ErrorCode::Unknown);
}

#[test]
fn a_secret_key_wipes_what_it_was_made_of_and_comes_back_from_storage() {
    let mut bytes = Vectors::pairing().array("lock_secret");
    let key = SecretKey::from_bytes(&mut bytes).unwrap();
    assert_eq!(bytes, [0; 32]);
    let mut stored = key.expose(|bytes| *bytes);
    let again = SecretKey::from_bytes(&mut stored).unwrap();
    assert_eq!(key.public(), again.public());
    let mut shared = [9; 32];
    let _ = SharedKey::from_bytes(&mut shared);
    assert_eq!(shared, [0; 32]);
}

/// What a hostile client does instead of the next step of a pairing.
#[derive(Clone, Debug)]
enum Attack {
    /// Says another step of a real pairing again.
    Replay(Index),
    /// Changes one bit and makes the checksum fit.
    Flip(Index, u8),
    /// Changes one bit and leaves the checksum.
    Damage(Index, u8),
    /// Leaves bytes away.
    Cut(Index),
    /// Adds bytes, with a checksum that fits.
    Extend(Vec<u8>),
    /// Says anything.
    Say(u16, Vec<u8>),
    /// Sends anything.
    Send(Vec<u8>),
}

fn attack() -> impl Strategy<Value = Attack> {
    let index = any::<Index>;
    let bytes = || proptest::collection::vec(any::<u8>(), 0..140);
    prop_oneof![
        index().prop_map(Attack::Replay),
        (index(), 0_u8..8).prop_map(|(at, bit)| Attack::Flip(at, bit)),
        (index(), 0_u8..8).prop_map(|(at, bit)| Attack::Damage(at, bit)),
        index().prop_map(Attack::Cut),
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(Attack::Extend),
        (any::<u16>(), bytes()).prop_map(|(command, bytes)| Attack::Say(command, bytes)),
        bytes().prop_map(Attack::Send),
    ]
}

/// A payload with a command in front and a checksum behind, whatever it is.
struct Anything<'a>(Command, &'a [u8]);

impl Payload for Anything<'_> {
    fn command(&self) -> Command {
        self.0
    }

    fn write(&self, out: &mut latchkey_protocol::wire::Writer<'_>) {
        out.bytes(self.1);
    }
}

fn with_checksum(content: &[u8]) -> Vec<u8> {
    let (command, payload) = content.split_first_chunk().unwrap();
    frame(&Anything(Command(u16::from_le_bytes(*command)), payload))
}

/// The client's four messages (1, 3, 5, 7) and the last (9) of a real pairing.
const CLIENT_STEPS: [u8; 5] = [1, 3, 5, 7, 9];

fn attacked(step: usize, attack: &Attack) -> Vec<u8> {
    let vectors = Vectors::pairing();
    let real = vectors.get(&format!("fourth.{}", CLIENT_STEPS[step]));
    let content = &real[..real.len() - 2];
    let flipped = |bytes: &[u8], at: &Index, bit: &u8| {
        let mut bytes = bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        bytes
    };
    match attack {
        Attack::Replay(other) => {
            let others = CLIENT_STEPS.len() - 1;
            let other = (step + 1 + other.index(others)) % CLIENT_STEPS.len();
            vectors.get(&format!("fourth.{}", CLIENT_STEPS[other])).to_vec()
        }
        Attack::Flip(at, bit) => with_checksum(&flipped(content, at, bit)),
        Attack::Damage(at, bit) => flipped(real, at, bit),
        Attack::Cut(at) => real[..at.index(real.len())].to_vec(),
        Attack::Extend(bytes) => with_checksum(&[content, bytes].concat()),
        Attack::Say(command, bytes) => frame(&Anything(Command(*command), bytes)),
        Attack::Send(bytes) => bytes.clone(),
    }
}

/// Says one of the client's real messages or something in its place. Whether the lock was brought to store.
fn hear(lock: LockPairing, step: usize, frame: &[u8]) -> (LockPairing, lock::Answer) {
    let randomness = [lock_secret(), fresh(0xA1), fresh(0xA2), fresh(0), fresh(0)];
    let fresh = randomness.into_iter().nth(step).unwrap();
    match lock.receive(frame, fresh) {
        (_, lock::Answer::Decide(application)) => application.grant(AUTHORIZATION, UUID, self::fresh(0xA3)),
        other => other,
    }
}

fn real(step: usize) -> Vec<u8> {
    Vectors::pairing()
        .get(&format!("fourth.{}", CLIENT_STEPS[step]))
        .to_vec()
}

fn begins_pairing(frame: &[u8]) -> bool {
    plain::read(frame).is_ok_and(|frame| {
        frame.command == RequestData::COMMAND
            && frame
                .payload
                .starts_with(&PublicKeyOffer::COMMAND.0.to_le_bytes())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever takes the place of one of the client's messages, the lock stores nothing; and unless it begins a
    /// new pairing or is a key (which nobody can tell from another key), the lock says no and forgets.
    #[test]
    fn one_message_that_is_not_the_real_one_ends_a_pairing(step in 0..CLIENT_STEPS.len(), attack in attack()) {
        let attacked = attacked(step, &attack);
        prop_assume!(attacked != real(step) && !(step == 0 && begins_pairing(&attacked)));
        let mut lock = LockPairing::new(Family::ToFourth, false);
        for step in 0..step {
            lock = hear(lock, step, &real(step)).0;
        }
        let (mut lock, answer) = hear(lock, step, &attacked);
        let is_a_key = step == 1
            && plain::read(&attacked).is_ok_and(|frame| frame.command == PublicKeyOffer::COMMAND);
        let is_another_key = is_a_key && lock.is_under_way();
        if !begins_pairing(&attacked) && !is_another_key {
            refusal(&answer);
            prop_assert!(!lock.is_under_way());
        }
        for later in step + 1..CLIENT_STEPS.len() {
            let (next, answer) = hear(lock, later, &real(later));
            prop_assert!(!matches!(answer, lock::Answer::Store(_)));
            lock = next;
        }
    }

    /// The same for the lock's messages: the client never takes one for the real one.
    #[test]
    fn a_client_takes_no_changed_grant(at: Index, bit in 0_u8..8) {
        let vectors = Vectors::pairing();
        let identity = identity(AuthorizationType::Bridge);
        let (mut client, _) = ClientPairing::start(Way::ToFourth, identity, secret("client_secret"));
        for (step, byte) in [(2, 0), (4, 0), (6, 0xB1)] {
            client = client_says(client.receive(vectors.get(&format!("fourth.{step}")), fresh(byte))).0;
        }
        let grant = vectors.get("fourth.8");
        let mut content = grant[2..grant.len() - 2].to_vec();
        content[at.index(grant.len() - 4)] ^= 1 << bit;
        let grant = frame(&Anything(GrantedAuthorization::COMMAND, &content));
        prop_assert_eq!(client.receive(&grant, fresh(0)).err(), Some(PairingError::BadAuthenticator));
    }

    /// A sealed step 7 with any bit changed, cut or sealed with another key.
    #[test]
    fn a_changed_sealed_identity_is_refused(at: Index, bit in 0_u8..8, cut: bool) {
        let vectors = Vectors::pairing();
        let mut lock = LockPairing::new(Family::Fifth, true);
        for (step, fresh) in [(1, lock_secret()), (3, fresh(0xA1)), (5, fresh(0xA2))] {
            lock = lock_says(lock.receive(vectors.get(&format!("fifth.{step}")), fresh)).0;
        }
        let mut sealed = vectors.get("fifth.7").to_vec();
        let at = at.index(sealed.len());
        match cut {
            true => sealed.truncate(at),
            false => sealed[at] ^= 1 << bit,
        }
        let (lock, answer) = lock.receive_sealed(&mut sealed);
        refusal(&answer);
        prop_assert!(!lock.is_under_way());
    }
}

#[test]
fn the_sealed_identity_may_name_any_authorization() {
    let vectors = Vectors::pairing();
    let key = SharedKey::from_bytes(&mut vectors.array("shared"));
    for id in [0, 0x0102_0304, 0x7FFF_FFFF, 0xFFFF_FF7F] {
        let mut lock = LockPairing::new(Family::Fifth, true);
        for (step, fresh) in [(1, lock_secret()), (3, fresh(0xA1)), (5, fresh(0xA2))] {
            lock = lock_says(lock.receive(vectors.get(&format!("fifth.{step}")), fresh)).0;
        }
        let message = AuthorizationDataFifth {
            app: APP,
            name: name(),
            pin: wide_pin(),
        };
        let mut out = [0; sealed::FRAME_MAX];
        let nonce = FrameNonce::from_random([3; 24]);
        let length = sealed::seal(&message, AuthorizationId(id), &key, nonce, &mut out).unwrap();
        let (_, application) = asks(lock.receive_sealed(&mut out[..length]));
        assert_eq!(application.pin(), Some(&wide_pin()));
    }
}

#[test]
fn sealed_and_plain_are_not_taken_for_each_other() {
    let vectors = Vectors::pairing();
    let mut lock = LockPairing::new(Family::Fifth, true);
    for (step, fresh) in [(1, lock_secret()), (3, fresh(0xA1)), (5, fresh(0xA2))] {
        lock = lock_says(lock.receive(vectors.get(&format!("fifth.{step}")), fresh)).0;
    }
    // Step 7 as generations 1 to 4 say it, with an authenticator that fits.
    let (lock, answer) = lock.receive(vectors.get("fourth.7"), fresh(0));
    assert_eq!(refusal(&answer), ErrorCode::PairingBadParameter);
    assert!(!lock.is_under_way());
    // And a sealed frame when a plain one is due.
    let (lock, _) = lock_says(lock.receive(vectors.get("fifth.1"), lock_secret()));
    let (lock, answer) = lock.receive_sealed(&mut vectors.get("fifth.7").to_vec());
    assert_eq!(refusal(&answer), ErrorCode::PairingBadParameter);
    assert!(!lock.is_under_way());
}

#[test]
fn a_sealed_grant_opens_with_the_new_key_only() {
    let vectors = Vectors::pairing();
    let mut grant = vectors.get("fifth.8").to_vec();
    let mut other = SharedKey::from_bytes(&mut [1; 32]);
    assert!(Sealed::read(&mut grant).unwrap().open(&other).is_err());
    other = SharedKey::from_bytes(&mut vectors.array("shared"));
    let opened = Sealed::read(&mut grant).unwrap().open(&other).unwrap();
    assert_eq!(opened.authorization, AUTHORIZATION);
}
