//! A client of the lock, on a phone: what it says is the project's own side of the protocol, what it says it over is
//! Bluetooth, packet by packet.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "of all that a lock may say, a test waits for one thing"
)]

use std::time::Duration;

use latchkey_lab::Phone;
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::gatt;
use latchkey_protocol::key::{SecretKey, SharedKey};
use latchkey_protocol::message::{
    Challenge, Command, FromLock, KeyturnerStates, Message, Payload, PerformLockAction, RequestData,
    StatusReport,
};
use latchkey_protocol::pairing::Identity;
use latchkey_protocol::pairing::client::{Answer, ClientPairing, Way};
use latchkey_protocol::reassembly::{Kind, Reassembly};
use latchkey_protocol::value::{
    ActionFlags, AppId, AuthorizationId, AuthorizationType, LockAction, LockState, Name, Nonce, Status,
};
use latchkey_protocol::wire::{PinWidth, Rest, Tail};

use crate::PATIENCE;

/// A client, with or without an authorization, on its phone.
pub struct Client {
    /// The phone.
    pub phone: Phone,
    lock: String,
    mtu: u16,
    authorization: Option<(AuthorizationId, SharedKey)>,
}

/// A characteristic as a phone knows it.
#[must_use]
pub fn uuid(number: u128) -> String {
    let digits = format!("{number:032x}");
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

impl Client {
    /// A client that will talk with the lock at this address, over this MTU.
    #[must_use]
    pub fn new(phone: Phone, lock: &str, mtu: u16) -> Self {
        Self {
            phone,
            lock: lock.to_owned(),
            mtu,
            authorization: None,
        }
    }

    /// Connects and subscribes, as clients do on every connection.
    ///
    /// # Panics
    /// When the lock does not take it.
    pub fn connect(&mut self) {
        let agreed = self.phone.connect(&self.lock, self.mtu).unwrap();
        assert_eq!(agreed, self.mtu);
        for number in [
            gatt::PAIRING_DATA,
            gatt::KEYTURNER_DATA,
            gatt::KEYTURNER_USER_DATA,
        ] {
            self.phone.subscribe(&uuid(number)).unwrap();
        }
    }

    /// Pairs as an app of this name.
    ///
    /// # Errors
    /// What the lock said instead.
    ///
    /// # Panics
    /// When the lock says nothing.
    pub fn pair(&mut self, name: &str) -> Result<(), latchkey_protocol::pairing::client::PairingError> {
        let who = Identity {
            kind: AuthorizationType::App,
            app: AppId(u32::from_le_bytes(random())),
            name: Name::new(name).unwrap(),
        };
        let secret = SecretKey::from_bytes(&mut random()).unwrap();
        let (mut pairing, mut message) = ClientPairing::start(Way::ToFourth, who, secret);
        loop {
            let mut frame = [0; plain::FRAME_MAX];
            let length = plain::write(&message, &mut frame).unwrap();
            self.phone
                .write(&uuid(gatt::PAIRING_DATA), &frame[..length])
                .unwrap();
            let frame = self.next_frame(gatt::PAIRING_DATA, Kind::Plain, PATIENCE);
            let mut answer = pairing.receive(&frame, Fresh::from_random(random()))?;
            loop {
                match answer {
                    Answer::Say(next, say) => {
                        (pairing, message) = (next, say);
                        break;
                    }
                    Answer::Store(unstored) => answer = unstored.stored(),
                    Answer::SaySealed(_) => panic!("that is how the 5th generation pairs"),
                    Answer::Paired(authorization) => {
                        self.authorization = Some((authorization.authorization, authorization.key));
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The next message on a characteristic, put together from its parts.
    fn next_frame(&mut self, on: u128, kind: Kind, limit: Duration) -> Vec<u8> {
        let mut parts = Reassembly::new(kind);
        loop {
            let part = self.phone.next_indication(limit).unwrap();
            assert_eq!(part.uuid, uuid(on), "on another characteristic");
            assert!(part.bytes.len() <= usize::from(self.mtu - gatt::ATT_OVERHEAD));
            if let Some(frame) = parts.push(&part.bytes).unwrap() {
                return frame.to_vec();
            }
        }
    }

    /// Seals something under its authorization.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn seal(&self, message: &dyn Payload) -> Vec<u8> {
        self.seal_as(self.id(), message)
    }

    /// Seals something with its key, as if it had another's authorization.
    ///
    /// # Panics
    /// When it has no key.
    #[must_use]
    pub fn seal_as(&self, id: AuthorizationId, message: &dyn Payload) -> Vec<u8> {
        let (_, key) = self.authorization.as_ref().expect("the client is paired");
        let mut frame = [0; sealed::FRAME_MAX];
        let nonce = FrameNonce::from_random(random());
        let length = sealed::seal(message, id, key, nonce, &mut frame).unwrap();
        frame[..length].to_vec()
    }

    /// Its authorization.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn id(&self) -> AuthorizationId {
        self.authorization.as_ref().expect("the client is paired").0
    }

    /// Says something under its authorization; gives the frame that went out.
    ///
    /// # Panics
    /// When it has none, or the lock does not take it.
    pub fn say(&mut self, message: &dyn Payload) -> Vec<u8> {
        let frame = self.seal(message);
        self.phone
            .write(&uuid(gatt::KEYTURNER_USER_DATA), &frame)
            .unwrap();
        frame
    }

    /// Opens what somebody else was sent for this client.
    ///
    /// # Panics
    /// When it was not sealed for it.
    #[must_use]
    pub fn open(&self, frame: &[u8]) -> FromLock {
        let mut frame = frame.to_vec();
        let (id, key) = self.authorization.as_ref().expect("the client is paired");
        let opened = Sealed::read(&mut frame).unwrap().open(key).unwrap();
        assert_eq!(opened.authorization, *id);
        FromLock::read(opened.command, opened.payload, PinWidth::Short).unwrap()
    }

    /// What the lock says next.
    ///
    /// # Panics
    /// When it says nothing, or nothing that this client can open.
    pub fn hear(&mut self) -> FromLock {
        let frame = self.next_frame(gatt::KEYTURNER_USER_DATA, Kind::Sealed, PATIENCE);
        self.open(&frame)
    }

    /// Asks for data.
    pub fn ask(&mut self, wanted: Command) -> FromLock {
        self.say(&RequestData { wanted, extra: Rest });
        self.hear()
    }

    /// Asks for a nonce.
    ///
    /// # Panics
    /// When something else comes.
    pub fn challenge(&mut self) -> Nonce {
        match self.ask(Challenge::COMMAND) {
            FromLock::Challenge(challenge) => challenge.nonce,
            other => panic!("no challenge: {other:?}"),
        }
    }

    /// Where the lock says the bolt is.
    ///
    /// # Panics
    /// When it does not say.
    pub fn lock_state(&mut self) -> LockState {
        match self.ask(KeyturnerStates::COMMAND) {
            FromLock::KeyturnerStates(states) => states.lock_state.known().unwrap(),
            other => panic!("no states: {other:?}"),
        }
    }

    /// Has the lock begin something, and waits until it has accepted.
    ///
    /// # Panics
    /// When it does not accept.
    pub fn begin(&mut self, action: LockAction) {
        self.order(action);
        let accepted = FromLock::StatusReport(StatusReport {
            status: Status::Accepted,
        });
        assert_eq!(self.hear(), accepted);
    }

    fn order(&mut self, action: LockAction) {
        let nonce = self.challenge();
        self.say(&PerformLockAction {
            action,
            app: AppId(0),
            flags: ActionFlags::default(),
            suffix: Tail(None),
            nonce,
        });
    }

    /// Has the lock do something; gives all that it says until it is done or has failed.
    pub fn act(&mut self, action: LockAction) -> Vec<FromLock> {
        self.order(action);
        let mut said = Vec::new();
        loop {
            let message = self.hear();
            let over = match &message {
                FromLock::StatusReport(StatusReport { status }) => *status == Status::Complete,
                FromLock::ErrorReport(_) => true,
                _ => false,
            };
            said.push(message);
            if over {
                return said;
            }
        }
    }
}
