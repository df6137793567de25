//! Who may use the lock.

use super::layout::messages;
use crate::value::{AuthorizationId, AuthorizationType, CarriedKey, DateTime, Name, Reported, TimeLimits};
use crate::wire::Always;

messages! {
    /// Takes an authorization away.
    guarded RemoveAuthorizationEntry = 0x0008 {
        /// Whose.
        authorization: AuthorizationId,
    }

    /// Asks for the list of authorizations.
    guarded RequestAuthorizationEntries = 0x0009 {
        /// How many to skip.
        offset: u16,
        /// At most how many.
        count: u16,
    }

    /// How many authorizations there are.
    plain AuthorizationEntryCount = 0x0027 {
        /// All of them.
        count: u16,
    }

    /// One authorization.
    plain AuthorizationEntry = 0x000A {
        /// Its number.
        authorization: AuthorizationId,
        /// What kind of client it is.
        kind: Reported<AuthorizationType>,
        /// What people call it.
        name: Name<32>,
        /// Whether it may do anything.
        enabled: bool,
        /// Whether it may act from afar.
        remote_allowed: bool,
        /// When it was made, local.
        created: DateTime,
        /// When it was used last, local; all zeros when never.
        last_active: DateTime,
        /// How often it moved the lock.
        lock_count: u16,
        /// When it may be used. Without limits these bytes are not there.
        limits: Option<TimeLimits>,
    }

    /// Makes an authorization for somebody who is not here.
    guarded InviteAuthorization = 0x000B {
        /// What people will call it.
        name: Name<32>,
        /// What kind of client it will be.
        kind: AuthorizationType,
        /// The key that it will hold.
        key: CarriedKey,
        /// Whether it may act from afar.
        remote_allowed: bool,
        /// When it may be used.
        limits: Always<TimeLimits>,
    }

    /// The authorization that an invitation made.
    plain InvitedAuthorization = 0x001F {
        /// Its number.
        authorization: AuthorizationId,
        /// When it was made, local.
        created: DateTime,
    }

    /// Changes an authorization.
    guarded UpdateAuthorizationEntry = 0x0025 {
        /// Whose.
        authorization: AuthorizationId,
        /// What people call it.
        name: Name<32>,
        /// Whether it may do anything.
        enabled: bool,
        /// Whether it may act from afar.
        remote_allowed: bool,
        /// When it may be used.
        limits: Always<TimeLimits>,
    }
}
