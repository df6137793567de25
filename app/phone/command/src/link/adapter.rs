//! The computer's own Bluetooth adapter, by btleplug: BlueZ on Linux, CoreBluetooth on macOS, WinRT on Windows.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{
    Central as _, CentralEvent, Manager as _, Peripheral as _, ScanFilter, ValueNotification, WriteType,
};
use btleplug::platform::{self, Manager, Peripheral, PeripheralId};
use futures_util::{Stream, StreamExt as _};
use latchkey_phone::update::Channel;
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::NukiId;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use super::{CONNECT, DISCONNECT, Heard, Link, LinkError, Received, WRITE, advertised, channels, is_needed};

/// How long the system's Bluetooth service may take to answer a question.
const ANSWER: Duration = Duration::from_secs(10);

type Events<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// See the module's header.
pub(super) struct Adapter {
    runtime: Runtime,
    adapter: platform::Adapter,
    connection: Option<Connection>,
}

struct Connection {
    lock: Peripheral,
    channels: Vec<(Channel, btleplug::api::Characteristic)>,
    values: Events<ValueNotification>,
    events: Events<CentralEvent>,
}

impl Adapter {
    /// The first adapter that there is.
    pub(super) fn open() -> Result<Self, LinkError> {
        // One thread beside this one: what the system's Bluetooth service says must be taken while nobody asks.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(no_adapter)?;
        let adapter = runtime.block_on(async {
            let found = bounded(ANSWER, async { Manager::new().await?.adapters().await }).await;
            let adapters = found.map_err(no_adapter)?;
            adapters
                .into_iter()
                .next()
                .ok_or_else(|| no_adapter("it has no adapter"))
        })?;
        Ok(Self {
            runtime,
            adapter,
            connection: None,
        })
    }
}

impl Link for Adapter {
    fn scan(&mut self, limit: Duration, enough: &dyn Fn(&Heard) -> bool) -> Result<Vec<Heard>, LinkError> {
        let scanning = scan(&self.adapter, limit, enough);
        let heard = self.runtime.block_on(scanning)?;
        Ok(heard.into_values().map(|(heard, _)| heard).collect())
    }

    fn connect(&mut self, lock: NukiId, family: Family, limit: Duration) -> Result<u16, LinkError> {
        self.disconnect();
        let adapter = &self.adapter;
        let connection = self.runtime.block_on(async {
            let is_it = |heard: &Heard| heard.id() == lock;
            let mut heard = scan(adapter, limit, &is_it).await?;
            let (_, id) = heard.remove(&lock.get()).ok_or(LinkError::NotHeard(lock))?;
            connect(adapter, &id, family).await
        })?;
        let mtu = connection.lock.mtu();
        self.connection = Some(connection);
        Ok(mtu)
    }

    fn write(&mut self, on: Channel, bytes: &[u8]) -> Result<(), LinkError> {
        let connection = self.connection.as_ref().ok_or(LinkError::Lost)?;
        let (_, characteristic) = connection
            .channels
            .iter()
            .find(|(channel, _)| *channel == on)
            .ok_or(LinkError::NoLock)?;
        let how = match on {
            Channel::Lock(_) => WriteType::WithResponse,
            Channel::Smp => WriteType::WithoutResponse,
        };
        let writing = bounded(WRITE, connection.lock.write(characteristic, bytes, how));
        // Whether it arrived shows in what comes back; what cannot be written at all is a connection that is gone.
        self.runtime.block_on(writing).map_err(|_| LinkError::Lost)
    }

    fn next(&mut self, limit: Duration) -> Result<Option<Received>, LinkError> {
        let connection = self.connection.as_mut().ok_or(LinkError::Lost)?;
        let next = self.runtime.block_on(next(connection, limit));
        if next.is_err() {
            self.drop_connection();
        }
        next
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.runtime.block_on(async {
                // A connection that does not end now ends when the radios miss each other.
                let _ = bounded(DISCONNECT, connection.lock.disconnect()).await;
                drop(connection);
            });
        }
    }
}

impl Adapter {
    /// Forgets a connection that has ended. The streams of a connection tell the system's service so when they are
    /// dropped, and need the runtime for that.
    fn drop_connection(&mut self) {
        let _inside = self.runtime.enter();
        self.connection = None;
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// Locks by their numbers: what was heard of each, and the system's name for it.
type Found = HashMap<u32, (Heard, PeripheralId)>;

async fn scan(
    adapter: &platform::Adapter,
    limit: Duration,
    enough: &dyn Fn(&Heard) -> bool,
) -> Result<Found, LinkError> {
    let mut events = bounded(ANSWER, adapter.events()).await.map_err(no_adapter)?;
    bounded(ANSWER, adapter.start_scan(ScanFilter::default()))
        .await
        .map_err(no_adapter)?;
    let deadline = deadline(limit);
    let mut found = Found::new();
    // What the system remembers from earlier may be of yesterday: only what is heard now counts.
    while let Ok(Some(event)) = timeout_at(deadline, events.next()).await {
        let Some((says, id)) = advertisement(event) else {
            continue;
        };
        let rssi = rssi(adapter, &id).await;
        let heard = Heard { says, rssi };
        found.insert(heard.id().get(), (heard, id));
        if enough(&heard) {
            break;
        }
    }
    // Without an answer the service goes on listening until this program ends, which is soon.
    let _ = bounded(ANSWER, adapter.stop_scan()).await;
    Ok(found)
}

fn advertisement(event: CentralEvent) -> Option<(Advertisement, PeripheralId)> {
    match event {
        CentralEvent::ManufacturerDataAdvertisement {
            id,
            manufacturer_data,
        } => Some((advertised::by_manufacturers(&manufacturer_data)?, id)),
        CentralEvent::ServiceDataAdvertisement { id, service_data } => {
            let data = service_data
                .iter()
                .map(|(uuid, content)| (uuid.as_u128(), content));
            Some((advertised::by_services(data)?, id))
        }
        CentralEvent::DeviceDiscovered(_)
        | CentralEvent::DeviceUpdated(_)
        | CentralEvent::DeviceConnected(_)
        | CentralEvent::DeviceDisconnected(_)
        | CentralEvent::DeviceServicesModified(_)
        | CentralEvent::ServicesAdvertisement { .. }
        | CentralEvent::RssiUpdate { .. }
        | CentralEvent::StateUpdate(_) => None,
    }
}

async fn rssi(adapter: &platform::Adapter, id: &PeripheralId) -> Option<i16> {
    let lock = bounded(ANSWER, adapter.peripheral(id)).await.ok()?;
    bounded(ANSWER, lock.properties()).await.ok()??.rssi
}

async fn connect(
    adapter: &platform::Adapter,
    id: &PeripheralId,
    family: Family,
) -> Result<Connection, LinkError> {
    let not_connected = LinkError::NotConnected;
    let lock = bounded(ANSWER, adapter.peripheral(id))
        .await
        .map_err(not_connected)?;
    let events = bounded(ANSWER, adapter.events()).await.map_err(not_connected)?;
    bounded(CONNECT, async {
        lock.connect().await?;
        lock.discover_services().await
    })
    .await
    .map_err(not_connected)?;
    let known = lock.characteristics();
    let mut found = Vec::new();
    for (channel, uuid) in channels(family) {
        let uuid = Uuid::from_u128(uuid);
        match known.iter().find(|characteristic| characteristic.uuid == uuid) {
            Some(characteristic) => found.push((channel, characteristic.clone())),
            None if is_needed(channel) => return Err(LinkError::NoLock),
            None => {}
        }
    }
    let values = bounded(CONNECT, async {
        let values = lock.notifications().await?;
        for (_, characteristic) in &found {
            lock.subscribe(characteristic).await?;
        }
        Ok(values)
    })
    .await
    .map_err(not_connected)?;
    Ok(Connection {
        lock,
        channels: found,
        values,
        events,
    })
}

async fn next(connection: &mut Connection, limit: Duration) -> Result<Option<Received>, LinkError> {
    let deadline = deadline(limit);
    let gone = connection.lock.id();
    loop {
        tokio::select! {
            // What came before the end comes first.
            biased;
            value = connection.values.next() => {
                let value = value.ok_or(LinkError::Lost)?;
                let of = |(_, characteristic): &&(Channel, btleplug::api::Characteristic)| {
                    characteristic.uuid == value.uuid
                };
                if let Some((on, _)) = connection.channels.iter().find(of) {
                    return Ok(Some(Received { on: *on, bytes: value.value }));
                }
            }
            event = connection.events.next() => match event {
                Some(CentralEvent::DeviceDisconnected(id)) if id == gone => return Err(LinkError::Lost),
                None => return Err(LinkError::Lost),
                Some(_) => {}
            },
            () = tokio::time::sleep_until(deadline) => return Ok(None),
        }
    }
}

/// What the service answers, or in words why not.
async fn bounded<T>(limit: Duration, asked: impl Future<Output = btleplug::Result<T>>) -> Result<T, String> {
    match timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now)
}

fn no_adapter(why: impl ToString) -> LinkError {
    LinkError::NoAdapter(why.to_string())
}
