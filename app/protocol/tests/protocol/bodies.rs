//! The fuzz targets' bodies: any bytes for every parser, and what must hold whatever comes out. Used by `fuzz/`
//! and, with random and mutated seeds, by this crate's own tests (`tests/protocol/hostile.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "complaining is what they are for"
)]

use latchkey_protocol::advertising::{Advertisement, read_scan_response};
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::key::{SecretKey, SharedKey};
use latchkey_protocol::message::{
    FromClient, FromLock, Message, PAYLOAD_MAX, PairingFromClient, PairingFromLock, Payload, RequestData,
};
use latchkey_protocol::pairing::client::{self, ClientPairing, Way};
use latchkey_protocol::pairing::lock::{Answer, LockPairing};
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::reassembly::{FRAME_MAX, Kind, Reassembly};
use latchkey_protocol::value::{AppId, AuthorizationId, AuthorizationType, LockUuid, Name, Pin};
use latchkey_protocol::wire::{PinWidth, Writer};

const KEY: [u8; 32] = [0x4B; 32];
const HOLDER: AuthorizationId = AuthorizationId(5);

fn payload(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; PAYLOAD_MAX];
    let mut writer = Writer::new(&mut out);
    message.write(&mut writer);
    let length = writer.finish().expect("every message fits");
    out[..length].to_vec()
}

/// What was understood is written as something that is understood in the same way.
macro_rules! understood {
    ($catalogue:ty, $frame:expr, $width:expr) => {
        if let Ok(message) = <$catalogue>::read($frame.command, $frame.payload, $width) {
            let written = payload(&message);
            let again = <$catalogue>::read($frame.command, &written, $width).expect("what was written reads");
            assert_eq!(payload(&again), written);
            assert!(written.len() <= <$catalogue>::MAX);
            assert_eq!(message.pin().is_some(), again.pin().is_some());
            assert_eq!(message.nonce(), again.nonce());
        }
    };
}

/// A plain message: as it is, and with a checksum that fits.
pub(crate) fn plain_message(data: &[u8]) {
    let fitting = with_checksum(data);
    for frame in [data, &fitting] {
        let Ok(frame) = plain::read(frame) else { continue };
        for width in [PinWidth::Short, PinWidth::Long] {
            understood!(FromClient, frame, width);
            understood!(FromLock, frame, width);
            understood!(PairingFromClient, frame, width);
            understood!(PairingFromLock, frame, width);
        }
    }
}

/// A sealed frame as it is: nobody who does not hold the key makes one that opens.
pub(crate) fn sealed_open(data: &[u8]) {
    let key = SharedKey::from_bytes(&mut KEY.clone());
    let mut frame = data.to_vec();
    if let Ok(sealed) = Sealed::read(&mut frame) {
        assert!(data.len() <= sealed::FRAME_MAX);
        assert!(sealed.open(&key).is_err(), "a forged box");
        assert_eq!(frame, data, "what does not open stays as it was");
    }
}

/// Pieces: the first byte of each is its length. Nothing is longer than the buffer, and a sealed frame that comes
/// out is as long as it says.
pub(crate) fn reassembly(data: &[u8]) {
    for kind in [Kind::Plain, Kind::Sealed] {
        let mut reassembly = Reassembly::new(kind);
        let mut rest = data;
        while let [length, bytes @ ..] = rest {
            let (piece, behind) = bytes.split_at(bytes.len().min(usize::from(*length)));
            rest = behind;
            let Ok(Some(frame)) = reassembly.push(piece) else {
                continue;
            };
            assert!(frame.len() <= FRAME_MAX);
            match kind {
                Kind::Sealed => assert!(Sealed::read(frame).is_ok()),
                Kind::Plain => assert!(frame.len() >= plain::OVERHEAD),
            }
            assert!(!reassembly.is_waiting());
        }
    }
}

/// Whoever speaks to a lock in pairing mode. Pieces of `data` (a length in front of each) are said with a
/// checksum that fits; in place of an empty piece an honest client says what is due, so that every step is
/// reached. The lock must store nothing but what an honest client said from beginning to end. Gives how often it
/// stored.
pub(crate) fn pairings(data: &[u8]) -> usize {
    let mut stored = 0;
    for family in [Family::ToFourth, Family::Fifth] {
        let mut conversation = Conversation::new(family);
        let mut rest = data;
        while let [length, bytes @ ..] = rest {
            let (piece, behind) = bytes.split_at(bytes.len().min(usize::from(*length)));
            rest = behind;
            match piece {
                [] => conversation.honest(),
                _ => conversation.hostile(piece),
            }
        }
        stored += conversation.stored;
    }
    stored
}

/// See [`pairings`].
pub(crate) fn pairing(data: &[u8]) {
    let _ = pairings(data);
}

/// An advertisement.
pub(crate) fn advertising(data: &[u8]) {
    if let Ok(advertisement) = Advertisement::read(data) {
        let again = advertisement.data();
        assert_eq!(Advertisement::read(again.as_bytes()), Ok(advertisement));
    }
    let _ = read_scan_response(data);
}

/// A lock, an honest client, and whether every word since the first was the client's.
struct Conversation {
    family: Family,
    lock: LockPairing,
    client: Option<ClientPairing>,
    /// What the client says next, and whether sealed.
    next: (Vec<u8>, bool),
    undisturbed: bool,
    stored: usize,
    randomness: u8,
}

impl Conversation {
    fn new(family: Family) -> Self {
        let mut conversation = Self {
            family,
            lock: LockPairing::new(family, true),
            client: None,
            next: (Vec::new(), false),
            undisturbed: false,
            stored: 0,
            randomness: 0,
        };
        conversation.begin();
        conversation
    }

    fn fresh(&mut self) -> [u8; 32] {
        self.randomness = self.randomness.wrapping_add(1);
        let mut bytes = [self.randomness; 32];
        bytes[0] = bytes[0].wrapping_add(1);
        bytes
    }

    fn begin(&mut self) {
        let identity = Identity {
            kind: AuthorizationType::App,
            app: AppId(1),
            name: Name::new("honest").expect("it is short"),
        };
        let way = match self.family {
            Family::ToFourth => Way::ToFourth,
            Family::Fifth => Way::Fifth(Pin::long(123_456)),
        };
        let secret = SecretKey::from_bytes(&mut self.fresh()).expect("two bytes differ");
        let (client, message) = ClientPairing::start(way, identity, secret);
        self.client = Some(client);
        self.next = (frame(&message), false);
    }

    /// The client says what is due.
    fn honest(&mut self) {
        let (mut frame, sealed) = std::mem::take(&mut self.next);
        if plain::read(&frame).is_ok_and(|frame| frame.command == RequestData::COMMAND) {
            self.undisturbed = true;
        }
        let answer = self.say(&mut frame, sealed);
        self.hear(answer);
    }

    /// Somebody else says something.
    fn hostile(&mut self, piece: &[u8]) {
        self.undisturbed = false;
        let sealed = self.family == Family::Fifth && piece.len().is_multiple_of(2);
        let mut frame = match sealed {
            true => piece.to_vec(),
            false => with_checksum(piece),
        };
        let _ = self.say(&mut frame, sealed);
    }

    fn say(&mut self, frame: &mut [u8], sealed: bool) -> Answer {
        let fresh = Fresh::from_random(self.fresh());
        let lock = std::mem::replace(&mut self.lock, LockPairing::new(self.family, true));
        let (lock, answer) = match sealed {
            true => lock.receive_sealed(frame),
            false => lock.receive(frame, fresh),
        };
        let (lock, answer) = match answer {
            Answer::Decide(application) => {
                assert!(
                    self.undisturbed,
                    "somebody asks to come in after a word that was not its own"
                );
                application.grant(HOLDER, LockUuid([1; 16]), Fresh::from_random(self.fresh()))
            }
            answer => (lock, answer),
        };
        self.lock = lock;
        match answer {
            Answer::Store(unstored) => {
                assert!(self.undisturbed, "an authorization for somebody who did not pair");
                assert_eq!(unstored.authorization().identity.app, AppId(1));
                self.stored += 1;
                unstored.stored()
            }
            answer => answer,
        }
    }

    /// The client hears the lock, and knows what to say next; begins anew when it does not.
    fn hear(&mut self, answer: Answer) {
        let fresh = Fresh::from_random(self.fresh());
        let client = self.client.take();
        let heard = client.and_then(|client| match answer {
            Answer::Say(message) => client.receive(&frame(&message), fresh).ok(),
            Answer::SaySealed(grant) => {
                let mut out = [0; FRAME_MAX];
                let length = grant.seal(FrameNonce::from_random([1; 24]), &mut out).ok()?;
                client.receive_sealed(&mut out[..length]).ok()
            }
            Answer::Decide(_) | Answer::Store(_) => unreachable!("answered above"),
        });
        let heard = match heard {
            Some(client::Answer::Store(unstored)) => Some(unstored.stored()),
            heard => heard,
        };
        match heard {
            Some(client::Answer::Say(client, message)) => {
                self.client = Some(client);
                self.next = (frame(&message), false);
            }
            Some(client::Answer::SaySealed(sealing)) => {
                let mut out = [0; FRAME_MAX];
                let sealed = sealing.seal(FrameNonce::from_random([2; 24]), &mut out);
                let (client, length) = sealed.expect("every message fits");
                self.client = Some(client);
                self.next = (out[..length].to_vec(), true);
            }
            Some(client::Answer::Paired(_) | client::Answer::Store(_)) | None => self.begin(),
        }
    }
}

fn frame(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; plain::FRAME_MAX];
    let length = plain::write(message, &mut out).expect("every message fits");
    out[..length].to_vec()
}

fn with_checksum(content: &[u8]) -> Vec<u8> {
    let sum = crc16(content).to_le_bytes();
    [content, &sum].concat()
}

/// CRC-16/IBM-3740, bit by bit.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| match sum & 0x8000 {
            0 => sum << 1,
            _ => (sum << 1) ^ 0x1021,
        })
    })
}
