//! What goes out on a connection, one message at a time, when the connection can take it.
//!
//! Lists are read from flash entry by entry as they are sent. What is told about the lock is what is true when it is
//! told. A frame's nonce is made of the moment's random bytes, which nobody else gets.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::frame::{plain, sealed};
use latchkey_protocol::message::{
    AuthorizationEntryCount, FromLock, KeypadCodeCount, LogEntryCount, StatusReport, TimeControlEntry,
    TimeControlEntryCount,
};
use latchkey_protocol::value::{AuthorizationId, DoorState, Status};
use latchkey_storage::Storage;

use super::links::{Item, List, Reply};
use super::state::State;
use super::{Characteristic, LinkId, Lock, Moment};
use crate::activity::Entry;
use crate::store;

/// The longest message that [`Lock::outgoing`] gives, in bytes.
pub const OUTGOING_MAX: usize = sealed::FRAME_MAX;

impl Lock {
    /// The next message for a connection, in the beginning of `out`, with its length and where it goes. To be asked
    /// whenever that connection can take another one; `None` means nothing now. `out` has [`OUTGOING_MAX`] bytes.
    pub fn outgoing<F: NorFlash>(
        &mut self,
        id: LinkId,
        mut moment: Moment,
        storage: &mut Storage<F>,
        out: &mut [u8],
    ) -> Option<(Characteristic, usize)> {
        let now_ms = moment.now_ms;
        let link = self.links.get(id)?;
        let item = link.next_item()?;
        link.heard(now_ms);
        match item {
            Item::Pairing(message) => {
                let length = plain::write(&message, out).ok()?;
                Some((Characteristic::Pairing, length))
            }
            Item::PairingSealed(grant) => {
                let length = grant.seal(moment.frame_nonce()?, out).ok()?;
                Some((Characteristic::Pairing, length))
            }
            Item::PlainError(report) => {
                let length = plain::write(&report, out).ok()?;
                Some((Characteristic::Keyturner, length))
            }
            Item::Sealed(reply) => {
                let own = link.session.as_ref()?.id;
                let message = self.message(id, reply, own, now_ms, storage);
                let session = self.links.get(id)?.session.as_ref()?;
                let nonce = moment.frame_nonce()?;
                let length = sealed::seal(&message, session.id, &session.key, nonce, out).ok()?;
                Some((Characteristic::UserData, length))
            }
        }
    }

    #[inline(never)]
    fn message<F: NorFlash>(
        &mut self,
        id: LinkId,
        reply: Reply,
        own: AuthorizationId,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> FromLock {
        match reply {
            Reply::Message(message) => message,
            Reply::States(lock_state) => self.state.states(lock_state, now_ms).into(),
            Reply::Config => self.state.config_message(now_ms).into(),
            Reply::Advanced => self.state.advanced_message().into(),
            Reply::List(mut list) => match self.state.next_of(&mut list, own, storage) {
                Some(message) => {
                    if let Some(link) = self.links.get(id) {
                        link.put_back(list);
                    }
                    message
                }
                None => StatusReport {
                    status: Status::Complete,
                }
                .into(),
            },
        }
    }
}

impl State {
    /// The next message of a list; `None` when it is through.
    fn next_of<F: NorFlash>(
        &self,
        list: &mut List,
        own: AuthorizationId,
        storage: &mut Storage<F>,
    ) -> Option<FromLock> {
        match list {
            List::Authorizations { counted, next, left } => {
                if !core::mem::replace(counted, true) {
                    let count = u16::try_from(self.authorizations.len()).unwrap_or(u16::MAX);
                    return Some(AuthorizationEntryCount { count }.into());
                }
                self.next_authorization_entry(next, left, own, storage)
            }
            List::Codes { counted, next, left } => {
                if !core::mem::replace(counted, true) {
                    // So many follow: clients are known to wait for exactly as many as this says.
                    let there = self.codes.len().saturating_sub(*next);
                    let count = u16::try_from(there).unwrap_or(u16::MAX).min(*left);
                    return Some(KeypadCodeCount { count }.into());
                }
                self.next_code_entry(next, left, storage)
            }
            List::TimeControl { counted, next } => {
                let entries = self.time_control.as_slice();
                if !core::mem::replace(counted, true) {
                    let count = u8::try_from(entries.len()).unwrap_or(u8::MAX);
                    return Some(TimeControlEntryCount { count }.into());
                }
                let entry = entries.get(*next)?;
                *next = next.saturating_add(1);
                let message = TimeControlEntry {
                    id: entry.id,
                    enabled: entry.enabled,
                    weekdays: entry.weekdays,
                    time: entry.time,
                    action: entry.action.into(),
                };
                Some(message.into())
            }
            List::Log { counted, query } => {
                if !core::mem::replace(counted, true) {
                    return Some(self.log_count(storage).into());
                }
                while let Some(number) = query.next(storage.entries()) {
                    // One that cannot be read is passed over.
                    if let Some(entry) = store::entry::<Entry, F>(storage, number) {
                        return Some(entry.message(number).into());
                    }
                }
                None
            }
        }
    }

    fn next_authorization_entry<F: NorFlash>(
        &self,
        next: &mut usize,
        left: &mut u16,
        own: AuthorizationId,
        storage: &mut Storage<F>,
    ) -> Option<FromLock> {
        loop {
            *left = left.checked_sub(1)?;
            let id = self.authorizations.nth_for(own, *next)?;
            *next = next.saturating_add(1);
            // One that cannot be read is passed over.
            if let Ok(Some(found)) = self.authorizations.load(storage, id) {
                return Some(found.message(&self.config.zone()).into());
            }
        }
    }

    fn next_code_entry<F: NorFlash>(
        &self,
        next: &mut usize,
        left: &mut u16,
        storage: &mut Storage<F>,
    ) -> Option<FromLock> {
        loop {
            *left = left.checked_sub(1)?;
            let id = self.codes.nth(*next)?;
            *next = next.saturating_add(1);
            // One that cannot be read is passed over.
            if let Ok(Some(found)) = self.codes.load(storage, id) {
                return Some(found.message(&self.config.zone()).into());
            }
        }
    }

    fn log_count<F: NorFlash>(&self, storage: &Storage<F>) -> LogEntryCount {
        let count = u16::try_from(storage.entries().len()).unwrap_or(u16::MAX);
        let door_sensor = self.door != DoorState::Unavailable;
        LogEntryCount {
            logging: self.config.logging,
            count,
            door_sensor,
            door_sensor_logging: door_sensor && self.config.logging,
        }
    }
}
