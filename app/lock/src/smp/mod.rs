//! The lock's side of SMP, the management protocol of mcumgr, smpclient and the nRF Connect Device Manager: how a
//! phone sends an image to the lock.
//!
//! [`Smp`] takes the bytes that connections write to the SMP characteristic and gives the bytes to notify in answer,
//! in pieces as long as the connection takes, when the shell asks for them. It knows no radio and no clock; flash is
//! lent to it for the time of one call. What it holds for each connection is a buffer of
//! [`BUFFER`] bytes for a request and one of [`ANSWER`] bytes for the answer.
//!
//! Echo and parameters are answered to anybody. Everything else is for an open [`UpdateWindow`]: without its
//! [`Admitted`](crate::window::Admitted) there is no call that reaches flash, and a refused request has not even had
//! its body looked at. Inside, an image is written by [`Staging`](crate::staging::Staging) and only ever asked for
//! once it is proven; nobody confirms one from outside. [`Slot`] keeps phone and network apart.
//!
//! Invariants: any bytes end in an answer, or in silence where nothing was asked; nothing is ever written that is
//! longer than the slot; an upload broken off anywhere goes on from what is marked on flash.

mod answer;
mod body;
mod fault;
mod frame;
mod image;

use core::fmt;

use embedded_storage::nor_flash::NorFlash;
use latchkey_directive::Running;
use latchkey_handoff::Map;
use latchkey_image::{Authority, ImageDigest, SecurityCounter};

pub use fault::{Fault, ImageFault, Management, Refused};
pub use frame::{ANSWER, BUFFER, HEADER};

use crate::lock::{LINKS, LinkId};
use crate::reason::Reason;
use crate::slot::Slot;
use crate::update::Conditions;
use crate::window::UpdateWindow;
use answer::Answer;
use frame::{BadFrame, Header, Inbox, Operation, Outbox, is_too_new, operation};
use image::Images;

const OS_GROUP: u16 = 0;
const IMAGE_GROUP: u16 = 1;

/// How long a client may take to fetch the answer before the lock restarts, in milliseconds.
const RESTART_MS: u64 = 1_000;

/// What is the same from start to start.
pub struct Identity<'p> {
    /// Whose images count, and for which hardware.
    pub authority: Authority<'p>,
    /// What runs.
    pub running: Running,
    /// Nothing older is installed.
    pub floor: SecurityCounter,
    /// How the chip is laid out.
    pub map: Map,
}

/// How the lock is while a request is served.
pub struct Around<'a> {
    /// Milliseconds since the start, never going back.
    pub now_ms: u64,
    /// What speaks against an install.
    pub conditions: Conditions,
    /// Whether an owner lets images in.
    pub window: &'a mut UpdateWindow,
    /// Who may write the slot.
    pub slot: &'a mut Slot,
}

/// What came of bytes that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The frame is not whole yet.
    Waiting,
    /// Passed over in silence: no request, the rest of one that was refused, or one from a client that has not
    /// fetched the answer to the one before.
    Ignored,
    /// Answered.
    Answered,
    /// An upload was begun, or goes on, from here.
    Began {
        /// Bytes that are on flash already.
        from: u32,
        /// Bytes in all.
        size: u32,
    },
    /// The slot holds an image, whole. It has not been proven.
    Whole,
    /// An image was proven, and the bootloader asked for it.
    Requested(ImageDigest),
    /// The client asked for a restart: see [`Smp::wants_restart`].
    Restart,
    /// Refused, and the client told why.
    Refused(Refused),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting for the rest of a request"),
            Self::Ignored => f.write_str("passed over what was no request"),
            Self::Answered => f.write_str("answered"),
            Self::Began { from, size } => write!(f, "takes an image of {size} bytes from byte {from} on"),
            Self::Whole => f.write_str("has the image whole"),
            Self::Requested(image) => write!(f, "asked for the install of {image}"),
            Self::Restart => f.write_str("restarts as asked for"),
            Self::Refused(refused) => write!(f, "refused, reason {} ({refused})", refused.code),
        }
    }
}

/// What a request came to: the answer, and what the shell is told.
type Served<'b> = Result<(Answer<'b>, Outcome), Refused>;

/// One connection's buffers.
struct Port {
    inbox: Inbox,
    outbox: Outbox,
}

impl Port {
    const fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            outbox: Outbox::new(),
        }
    }
}

/// See the module's header.
pub struct Smp<'p> {
    ports: [Port; LINKS],
    images: Images<'p>,
    restart_at_ms: Option<u64>,
}

impl<'p> Smp<'p> {
    /// For a lock on which nobody has connected yet. Touches no flash.
    #[must_use]
    pub const fn new(identity: Identity<'p>) -> Self {
        Self {
            ports: [const { Port::new() }; LINKS],
            images: Images::new(identity),
            restart_at_ms: None,
        }
    }

    /// Takes in what a connection wrote to the SMP characteristic: a frame or a piece of one.
    pub fn receive<F: NorFlash>(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Outcome {
        self.settle(around);
        let now_ms = around.now_ms;
        let Some(port) = self.ports.get_mut(usize::from(link.0)) else {
            return Outcome::Ignored;
        };
        if port.outbox.is_waiting(now_ms) {
            return Outcome::Ignored;
        }
        let (header, served) = match port.inbox.push(bytes, now_ms) {
            Ok(None) => return Outcome::Waiting,
            Ok(Some(header)) => {
                let served = self.images.serve(link, &header, port.inbox.body(), around, flash);
                (header, served)
            }
            Err(bad) => bad_frame(bad),
        };
        let (answer, outcome) = match served {
            Ok((answer, outcome)) => (Ok(answer), outcome),
            Err(refused) => (Err(refused), Outcome::Refused(refused)),
        };
        let asked = operation(&header).is_some();
        if asked {
            answer::write(&mut port.outbox, &header, answer, now_ms);
        }
        port.inbox.next();
        if !asked {
            return Outcome::Ignored;
        }
        if outcome == Outcome::Restart {
            self.restart_at_ms = Some(now_ms.saturating_add(RESTART_MS));
        }
        outcome
    }

    /// The next piece to notify on a connection, at the beginning of `out`: as long as one notification may be there,
    /// which is the connection's MTU less three. To be asked until there is none.
    pub fn outgoing(&mut self, link: LinkId, out: &mut [u8]) -> Option<usize> {
        self.ports.get_mut(usize::from(link.0))?.outbox.take(out)
    }

    /// A connection is gone. Its upload may go on, on this one or another.
    pub fn disconnected(&mut self, link: LinkId) {
        if let Some(port) = self.ports.get_mut(usize::from(link.0)) {
            port.inbox.clear();
            port.outbox.clear();
        }
        self.images.disconnected(link);
    }

    /// Gives the slot back once the window is closed. To be called when [`Self::next_deadline`] has come.
    pub fn settle(&mut self, around: &mut Around<'_>) {
        if around.window.admit(around.now_ms).is_none() {
            self.images.end(around);
        }
    }

    /// When [`Self::settle`] and [`Self::wants_restart`] are to be asked at the latest.
    #[must_use]
    pub fn next_deadline(&self, window: &UpdateWindow) -> Option<u64> {
        let closes_ms = window.closes_ms().filter(|_| self.images.is_under_way());
        [closes_ms, self.restart_at_ms].into_iter().flatten().min()
    }

    /// Whether the lock is to be restarted, once nobody is at it: a client asked for it and has had the time to fetch
    /// the answer; or an install was asked for, and the window in which the client could have said when is over.
    #[must_use]
    pub fn wants_restart(&self, window: &UpdateWindow, now_ms: u64) -> bool {
        let asked = self.restart_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        asked || (self.images.is_requested() && window.admit(now_ms).is_none())
    }
}

fn bad_frame<'b>(bad: BadFrame) -> (Header, Served<'b>) {
    match bad {
        BadFrame::TooLong(header) => {
            let words = "the request is longer than the buffer; ask for the parameters first";
            (header, Err(Refused::request(Management::NoMemory, words)))
        }
        BadFrame::Surplus(header) => {
            let words = "bytes came behind the request's end; send one request at a time";
            (header, Err(Refused::request(Management::Invalid, words)))
        }
    }
}

impl Images<'_> {
    /// Does what a whole frame asks for.
    fn serve<'b, F: NorFlash>(
        &mut self,
        link: LinkId,
        header: &Header,
        body: &'b [u8],
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        if is_too_new(header) {
            let words = "this version of SMP is not known here; use version 1 or 2";
            return Err(Refused::request(Management::TooNew, words));
        }
        let unsupported = Refused::request(Management::NotSupported, "the lock has no such command");
        let operation = operation(header).ok_or(unsupported)?;
        match (header.group, header.command, operation) {
            (OS_GROUP, 0, _) => Ok((Answer::Echo(body::echo(body)?), Outcome::Answered)),
            (OS_GROUP, 6, Operation::Read) => {
                body::nothing(body)?;
                Ok((Answer::Parameters, Outcome::Answered))
            }
            (OS_GROUP, 5, Operation::Write)
            | (IMAGE_GROUP, 0, _)
            | (IMAGE_GROUP, 1 | 5, Operation::Write) => self.guarded(link, header, body, around, flash),
            _ => Err(unsupported),
        }
    }

    /// What is for an open window only.
    #[inline(never)]
    fn guarded<'b, F: NorFlash>(
        &mut self,
        link: LinkId,
        header: &Header,
        body: &'b [u8],
        around: &mut Around<'_>,
        flash: &mut F,
    ) -> Served<'b> {
        let closed = Refused::new(Fault::Management(Management::AccessDenied), Reason::WindowClosed);
        // What strangers are told while it is closed is not noted: the owner asks for what was said in the window.
        let admitted = around.window.admit(around.now_ms).ok_or(closed)?;
        let served = match (header.group, header.command, operation(header)) {
            (OS_GROUP, _, _) => body::nothing(body).map(|()| (Answer::Done, Outcome::Restart)),
            (_, 0, Some(Operation::Read)) => body::nothing(body).and_then(|()| self.list(admitted, flash)),
            (_, 0, _) => {
                body::SetState::read(body).and_then(|wish| self.set_state(&wish, admitted, around, flash))
            }
            (_, 1, _) => {
                body::Upload::read(body).and_then(|piece| self.upload(link, &piece, admitted, around, flash))
            }
            _ => body::erase(body).and_then(|slot| self.erase(link, slot, admitted, around, flash)),
        };
        if let Err(refused) = &served
            && !self.belongs_to_another(link, around.now_ms)
        {
            around.window.refused(refused.code);
        }
        served
    }
}
