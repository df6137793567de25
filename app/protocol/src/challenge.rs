//! The challenge: a nonce that the lock gave to one authorization on one connection, good for one command.
//!
//! It keeps the invariant that a command captured once is worth nothing the second time: a nonce is gone as soon
//! as anybody tried it, right or wrong.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::message::Challenge;
use crate::value::{AuthorizationId, ErrorCode, Nonce};

/// Random bytes for one nonce or one key: no `Clone` and no `Copy`, so that one is not used for two.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Fresh([u8; 32]);

impl Fresh {
    /// Takes bytes from a cryptographic random number generator, fresh ones every time.
    #[must_use]
    pub const fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The nonce made of them.
    #[must_use]
    pub fn into_nonce(self) -> Nonce {
        Nonce(self.0)
    }

    // For a secret key, which wipes its copy.
    pub(crate) fn into_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// The challenge that is open on one connection. One per connection; drop it with the connection.
#[derive(Default)]
pub struct OpenChallenge(Option<(AuthorizationId, Nonce)>);

/// The command's nonce is not that of an open challenge of this authorization. Nothing was done; the client has
/// to ask for a new challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleNonce;

impl StaleNonce {
    /// What a lock answers.
    #[must_use]
    pub const fn error_code(self) -> ErrorCode {
        ErrorCode::BadNonce
    }
}

impl fmt::Display for StaleNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the challenge was used or replaced; ask for a new one")
    }
}

impl core::error::Error for StaleNonce {}

impl OpenChallenge {
    /// No challenge is open.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Opens a challenge for an authorization, in place of any other; gives the message to send.
    pub fn issue(&mut self, authorization: AuthorizationId, fresh: Fresh) -> Challenge {
        let nonce = fresh.into_nonce();
        self.0 = Some((authorization, nonce));
        Challenge { nonce }
    }

    /// Takes a command's nonce. Whatever the answer, no challenge is open afterwards.
    ///
    /// # Errors
    /// [`StaleNonce`].
    pub fn redeem(&mut self, authorization: AuthorizationId, nonce: &Nonce) -> Result<(), StaleNonce> {
        match self.0.take() {
            Some((holder, open)) if holder == authorization && bool::from(open.ct_eq(nonce)) => Ok(()),
            Some(_) | None => Err(StaleNonce),
        }
    }
}
