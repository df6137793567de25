//! A Bluetooth controller over TCP, as the laboratory's virtual air has them, with trouble-host as the host above it.
//!
//! The host lives in a thread of its own ([`host`]) and is told what to do by [`Order`]s. Its central (0.8) knows no
//! long writes: an MTU at which every message fits one write is asked for, and less is refused by name.

mod host;

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use latchkey_phone::update::Channel;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::NukiId;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use trouble_host::Address;

use super::{CONNECT, DISCONNECT, Heard, Link, LinkError, Received, WRITE};
use host::{Order, Told};

/// The one kind of place that is known, spelled as elsewhere in the laboratory.
const SPELLING: &str = "tcp-client:";
/// How long the controller may take to answer to being switched on.
const START: Duration = Duration::from_secs(10);
/// How much longer than it was given the host's thread may take to tell so.
const GRACE: Duration = Duration::from_secs(2);

/// See the module's header.
pub(super) struct Hci {
    orders: UnboundedSender<Order>,
    told: Receiver<Told>,
    waiting: VecDeque<Received>,
    connected: bool,
}

impl Hci {
    /// The controller at `tcp-client:HOST:PORT`.
    pub(super) fn open(place: &str) -> Result<Self, LinkError> {
        let address = place.strip_prefix(SPELLING).ok_or_else(|| {
            LinkError::NoAdapter(format!("{place:?} is no controller; write {SPELLING}HOST:PORT"))
        })?;
        let address = address.to_owned();
        let (orders, inbox) = unbounded_channel();
        let (outbox, told) = channel();
        // It ends when `orders` is dropped.
        thread::Builder::new()
            .name("bluetooth host".to_owned())
            .spawn(move || host::run(&address, inbox, outbox))
            .map_err(|error| LinkError::NoAdapter(error.to_string()))?;
        let mut hci = Self {
            orders,
            told,
            waiting: VecDeque::new(),
            connected: false,
        };
        match hci.wait(START)? {
            Some(Told::Ready) => Ok(hci),
            Some(Told::NoController(why)) => Err(LinkError::NoAdapter(why)),
            Some(_) | None => Err(LinkError::NoAdapter(format!("{place} does not answer"))),
        }
    }

    fn order(&self, order: Order) -> Result<(), LinkError> {
        self.orders.send(order).map_err(|_| LinkError::Lost)
    }

    /// The next that the host tells.
    fn wait(&mut self, limit: Duration) -> Result<Option<Told>, LinkError> {
        match self.told.recv_timeout(limit) {
            Ok(told) => Ok(Some(told)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(LinkError::NoAdapter("the controller is gone".to_owned()))
            }
        }
    }

    /// Locks by their numbers.
    fn listen(
        &mut self,
        limit: Duration,
        enough: &dyn Fn(&Heard) -> bool,
    ) -> Result<HashMap<u32, (Heard, Address)>, LinkError> {
        let deadline = Instant::now().checked_add(limit);
        self.order(Order::Scan)?;
        let mut found = HashMap::new();
        loop {
            let left = deadline.map_or(Duration::ZERO, |by| by.saturating_duration_since(Instant::now()));
            match self.wait(left)? {
                Some(Told::Heard(heard, address)) => {
                    found.insert(heard.id().get(), (heard, address));
                    if enough(&heard) {
                        break;
                    }
                }
                Some(Told::NotScanning(why)) => return Err(LinkError::NoAdapter(why)),
                Some(_) => {}
                None => break,
            }
        }
        self.order(Order::Stop)?;
        while let Some(told) = self.wait(DISCONNECT)? {
            if matches!(told, Told::Stopped) {
                break;
            }
        }
        Ok(found)
    }
}

impl Link for Hci {
    fn scan(&mut self, limit: Duration, enough: &dyn Fn(&Heard) -> bool) -> Result<Vec<Heard>, LinkError> {
        let found = self.listen(limit, enough)?;
        Ok(found.into_values().map(|(heard, _)| heard).collect())
    }

    fn connect(&mut self, lock: NukiId, family: Family, scan: Duration) -> Result<u16, LinkError> {
        self.disconnect();
        let mut found = self.listen(scan, &|heard| heard.id() == lock)?;
        let (_, address) = found.remove(&lock.get()).ok_or(LinkError::NotHeard(lock))?;
        self.order(Order::Connect {
            address,
            family,
            limit: CONNECT,
        })?;
        loop {
            match self.wait(CONNECT.saturating_add(GRACE))? {
                Some(Told::Connected(mtu)) => {
                    self.connected = true;
                    return Ok(mtu);
                }
                Some(Told::NotConnected(error)) => return Err(error),
                // It was there, and is lost before all is subscribed to. What an earlier one left was heard by now.
                Some(Told::Disconnected) => return Err(LinkError::NotConnected("it broke off".to_owned())),
                Some(_) => {}
                None => {
                    return Err(LinkError::NotConnected(
                        "the controller does not answer".to_owned(),
                    ));
                }
            }
        }
    }

    fn write(&mut self, on: Channel, bytes: &[u8]) -> Result<(), LinkError> {
        if !self.connected {
            return Err(LinkError::Lost);
        }
        self.order(Order::Write {
            on,
            bytes: bytes.to_vec(),
        })?;
        loop {
            match self.wait(WRITE)? {
                Some(Told::Written) => return Ok(()),
                Some(Told::Received(received)) => self.waiting.push_back(received),
                Some(Told::Disconnected) | None => {
                    self.connected = false;
                    return Err(LinkError::Lost);
                }
                Some(_) => {}
            }
        }
    }

    fn next(&mut self, limit: Duration) -> Result<Option<Received>, LinkError> {
        if let Some(received) = self.waiting.pop_front() {
            return Ok(Some(received));
        }
        if !self.connected {
            return Err(LinkError::Lost);
        }
        loop {
            match self.wait(limit)? {
                Some(Told::Received(received)) => return Ok(Some(received)),
                Some(Told::Disconnected) => {
                    self.connected = false;
                    return Err(LinkError::Lost);
                }
                // Late words about something that has ended.
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    fn disconnect(&mut self) {
        self.waiting.clear();
        if !self.connected {
            return;
        }
        self.connected = false;
        if self.order(Order::Disconnect).is_ok() {
            while let Ok(Some(told)) = self.wait(DISCONNECT) {
                if matches!(told, Told::Disconnected) {
                    break;
                }
            }
        }
    }
}

impl Drop for Hci {
    fn drop(&mut self) {
        self.disconnect();
    }
}
