//! Requests about authorizations and keypad codes.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::{
    AddKeypadCode, InviteAuthorization, InvitedAuthorization, KeypadCodeId, UpdateAuthorizationEntry,
    UpdateKeypadCode,
};
use latchkey_protocol::value::{AuthorizationId, CodeId, ErrorCode, TimeLimits};
use latchkey_storage::Storage;

use super::commands::Done;
use super::links::Reply;
use super::{LinkId, Lock};
use crate::access::{Authorization, Authorizations, Code, NotAdded, limits};

impl From<NotAdded> for ErrorCode {
    fn from(why: NotAdded) -> Self {
        match why {
            NotAdded::Full => Self::TooManyEntries,
            NotAdded::Store => Self::Unknown,
        }
    }
}

impl Lock {
    pub(super) fn invite<F: NorFlash>(
        &mut self,
        link: LinkId,
        asked: &InviteAuthorization,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        let limits = sound(asked.limits.0)?;
        if self.state.authorizations.len() >= Authorizations::MAX {
            return Err(ErrorCode::TooManyEntries);
        }
        let id = self.state.next_authorization().ok_or(ErrorCode::TooManyEntries)?;
        self.state.keep_authorization(storage, id)?;
        let time = self.state.clock.now(now_ms);
        let mut new = Authorization::new(id, asked.kind, asked.name, SharedKey::from(&asked.key));
        new.remote_allowed = asked.remote_allowed;
        new.limits = limits;
        new.created = time.0;
        self.state.authorizations.add(storage, &new)?;
        let invited = InvitedAuthorization {
            authorization: id,
            created: self.state.config.zone().date(time),
        };
        self.reply(link, Reply::Message(invited.into()));
        Ok(())
    }

    pub(super) fn update_authorization<F: NorFlash>(
        &mut self,
        link: LinkId,
        asked: &UpdateAuthorizationEntry,
        storage: &mut Storage<F>,
    ) -> Done {
        let limits = sound(asked.limits.0)?;
        let found = self.state.authorizations.load(storage, asked.authorization)?;
        let mut changed = found.ok_or(ErrorCode::InvalidAuthId)?;
        changed.name = asked.name;
        changed.enabled = asked.enabled;
        changed.remote_allowed = asked.remote_allowed;
        changed.limits = limits;
        self.state.authorizations.update(storage, &changed)?;
        if !changed.enabled {
            self.links.drop_sessions(changed.id, link);
        }
        Ok(())
    }

    pub(super) fn remove_authorization<F: NorFlash>(
        &mut self,
        link: LinkId,
        id: AuthorizationId,
        storage: &mut Storage<F>,
    ) -> Done {
        if !self.state.authorizations.remove(storage, id)? {
            return Err(ErrorCode::InvalidAuthId);
        }
        self.links.drop_sessions(id, link);
        Ok(())
    }

    pub(super) fn add_code<F: NorFlash>(
        &mut self,
        link: LinkId,
        asked: AddKeypadCode,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        let limits = sound(asked.limits.0)?;
        if self.state.codes.is_full() {
            return Err(ErrorCode::TooManyEntries);
        }
        if self.state.codes.is_taken(storage, &asked.code, None)? {
            return Err(ErrorCode::CodeAlreadyExists);
        }
        let id = self.state.next_code(storage)?;
        let time = self.state.clock.now(now_ms);
        let new = Code {
            id,
            code: asked.code,
            name: asked.name,
            enabled: true,
            created: time.0,
            last_active: 0,
            lock_count: 0,
            limits,
        };
        self.state.codes.add(storage, &new)?;
        let created = self.state.config.zone().date(time);
        self.reply(link, Reply::Message(KeypadCodeId { id, created }.into()));
        Ok(())
    }

    pub(super) fn update_code<F: NorFlash>(
        &mut self,
        asked: UpdateKeypadCode,
        storage: &mut Storage<F>,
    ) -> Done {
        let limits = sound(asked.limits.0)?;
        let found = self.state.codes.load(storage, asked.id)?;
        let mut changed = found.ok_or(ErrorCode::BadParameter)?;
        if self.state.codes.is_taken(storage, &asked.code, Some(asked.id))? {
            return Err(ErrorCode::CodeAlreadyExists);
        }
        changed.code = asked.code;
        changed.name = asked.name;
        changed.enabled = asked.enabled;
        changed.limits = limits;
        Ok(self.state.codes.update(storage, &changed)?)
    }

    pub(super) fn remove_code<F: NorFlash>(&mut self, id: CodeId, storage: &mut Storage<F>) -> Done {
        if self.state.codes.remove(storage, id)? {
            Ok(())
        } else {
            Err(ErrorCode::BadParameter)
        }
    }
}

/// Limits that can be kept; others are refused rather than never or always met.
fn sound(limits: Option<TimeLimits>) -> Result<Option<TimeLimits>, ErrorCode> {
    if limits.as_ref().is_none_or(limits::are_sound) {
        Ok(limits)
    } else {
        Err(ErrorCode::BadParameter)
    }
}
