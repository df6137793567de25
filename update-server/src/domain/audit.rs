//! Who changed what, written before it takes effect.
//!
//! An [`Entry`] is the price of a [`crate::store::Change`]: there is no way to change the fleet without one,
//! and both commit together or not at all. Each line is linked to the one before ([`chain`]).

pub mod chain;

use std::fmt;

use latchkey_directive::DeviceId;
use serde::{Deserialize, Serialize};

use chain::Link;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The server itself, because time has passed.
    Clock,
    /// Whoever can start this program on the server's data.
    Console,
    /// A lock.
    Device(DeviceId),
    /// The server itself, by a rollout's gate.
    Gate,
    /// Somebody whom an OpenID provider knows.
    Person {
        /// The provider's name for them.
        subject: String,
        /// What people call them.
        name: String,
    },
    /// The holder of a token.
    Token {
        /// The token's public half.
        id: String,
        /// What its maker called it.
        name: String,
    },
}

impl Actor {
    /// What people call them.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Person { name, .. } | Self::Token { name, .. } => name.clone(),
            Self::Clock | Self::Console | Self::Device(_) | Self::Gate => self.to_string(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => f.write_str("clock"),
            Self::Console => f.write_str("console"),
            Self::Device(id) => write!(f, "device:{id}"),
            Self::Gate => f.write_str("gate"),
            Self::Person { subject, name } => write!(f, "person:{subject} ({name})"),
            Self::Token { id, name } => write!(f, "token:{id} ({name})"),
        }
    }
}

/// One line of the audit log, before it is written.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Did what: `release.publish`, `rollout.pause` and so on.
    pub action: &'static str,
    /// To what: a digest, a name.
    pub subject: String,
    /// The particulars.
    pub detail: serde_json::Value,
}

/// One line of the audit log, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AuditRecord)]
pub struct Recorded {
    /// Counts up from 1 without gaps.
    pub number: i64,
    /// Milliseconds since 1970.
    #[serde(rename = "at_ms")]
    pub at: i64,
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The particulars, as JSON.
    pub detail: serde_json::Value,
    /// SHA-256 over this line and the link before, 64 hex digits; absent in lines of versions that had none.
    #[schema(value_type = Option<String>)]
    pub link: Option<Link>,
}

impl Recorded {
    /// The line that an entry becomes, linked to what was there.
    #[must_use]
    pub fn behind(head: &chain::Head, entry: &Entry<'_>) -> Self {
        let mut line = Self {
            number: head.next_number(),
            at: entry.at,
            actor: entry.actor.to_string(),
            action: entry.action.to_owned(),
            subject: entry.subject.clone(),
            detail: entry.detail.clone(),
            link: None,
        };
        line.link = Some(head.followed_by(&line).link);
        line
    }
}
