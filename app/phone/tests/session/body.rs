//! Anything that a lock may say to a session: bytes on any characteristic, and what is sealed with the key that both
//! hold. Driven by made-up words in every test run and by coverage in `fuzz/`.

use latchkey_phone::request::{Act, Administer, Report};
use latchkey_phone::session::{Action, Characteristic, Event, Frame, News, WHOLE_MS};
use latchkey_phone::{Credentials, Moment, RANDOM_LENGTH, Request, Session};
use latchkey_protocol::frame::sealed::{FRAME_MAX, FrameNonce, seal};
use latchkey_protocol::key::{SecretKey, SharedKey};
use latchkey_protocol::message::{Command, Payload};
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity};
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Writer;

const ID: AuthorizationId = AuthorizationId(5);

struct Raw<'a>(Command, &'a [u8]);

impl Payload for Raw<'_> {
    fn command(&self) -> Command {
        self.0
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(self.1);
    }
}

fn key() -> SharedKey {
    SharedKey::from_bytes(&mut [3; 32])
}

/// Begins what the number says.
fn begin(what: u8, out: &mut Frame) -> Session {
    let family = if what & 1 == 0 {
        Family::ToFourth
    } else {
        Family::Fifth
    };
    let pin = || match family {
        Family::ToFourth => Pin::short(1),
        Family::Fifth => Pin::long(1),
    };
    let request: Request = match what >> 1 & 7 {
        0 | 1 => {
            let way = match family {
                Family::ToFourth => Way::ToFourth,
                Family::Fifth => Way::Fifth(pin()),
            };
            let identity = Identity {
                kind: AuthorizationType::App,
                app: AppId(1),
                name: Name::EMPTY,
            };
            let secret = SecretKey::from_bytes(&mut core::array::from_fn(|at| at as u8)).unwrap();
            return Session::pair(way, identity, secret, 0, out).0;
        }
        2 => Report::States {}.into(),
        3 => Act::Config {}.into(),
        4 => Act::Simple {
            action: SimpleAction::Lock,
        }
        .into(),
        5 => Administer::Codes { offset: 0, count: 3 }.with(pin()),
        6 => Administer::TimeControl {}.with(pin()),
        _ => Administer::VerifyPin {}.with(pin()),
    };
    let held = Credentials::invited(family, LockUuid([0; 16]), ID, AppId(0), key());
    let mut session = Session::open(held);
    session.ask(request, moment(0), out).unwrap();
    session
}

fn moment(now_ms: u64) -> Moment {
    Moment::new(now_ms, [7; RANDOM_LENGTH])
}

/// One session with a lock that says this.
pub(crate) fn any_lock(data: &[u8]) {
    let Some((what, mut words)) = data.split_first() else {
        return;
    };
    let mut out: Frame = [0; FRAME_MAX];
    let mut session = begin(*what, &mut out);
    let (mut now_ms, mut sealed_by_us) = (0, false);
    while let [head, wait, length, rest @ ..] = words {
        let (bytes, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        words = rest;
        now_ms += u64::from(*wait) * 64;
        let mut frame = [0; FRAME_MAX];
        let (on, bytes) = match head & 3 {
            0 => (Characteristic::Pairing, bytes),
            1 => (Characteristic::Keyturner, bytes),
            2 => (Characteristic::UserData, bytes),
            _ => {
                let (command, payload) = bytes.split_at(bytes.len().min(2));
                let command = command
                    .iter()
                    .rev()
                    .fold(0, |number, byte| number << 8 | u16::from(*byte));
                let nonce = FrameNonce::from_random([*head; 24]);
                let Ok(length) = seal(&Raw(Command(command), payload), ID, &key(), nonce, &mut frame) else {
                    continue;
                };
                sealed_by_us = true;
                (Characteristic::UserData, &frame[..length])
            }
        };
        let event = if head & 0xFC == 0xFC {
            Event::Tick
        } else {
            Event::Received { on, bytes }
        };
        match session.handle(event, moment(now_ms), &mut out) {
            Action::Tell(News::Done(_) | News::Accepted | News::Part(_) | News::States(_)) => {
                assert!(sealed_by_us, "a stranger was believed");
            }
            Action::Store | Action::Tell(News::Paired) => {
                panic!("paired with somebody who does not hold the key")
            }
            Action::Tell(News::Failed(_)) | Action::Wait | Action::Write { .. } => {}
        }
        assert!(session.next_deadline().is_none_or(|by_ms| by_ms <= WHOLE_MS));
    }
    session.handle(Event::Tick, moment(now_ms + WHOLE_MS), &mut out);
    assert!(session.is_idle() || session.is_over(), "it waits for ever");
}
