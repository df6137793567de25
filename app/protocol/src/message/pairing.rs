//! Pairing, generations 1 to 4 (all in plain) and 5th generation (from the authorization data on, sealed).

use super::layout::messages;
use crate::key::{Authenticator, PublicKey};
use crate::message::Command;
use crate::value::{AppId, AuthorizationId, AuthorizationType, LockUuid, Name, Nonce, Pin};
use crate::wire::Rest;

messages! {
    /// Asks for a message. The first of every pairing, and of every challenge.
    plain RequestData = 0x0001 {
        /// Which message.
        wanted: Command,
        /// More about it; no message that this lock gives out needs any.
        extra: Rest,
    }

    /// A public key, one way and then the other.
    plain PublicKeyOffer = 0x0003 {
        /// The sender's key.
        key: PublicKey,
    }

    /// A nonce to be woven into what comes next.
    plain Challenge = 0x0004 {
        /// Fresh.
        nonce: Nonce,
    }

    /// The client proves that it computed the shared key.
    plain AuthorizationAuthenticator = 0x0005 {
        /// Over client key, lock key, first nonce.
        authenticator: Authenticator,
    }

    /// Who the client is. The second nonce is authenticated, not sent.
    plain AuthorizationData = 0x0006 {
        /// Over type, id, name, client nonce, second nonce.
        authenticator: Authenticator,
        /// What it is.
        kind: AuthorizationType,
        /// What it calls itself.
        app: AppId,
        /// What people call it.
        name: Name<32>,
        /// The client's own nonce.
        nonce: Nonce,
    }

    /// The lock gives the client its authorization id. The client's nonce is authenticated, not sent.
    plain GrantedAuthorization = 0x0007 {
        /// Over authorization id, UUID, third nonce, client nonce.
        authenticator: Authenticator,
        /// The client's name on this lock from now on.
        authorization: AuthorizationId,
        /// The lock's.
        uuid: LockUuid,
        /// The third nonce.
        nonce: Nonce,
    }

    /// The client has stored its authorization id.
    plain AuthorizationIdConfirmation = 0x001E {
        /// Over authorization id, third nonce.
        authenticator: Authenticator,
        /// As granted.
        authorization: AuthorizationId,
    }

    /// 5th generation: what the client should know before it identifies itself.
    plain AuthorizationInfo = 0x004C {
        /// Whether the lock has a security PIN.
        pin_set: bool,
    }

    /// 5th generation, sealed: who the client is, and that its owner knows the PIN.
    plain AuthorizationDataFifth = 0x0006 {
        /// What it calls itself.
        app: AppId,
        /// What people call it.
        name: Name<32>,
        /// The lock's security PIN, six digits, always in its wide form.
        pin: Pin,
    }

    /// 5th generation, sealed: the lock gives the client its authorization id.
    plain GrantedAuthorizationFifth = 0x0007 {
        /// The client's name on this lock from now on.
        authorization: AuthorizationId,
        /// The lock's.
        uuid: LockUuid,
    }
}
