//! Brings webhooks their messages: a client that follows no redirect, reads no answer, and waits for nobody long.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::redirect::Policy;

use crate::Service;
use crate::domain::webhook::{Message, Webhook};
use crate::failure::Outcome;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most lines of the audit log looked at for one webhook in one go.
const LINES: u32 = 100;

/// Most messages told to one webhook in one go: fewer than fit into the time it is this instance's alone.
const MESSAGES: usize = 5;

/// Brings messages.
pub struct Courier(reqwest::Client);

impl Courier {
    /// A courier.
    ///
    /// # Errors
    /// The system gives no client.
    pub fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .user_agent(concat!("latchkey-server/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// Tells every webhook that is due what it has yet to hear. Each goes its own way: one that is slow holds up none.
    ///
    /// # Errors
    /// Storage. A receiver's failure is none: it is noted, and tried again later.
    pub async fn go_round(&self, service: &Service) -> Outcome<()> {
        let taken = service.take_webhooks().await?;
        let told = join_all(taken.iter().map(|webhook| self.tell(service, webhook))).await;
        told.into_iter().collect()
    }

    async fn tell(&self, service: &Service, webhook: &Webhook) -> Outcome<()> {
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
        let Message {
            id,
            timestamp,
            signature,
            body,
        } = message;
        let request = self
            .0
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the receiver answered {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err("the receiver took longer than 10 seconds".to_owned()),
            Err(error) if error.is_connect() => Err("the receiver cannot be reached".to_owned()),
            Err(_) => Err("the connection to the receiver broke".to_owned()),
        }
    }
}
