//! Brings webhooks their messages: a client that follows no redirect, reads no answer, waits for nobody long, and
//! connects to no address that a webhook may not go to, whatever a name leads to at that moment.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Service;
use crate::domain::reach::Reach;
use crate::domain::webhook::{Message, Webhook, check_url};
use crate::failure::Outcome;
use crate::limits::WEBHOOKS_AT_WORK_MAX;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether there is something to tell.
const INTERVAL: Duration = Duration::from_secs(1);

/// Most lines of the audit log looked at for one webhook in one go.
const LINES: u32 = 100;

/// Most messages told to one webhook in one go: fewer than fit into the time it is this instance's alone.
const MESSAGES: usize = 5;

/// Brings messages.
pub struct Courier {
    client: reqwest::Client,
    /// Whether receivers may be in private networks and on this machine.
    internal: bool,
}

impl Courier {
    /// A courier; `internal`: receivers may be in private networks and on this machine.
    ///
    /// # Errors
    /// The system gives no client.
    pub fn new(internal: bool) -> anyhow::Result<Self> {
        Self::with_patience(internal, PATIENCE)
    }

    /// The same that waits so long for a receiver.
    ///
    /// # Errors
    /// The system gives no client.
    pub fn with_patience(internal: bool, patience: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(Resolver { internal }))
            .timeout(patience)
            .user_agent(concat!("latchkey-server/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, internal })
    }

    /// Tells webhooks what they have yet to hear, for as long as it is polled. Each goes its own way: one that is slow
    /// holds up none.
    pub async fn work(self: Arc<Self>, service: Arc<Service>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        loop {
            let done = tokio::select! {
                _ = ticks.tick() => {
                    let places = WEBHOOKS_AT_WORK_MAX.saturating_sub(under_way.len());
                    service.take_webhooks(places).await.map(|taken| {
                        for webhook in taken {
                            let (courier, service) = (self.clone(), service.clone());
                            under_way.spawn(async move { courier.tell(&service, &webhook).await });
                        }
                    })
                }
                Some(done) = under_way.join_next() => done.unwrap_or(Ok(())),
            };
            if let Err(failure) = done {
                tracing::error!(%failure, "webhooks could not be told; they are in a while");
            }
        }
    }

    /// Tells a webhook that was taken what it has yet to hear, as far as that is one go.
    ///
    /// # Errors
    /// Storage. A receiver's failure is none: it is noted, and tried again later.
    pub async fn tell(&self, service: &Service, webhook: &Webhook) -> Outcome<()> {
        let mut told = webhook.told;
        let mut messages: usize = 0;
        for line in service.audit(webhook.told, LINES).await? {
            if webhook.wants(&line) {
                if messages == MESSAGES {
                    break;
                }
                messages = messages.saturating_add(1);
                let message = service.message(webhook, &line)?;
                if let Err(trouble) = self.bring(&webhook.url, message).await {
                    tracing::warn!(
                        webhook = webhook.id,
                        trouble,
                        "a receiver was not told; it is tried again"
                    );
                    return service.settle_webhook(webhook, told, Some(trouble)).await;
                }
            }
            told = line.number;
        }
        service.settle_webhook(webhook, told, None).await
    }

    /// Whatever a receiver answers but success is a failure; what it says is not read.
    async fn bring(&self, url: &str, message: Message) -> Result<(), String> {
        // Again: this server may have been started with another rule than the one that took the address.
        check_url(url, self.internal)?;
        let Message {
            id,
            timestamp,
            signature,
            body,
        } = message;
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answered {}", answer.status().as_u16())),
            Err(error) => Err(trouble(&error)),
        }
    }
}

fn trouble(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(kept) = found.downcast_ref::<KeptAway>() {
            return kept.to_string();
        }
        cause = found.source();
    }
    let text = if error.is_timeout() {
        "the receiver took too long"
    } else if error.is_connect() {
        "the receiver cannot be reached"
    } else {
        "the connection to the receiver broke"
    };
    text.to_owned()
}

/// A name leads only where webhooks may not go.
#[derive(Debug)]
struct KeptAway;

impl fmt::Display for KeptAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the receiver's name leads to no public address; for receivers in private networks start the server with \
             --allow-internal-webhooks",
        )
    }
}

impl Error for KeptAway {}

/// Finds the addresses of a name, and of those only the ones that a webhook may go to.
struct Resolver {
    internal: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let internal = self.internal;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let may = |address: &SocketAddr| Reach::of(address.ip()).allows_webhooks(internal);
            let addresses: Vec<SocketAddr> = found.filter(may).collect();
            if addresses.is_empty() {
                return Err(KeptAway.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
