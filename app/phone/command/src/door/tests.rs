//! A door over a link that ends in the lock's own side of pairing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use latchkey_phone::session::Characteristic;
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::gatt;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::pairing::lock::{Answer as Says, LockPairing};
use latchkey_protocol::value::{AppId, AuthorizationId, AuthorizationType, LockUuid, Name};

use super::*;
use crate::link::{Heard, Received};

/// What happened, in order.
type Diary = Rc<RefCell<Vec<&'static str>>>;

struct Wire {
    mtu: u16,
    lock: Option<LockPairing>,
    says: VecDeque<Vec<u8>>,
    diary: Diary,
    /// Hangs up instead of the answer with this number.
    hangs_up_at: Option<usize>,
}

impl Wire {
    fn new(mtu: u16) -> (Self, Diary) {
        let diary = Diary::default();
        let wire = Self {
            mtu,
            lock: Some(LockPairing::new(Family::ToFourth, false)),
            says: VecDeque::new(),
            diary: diary.clone(),
            hangs_up_at: None,
        };
        (wire, diary)
    }
}

impl Link for Wire {
    fn scan(&mut self, _: Duration, _: &dyn Fn(&Heard) -> bool) -> Result<Vec<Heard>, LinkError> {
        Ok(Vec::new())
    }

    fn connect(&mut self, _: NukiId, _: Family, _: Duration) -> Result<u16, LinkError> {
        Ok(self.mtu)
    }

    fn write(&mut self, on: Channel, bytes: &[u8]) -> Result<(), LinkError> {
        assert_eq!(on, Channel::Lock(Characteristic::Pairing));
        self.diary.borrow_mut().push("written");
        let fresh = || Fresh::from_random(random().unwrap());
        let (lock, says) = self.lock.take().unwrap().receive(bytes, fresh());
        let (lock, says) = match says {
            Says::Decide(application) => application.grant(AuthorizationId(5), LockUuid([1; 16]), fresh()),
            Says::Store(unstored) => (lock, unstored.stored()),
            other @ (Says::Say(_) | Says::SaySealed(_)) => (lock, other),
        };
        let Says::Say(message) = says else {
            panic!("sealed in the 4th generation")
        };
        let mut frame = [0; 256];
        let length = plain::write(&message, &mut frame).unwrap();
        self.says.push_back(frame[..length].to_vec());
        self.lock = Some(lock);
        Ok(())
    }

    fn next(&mut self, _: Duration) -> Result<Option<Received>, LinkError> {
        let so_far = self
            .diary
            .borrow()
            .iter()
            .filter(|what| **what == "written")
            .count();
        if self.hangs_up_at == Some(so_far) {
            return Err(LinkError::Lost);
        }
        Ok(self.says.pop_front().map(|bytes| Received {
            on: Channel::Lock(Characteristic::Pairing),
            bytes,
        }))
    }

    fn disconnect(&mut self) {}
}

fn pair(wire: Wire, store: &mut dyn FnMut(&Credentials) -> Outcome<()>) -> Outcome<Door> {
    let identity = Identity {
        kind: AuthorizationType::App,
        app: AppId(1),
        name: Name::new("Ann").unwrap(),
    };
    let lock = NukiId::new(1).unwrap();
    Door::pair(
        Box::new(wire),
        lock,
        Way::ToFourth,
        identity,
        Duration::ZERO,
        store,
    )
}

#[test]
fn credentials_are_kept_before_the_lock_hears_that_they_are_held() {
    let (wire, diary) = Wire::new(gatt::MTU_MAX);
    let kept = diary.clone();
    pair(wire, &mut |credentials| {
        assert_eq!(credentials.authorization, AuthorizationId(5));
        kept.borrow_mut().push("kept");
        Ok(())
    })
    .unwrap();
    // Step 9, the confirmation, is the fifth that a client says.
    let expected = ["written", "written", "written", "written", "kept", "written"];
    assert_eq!(*diary.borrow(), expected);
}

#[test]
fn a_lock_does_not_hear_of_credentials_that_could_not_be_kept() {
    let (wire, diary) = Wire::new(gatt::MTU_MAX);
    let full = || Failure::new(Kind::File, "the disk is full");
    let failure = pair(wire, &mut |_| Err(full())).err().unwrap();
    assert_eq!(failure.to_string(), full().to_string());
    assert_eq!(diary.borrow().len(), 4);
}

#[test]
fn a_lock_that_is_gone_after_the_last_word_may_know_the_client() {
    for (hangs_up_at, expected) in [(1, Kind::Link), (4, Kind::Link), (5, Kind::Unknown)] {
        let (mut wire, _) = Wire::new(gatt::MTU_MAX);
        wire.hangs_up_at = Some(hangs_up_at);
        let failure = pair(wire, &mut |_| Ok(())).err().unwrap();
        assert_eq!(failure.kind, expected, "{hangs_up_at}: {failure}");
    }
}

#[test]
fn an_mtu_at_which_messages_do_not_fit_is_refused_by_name() {
    let (wire, diary) = Wire::new(gatt::MTU_DEFAULT);
    let failure = pair(wire, &mut |_| Ok(())).err().unwrap();
    assert!(failure.to_string().contains("MTU of 23"), "{failure}");
    assert!(diary.borrow().is_empty());
}
