//! Authorizations: each client that may talk to the lock, with a key of its own.
//!
//! There is no other key and none that opens more than one lock. A removed authorization's key cannot be read from
//! flash any more.

use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use latchkey_protocol::key::{KEY_LENGTH, SharedKey};
use latchkey_protocol::message::AuthorizationEntry;
use latchkey_protocol::value::{AppId, AuthorizationId, AuthorizationType, Name, TimeLimits};
use latchkey_storage::{Key, Storage};

use super::{NotAdded, insert, limits};
use crate::clock::{Local, UnixTime, Zone};
use crate::store::form::{self, Lenient};
use crate::store::record::record;
use crate::store::{self, StoreFailed};

/// One authorization, as it lies on flash.
pub struct Authorization {
    /// Its name on this lock.
    pub id: AuthorizationId,
    /// What kind of client it is.
    pub kind: AuthorizationType,
    /// What the client called itself when it paired.
    pub app: AppId,
    /// What people call it.
    pub name: Name<32>,
    /// Its key.
    pub key: SharedKey,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Whether it may act from afar.
    pub remote_allowed: bool,
    /// When it was made, in seconds since 1970.
    pub created: u32,
    /// When it last moved the lock, in seconds since 1970; 0 when never.
    pub last_active: u32,
    /// How often it moved the lock.
    pub lock_count: u16,
    /// When it may be used.
    pub limits: Option<TimeLimits>,
}

record! {
    Authorization as Map from Authorization::new(
        AuthorizationId(0),
        AuthorizationType::App,
        Name::EMPTY,
        SharedKey::from_bytes(&mut [0; KEY_LENGTH])
    );
    required {
        0 => id: form::Wire,
        1 => kind: form::Number,
        2 => app: form::Wire,
        3 => name: form::Text,
        4 => key: form::Key,
        5 => enabled: form::Flag,
        6 => remote_allowed: form::Flag,
        7 => created: form::Unsigned,
        8 => last_active: form::Unsigned,
        9 => lock_count: form::Unsigned,
    }
    optional {
        10 => limits: form::Maybe<form::Wire>,
    }
}

impl Lenient for AuthorizationType {
    const FALLBACK: Self = Self::App;
}

impl Authorization {
    /// A new authorization, without limits.
    #[must_use]
    pub fn new(id: AuthorizationId, kind: AuthorizationType, name: Name<32>, key: SharedKey) -> Self {
        Self {
            id,
            kind,
            app: AppId(0),
            name,
            key,
            enabled: true,
            remote_allowed: true,
            created: 0,
            last_active: 0,
            lock_count: 0,
            limits: None,
        }
    }

    /// Whether it may be used at this time.
    #[must_use]
    pub fn is_in_time(&self, local: Option<Local>) -> bool {
        self.limits.as_ref().is_none_or(|set| limits::allow(set, local))
    }

    /// Counts a use.
    pub fn used(&mut self, time: UnixTime) {
        self.last_active = time.0;
        self.lock_count = self.lock_count.saturating_add(1);
    }

    /// The entry as a client reads it; the key is not in it.
    #[must_use]
    pub fn message(&self, zone: &Zone) -> AuthorizationEntry {
        AuthorizationEntry {
            authorization: self.id,
            kind: self.kind.into(),
            name: self.name,
            enabled: self.enabled,
            remote_allowed: self.remote_allowed,
            created: zone.date(UnixTime(self.created)),
            last_active: zone.date(UnixTime(self.last_active)),
            lock_count: self.lock_count,
            limits: self.limits,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    id: AuthorizationId,
    kind: AuthorizationType,
    slot: u16,
}

/// Which authorizations there are.
#[derive(Debug, Default)]
pub struct Authorizations {
    rows: Vec<Row, { Self::MAX }>,
}

impl Authorizations {
    /// Authorizations at most.
    pub const MAX: usize = 100;

    /// Finds out which there are. A record that cannot be read opens nothing and is passed over.
    #[must_use]
    pub fn open<F: NorFlash>(storage: &mut Storage<F>) -> Self {
        let mut rows: Vec<Row, { Self::MAX }> = Vec::new();
        for slot in slots() {
            if let Ok(Some(found)) = store::load::<Authorization, F>(storage, key(slot)) {
                let row = Row {
                    id: found.id,
                    kind: found.kind,
                    slot,
                };
                // There are no more slots than rows.
                let _ = insert(&mut rows, row, |row| row.id);
            }
        }
        Self { rows }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The highest name that one of them has; 0 when there is none.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.rows.iter().map(|row| row.id.0).max().unwrap_or(0)
    }

    /// Whether there is one of this kind.
    #[must_use]
    pub fn has(&self, kind: AuthorizationType) -> bool {
        self.rows.iter().any(|row| row.kind == kind)
    }

    /// What kind of client this is.
    #[must_use]
    pub fn kind(&self, id: AuthorizationId) -> Option<AuthorizationType> {
        self.row(id).map(|row| row.kind)
    }

    /// The `n`th in the order of a list that `own` asks for: its own first, then the others.
    #[must_use]
    pub fn nth_for(&self, own: AuthorizationId, n: usize) -> Option<AuthorizationId> {
        let own_first = self.row(own).into_iter();
        let others = self.rows.iter().filter(|row| row.id != own);
        own_first.chain(others).nth(n).map(|row| row.id)
    }

    /// Reads an authorization; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn load<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        id: AuthorizationId,
    ) -> Result<Option<Authorization>, StoreFailed> {
        let Some(row) = self.row(id) else { return Ok(None) };
        let found: Option<Authorization> = store::load(storage, key(row.slot))?;
        Ok(found.filter(|found| found.id == id))
    }

    /// Adds an authorization.
    ///
    /// # Errors
    /// [`NotAdded`].
    pub fn add<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        new: &Authorization,
    ) -> Result<(), NotAdded> {
        let free = |slot: &u16| self.rows.iter().all(|row| row.slot != *slot);
        let slot = slots().find(free).ok_or(NotAdded::Full)?;
        store::save(storage, key(slot), new)?;
        let row = Row {
            id: new.id,
            kind: new.kind,
            slot,
        };
        insert(&mut self.rows, row, |row| row.id)
    }

    /// Writes a changed authorization back.
    ///
    /// # Errors
    /// [`StoreFailed`], also when there is none of this name any more.
    pub fn update<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        changed: &Authorization,
    ) -> Result<(), StoreFailed> {
        let row = self.row(changed.id).ok_or(StoreFailed)?;
        store::save(storage, key(row.slot), changed)
    }

    /// Removes an authorization and its key. Whether there was one.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn remove<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        id: AuthorizationId,
    ) -> Result<bool, StoreFailed> {
        let Some(row) = self.row(id) else { return Ok(false) };
        store::remove(storage, key(row.slot))?;
        self.rows.retain(|row| row.id != id);
        Ok(true)
    }

    /// The name of another authorization of the same client, which a new pairing takes the place of: same kind, same
    /// id, same name.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn twin<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        of: &Authorization,
    ) -> Result<Option<AuthorizationId>, StoreFailed> {
        for row in &self.rows {
            if row.id == of.id || row.kind != of.kind {
                continue;
            }
            let other: Option<Authorization> = store::load(storage, key(row.slot))?;
            if other.is_some_and(|other| other.app == of.app && other.name == of.name) {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }

    fn row(&self, id: AuthorizationId) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }
}

/// The same key once more, for a session or a record. Keys have no `Clone`, so that this is the place to look.
pub(crate) fn same_key(key: &SharedKey) -> SharedKey {
    let mut bytes = key.expose(|bytes| *bytes);
    SharedKey::from_bytes(&mut bytes)
}

fn slots() -> impl Iterator<Item = u16> {
    (0..).take(Authorizations::MAX)
}

fn key(slot: u16) -> Key {
    Key(store::AUTHORIZATIONS.saturating_add(slot))
}
