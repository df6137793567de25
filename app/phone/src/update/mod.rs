//! The whole update of one lock by its owner's phone: from the question what runs there to the lock's word that the
//! new image runs and has confirmed itself, or why not.
//!
//! [`Update`] is a state machine. The caller does one [`Action`], says [`Event::Done`] (or what came of it), gets the
//! next, and brings what happens meanwhile as an [`Event`] once the last action was [`Action::Wait`]. When
//! [`Update::next_deadline`] has come, it wants [`Event::Tick`]. In this order:
//!
//! 1. connect; ask the lock what runs and on what ([`LockFacts`]), and measure the image by it;
//! 2. disconnect, and show the owner what will happen ([`Plan`]); nothing goes on without [`Event::Consent`];
//! 3. connect; open the update window for this one image, with the PIN; upload; have the lock check the image and ask
//!    its bootloader for it; restart the lock;
//! 4. connect again, and look what runs, until that is the new image, confirmed, or the lock says what else it did.
//!
//! After every lost connection it asks the lock anew and goes on by the answer: what is where stands in the lock alone.
//! So a new `Update`, after this program was killed anywhere, does the same as the old one would have. Connecting again
//! gets slower, and ends: [`FRUITLESS_MOST`] connections that got nothing further, [`GARBLED_MOST`] over which came
//! what is no answer, [`VISITS_MOST`] in all, and [`COMEBACK_MS`] from the restart on.
//!
//! Somebody else's upload is not disturbed: while one is under way, the window is left as it is and the first piece
//! shows who has the slot. The lock knows no names, so what the owner hears are its own words ([`Ended::Busy`]).
//!
//! ```no_run
//! # use latchkey_phone::{Credentials, Moment, release::Signed, update::*};
//! # use latchkey_protocol::value::Pin;
//! # fn moment() -> Moment { unimplemented!() }
//! # fn connect() -> Event<'static> { unimplemented!() }
//! # fn disconnect() {}
//! # fn write(to: latchkey_phone::session::Characteristic, bytes: &[u8]) {}
//! # fn send(bytes: &[u8]) {}
//! # fn show(news: &News) {}
//! # fn next_event(by_ms: Option<u64>) -> Event<'static> { unimplemented!() }
//! fn install(release: Signed<Vec<u8>>, held: Credentials, pin: Pin) -> Option<Credentials> {
//!     let mut update = Update::new(release, held, pin);
//!     let mut buffer = Buffer::new();
//!     let mut event = Event::Done;
//!     while !update.is_over() {
//!         event = match update.handle(event, moment(), &mut buffer) {
//!             Action::Connect => connect(),
//!             Action::Wait => next_event(update.next_deadline()),
//!             Action::Again => Event::Done,
//!             Action::Disconnect => { disconnect(); Event::Done }
//!             Action::Write { on, bytes } => { write(on, bytes); Event::Done }
//!             Action::Send { bytes } => { send(bytes); Event::Done }
//!             Action::Tell(news) => { show(&news); Event::Done }
//!         };
//!     }
//!     update.into_credentials()
//! }
//! ```

mod machine;
mod news;
mod patience;

pub use machine::Update;
pub use news::{Earlier, Ended, News, Plan};
pub use patience::{COMEBACK_MS, FRUITLESS_MOST, GARBLED_MOST, TRIAL_MS, VISITS_MOST};

use latchkey_protocol::frame::sealed::FRAME_MAX;

#[cfg(doc)]
use crate::release::LockFacts;
use crate::session::{Characteristic, Frame};
use crate::smp::PIECE_MAX;

/// How long the window is opened for, in seconds: as long as a lock allows.
pub const WINDOW_S: u16 = 1_800;
/// How long an attempt to connect may take before it is given up, in milliseconds.
pub const CONNECT_MS: u64 = 60_000;

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A characteristic of the lock's protocol, by indication.
    Lock(Characteristic),
    /// The SMP characteristic ([`latchkey_protocol::gatt::SMP_CHARACTERISTIC`]), by notification.
    Smp,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The last action is done. The first event of all, too.
    Done,
    /// What [`Action::Connect`] asked for stands, with this ATT MTU.
    Connected {
        /// In bytes.
        mtu: u16,
    },
    /// It does not: nobody there, or not everything could be subscribed to.
    NotConnected,
    /// The connection has ended, and not by [`Action::Disconnect`]. Also in place of [`Event::Done`], when an action
    /// could not be done for that.
    Disconnected,
    /// The lock sent this. Pieces of a message may come one by one.
    Received {
        /// Where.
        on: Channel,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The owner has seen [`News::Plan`] and says yes or no.
    Consent(bool),
    /// The time of [`Update::next_deadline`] has come.
    Tick,
}

/// What to do now.
#[derive(Debug, PartialEq)]
pub enum Action<'a> {
    /// Nothing, until something happens.
    Wait,
    /// Nothing; say [`Event::Done`].
    Again,
    /// Connect to the lock, as large an MTU as goes; subscribe to indications of [`Characteristic::ALL`] and to
    /// notifications of the SMP characteristic. Then [`Event::Connected`] or [`Event::NotConnected`].
    Connect,
    /// End the connection, or the attempt. Then [`Event::Done`], also when there was none.
    Disconnect,
    /// Write this, as a request; when it does not fit one, as a long write.
    Write {
        /// To which characteristic.
        on: Characteristic,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Write this to the SMP characteristic, without response. It fits.
    Send {
        /// The bytes.
        bytes: &'a [u8],
    },
    /// This is new.
    Tell(News),
}

/// Where messages are put together.
pub struct Buffer {
    frame: Frame,
    piece: [u8; PIECE_MAX],
}

impl Buffer {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frame: [0; FRAME_MAX],
            piece: [0; PIECE_MAX],
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}
