//! The published vectors: the specification's own pairing and commands, those of nuki-cli and simnuki, and
//! captures of real devices.

use latchkey_protocol::advertising::{Advertisement, NotALock};
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::key::{PublicKey, SecretKey, SharedKey};
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::Identity;
use latchkey_protocol::pairing::client::{Answer, ClientPairing, Way};
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Malformed, PinWidth, Rest, Tail};

use crate::vectors::Vectors;

const AUTHORIZATION: AuthorizationId = AuthorizationId(2);

fn frame(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; plain::FRAME_MAX];
    let length = plain::write(message, &mut out).unwrap();
    out[..length].to_vec()
}

#[test]
fn keys_agree_as_published() {
    let vectors = Vectors::published();
    for (from, secret, peer) in [
        ("document", "client_secret", "lock_public"),
        ("cli", "client_secret", "lock_public"),
        ("sim", "client_secret", "lock_public"),
        ("sim", "lock_secret", "client_public"),
    ] {
        let name = |what| format!("{from}.{what}");
        let secret_key = SecretKey::from_bytes(&mut vectors.array(&name(secret))).unwrap();
        let public = secret.replace("secret", "public");
        assert_eq!(secret_key.public().0, vectors.get(&name(&public)), "{from}");
        let shared = secret_key.agree(&PublicKey(vectors.array(&name(peer)))).unwrap();
        shared.expose(|shared| assert_eq!(shared, vectors.get(&name("shared")), "{from}"));
    }
}

#[test]
fn the_documents_pairing_goes_word_for_word() {
    let vectors = Vectors::published();
    let step = |number| vectors.get(&format!("document.pair.{number}"));
    // The client's nonce stands at the end of step 7, in front of the checksum.
    let client_nonce: [u8; 32] = step(7)[step(7).len() - 34..][..32].try_into().unwrap();
    let unused = || Fresh::from_random([0; 32]);

    let identity = Identity {
        kind: AuthorizationType::App,
        app: AppId(0),
        name: Name::new("Marc (Test)").unwrap(),
    };
    let secret = SecretKey::from_bytes(&mut vectors.array("document.client_secret")).unwrap();
    let (pairing, message) = ClientPairing::start(Way::ToFourth, identity, secret);
    assert_eq!(frame(&message), step(1));
    let Answer::Say(pairing, message) = pairing.receive(step(2), unused()).unwrap() else {
        panic!()
    };
    assert_eq!(frame(&message), step(3));
    let Answer::Say(pairing, message) = pairing.receive(step(4), unused()).unwrap() else {
        panic!()
    };
    assert_eq!(frame(&message), step(5));
    let answer = pairing
        .receive(step(6), Fresh::from_random(client_nonce))
        .unwrap();
    let Answer::Say(pairing, message) = answer else {
        panic!()
    };
    assert_eq!(frame(&message), step(7));
    let Answer::Store(unstored) = pairing.receive(step(8), unused()).unwrap() else {
        panic!()
    };
    assert_eq!(unstored.authorization().authorization, AUTHORIZATION);
    let Answer::Say(pairing, message) = unstored.stored() else {
        panic!()
    };
    assert_eq!(frame(&message), step(9));
    let Answer::Paired(authorization) = pairing.receive(step(10), unused()).unwrap() else {
        panic!()
    };
    assert_eq!(authorization.authorization, AUTHORIZATION);
    authorization
        .key
        .expose(|key| assert_eq!(key, vectors.get("document.shared")));
}

#[test]
fn the_documents_commands_open_and_close() {
    let vectors = Vectors::published();
    let key = || SharedKey::from_bytes(&mut vectors.array("document.shared"));
    let ask = |wanted| RequestData { wanted, extra: Rest };
    let nonce = Nonce(vectors.array("document.challenge.nonce"));
    let unlock = PerformLockAction {
        action: LockAction::Unlock,
        app: AppId(0),
        flags: ActionFlags(0),
        suffix: Tail(None),
        nonce,
    };
    let messages: [(&str, &dyn Payload); 4] = [
        ("document.ask_states", &ask(KeyturnerStates::COMMAND)),
        ("document.ask_challenge", &ask(Challenge::COMMAND)),
        ("document.challenge", &Challenge { nonce }),
        ("document.unlock", &unlock),
    ];
    for (name, message) in messages {
        let mut published = vectors.get(name).to_vec();
        let frame_nonce = FrameNonce::from_random(*published.first_chunk().unwrap());
        let mut out = [0; sealed::FRAME_MAX];
        let length = sealed::seal(message, AUTHORIZATION, &key(), frame_nonce, &mut out).unwrap();
        assert_eq!(out[..length], published, "{name}");

        let opened = Sealed::read(&mut published).unwrap().open(&key()).unwrap();
        assert_eq!(opened.command, message.command(), "{name}");
        assert_eq!(opened.payload, crate::samples::payload(message), "{name}");
    }
}

#[test]
fn what_is_inside_the_documents_boxes() {
    let vectors = Vectors::published();
    let key = SharedKey::from_bytes(&mut vectors.array("document.shared"));
    for name in ["document.ask_states", "document.states", "document.ask_challenge"] {
        let mut published = vectors.get(name).to_vec();
        let opened = Sealed::read(&mut published).unwrap().open(&key).unwrap();
        let inside = vectors.get(&format!("{name}.inside"));
        assert_eq!(opened.command.0.to_le_bytes(), inside[4..6], "{name}");
        assert_eq!(opened.payload, &inside[6..inside.len() - 2], "{name}");
    }
    for (name, status) in [("accepted", Status::Accepted), ("complete", Status::Complete)] {
        // The checksum covers the authorization as well, so this is no plain frame; sealing it anew shows it.
        let inside = vectors.get(&format!("document.{name}.inside"));
        let mut out = [0; sealed::FRAME_MAX];
        let nonce = FrameNonce::from_random([7; 24]);
        let length = sealed::seal(&StatusReport { status }, AUTHORIZATION, &key, nonce, &mut out).unwrap();
        let opened = Sealed::read(&mut out[..length]).unwrap().open(&key).unwrap();
        assert_eq!(opened.payload, &inside[6..7], "{name}");
        assert_eq!(out[46..length], *inside, "{name}, decrypted in place");
    }
}

#[test]
fn states_of_first_generation_firmware_are_too_short_and_say_so() {
    let vectors = Vectors::published();
    let inside = vectors.get("document.states.inside");
    let payload = &inside[6..inside.len() - 2];
    assert_eq!(payload.len(), 15);
    assert_eq!(
        KeyturnerStates::read(payload, PinWidth::Short),
        Err(Malformed::TooShort { missing: 1 })
    );
}

#[test]
fn authenticators_are_as_nuki_cli_makes_them() {
    let vectors = Vectors::published();
    let key = SharedKey::from_bytes(&mut vectors.array("cli.shared"));
    let [client, lock, first] =
        ["client_public", "lock_public", "first"].map(|name| vectors.get(&format!("cli.{name}")));
    assert_eq!(
        key.authenticate(&[client, lock, first]).0,
        vectors.get("cli.key_proof")
    );

    let name: Name<32> = Name::new("Testapp").unwrap();
    let [app, nonce, second] =
        ["app", "client_nonce", "second"].map(|name| vectors.get(&format!("cli.{name}")));
    let kind = [AuthorizationType::App.number()];
    let parts = [&kind, app, name.as_bytes(), nonce, second];
    assert_eq!(key.authenticate(&parts).0, vectors.get("cli.identity_proof"));
}

#[test]
fn authenticators_are_as_simnuki_makes_them() {
    let vectors = Vectors::published();
    let key = SharedKey::from_bytes(&mut vectors.array("sim.shared"));
    let parts = [vectors.get("sim.plain"), vectors.get("sim.nonce")];
    assert_eq!(key.authenticate(&parts).0, vectors.get("sim.hmac"));
}

#[test]
fn captures_of_real_devices_read_and_write() {
    let vectors = Vectors::published();
    let info = AuthorizationInfo { pin_set: true };
    let error = ErrorReport {
        error: ErrorCode::Unknown.into(),
        command: Command(0),
    };
    for (name, message) in [
        ("field.authorization_info", PairingFromLock::from(info)),
        ("field.error", error.into()),
    ] {
        assert_eq!(frame(&message), vectors.get(name), "{name}");
        let read = plain::read(vectors.get(name)).unwrap();
        let read = PairingFromLock::read(read.command, read.payload, PinWidth::Short);
        assert_eq!(read, Ok(message), "{name}");
    }

    let report = vectors.get("field.battery");
    let report = FromLock::read(Command(0x0011), &report[2..report.len() - 2], PinWidth::Short).unwrap();
    let FromLock::BatteryReport(report) = report else {
        panic!()
    };
    assert_eq!(
        (report.drain, report.millivolts, report.battery.percent()),
        (15_041, 4988, 50)
    );
    assert_eq!((report.start_celsius, report.resistance_milliohm), (31, 406));
}

#[test]
fn a_captured_beacon_reads() {
    let beacon = Vectors::published();
    let beacon = beacon.get("field.beacon");
    let data: Vec<u8> = [&[2, 1, 6, 26, 0xFF], beacon].concat();
    let id = NukiId::new(0x430A_B57F).unwrap();
    let state_changed = false;
    assert_eq!(
        Advertisement::read(&data),
        Ok(Advertisement::DoorMode { id, state_changed })
    );
    assert_eq!(Advertisement::read(&data[..29]), Err(NotALock::Truncated));
}
