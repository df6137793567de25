//! One Bluetooth connection with one lock, as far as this program needs it; behind it the computer's own adapter
//! ([`adapter`]), or the laboratory's controllers ([`hci`]).
//!
//! Knows no message of the lock's protocol. Keeps the invariant that every wait ends: each call has a limit, or one of
//! its own.

mod adapter;
mod advertised;
mod hci;

use std::fmt;
use std::time::Duration;

use latchkey_phone::session::Characteristic;
use latchkey_phone::update::Channel;
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::frame::sealed::FRAME_MAX;
use latchkey_protocol::gatt;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::NukiId;

use crate::failure::{Failure, Kind, Outcome};

/// How long a lock is listened for before it counts as out of range.
pub(crate) const SCAN: Duration = Duration::from_secs(20);
/// How long it may take to connect and subscribe, from when the lock was heard.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a write may take to be acknowledged.
const WRITE: Duration = Duration::from_secs(10);
/// How long it may take to disconnect. After that, the connection is left to the radio's own patience.
const DISCONNECT: Duration = Duration::from_secs(5);

/// The smallest MTU at which each message that a client says fits one write.
pub(crate) const MTU_MIN: u16 = FRAME_MAX as u16 + gatt::ATT_OVERHEAD;
const _: () = assert!(MTU_MIN <= gatt::MTU_MAX);

/// A lock's advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) says: Advertisement,
    /// How strong it came in, in dBm.
    pub(crate) rssi: Option<i16>,
}

impl Heard {
    pub(crate) fn id(&self) -> NukiId {
        self.says.id()
    }
}

/// What a connected lock sent.
pub(crate) struct Received {
    pub(crate) on: Channel,
    pub(crate) bytes: Vec<u8>,
}

/// A way to locks.
pub(crate) trait Link {
    /// Listens for locks, until `enough` or the limit; gives each once, as it was heard last.
    fn scan(&mut self, limit: Duration, enough: &dyn Fn(&Heard) -> bool) -> Result<Vec<Heard>, LinkError>;

    /// Listens for this lock, connects, and subscribes to all that a lock of this family sends. Gives the MTU.
    fn connect(&mut self, lock: NukiId, family: Family, scan: Duration) -> Result<u16, LinkError>;

    /// Writes: to the lock's own characteristics as a request, to SMP's without response.
    fn write(&mut self, on: Channel, bytes: &[u8]) -> Result<(), LinkError>;

    /// The next that the lock sends; `None` when nothing comes for so long.
    fn next(&mut self, limit: Duration) -> Result<Option<Received>, LinkError>;

    /// Ends the connection, if there is one.
    fn disconnect(&mut self);
}

/// Which way to locks to take.
pub(crate) fn open(hci: Option<&str>) -> Result<Box<dyn Link>, LinkError> {
    match hci {
        Some(place) => Ok(Box::new(hci::Hci::open(place)?)),
        None => Ok(Box::new(adapter::Adapter::open()?)),
    }
}

/// Every channel of a lock, and its UUID.
fn channels(family: Family) -> [(Channel, u128); 4] {
    let lock = |on: Characteristic| (Channel::Lock(on), on.uuid(family));
    let [pairing, keyturner, user_data] = Characteristic::ALL;
    [
        lock(pairing),
        lock(keyturner),
        lock(user_data),
        (Channel::Smp, gatt::SMP_CHARACTERISTIC),
    ]
}

/// A lock by others takes no image over SMP; all else it has.
const fn is_needed(channel: Channel) -> bool {
    matches!(channel, Channel::Lock(_))
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// This computer's Bluetooth cannot be used.
    NoAdapter(String),
    /// The lock does not advertise here.
    NotHeard(NukiId),
    /// It does, and takes no connection.
    NotConnected(String),
    /// It has not what a lock has.
    NoLock,
    /// Its messages would not fit.
    SmallMtu(u16),
    /// The connection is gone.
    Lost,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdapter(why) => write!(
                f,
                "this computer's Bluetooth cannot be used: {why}; switch it on and try again"
            ),
            Self::NotHeard(lock) => write!(
                f,
                "lock {lock} was not heard; go nearer, see that it has power, and that not too many phones are \
                 connected with it"
            ),
            Self::NotConnected(why) => write!(f, "the lock takes no connection: {why}; try again"),
            Self::NoLock => f.write_str("what answers under this name has not the services of a lock"),
            Self::SmallMtu(mtu) => write!(
                f,
                "the lock agrees on an MTU of {mtu} bytes only, and this adapter needs {MTU_MIN} for the longest \
                 message; use another adapter"
            ),
            Self::Lost => f.write_str("the connection to the lock is gone; try again"),
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::new(Kind::Link, error.to_string())
    }
}

/// Fails where `outcome` would be nothing but a lost connection in another guise.
pub(crate) fn check_mtu(mtu: u16) -> Outcome<()> {
    if mtu < MTU_MIN {
        return Err(LinkError::SmallMtu(mtu).into());
    }
    Ok(())
}
