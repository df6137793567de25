//! Webhooks: others are told of what is in the audit log, line by line.
//!
//! What waits to be told is the audit log itself, and a webhook is a place in it: so nothing can overflow, nothing that
//! was decided waits for a receiver, and a line is told after a kill too. Each line is told in order, at least once; its
//! id is the same each time. Messages are signed as Standard Webhooks says (standardwebhooks.com: `webhook-id`,
//! `webhook-timestamp`, `webhook-signature` with `v1` for HMAC-SHA256). The secret is derived from the director key and
//! shown once; the database does not hold it. Knows no HTTP.

use base64ct::{Base64, Encoding as _};
use serde::Serialize;
use url::{Host, Url};

use super::access::{Caller, ShownSecret};
use super::audit::{Entry, Recorded};
use super::reach::Reach;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::{WEBHOOK_EVENTS_MAX, WEBHOOK_URL_BYTES_MAX, WEBHOOKS_MAX};
use crate::{Service, ids};

/// The first wait after a failure, in milliseconds; twice as long after each further one.
const FIRST_WAIT_MS: i64 = 5_000;

/// The longest wait.
const LONGEST_WAIT_MS: i64 = 3_600_000;

/// How long an instance has a webhook for itself while it tells it something, in milliseconds.
const LEASE_MS: i64 = 60_000;

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Webhook {
    /// Its name: 16 hex digits.
    pub id: String,
    /// Where to.
    pub url: String,
    /// Beginnings of the actions it is told of, such as `rollout.` or `device.alarm`.
    pub events: Vec<String>,
    /// Milliseconds since 1970.
    #[serde(rename = "created_at_ms")]
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// The last line of the audit log that it has been told, or that it need not be.
    pub told: i64,
    /// Failures in a row.
    pub failures: u32,
    /// When it is told next, if there is something; in milliseconds since 1970.
    #[serde(rename = "next_at_ms")]
    pub next_at: i64,
    /// What went wrong last, while something does.
    pub trouble: Option<String>,
}

impl Webhook {
    /// Whether it is to be told of a line.
    #[must_use]
    pub fn wants(&self, line: &Recorded) -> bool {
        self.events.iter().any(|event| line.action.starts_with(event))
    }
}

/// A message on its way to a receiver.
#[derive(Debug)]
pub struct Message {
    /// The same each time.
    pub id: String,
    /// Seconds since 1970.
    pub timestamp: i64,
    /// `v1,` and base64.
    pub signature: String,
    /// JSON.
    pub body: String,
}

/// What is told.
#[derive(Serialize)]
struct Body<'l> {
    r#type: &'l str,
    timestamp: i64,
    data: &'l Recorded,
}

impl Service {
    /// Makes a webhook that is told of what happens from now on. The secret is given here and nowhere else.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for an address or events that cannot be; [`Kind::Conflict`] when there are too many; storage.
    pub async fn create_webhook(
        &self,
        by: &Caller,
        url: &str,
        events: Vec<String>,
    ) -> Outcome<(Webhook, ShownSecret)> {
        let origin = check_url(url, self.settings.internal_webhooks)
            .map_err(|why| Failure::new(Kind::Invalid, format!("`url`: {why}. Nothing was made")))?;
        check_events(&events)?;
        let now = self.clock.now_ms();
        let mut webhook = Webhook {
            id: hex::encode(ids::random::<8>()?),
            url: url.to_owned(),
            events,
            created_at: now,
            created_by: by.actor().to_string(),
            told: 0,
            failures: 0,
            next_at: now,
            trouble: None,
        };
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "webhook.create",
                subject: webhook.id.clone(),
                // Many receivers know their callers by a secret in path or query; the log is for all who look on.
                detail: serde_json::json!({ "origin": origin, "events": webhook.events }),
            })
            .await?;
        let (others, line) = change.webhooks_and_line().await?;
        if others >= WEBHOOKS_MAX {
            return Err(Failure::new(
                Kind::Conflict,
                format!("there are {WEBHOOKS_MAX} webhooks; remove one first"),
            ));
        }
        webhook.told = line;
        change.insert_webhook(&webhook).await?;
        change.commit().await?;
        let key = self.director.webhook_key(&webhook.id);
        let secret = ShownSecret::new(format!("whsec_{}", Base64::encode_string(key.as_slice())));
        Ok((webhook, secret))
    }

    /// Removes a webhook.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; storage.
    pub async fn remove_webhook(&self, by: &Caller, id: &str) -> Outcome<Webhook> {
        let missing = || Failure::new(Kind::NotFound, format!("there is no webhook {id:?}"));
        let webhooks = self.store.webhooks().await?;
        let webhook = webhooks
            .into_iter()
            .find(|webhook| webhook.id == id)
            .ok_or_else(missing)?;
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: self.clock.now_ms(),
                action: "webhook.remove",
                subject: id.to_owned(),
                detail: serde_json::Value::Null,
            })
            .await?;
        if !change.remove_webhook(id).await? {
            return Err(missing());
        }
        change.commit().await?;
        Ok(webhook)
    }

    /// All webhooks, oldest first.
    ///
    /// # Errors
    /// Storage.
    pub async fn webhooks(&self) -> Outcome<Vec<Webhook>> {
        self.store.webhooks().await
    }

    /// Those that are to be told something now, at most `limit`, each of them this instance's alone for a while.
    ///
    /// # Errors
    /// Storage.
    pub async fn take_webhooks(&self, limit: usize) -> Outcome<Vec<Webhook>> {
        let now = self.clock.now_ms();
        let last = self.store.last_audit_line().await?;
        let mut taken = Vec::new();
        for webhook in self.store.webhooks().await? {
            if taken.len() == limit {
                break;
            }
            if webhook.next_at > now || webhook.told >= last {
                continue;
            }
            let until = now.saturating_add(LEASE_MS);
            match self.store.lease_webhook(&webhook, until).await {
                Ok(true) => taken.push(Webhook {
                    next_at: until,
                    ..webhook
                }),
                Ok(false) => {}
                // Those that were taken are told all the same: nobody else would until their time is over.
                Err(failure) if !taken.is_empty() => {
                    tracing::error!(%failure, "not all webhooks that are due could be taken");
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(taken)
    }

    /// Notes how far a webhook that was taken has been told, and when to go on: at once, or after a failure ever later.
    /// Where it took longer than it was this instance's, another one has gone on from the same place, and its word holds.
    pub(crate) async fn settle_webhook(
        &self,
        webhook: &Webhook,
        told: i64,
        trouble: Option<String>,
    ) -> Outcome<()> {
        let now = self.clock.now_ms();
        let failures = trouble.as_ref().map_or(0, |_| webhook.failures.saturating_add(1));
        let settled = Webhook {
            told,
            failures,
            next_at: now.saturating_add(wait_ms(failures, ids::random::<2>()?)),
            trouble,
            ..webhook.clone()
        };
        if !self.store.settle_webhook(&settled, webhook.next_at).await? {
            tracing::warn!(
                webhook = webhook.id,
                "telling it took too long; another instance goes on, and some messages come twice"
            );
        }
        Ok(())
    }

    /// A line as this webhook is told of it.
    pub(crate) fn message(&self, webhook: &Webhook, line: &Recorded) -> Outcome<Message> {
        let body = Body {
            r#type: &line.action,
            timestamp: line.at,
            data: line,
        };
        let body = serde_json::to_string(&body).map_err(Failure::storage)?;
        let (id, timestamp) = (
            format!("msg_{}_{}", webhook.id, line.number),
            self.clock.now_ms() / 1000,
        );
        let signed = format!("{id}.{timestamp}.{body}");
        let mac = self.director.sign_webhook(&webhook.id, signed.as_bytes());
        Ok(Message {
            signature: format!("v1,{}", Base64::encode_string(&mac)),
            id,
            timestamp,
            body,
        })
    }
}

/// How long to wait after so many failures in a row, up to a fifth longer by chance.
fn wait_ms(failures: u32, chance: [u8; 2]) -> i64 {
    let Some(further) = failures.checked_sub(1) else {
        return 0;
    };
    let wait = FIRST_WAIT_MS.saturating_mul(2_i64.saturating_pow(further.min(20)));
    let wait = wait.min(LONGEST_WAIT_MS);
    let more = (wait / 5).saturating_mul(u16::from_le_bytes(chance).into()) >> 16;
    wait.saturating_add(more)
}

/// Nobody is to reach through this server what only this server can. So an address is public and has TLS, whose
/// certificate names the receiver; where the operator has receivers of his own (`internal`), it may be in a private
/// network too, or on this machine, there also without TLS. Where a name leads is looked at when it is used.
///
/// Gives scheme, host and port: what may be told of it to everybody.
pub(crate) fn check_url(text: &str, internal: bool) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "this is no URL, such as https://example.com/hook".to_owned())?;
    let no = |why: &str| Err(why.to_owned());
    if text.len() > WEBHOOK_URL_BYTES_MAX {
        return no("it is longer than 500 bytes");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return no("it must not hold a name, a password or a fragment; messages are signed instead");
    }
    let reach = match url.host() {
        Some(Host::Ipv4(address)) => Some(Reach::of(address.into())),
        Some(Host::Ipv6(address)) => Some(Reach::of(address.into())),
        Some(Host::Domain(_)) | None => None,
    };
    if reach == Some(Reach::Nobody) {
        return no("no receiver can have this address");
    }
    if reach.is_some_and(|reach| !reach.allows_webhooks(internal)) {
        return no(
            "this address is not public; receivers in private networks and on this machine take a server that was \
                   started with --allow-internal-webhooks",
        );
    }
    match url.scheme() {
        "https" => Ok(url.origin().ascii_serialization()),
        "http" if reach == Some(Reach::Machine) => Ok(url.origin().ascii_serialization()),
        _ => {
            no("it must begin with https://; without TLS only http://127.0.0.1 and http://[::1] can be told")
        }
    }
}

fn check_events(events: &[String]) -> Outcome<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'-');
    let fits = |event: &String| (1..=40).contains(&event.len()) && event.bytes().all(plain);
    if events.is_empty() || events.len() > WEBHOOK_EVENTS_MAX || !events.iter().all(fits) {
        return Err(Failure::new(
            Kind::Invalid,
            format!(
                "`events` names 1 to {WEBHOOK_EVENTS_MAX} actions of the audit log or their beginnings, such as \
                 \"rollout.\" or \"device.alarm\". Nothing was made"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_reach_where_only_the_server_can_are_refused() {
        for url in ["https://example.com/hook", "https://1.1.1.1:8443/x?y=z"] {
            check_url(url, false).unwrap();
        }
        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "http://example.com/",
            "http://1.1.1.1/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:a9fe:a9fe]/",
            "https://0.0.0.0/",
            "http://localhost/",
            "https://a:b@example.com/",
            "https://a@example.com/",
            "https://example.com/#x",
            "gopher://127.0.0.1/",
        ] {
            assert!(check_url(url, true).is_err(), "{url}");
        }
        for url in [
            "http://127.0.0.1:9/",
            "http://[::1]:9/",
            "http://127.1/",
            "http://2130706433/",
            "https://127.0.0.1/",
            "https://10.0.0.1:8443/x",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
        ] {
            assert!(check_url(url, false).is_err(), "{url}");
            check_url(url, true).unwrap();
        }
    }

    #[test]
    fn waits_grow_up_to_an_hour_and_are_never_the_same_for_all() {
        assert_eq!(wait_ms(0, [0; 2]), 0);
        assert_eq!(wait_ms(1, [0; 2]), 5_000);
        assert_eq!(wait_ms(4, [0; 2]), 40_000);
        for failures in [11, 50, u32::MAX] {
            assert_eq!(wait_ms(failures, [0; 2]), LONGEST_WAIT_MS);
            assert!((LONGEST_WAIT_MS..=LONGEST_WAIT_MS * 6 / 5).contains(&wait_ms(failures, [0xff; 2])));
        }
    }
}
