//! The pairing half of a session: frames of the pairing characteristic go through the protocol's client machine, and
//! what it wants done comes out as actions.

use latchkey_protocol::frame::sealed::FrameNonce;
use latchkey_protocol::frame::{FrameError, plain};
use latchkey_protocol::message::{ErrorReport, Message};
use latchkey_protocol::pairing::client::{Answer, PairingError};
use latchkey_protocol::reassembly::{Kind, Reassembly};

use super::{Action, Characteristic, Frame, News, REPLY_MS, Session, State, write};
use crate::credentials::Credentials;
use crate::error::Effect;
use crate::moment::Moment;

impl Session {
    pub(super) fn on_pairing<'a>(&mut self, bytes: &[u8], moment: Moment, out: &'a mut Frame) -> Action<'a> {
        let before = core::mem::replace(&mut self.state, State::Over);
        let State::Pairing { pairing, sealed } = before else {
            // Nothing of what anybody says here concerns anything else.
            self.state = before;
            return Action::Wait;
        };
        let now_ms = moment.now_ms;
        let (nonce, fresh) = moment.split();
        // A lock that refuses where it should seal refuses in plain.
        let answer = if sealed && !self.pairing.is_waiting() && is_refusal(bytes) {
            pairing.receive(bytes, fresh)
        } else {
            match self.pairing.push(bytes) {
                Ok(Some(frame)) if sealed => pairing.receive_sealed(frame),
                Ok(Some(frame)) => pairing.receive(frame, fresh),
                Ok(None) => {
                    self.state = State::Pairing { pairing, sealed };
                    return Action::Wait;
                }
                Err(error) => return self.pairing_failed(FrameError::from(error).into(), sealed),
            }
        };
        self.reply_by_ms = now_ms.saturating_add(REPLY_MS);
        match answer {
            Ok(answer) => self.pairing_answer(answer, nonce, out),
            Err(error) => self.pairing_failed(error, sealed),
        }
    }

    fn pairing_failed(&mut self, error: PairingError, sealed: bool) -> Action<'static> {
        let refused = matches!(error, PairingError::Refused(_));
        // From the last word on, the lock may hold what this side does not know to be good.
        let may_hold = !refused && (sealed || self.credentials.is_some());
        self.end(
            error.into(),
            if may_hold { Effect::Unknown } else { Effect::None },
        )
    }

    fn pairing_answer<'a>(&mut self, answer: Answer, nonce: FrameNonce, out: &'a mut Frame) -> Action<'a> {
        match answer {
            Answer::Say(pairing, message) => {
                let sealed = false;
                self.state = State::Pairing { pairing, sealed };
                self.say_plain(&message, out)
            }
            Answer::SaySealed(sealing) => {
                let Ok((pairing, length)) = sealing.seal(nonce, out) else {
                    return self.end(FrameError::Length.into(), Effect::None);
                };
                self.pairing = Reassembly::new(Kind::Sealed);
                self.state = State::Pairing {
                    pairing,
                    sealed: true,
                };
                write(Characteristic::Pairing, out, length)
            }
            Answer::Store(unstored) => {
                let granted = unstored.authorization();
                self.credentials = Some(Credentials::paired(self.family, self.app, granted));
                self.state = State::Storing(unstored);
                self.rest();
                Action::Store
            }
            Answer::Paired(_) => {
                self.state = State::Idle;
                self.rest();
                Action::Tell(News::Paired)
            }
        }
    }

    pub(super) fn on_stored<'a>(&mut self, moment: Moment, out: &'a mut Frame) -> Action<'a> {
        let before = core::mem::replace(&mut self.state, State::Over);
        let State::Storing(unstored) = before else {
            self.state = before;
            return Action::Wait;
        };
        self.begin(moment.now_ms);
        let (nonce, _) = moment.split();
        self.pairing_answer(unstored.stored(), nonce, out)
    }
}

/// Whether this is a refusal in plain, whole.
fn is_refusal(bytes: &[u8]) -> bool {
    plain::read(bytes).is_ok_and(|frame| frame.command == ErrorReport::COMMAND)
}
