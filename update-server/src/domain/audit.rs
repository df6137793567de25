//! Who changed what, written before it takes effect.
//!
//! An [`Entry`] is the price of a [`crate::store::Change`]: there is no way to change the fleet without one,
//! and both commit together or not at all.

use std::fmt;

use latchkey_directive::DeviceId;
use serde::Serialize;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever can start this program on the server's data.
    Console,
    /// A lock.
    Device(DeviceId),
    /// The holder of a token.
    Token {
        /// The token's public half.
        id: String,
        /// What its maker called it.
        name: String,
    },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console => f.write_str("console"),
            Self::Device(id) => write!(f, "device:{id}"),
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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
}
