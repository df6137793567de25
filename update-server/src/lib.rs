//! The update server: publishes signed images, enrols locks, and tells each what it may install.
//!
//! It holds no release key, so it cannot make an image that boots; it chooses among those that release
//! engineers signed. Everything it acknowledges is on disk first.
//!
//! * [`domain`] decides. It knows neither HTTP nor SQL.
//! * [`store`] keeps: the only SQL. [`objects`] keeps image files.
//! * [`director`] and [`online`] hold the two private keys.
//! * [`openid`] asks an OpenID provider who somebody is.
//! * [`http`] speaks: one file of routes, thin handlers, bounds on everything.
//! * [`cli`] is the command `latchkey-server`.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod courier;
pub mod director;
pub mod domain;
pub mod failure;
pub mod http;
pub mod ids;
mod key_file;
pub mod limits;
pub mod metrics;
pub mod objects;
pub mod online;
pub mod openid;
pub mod store;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use clock::Clock;
use director::DirectorKey;
use domain::admission::Admission;
use domain::audit::Recorded;
use domain::audit::chain::Anchor;
use domain::device;
use domain::hearing::Hearing;
use domain::hours::Zone;
use domain::presence::Presence;
use domain::release::Release;
use domain::story::Looking;
use domain::throttle::{Throttle, TooOften};
use failure::Outcome;
use metrics::Metrics;
use objects::{FileHash, Objects};
use online::OnlineKey;
use store::Store;
use url::Url;

/// What an operator may set at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often locks call, in seconds.
    pub check_in_interval_s: u32,
    /// How often running rollouts are looked at, in seconds.
    pub watch_interval_s: u32,
    /// Whether policies may trust keys that everybody has. For trying things out.
    pub allow_example_keys: bool,
    /// Most devices that wait for an operator's approval.
    pub awaiting_devices_max: i64,
    /// Whether starting and widening a rollout takes two persons, whatever the rollout says.
    pub two_persons: bool,
    /// Whether webhooks may go into private networks, and to this machine without TLS too.
    pub internal_webhooks: bool,
    /// Where devices that speak hawkBit's interface reach this server; `None`: it is off.
    pub hawkbit: Option<Url>,
    /// Where the fleet is, as far as a device's own zone is not set.
    pub zone: Zone,
    /// Whom an OpenID provider's word lets in at the dashboard.
    pub admission: Option<Admission>,
    /// For how long links to images in the store itself are good. Without it, every byte goes through this server.
    pub presigned_downloads: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            check_in_interval_s: 1800,
            watch_interval_s: 60,
            allow_example_keys: false,
            awaiting_devices_max: limits::AWAITING_DEVICES_MAX,
            two_persons: false,
            internal_webhooks: false,
            hawkbit: None,
            zone: Zone::default(),
            admission: None,
            presigned_downloads: None,
        }
    }
}

/// The private keys that the server holds.
pub struct Keys {
    /// Signs what locks are told.
    pub director: DirectorKey,
    /// Signs which TUF metadata are the newest.
    pub online: OnlineKey,
}

/// The server's insides: everything the domain works with.
pub struct Service {
    store: Store,
    objects: Objects,
    director: DirectorKey,
    online: OnlineKey,
    clock: Arc<dyn Clock>,
    settings: Settings,
    presence: Presence,
    throttle: Throttle,
    metrics: Metrics,
    /// How far the audit log was followed for whoever looks at it.
    looking: tokio::sync::Mutex<Looking>,
    /// When devices could be heard.
    hearing: Hearing,
}

impl Service {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Store,
        objects: Objects,
        keys: Keys,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        Self {
            store,
            objects,
            director: keys.director,
            online: keys.online,
            hearing: Hearing::default(),
            clock,
            settings,
            presence: Presence::default(),
            throttle: Throttle::default(),
            metrics: Metrics::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// The time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// When a device should call again: the interval, give or take a tenth, so that locks that lost their
    /// server together do not come back together.
    fn call_again_s(&self) -> u32 {
        let interval = self.settings.check_in_interval_s;
        let spread = (interval / 5).saturating_add(1);
        // Without randomness the interval itself will do: nothing rests on this but the load.
        let random = ids::random::<4>().map_or(spread / 2, u32::from_le_bytes);
        let lowest = interval.saturating_sub(interval / 10);
        lowest
            .saturating_add(random.checked_rem(spread).unwrap_or(0))
            .max(1)
    }

    /// Whether something from an address is looked at at all.
    ///
    /// # Errors
    /// Too much came from it that proved nothing.
    pub fn address_may(&self, address: IpAddr) -> Result<(), TooOften> {
        self.throttle.address_may(address, self.clock.now_ms())
    }

    /// What came from an address proved nothing.
    pub fn address_pays(&self, address: IpAddr) {
        self.throttle.address_pays(address, self.clock.now_ms());
    }

    /// Part of a stored file, as it comes from the store.
    ///
    /// # Errors
    /// Storage.
    pub async fn read_file(
        &self,
        file: &FileHash,
        size: u32,
        range: Range<u64>,
    ) -> Outcome<BoxStream<'static, object_store::Result<Bytes>>> {
        self.objects.read(file, u64::from(size), range).await
    }

    /// A link by which anybody reads a release's file from the store itself, for a short while; `None` where downloads
    /// go through this server.
    ///
    /// # Errors
    /// The store has no credentials to sign with.
    pub async fn image_link(&self, release: &Release) -> Outcome<Option<Url>> {
        match self.settings.presigned_downloads {
            Some(life) => self.objects.link(&release.file, life).await,
            None => Ok(None),
        }
    }

    /// Lines of the audit log behind line `after`, oldest first.
    ///
    /// # Errors
    /// Storage.
    pub async fn audit(&self, after: i64, limit: u32) -> Outcome<Vec<Recorded>> {
        self.store.audit(after, limit).await
    }

    /// Where the audit log ends by what is kept beside it.
    ///
    /// # Errors
    /// Storage.
    pub async fn audit_anchor(&self) -> Outcome<Anchor> {
        self.store.audit_anchor().await
    }

    /// How many devices are in each state.
    ///
    /// # Errors
    /// Storage.
    pub async fn device_counts(&self) -> Outcome<Vec<(device::State, i64)>> {
        self.store.device_counts().await
    }

    /// How many devices there is an alarm about.
    ///
    /// # Errors
    /// Storage.
    pub async fn alarmed_devices(&self) -> Outcome<i64> {
        self.store.alarmed_devices().await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check_database(&self) -> Outcome<()> {
        self.store.check().await
    }

    /// Whether the image store answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check_store(&self) -> Outcome<()> {
        self.objects.check().await
    }

    /// Writes what is still in memory and closes the database.
    ///
    /// # Errors
    /// Storage: the last second's "last seen" is lost then, and nothing else.
    pub async fn close(&self) -> Outcome<()> {
        let written = self.write_presence().await;
        self.store.close().await;
        written
    }
}
