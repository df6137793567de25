//! The lock's radio: a Bluetooth Low Energy peripheral by trouble-host, over any controller.
//!
//! Moves messages between connections and the lock, and knows none of the lock's rules: [`Core`] is all it sees
//! of it. Several clients may be connected at once; as long as one more has room, the lock advertises. Security
//! is the messages' own business; the connection itself has none. What comes in is looked at by [`Guard`] first.

mod address;
mod gatt;
mod guard;
mod link;
mod pool;

use core::pin::pin;

use bt_hci::cmd::SyncCmd;
use bt_hci::controller::ControllerCmdSync;
use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::{Duration, Timer};
use latchkey_lock::lock::{self, Characteristic, LinkId, OUTGOING_MAX};
use latchkey_protocol::advertising::AdvertisingData;
use trouble_host::prelude::{
    Advertisement, AdvertisementParameters, Connection, Controller, HostResources, Stack,
};

pub use address::WriteBdAddr;
pub use gatt::Presentation;
pub use guard::Guard;

use gatt::Handles;
use pool::Pool;

/// Clients that can be connected at once; the lock has places for more.
pub const LINKS: usize = 3;
const _: () = assert!(LINKS <= lock::LINKS);
/// How long to wait before a failed attempt to advertise is made again.
const AGAIN: Duration = Duration::from_millis(500);

/// What the lock advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The advertisement.
    pub advertisement: AdvertisingData,
    /// The answer to a scan.
    pub scan_response: AdvertisingData,
    /// How often it goes out.
    pub interval: Duration,
}

/// The lock, as its radio sees it.
#[expect(
    async_fn_in_trait,
    reason = "no executor of ours moves futures between threads"
)]
pub trait Core {
    /// The radio advertises: it works. Comes again and again.
    fn radio_is_up(&self);
    /// A client is there.
    fn connected(&self, link: LinkId);
    /// A client has sent a message, or a part of one.
    fn received(&self, link: LinkId, which: Characteristic, bytes: &[u8]);
    /// A client is gone, whoever ended it.
    fn disconnected(&self, link: LinkId);
    /// What to send next to a client, if anything: the message is in `message`, and so long.
    fn outgoing(&self, link: LinkId, message: &mut [u8; OUTGOING_MAX]) -> Option<(Characteristic, usize)>;
    /// A client has written to the SMP characteristic.
    fn smp_received(&self, link: LinkId, bytes: &[u8]);
    /// What to notify next of SMP, if anything: in the beginning of `piece`, and so long.
    fn smp_outgoing(&self, link: LinkId, piece: &mut [u8]) -> Option<usize>;
    /// Whether the client is to be disconnected.
    fn should_disconnect(&self, link: LinkId) -> bool;
    /// Ends when [`Self::outgoing`], [`Self::smp_outgoing`] or [`Self::should_disconnect`] may give something new. One waits at a time.
    async fn changed(&self, link: LinkId);
    /// What to advertise.
    fn announcement(&self) -> Announcement;
    /// Ends when [`Self::announcement`] may have changed. One waits at a time.
    async fn announcement_changed(&self);
}

/// Why the radio stopped. It does not come back without a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RadioError {
    /// The controller does not take what every controller takes, or the line to it is out of step.
    Controller,
    /// The lock's name is too long.
    Name,
}

impl RadioError {
    /// For the log.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Controller => "the Bluetooth controller does not answer as it should",
            Self::Name => "the lock's name is too long to be advertised",
        }
    }
}

/// Runs the radio, until it fails. `set_address` is the controller's own command that gives it the lock's public
/// address.
pub async fn run<C, A>(
    controller: C,
    set_address: A,
    presentation: &Presentation,
    core: &impl Core,
) -> RadioError
where
    C: Controller + ControllerCmdSync<A>,
    A: SyncCmd,
{
    Pool::fill();
    let mut resources: HostResources<Pool, LINKS, 1> = HostResources::new();
    let stack = trouble_host::new(Guard::new(controller), &mut resources).build();
    let Ok((server, handles)) = gatt::build(presentation) else {
        return RadioError::Name;
    };
    let mut runner = stack.runner();
    let serve = async {
        if stack.command(set_address).await.is_err() {
            return;
        }
        let shared = Shared {
            stack: &stack,
            server: &server,
            handles: &handles,
            turn: Mutex::new(()),
        };
        // One of these for each place among LINKS; none of them ends.
        let _: Either<(), ()> = select(shared.place(LinkId(0), core), async {
            select(shared.place(LinkId(1), core), shared.place(LinkId(2), core)).await;
        })
        .await;
    };
    // Whichever ends first, the radio has failed.
    select(runner.run(), serve).await;
    RadioError::Controller
}

/// What the places have in common.
struct Shared<'r, 's, 'v, C: Controller> {
    stack: &'r Stack<'s, C, Pool>,
    server: &'r gatt::Server<'v>,
    handles: &'r Handles,
    /// Whoever holds it advertises.
    turn: Mutex<NoopRawMutex, ()>,
}

impl<C: Controller> Shared<'_, '_, '_, C> {
    /// Serves one client after the other.
    async fn place(&self, link: LinkId, core: &impl Core) {
        loop {
            let turn = self.turn.lock().await;
            let connection = self.wait_for_client(core).await;
            drop(turn);
            // Fails only when the client is gone again.
            if let Ok(connection) = connection.with_attribute_server(self.server) {
                link::serve(&connection, self.handles, link, core).await;
            }
        }
    }

    /// Advertises until a client connects.
    async fn wait_for_client(&self, core: &impl Core) -> Connection<'_, Pool> {
        let mut peripheral = self.stack.peripheral();
        loop {
            // One that connected while advertising was about to be changed.
            if let Some(connection) = peripheral.try_accept() {
                return connection;
            }
            let announcement = core.announcement();
            let parameters = AdvertisementParameters {
                interval_min: announcement.interval,
                interval_max: announcement.interval,
                ..AdvertisementParameters::default()
            };
            let Ok(advertiser) = peripheral.advertise(&parameters, announcement.data()).await else {
                Timer::after(AGAIN).await;
                continue;
            };
            core.radio_is_up();
            let mut accept = pin!(advertiser.accept());
            loop {
                match select(&mut accept, core.announcement_changed()).await {
                    Either::First(Ok(connection)) => return connection,
                    Either::First(Err(_)) => break,
                    Either::Second(()) => {
                        let now = core.announcement();
                        let same_pace = now.interval == announcement.interval;
                        if !same_pace || peripheral.update_adv_data(now.data()).await.is_err() {
                            break;
                        }
                    }
                }
            }
        }
    }
}

impl Announcement {
    fn data(&self) -> Advertisement<'_> {
        Advertisement::ConnectableScannableUndirected {
            adv_data: self.advertisement.as_bytes(),
            scan_data: self.scan_response.as_bytes(),
        }
    }
}
