//! Keypad codes. They never leave the lock but to an authenticated administrator who asks for them, and lie on flash
//! only: RAM holds which there are, not what they are.

use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use latchkey_protocol::message::KeypadCodeEntry;
use latchkey_protocol::value::{CodeId, EnteredCode, KeypadCode, Name, TimeLimits};
use latchkey_storage::{Key, Storage};
use subtle::ConstantTimeEq;

use super::{NotAdded, insert, limits};
use crate::clock::{Local, UnixTime, Zone};
use crate::store::form;
use crate::store::record::record;
use crate::store::{self, StoreFailed};

/// One code, as it lies on flash.
pub struct Code {
    /// Its name on this lock.
    pub id: CodeId,
    /// What to type in.
    pub code: KeypadCode,
    /// Whose it is.
    pub name: Name<20>,
    /// Whether it opens anything.
    pub enabled: bool,
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
    Code as Map from Code {
        id: CodeId(0),
        // Read over below, or there is no record.
        code: KeypadCode::new(999_999)?,
        name: Name::EMPTY,
        enabled: false,
        created: 0,
        last_active: 0,
        lock_count: 0,
        limits: None,
    };
    required {
        0 => id: form::Wire,
        1 => code: form::Code,
        2 => name: form::Text,
        3 => enabled: form::Flag,
        4 => created: form::Unsigned,
        5 => last_active: form::Unsigned,
        6 => lock_count: form::Unsigned,
    }
    optional {
        7 => limits: form::Maybe<form::Wire>,
    }
}

impl Code {
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

    /// The entry as an administrator reads it, code included.
    #[must_use]
    pub fn message(self, zone: &Zone) -> KeypadCodeEntry {
        KeypadCodeEntry {
            id: self.id,
            code: self.code,
            name: self.name,
            enabled: self.enabled,
            created: zone.date(UnixTime(self.created)),
            last_active: zone.date(UnixTime(self.last_active)),
            lock_count: self.lock_count,
            limits: self.limits,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    id: CodeId,
    slot: u16,
}

/// Which codes there are.
#[derive(Debug, Default)]
pub struct Codes {
    rows: Vec<Row, { Self::MAX }>,
}

impl Codes {
    /// Codes at most.
    pub const MAX: usize = 100;

    /// Finds out which there are. A record that cannot be read opens nothing and is passed over.
    #[must_use]
    pub fn open<F: NorFlash>(storage: &mut Storage<F>) -> Self {
        let mut rows = Vec::new();
        for slot in slots() {
            if let Ok(Some(found)) = store::load::<Code, F>(storage, key(slot)) {
                // There are no more slots than rows.
                let _ = insert(&mut rows, Row { id: found.id, slot }, |row| row.id);
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

    /// Whether one more can be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, id: CodeId) -> bool {
        self.row(id).is_some()
    }

    /// The `n`th of the list.
    #[must_use]
    pub fn nth(&self, n: usize) -> Option<CodeId> {
        self.rows.get(n).map(|row| row.id)
    }

    /// Reads a code; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn load<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        id: CodeId,
    ) -> Result<Option<Code>, StoreFailed> {
        let Some(row) = self.row(id) else { return Ok(None) };
        let found: Option<Code> = store::load(storage, key(row.slot))?;
        Ok(found.filter(|found| found.id == id))
    }

    /// The code that was typed in, if it is one. Looks at all of them whatever it finds, so that the time it takes
    /// tells nothing but how many there are.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn find<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        entered: &EnteredCode,
    ) -> Result<Option<CodeId>, StoreFailed> {
        self.search(storage, |code| code.matches(entered).into())
    }

    /// Whether a code other than `except` is this one.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn is_taken<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        new: &KeypadCode,
        except: Option<CodeId>,
    ) -> Result<bool, StoreFailed> {
        let found = self.search(storage, |code| code.ct_eq(new).into())?;
        Ok(found.is_some() && found != except)
    }

    /// Adds a code.
    ///
    /// # Errors
    /// [`NotAdded`].
    pub fn add<F: NorFlash>(&mut self, storage: &mut Storage<F>, new: &Code) -> Result<(), NotAdded> {
        let free = |slot: &u16| self.rows.iter().all(|row| row.slot != *slot);
        let slot = slots().find(free).ok_or(NotAdded::Full)?;
        store::save(storage, key(slot), new)?;
        let row = Row { id: new.id, slot };
        insert(&mut self.rows, row, |row| row.id)
    }

    /// Writes a changed code back.
    ///
    /// # Errors
    /// [`StoreFailed`], also when there is none of this name any more.
    pub fn update<F: NorFlash>(&self, storage: &mut Storage<F>, changed: &Code) -> Result<(), StoreFailed> {
        let row = self.row(changed.id).ok_or(StoreFailed)?;
        store::save(storage, key(row.slot), changed)
    }

    /// Removes a code. Whether there was one.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn remove<F: NorFlash>(&mut self, storage: &mut Storage<F>, id: CodeId) -> Result<bool, StoreFailed> {
        let Some(row) = self.row(id) else { return Ok(false) };
        store::remove(storage, key(row.slot))?;
        self.rows.retain(|row| row.id != id);
        Ok(true)
    }

    fn search<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        fits: impl Fn(&KeypadCode) -> bool,
    ) -> Result<Option<CodeId>, StoreFailed> {
        let mut found = None;
        for row in &self.rows {
            let code: Option<Code> = store::load(storage, key(row.slot))?;
            if code.is_some_and(|code| fits(&code.code)) {
                found = Some(row.id);
            }
        }
        Ok(found)
    }

    fn row(&self, id: CodeId) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }
}

fn slots() -> impl Iterator<Item = u16> {
    (0..).take(Codes::MAX)
}

fn key(slot: u16) -> Key {
    Key(store::CODES.saturating_add(slot))
}
