//! Connections: what each is in the middle of, and what waits to be sent on it.
//!
//! A connection proves nothing by being there. What it may cost is bounded: a few hundred bytes, [`OUTBOX`] messages
//! that wait, [`IDLE_MS`] without traffic, [`STALL_MS`] in the middle of a message, and [`UNPROVEN_MS`] in all
//! unless somebody on it has shown with a fresh nonce that he holds a key now.

use heapless::Deque;
use latchkey_protocol::challenge::OpenChallenge;
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::{Command, ErrorReport, FromLock, PairingFromLock, StatusReport};
use latchkey_protocol::pairing::lock::{LockPairing, SealedGrant};
use latchkey_protocol::reassembly::{Kind, Reassembly};
use latchkey_protocol::value::{AuthorizationId, ErrorCode, LockState, Status};

use super::{LINKS, LinkId};
use crate::activity::Query;

/// Messages that wait at most.
pub(super) const OUTBOX: usize = 8;
/// Room that a request must find for its answers: accepted, a state, done.
const ROOM: usize = 3;
/// Without traffic for so long, a connection is dropped, in milliseconds.
pub(super) const IDLE_MS: u64 = 20_000;
/// In the middle of a message, the next piece must come within this time, in milliseconds.
const STALL_MS: u64 = 5_000;
/// How long a connection may last on which nobody proved to hold a key now, in milliseconds.
const UNPROVEN_MS: u64 = 60_000;

/// Something to be sent.
pub(super) enum Item {
    /// In plain, on the pairing characteristic.
    Pairing(PairingFromLock),
    /// The last word of a pairing of the 5th generation.
    PairingSealed(SealedGrant),
    /// In plain, on the keyturner characteristic: about a sealed message that did not open.
    PlainError(ErrorReport),
    /// Sealed for whoever the session is with.
    Sealed(Reply),
}

/// What is told in a sealed message. What can be looked up is looked up when it is sent.
pub(super) enum Reply {
    /// This.
    Message(FromLock),
    /// The states, as the bolt was then.
    States(LockState),
    /// The configuration.
    Config,
    /// The advanced configuration.
    Advanced,
    /// A list, one entry at a time.
    List(List),
}

/// A list on its way: what comes next of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Authorizations from the `next`th on.
    Authorizations { counted: bool, next: usize, left: u16 },
    /// Keypad codes from the `next`th on.
    Codes { counted: bool, next: usize, left: u16 },
    /// Time control entries from the `next`th on.
    TimeControl { counted: bool, next: usize },
    /// Log entries.
    Log { counted: bool, query: Query },
}

impl Reply {
    pub(super) fn status(status: Status) -> Self {
        Self::Message(StatusReport { status }.into())
    }

    pub(super) fn error(error: ErrorCode, command: Command) -> Self {
        let error = error.into();
        Self::Message(ErrorReport { error, command }.into())
    }
}

/// Who is at the other end, as far as the last sealed message that opened showed.
pub(super) struct Session {
    pub(super) id: AuthorizationId,
    pub(super) key: SharedKey,
}

/// One connection.
pub(super) struct Link {
    pub(super) plain: Reassembly,
    pub(super) sealed: Reassembly,
    pub(super) pairing: LockPairing,
    /// The next frame of the pairing comes sealed.
    pub(super) pairing_sealed: bool,
    pub(super) challenge: OpenChallenge,
    pub(super) session: Option<Session>,
    /// A bridge has spoken here: what others say here comes from afar.
    pub(super) by_bridge: bool,
    outbox: Deque<Item, OUTBOX>,
    opened_ms: u64,
    heard_ms: u64,
    /// Somebody used a fresh nonce here.
    pub(super) proven: bool,
    /// Dropped once what waits is sent.
    pub(super) closing: bool,
}

impl Link {
    fn new(pairing: LockPairing, now_ms: u64) -> Self {
        Self {
            plain: Reassembly::new(Kind::Plain),
            sealed: Reassembly::new(Kind::Sealed),
            pairing,
            pairing_sealed: false,
            challenge: OpenChallenge::none(),
            session: None,
            by_bridge: false,
            outbox: Deque::new(),
            opened_ms: now_ms,
            heard_ms: now_ms,
            proven: false,
            closing: false,
        }
    }

    /// There was traffic.
    pub(super) fn heard(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    /// It does something else that an owner wants: it is neither idle nor there for nothing.
    pub(super) fn excuse(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.opened_ms = now_ms;
    }

    /// Whether a request would find room for its answers. One who asks and does not read is dropped.
    pub(super) fn has_room(&self) -> bool {
        OUTBOX.saturating_sub(self.outbox.len()) >= ROOM
    }

    /// Has this sent, when its turn comes.
    pub(super) fn push(&mut self, item: Item) {
        if self.outbox.push_back(item).is_err() {
            self.closing = true;
        }
    }

    /// Tells of a new state, unless nobody reads: then only the newest counts.
    pub(super) fn push_state(&mut self, lock_state: LockState) {
        let state = Item::Sealed(Reply::States(lock_state));
        if self.has_room() {
            self.push(state);
        } else if let Some(last @ Item::Sealed(Reply::States(_))) = self.outbox.back_mut() {
            *last = state;
        }
    }

    /// What is to be sent next.
    pub(super) fn next_item(&mut self) -> Option<Item> {
        self.outbox.pop_front()
    }

    /// A list is not through yet.
    pub(super) fn put_back(&mut self, list: List) {
        // Its place has just become free.
        let _ = self.outbox.push_front(Item::Sealed(Reply::List(list)));
    }

    /// The other end is somebody else from now on: nothing that waits for the one before is for its eyes.
    pub(super) fn begin_session(&mut self, session: Session) {
        if self.session.as_ref().is_none_or(|before| before.id != session.id) {
            self.outbox.clear();
            self.challenge = OpenChallenge::none();
        }
        self.session = Some(session);
    }

    /// Whether this authorization is at the other end.
    pub(super) fn is_with(&self, id: AuthorizationId) -> bool {
        self.session.as_ref().is_some_and(|session| session.id == id)
    }

    fn is_stalled(&self) -> bool {
        self.plain.is_waiting() || self.sealed.is_waiting()
    }

    /// When it is over at the latest.
    fn ends_ms(&self, acting: bool) -> u64 {
        if self.closing && self.outbox.is_empty() {
            return 0;
        }
        let quiet_ms = if self.is_stalled() { STALL_MS } else { IDLE_MS };
        let idle_ms = self.heard_ms.saturating_add(quiet_ms);
        let life_ms = self.opened_ms.saturating_add(UNPROVEN_MS);
        if acting {
            u64::MAX
        } else if self.proven {
            idle_ms
        } else {
            idle_ms.min(life_ms)
        }
    }
}

/// All connections.
pub(super) struct Links {
    links: [Option<Link>; LINKS],
}

impl Links {
    pub(super) const fn new() -> Self {
        Self {
            links: [const { None }; LINKS],
        }
    }

    pub(super) fn connected(&mut self, id: LinkId, pairing: LockPairing, now_ms: u64) {
        if let Some(slot) = self.links.get_mut(usize::from(id.0)) {
            *slot = Some(Link::new(pairing, now_ms));
        }
    }

    pub(super) fn disconnected(&mut self, id: LinkId) {
        if let Some(slot) = self.links.get_mut(usize::from(id.0)) {
            *slot = None;
        }
    }

    pub(super) fn get(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(usize::from(id.0))?.as_mut()
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.iter_mut().flatten()
    }

    /// Tells everybody who is known of a new state.
    pub(super) fn tell_state(&mut self, lock_state: LockState) {
        for link in self.all().filter(|link| link.session.is_some() && !link.closing) {
            link.push_state(lock_state);
        }
    }

    /// Ends every connection of an authorization that may nothing any more, but not `except`, which still gets its
    /// answer.
    pub(super) fn drop_sessions(&mut self, of: AuthorizationId, except: LinkId) {
        for (link, id) in self.links.iter_mut().zip(0..) {
            let Some(link) = link.as_mut().filter(|link| link.is_with(of)) else {
                continue;
            };
            link.closing = true;
            if LinkId(id) != except {
                link.session = None;
                link.outbox.clear();
            }
        }
    }

    pub(super) fn is_over(&self, id: LinkId, acting: &[u8], now_ms: u64) -> bool {
        let link = self.links.get(usize::from(id.0)).and_then(Option::as_ref);
        link.is_none_or(|link| link.ends_ms(acting.contains(&id.0)) <= now_ms)
    }

    /// When the next connection is over; one that is over already is due until it is gone.
    pub(super) fn deadline(&self, acting: &[u8]) -> Option<u64> {
        let links = self.links.iter().zip(0..);
        links
            .filter_map(|(link, id)| link.as_ref().map(|link| link.ends_ms(acting.contains(&id))))
            .filter(|ends_ms| *ends_ms < u64::MAX)
            .min()
    }

    /// Whether somebody who holds a key waits for an answer. Nobody else can hold anything up.
    pub(super) fn are_busy(&self) -> bool {
        let mut links = self.links.iter().flatten();
        links.any(|link| link.proven && !link.outbox.is_empty())
    }
}
