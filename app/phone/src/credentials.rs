//! What a client holds after pairing: the key that opens the door, and whose it is.
//!
//! A secret: no `Clone`, no `Debug`, wiped when dropped. `grep expose` is the audit of who sees it in clear.
//!
//! ```
//! # use latchkey_phone::Credentials;
//! # use latchkey_protocol::{key::SharedKey, pairing::Family, value::{AppId, AuthorizationId, LockUuid}};
//! # let key = SharedKey::from_bytes(&mut [7; 32]);
//! let held = Credentials::invited(Family::ToFourth, LockUuid([1; 16]), AuthorizationId(5), AppId(0), key);
//! let mut stored = held.expose(|bytes| *bytes);
//! assert!(Credentials::from_bytes(&mut stored).is_ok());
//! assert_eq!(stored, [0; Credentials::LENGTH]);
//! ```
//!
//! ```compile_fail
//! # use latchkey_phone::Credentials;
//! # use latchkey_protocol::{key::SharedKey, pairing::Family, value::{AppId, AuthorizationId, LockUuid}};
//! # let key = SharedKey::from_bytes(&mut [7; 32]);
//! let held = Credentials::invited(Family::ToFourth, LockUuid([1; 16]), AuthorizationId(5), AppId(0), key);
//! println!("{held:?}");
//! ```
//!
//! ```compile_fail
//! # use latchkey_phone::Credentials;
//! # use latchkey_protocol::{key::SharedKey, pairing::Family, value::{AppId, AuthorizationId, LockUuid}};
//! # let key = SharedKey::from_bytes(&mut [7; 32]);
//! let held = Credentials::invited(Family::ToFourth, LockUuid([1; 16]), AuthorizationId(5), AppId(0), key);
//! let copy = held.clone();
//! ```

use core::fmt;

use latchkey_protocol::key::SharedKey;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::pairing::client::Authorization;
use latchkey_protocol::value::{AppId, AuthorizationId, LockUuid};
use latchkey_protocol::wire::{Reader, Writer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

const TO_FOURTH: u8 = 4;
const FIFTH: u8 = 5;

/// See the module's header.
pub struct Credentials {
    /// How the lock pairs, and how wide its PINs are.
    pub family: Family,
    /// The lock's UUID, the same until it is reset to factory state.
    pub uuid: LockUuid,
    /// The client's number on that lock.
    pub authorization: AuthorizationId,
    /// What the client calls itself.
    pub app: AppId,
    key: SharedKey,
}

/// What was stored holds no credentials. Pair again, or find what was really stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCredentials {
    /// Another program, or a newer version of this one, wrote it.
    Version(u8),
    /// It is damaged.
    Damaged,
}

impl fmt::Display for BadCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "the stored credentials have layout {version}, which this version does not know; update it or pair again"
            ),
            Self::Damaged => f.write_str("the stored credentials are damaged; pair again"),
        }
    }
}

impl core::error::Error for BadCredentials {}

impl Credentials {
    /// Bytes that they take when stored.
    pub const LENGTH: usize = 58;
    /// The first byte of what is stored. A new layout gets a new one.
    pub(crate) const VERSION: u8 = 1;

    /// Those of a pairing.
    pub(crate) fn paired(family: Family, app: AppId, granted: &Authorization) -> Self {
        Self {
            family,
            uuid: granted.uuid,
            authorization: granted.authorization,
            app,
            key: copy(&granted.key),
        }
    }

    /// Those of somebody whom an administrator invited, who made the key.
    #[must_use]
    pub const fn invited(
        family: Family,
        uuid: LockUuid,
        authorization: AuthorizationId,
        app: AppId,
        key: SharedKey,
    ) -> Self {
        Self {
            family,
            uuid,
            authorization,
            app,
            key,
        }
    }

    /// Takes them from where they were stored. Wipes the bytes.
    ///
    /// # Errors
    /// [`BadCredentials`].
    pub fn from_bytes(bytes: &mut [u8; Self::LENGTH]) -> Result<Self, BadCredentials> {
        let taken = Zeroizing::new(*bytes);
        bytes.zeroize();
        let [version, ..] = *taken;
        if version != Self::VERSION {
            return Err(BadCredentials::Version(version));
        }
        Self::read(&*taken).ok_or(BadCredentials::Damaged)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes, Family::ToFourth.pin_width());
        let [_, family] = *fields.bytes()?;
        let credentials = Self {
            family: match family {
                TO_FOURTH => Family::ToFourth,
                FIFTH => Family::Fifth,
                _ => return None,
            },
            app: fields.field()?,
            authorization: fields.field()?,
            uuid: fields.field()?,
            key: {
                let mut key = Zeroizing::new(*fields.bytes()?);
                if bool::from(key.ct_eq(&[0; 32])) {
                    return None;
                }
                SharedKey::from_bytes(&mut key)
            },
        };
        let credentials = fields.finish(Some(credentials)).ok()?;
        credentials.authorization.is_assignable().then_some(credentials)
    }

    /// Lends them, key included, as bytes to whoever stores them.
    pub fn expose<R>(&self, with: impl FnOnce(&[u8; Self::LENGTH]) -> R) -> R {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        let mut fields = Writer::new(&mut *bytes);
        let family = match self.family {
            Family::ToFourth => TO_FOURTH,
            Family::Fifth => FIFTH,
        };
        fields.bytes(&[Self::VERSION, family]);
        fields.field(&self.app);
        fields.field(&self.authorization);
        fields.field(&self.uuid);
        self.key.expose(|key| fields.bytes(key));
        with(&bytes)
    }

    pub(crate) const fn key(&self) -> &SharedKey {
        &self.key
    }
}

fn copy(key: &SharedKey) -> SharedKey {
    let mut bytes = key.expose(|bytes| *bytes);
    SharedKey::from_bytes(&mut bytes)
}
