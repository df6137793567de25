//! The Bluetooth host's thread: trouble-host as a central, one thing after the other as it is told.

use std::sync::mpsc::Sender;
use std::time::Duration;

use bt_hci::controller::ExternalController;
use bt_hci_serial::SerialTransport;
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_adapters::tokio_1::FromTokio;
use latchkey_phone::update::Channel;
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::pairing::Family;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use trouble_host::prelude::{
    Address, Characteristic, ConnectConfig, Connection, ConnectionEvent, DefaultPacketPool, EventHandler,
    GattClient, HostResources, LeAdvReportsIter, NotificationListener, RequestedConnParams, ScanConfig,
    ScanSession, Scanner, Stack, Uuid,
};

use crate::clock::random;
use crate::link::{Heard, LinkError, Received, channels, is_needed};

/// Commands that the controller may have yet to answer.
const COMMANDS: usize = 4;
/// Services that a lock may have.
const SERVICES: usize = 16;
/// Characteristics that one of them may have.
const CHARACTERISTICS: usize = 8;
/// The longest notification that is taken, in bytes: that of the host's own buffers.
const NOTIFICATION: usize = trouble_host::config::GATT_CLIENT_NOTIFICATION_MTU;
/// Both bits of a client characteristic configuration (Core specification, volume 3, part G, 3.3.3.3).
const NOTIFY: [u8; 2] = [1, 0];
const INDICATE: [u8; 2] = [2, 0];

type Radio = ExternalController<
    SerialTransport<NoopRawMutex, FromTokio<OwnedReadHalf>, FromTokio<OwnedWriteHalf>>,
    COMMANDS,
>;
type Host<'s> = Stack<'s, Radio, DefaultPacketPool>;
type Client<'s> = GattClient<'s, Radio, DefaultPacketPool, SERVICES>;

/// What to do.
pub(super) enum Order {
    /// Listen for locks, until told to stop.
    Scan,
    /// Stop that.
    Stop,
    /// Connect and subscribe.
    Connect {
        address: Address,
        family: Family,
        limit: Duration,
    },
    /// Write to the lock's characteristics as a request, to SMP's without response.
    Write { on: Channel, bytes: Vec<u8> },
    /// Disconnect.
    Disconnect,
}

/// What happened.
pub(super) enum Told {
    Ready,
    NoController(String),
    Heard(Heard, Address),
    NotScanning(String),
    Stopped,
    /// With this MTU.
    Connected(u16),
    NotConnected(LinkError),
    Written,
    Received(Received),
    Disconnected,
}

/// Serves until nobody gives orders any more, or the controller is gone.
pub(super) fn run(address: &str, orders: UnboundedReceiver<Order>, told: Sender<Told>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let why = match runtime {
        Ok(runtime) => runtime.block_on(serve(address, orders, &told)),
        Err(error) => error.to_string(),
    };
    // Who gave orders may have gone; then nobody wants to know.
    let _ = told.send(Told::NoController(why));
}

/// Ends in words why.
async fn serve(address: &str, orders: UnboundedReceiver<Order>, told: &Sender<Told>) -> String {
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) => return format!("nothing answers at {address}: {error}"),
    };
    // Without it each small packet would wait for the next.
    if let Err(error) = stream.set_nodelay(true) {
        return error.to_string();
    }
    let (reader, writer) = stream.into_split();
    let transport = SerialTransport::new(FromTokio::new(reader), FromTokio::new(writer));
    let Ok(own) = random() else {
        return "no random numbers for an address".to_owned();
    };
    let mut resources: HostResources<DefaultPacketPool, 1, 1> = HostResources::new();
    let stack: Host<'_> = trouble_host::new(Radio::new(transport), &mut resources)
        .set_random_address(Address::random(static_address(own)))
        .build();
    let mut runner = stack.runner();
    let reports = Reports { told: told.clone() };
    match select(runner.run_with_handler(&reports), obey(&stack, orders, told)).await {
        Either::First(Err(error)) => format!("the controller does not answer as it should: {error:?}"),
        Either::First(Ok(())) | Either::Second(()) => "the controller was let go".to_owned(),
    }
}

/// A static address has its two highest bits set (Core specification, volume 6, part B, 1.3.2.1).
const fn static_address(mut random: [u8; 6]) -> [u8; 6] {
    let [.., highest] = &mut random;
    *highest |= 0xC0;
    random
}

/// Advertisements as they come in.
struct Reports {
    told: Sender<Told>,
}

impl EventHandler for Reports {
    fn on_adv_reports(&self, reports: LeAdvReportsIter<'_>) {
        for report in reports.flatten() {
            if let Ok(says) = Advertisement::read(report.data) {
                let rssi = Some(i16::from(report.rssi));
                let address = Address {
                    kind: report.addr_kind,
                    addr: report.addr,
                };
                let _ = self.told.send(Told::Heard(Heard { says, rssi }, address));
            }
        }
    }
}

/// Does as it is told, until nobody tells anything any more.
async fn obey(stack: &Host<'_>, mut orders: UnboundedReceiver<Order>, told: &Sender<Told>) {
    let tell = |what| {
        // Who gave orders may have gone; the next order's absence ends this.
        let _ = told.send(what);
    };
    let mut central = stack.central();
    let mut scanning: Option<ScanSession<'_, false>> = None;
    tell(Told::Ready);
    while let Some(order) = orders.recv().await {
        match order {
            Order::Scan => match Scanner::new(&mut central).scan(&ScanConfig::default()).await {
                Ok(session) => scanning = Some(session),
                Err(error) => tell(Told::NotScanning(format!("it does not listen: {error:?}"))),
            },
            Order::Stop => {
                if let Some(session) = scanning.take() {
                    session.stop().await;
                }
                tell(Told::Stopped);
            }
            Order::Connect {
                address,
                family,
                limit,
            } => {
                let peers = [address];
                let config = ConnectConfig {
                    scan_config: ScanConfig {
                        filter_accept_list: &peers,
                        ..ScanConfig::default()
                    },
                    connect_params: RequestedConnParams::default(),
                };
                match timeout(limit, central.connect(&config)).await {
                    Ok(Ok(connection)) => {
                        converse(stack, &connection, family, &mut orders, told).await;
                        tell(Told::Disconnected);
                    }
                    Ok(Err(error)) => tell(not_connected(&format!("{error:?}"))),
                    Err(_) => tell(not_connected("it does not answer")),
                }
            }
            // There is no connection.
            Order::Write { .. } | Order::Disconnect => tell(Told::Disconnected),
        }
    }
}

fn not_connected(why: &str) -> Told {
    Told::NotConnected(LinkError::NotConnected(why.to_owned()))
}

/// One connection, until it ends.
async fn converse(
    stack: &Host<'_>,
    connection: &Connection<'_, DefaultPacketPool>,
    family: Family,
    orders: &mut UnboundedReceiver<Order>,
    told: &Sender<Told>,
) {
    let client = match Client::new(stack, connection).await {
        Ok(client) => client,
        Err(error) => {
            let _ = told.send(not_connected(&format!("{error:?}")));
            return;
        }
    };
    let events = async {
        // Nothing but its end is of interest; the others must be taken nevertheless.
        while !matches!(connection.next().await, ConnectionEvent::Disconnected { .. }) {}
    };
    let talk = async {
        match subscribe(&client, family).await {
            Ok((listener, places)) => {
                let _ = told.send(Told::Connected(connection.att_mtu()));
                talk(&client, listener, &places, orders, told).await;
            }
            Err(error) => {
                let _ = told.send(Told::NotConnected(error));
            }
        }
    };
    let ended = select3(client.task(), events, talk).await;
    if let Either3::Third(()) = ended {
        connection.disconnect();
        let events =
            async { while !matches!(connection.next().await, ConnectionEvent::Disconnected { .. }) {} };
        // What does not end now ends when the radios miss each other.
        let _ = timeout(super::DISCONNECT, events).await;
    }
}

/// A channel, and the handle of its value.
type Places = Vec<(Channel, u16)>;

async fn subscribe<'c>(
    client: &'c Client<'_>,
    family: Family,
) -> Result<(NotificationListener<'c, NOTIFICATION>, Places), LinkError> {
    let failed = |error| LinkError::NotConnected(format!("it does not say what it has: {error:?}"));
    let listener = client.listen_all().map_err(failed)?;
    let mut places = Places::new();
    let mut known: Vec<Characteristic<[u8]>> = Vec::new();
    for service in client.services().await.map_err(failed)? {
        let found = client.characteristics::<CHARACTERISTICS>(&service).await;
        known.extend(found.map_err(failed)?);
    }
    for (channel, uuid) in channels(family) {
        let uuid = Uuid::new_long(uuid.to_le_bytes());
        let Some(found) = known.iter().find(|known| known.uuid == uuid) else {
            if is_needed(channel) {
                return Err(LinkError::NoLock);
            }
            continue;
        };
        let how = match channel {
            Channel::Lock(_) => INDICATE,
            Channel::Smp => NOTIFY,
        };
        let switch = found.cccd_handle.ok_or(LinkError::NoLock)?;
        client.write_handle(switch, &how).await.map_err(failed)?;
        places.push((channel, found.handle));
    }
    Ok((listener, places))
}

async fn talk(
    client: &Client<'_>,
    mut listener: NotificationListener<'_, NOTIFICATION>,
    places: &Places,
    orders: &mut UnboundedReceiver<Order>,
    told: &Sender<Told>,
) {
    loop {
        match select(listener.next(), orders.recv()).await {
            Either::First(heard) => {
                if let Some((on, _)) = places.iter().find(|(_, handle)| *handle == heard.handle()) {
                    let bytes = heard.as_ref().to_vec();
                    let _ = told.send(Told::Received(Received { on: *on, bytes }));
                }
                if heard.is_indication() && client.confirm_indication().await.is_err() {
                    return;
                }
            }
            Either::Second(Some(Order::Write { on, bytes })) => {
                let place = places.iter().find(|(channel, _)| *channel == on);
                let written = match (on, place) {
                    (_, None) => false,
                    (Channel::Lock(_), Some((_, handle))) => {
                        client.write_handle(*handle, &bytes).await.is_ok()
                    }
                    (Channel::Smp, Some((_, handle))) => client
                        .write_handle_without_response(*handle, &bytes)
                        .await
                        .is_ok(),
                };
                if !written {
                    return;
                }
                let _ = told.send(Told::Written);
            }
            // A connected host listens to nobody else; asked to stop what it does not do, it has stopped.
            Either::Second(Some(Order::Scan | Order::Connect { .. })) => {}
            Either::Second(Some(Order::Stop)) => {
                let _ = told.send(Told::Stopped);
            }
            Either::Second(Some(Order::Disconnect) | None) => return,
        }
    }
}
