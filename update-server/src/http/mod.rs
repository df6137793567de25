//! The server's mouth and ears. Handlers are thin: they read, call the domain, and write down the answer.
//!
//! [`routes`] is the one list of what can be asked and who may ask it; nothing is reachable that is not on it.

mod cohorts;
mod crowd;
mod dashboard;
mod devices;
mod documents;
mod gate;
mod hawkbit;
mod health;
mod image_file;
mod incidents;
mod lifetimes;
mod locks;
mod openapi;
mod operations;
mod owners;
mod payload;
mod policies;
mod problem;
mod progress;
mod releases;
mod rollouts;
mod routes;
mod serve;
mod sessions;
mod tags;
mod tls;
mod tokens;
mod tuf;
mod views;
mod web_app;
mod webhooks;

pub use dashboard::provider::CALLBACK;
pub use gate::{Access, InTheClear, OverTls, Peer};
pub use openapi::document;
pub use routes::{Route, routes};
pub use serve::{Bounds, Door, serve};
pub use tls::Tls;
pub use web_app::{File, WebApp};

use std::net::IpAddr;
use std::sync::Arc;

use dashboard::live::Live;
use tokio::sync::Semaphore;

use crate::Service;
use crate::limits::{REQUESTS_MAX, SIGN_IN_PENALTIES_MAX};
use crate::openid::Provider;

/// What every handler works with.
#[derive(Clone)]
pub struct App {
    service: Arc<Service>,
    places: Arc<Semaphore>,
    web_app: Arc<WebApp>,
    live: Arc<Live>,
    /// Where failed sign-ins wait.
    penalties: Arc<Semaphore>,
    /// Whether database and image store answer.
    looks: Arc<health::Looks>,
    /// Who is believed when it says on whose behalf it asks.
    proxies: Arc<[IpAddr]>,
    /// By whose word people sign in as well.
    provider: Option<Arc<Provider>>,
}

impl App {
    /// The HTTP side of a service.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
            web_app: Arc::new(WebApp::built_in()),
            live: Arc::default(),
            penalties: Arc::new(Semaphore::new(SIGN_IN_PENALTIES_MAX)),
            looks: Arc::default(),
            proxies: Arc::new([]),
            provider: None,
        }
    }

    /// Has everything that is shown at dashboards looked up again, now.
    pub fn refresh_dashboards(&self) {
        self.live.beat();
    }

    /// Keeps dashboards fresh until this is dropped.
    pub async fn keep_dashboards_fresh(&self) {
        self.live.beat_on().await;
    }

    /// Ends what keeps dashboards fresh: the server is about to stop, and waits for requests under way.
    pub fn end_dashboards(&self) {
        self.live.end();
    }

    /// What bounds connections to it, when there may be so many.
    #[must_use]
    pub fn bounds(&self, connections: usize) -> Bounds {
        Bounds {
            proxies: self.proxies.clone(),
            ..Bounds::usual(connections)
        }
    }

    /// Behind these proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    #[must_use]
    pub fn behind(mut self, proxies: &[IpAddr]) -> Self {
        self.proxies = proxies.iter().map(IpAddr::to_canonical).collect();
        self
    }

    /// With people signing in by the word of this provider as well.
    #[must_use]
    pub fn with_provider(mut self, provider: Provider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// With room for so many requests at one time.
    #[must_use]
    pub fn with_requests_max(mut self, most: usize) -> Self {
        self.places = Arc::new(Semaphore::new(most));
        self
    }

    /// With room for so many failed sign-ins to wait at one time.
    #[must_use]
    pub fn with_sign_in_penalties(mut self, most: usize) -> Self {
        self.penalties = Arc::new(Semaphore::new(most));
        self
    }

    /// With another web app than the one that was built in.
    #[must_use]
    pub fn with_web_app(mut self, web_app: WebApp) -> Self {
        self.web_app = Arc::new(web_app);
        self
    }
}
