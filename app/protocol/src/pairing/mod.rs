//! Pairing: how a client and a lock come to share a key. [`lock`] and [`client`] are the two sides; steps are
//! numbered as in the specification.
//!
//! ```text
//!      generations 1 to 4                                  5th generation
//!  1   C → L  request data: public key                     the same
//!  2   L → C  the lock's public key                        the same
//!  3   C → L  the client's public key                      the same
//!  4   L → C  first nonce                                  the same
//!  5   C → L  proof of the shared key                      the same
//!  6   L → C  second nonce                                 whether a PIN is set
//!  7   C → L  who it is, authenticated                     sealed: who it is, and the PIN
//!  8   L → C  authorization id, third nonce                sealed: authorization id
//!  9   C → L  confirmation                                 -
//! 10   L → C  status: complete                             -
//! ```
//!
//! Both machines take frames and random bytes and give messages; they know no radio, no flash and no clock. Time
//! limits, and whether the lock is in pairing mode at all, are for whoever drives them. They keep the invariant
//! that an authorization is handed out to be stored before the message goes out that ends pairing.
//!
//! The key agreement itself proves nothing about who the other side is. What protects it is that a hand at the
//! lock opened pairing mode, and in the 5th generation the PIN.

pub mod client;
pub mod lock;

use crate::key::{Authenticator, PublicKey, SharedKey};
use crate::value::{AppId, AuthorizationId, AuthorizationType, LockUuid, Name, Nonce};
use crate::wire::PinWidth;

/// Which of the two ways to pair, and with it how wide PINs are afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Generations 1 to 4.
    ToFourth,
    /// The 5th generation.
    Fifth,
}

impl Family {
    /// How wide PINs are.
    #[must_use]
    pub const fn pin_width(self) -> PinWidth {
        match self {
            Self::ToFourth => PinWidth::Short,
            Self::Fifth => PinWidth::Long,
        }
    }
}

/// Who a client says to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is. The 5th generation does not say; then it is an app.
    pub kind: AuthorizationType,
    /// What it calls itself.
    pub app: AppId,
    /// What people call it.
    pub name: Name<32>,
}

// What the authenticators cover: one place for the side that makes and the side that checks.

/// Step 5: the client proves that it holds the shared key.
struct KeyProof<'a> {
    client: &'a PublicKey,
    lock: &'a PublicKey,
    first: &'a Nonce,
}

/// Step 7: who the client is.
struct IdentityProof<'a> {
    identity: &'a Identity,
    client: &'a Nonce,
    second: &'a Nonce,
}

/// Step 8: what the lock gives.
struct GrantProof<'a> {
    authorization: AuthorizationId,
    uuid: &'a LockUuid,
    third: &'a Nonce,
    client: &'a Nonce,
}

/// Step 9: that the client has it.
struct ConfirmationProof<'a> {
    authorization: AuthorizationId,
    third: &'a Nonce,
}

/// Something to be authenticated with the shared key.
trait Proof {
    /// Lends what is covered, in order.
    fn parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R;

    /// The authenticator over it.
    fn make(&self, key: &SharedKey) -> Authenticator {
        self.parts(|parts| key.authenticate(parts))
    }

    /// Whether the holder of the key made this authenticator over it.
    fn is(&self, key: &SharedKey, authenticator: &Authenticator) -> bool {
        self.parts(|parts| key.authenticates(parts, authenticator))
    }
}

impl Proof for KeyProof<'_> {
    fn parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R {
        with(&[&self.client.0, &self.lock.0, &self.first.0])
    }
}

impl Proof for IdentityProof<'_> {
    fn parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R {
        let Identity { kind, app, name } = self.identity;
        with(&[
            &[kind.number()],
            &app.0.to_le_bytes(),
            name.as_bytes(),
            &self.client.0,
            &self.second.0,
        ])
    }
}

impl Proof for GrantProof<'_> {
    fn parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R {
        with(&[
            &self.authorization.0.to_le_bytes(),
            &self.uuid.0,
            &self.third.0,
            &self.client.0,
        ])
    }
}

impl Proof for ConfirmationProof<'_> {
    fn parts<R>(&self, with: impl FnOnce(&[&[u8]]) -> R) -> R {
        with(&[&self.authorization.0.to_le_bytes(), &self.third.0])
    }
}
