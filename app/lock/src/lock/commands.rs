//! What each request does, once it was admitted. People and keypad codes are in `people`, motion in `motion`.

use embedded_storage::nor_flash::NorFlash;
use latchkey_protocol::message::{
    AddTimeControlEntry, BatteryReport, Challenge, Command, EnableLogging, FirmwareStatus, FromClient,
    KeyturnerStates, LogEvent, Message, RequestData, RequestLogEntries, RunningImage, SetAdvancedConfig,
    SetConfig, SetSecurityPin, TimeControlEntryId, UpdateStatus, UpdateTime, UpdateTimeControlEntry,
};
use latchkey_protocol::value::{AuthorizationType, ErrorCode, Status, TimeControlId};
use latchkey_storage::Storage;

use super::links::{Item, List, Reply};
use super::state::State;
use super::{LinkId, Lock, Moment};
use crate::access::{Authorization, set_pin};
use crate::activity::{Entry, Query};
use crate::clock::UnixTime;
use crate::schedule::Entry as TimeControl;

/// How long a client may take to fetch the answer before the lock restarts, in milliseconds.
const RESTART_MS: u64 = 1_000;

/// What a request ends in at once.
pub(super) type Done = Result<(), ErrorCode>;

impl Lock {
    /// Does what was asked for.
    #[inline(never)]
    pub(super) fn execute<F: NorFlash>(
        &mut self,
        id: LinkId,
        by: Authorization,
        request: FromClient,
        moment: &mut Moment,
        storage: &mut Storage<F>,
    ) -> Done {
        use FromClient as Request;
        let now_ms = moment.now_ms;
        match request {
            Request::RequestData(asked) => return self.tell(id, &by, &asked, moment),
            Request::RequestConfig(_) => self.reply(id, Reply::Config),
            Request::RequestAdvancedConfig(_) => self.reply(id, Reply::Advanced),
            Request::PerformLockAction(asked) => return self.lock_action(id, by, &asked, now_ms, storage),
            Request::PerformSimpleLockAction(asked) => {
                return self.simple_action(id, by, &asked, now_ms, storage);
            }
            Request::PerformKeypadAction(asked) => {
                return self.keypad_action(id, by, &asked, now_ms, storage);
            }
            Request::RequestCalibration(_) => return self.calibrate(id, by, now_ms, storage),
            Request::RequestAuthorizationEntries(asked) => self.reply(
                id,
                Reply::List(List::Authorizations {
                    counted: false,
                    next: asked.offset.into(),
                    left: asked.count,
                }),
            ),
            Request::RequestKeypadCodes(asked) => self.reply(
                id,
                Reply::List(List::Codes {
                    counted: false,
                    next: asked.offset.into(),
                    left: asked.count,
                }),
            ),
            Request::RequestTimeControlEntries(_) => {
                let list = List::TimeControl {
                    counted: false,
                    next: 0,
                };
                self.reply(id, Reply::List(list));
            }
            Request::RequestLogEntries(asked) => self.reply(id, Reply::List(log_list(&asked))),
            Request::InviteAuthorization(asked) => return self.invite(id, &asked, now_ms, storage),
            Request::AddKeypadCode(asked) => return self.add_code(id, asked, now_ms, storage),
            Request::AddTimeControlEntry(asked) => return self.add_time_control(id, &asked, storage),
            Request::RemoveAuthorizationEntry(_)
            | Request::UpdateAuthorizationEntry(_)
            | Request::UpdateKeypadCode(_)
            | Request::RemoveKeypadCode(_)
            | Request::SetConfig(_)
            | Request::SetAdvancedConfig(_)
            | Request::SetSecurityPin(_)
            | Request::VerifySecurityPin(_)
            | Request::UpdateTime(_)
            | Request::EnableLogging(_)
            | Request::RequestReboot(_)
            | Request::RemoveTimeControlEntry(_)
            | Request::UpdateTimeControlEntry(_)
            | Request::OpenUpdateWindow(_)
            | Request::CloseUpdateWindow(_) => {
                self.change(id, &by, request, now_ms, storage)?;
                self.reply(id, Reply::status(Status::Complete));
            }
        }
        Ok(())
    }

    /// Requests that change something and end in "complete" alone.
    #[inline(never)]
    fn change<F: NorFlash>(
        &mut self,
        id: LinkId,
        by: &Authorization,
        request: FromClient,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        use FromClient as Request;
        match request {
            Request::RemoveAuthorizationEntry(asked) => {
                self.remove_authorization(id, asked.authorization, storage)
            }
            Request::UpdateAuthorizationEntry(asked) => self.update_authorization(id, &asked, storage),
            Request::UpdateKeypadCode(asked) => self.update_code(asked, storage),
            Request::RemoveKeypadCode(asked) => self.remove_code(asked.id, storage),
            Request::SetConfig(asked) => self.set_config(&asked, storage),
            Request::SetAdvancedConfig(asked) => self.set_advanced(&asked, now_ms, storage),
            Request::SetSecurityPin(asked) => set_security_pin(&asked, storage),
            Request::UpdateTime(asked) => self.update_time(&asked, now_ms, storage),
            Request::EnableLogging(asked) => self.enable_logging(by, &asked, now_ms, storage),
            Request::RequestReboot(_) => {
                self.state.restart_at_ms = Some(now_ms.saturating_add(RESTART_MS));
                Ok(())
            }
            Request::RemoveTimeControlEntry(asked) => self.remove_time_control(asked.id, storage),
            Request::UpdateTimeControlEntry(asked) => self.update_time_control(&asked, storage),
            Request::OpenUpdateWindow(asked) => Ok(self.state.open_window(&asked, now_ms)?),
            Request::CloseUpdateWindow(_) => {
                self.state.window.close();
                Ok(())
            }
            // That the PIN is right was seen on the way here.
            Request::VerifySecurityPin(_) => Ok(()),
            Request::RequestData(_)
            | Request::RequestConfig(_)
            | Request::RequestAdvancedConfig(_)
            | Request::PerformLockAction(_)
            | Request::PerformSimpleLockAction(_)
            | Request::PerformKeypadAction(_)
            | Request::RequestCalibration(_)
            | Request::RequestAuthorizationEntries(_)
            | Request::RequestKeypadCodes(_)
            | Request::RequestTimeControlEntries(_)
            | Request::RequestLogEntries(_)
            | Request::InviteAuthorization(_)
            | Request::AddKeypadCode(_)
            | Request::AddTimeControlEntry(_) => Err(ErrorCode::Unknown),
        }
    }

    /// Has a message sealed and sent to whoever asked.
    pub(super) fn reply(&mut self, id: LinkId, reply: Reply) {
        if let Some(link) = self.links.get(id) {
            link.push(Item::Sealed(reply));
        }
    }

    fn tell(&mut self, id: LinkId, by: &Authorization, asked: &RequestData, moment: &mut Moment) -> Done {
        let reply = match asked.wanted {
            Challenge::COMMAND => {
                let link = self.links.get(id).ok_or(ErrorCode::Unknown)?;
                let fresh = moment.fresh().ok_or(ErrorCode::Unknown)?;
                Reply::Message(link.challenge.issue(by.id, fresh).into())
            }
            KeyturnerStates::COMMAND => {
                if by.kind == AuthorizationType::Bridge {
                    self.state.news_for_bridge = false;
                }
                Reply::States(self.state.lock_state())
            }
            BatteryReport::COMMAND => Reply::Message(self.state.battery.report().into()),
            UpdateStatus::COMMAND => Reply::Message(self.state.window.status(moment.now_ms).into()),
            RunningImage::COMMAND => {
                let installed = self.state.installed.ok_or(ErrorCode::BadParameter)?;
                Reply::Message(installed.message(self.state.on_trial).into())
            }
            FirmwareStatus::COMMAND => Reply::Message(self.state.firmware_status().into()),
            Command(_) => return Err(ErrorCode::BadParameter),
        };
        self.reply(id, reply);
        Ok(())
    }

    fn set_config<F: NorFlash>(&mut self, asked: &SetConfig, storage: &mut Storage<F>) -> Done {
        let config = self.state.config.set(asked);
        let config = config.map_err(|_| ErrorCode::BadParameter)?;
        Ok(self.state.set_config(storage, config)?)
    }

    fn set_advanced<F: NorFlash>(
        &mut self,
        asked: &SetAdvancedConfig,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        let advanced = self.state.advanced.set(asked);
        let advanced = advanced.map_err(|_| ErrorCode::BadParameter)?;
        // Clients read both again when the count moves; it lies with the other one. Read once too often is better
        // than once too seldom.
        let config = self.state.config.counted();
        self.state.set_config(storage, config)?;
        self.state.set_advanced(storage, advanced)?;
        self.state.review_auto_lock(now_ms);
        Ok(())
    }

    fn update_time<F: NorFlash>(
        &mut self,
        asked: &UpdateTime,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        let time = UnixTime::of(asked.time).ok_or(ErrorCode::BadParameter)?;
        State::save_time(storage, time)?;
        self.state.tell_time(time, now_ms);
        Ok(())
    }

    fn enable_logging<F: NorFlash>(
        &mut self,
        by: &Authorization,
        asked: &EnableLogging,
        now_ms: u64,
        storage: &mut Storage<F>,
    ) -> Done {
        // That it was switched off is itself in the log, so it goes first.
        let event = LogEvent::Logging(asked.enabled);
        let entry = Entry::new(self.state.clock.now(now_ms), by.id, by.name, event);
        self.state.log_always(storage, &entry)?;
        let config = self.state.config.with_logging(asked.enabled);
        Ok(self.state.set_config(storage, config)?)
    }

    fn add_time_control<F: NorFlash>(
        &mut self,
        link: LinkId,
        asked: &AddTimeControlEntry,
        storage: &mut Storage<F>,
    ) -> Done {
        let mut entries = self.state.time_control.clone();
        let id = entries.free_id().ok_or(ErrorCode::TooManyEntries)?;
        let entry = TimeControl {
            id,
            enabled: true,
            weekdays: asked.weekdays,
            time: asked.time,
            action: asked.action,
        };
        entry.time.minutes().ok_or(ErrorCode::BadParameter)?;
        entries.push(entry).map_err(|_| ErrorCode::TooManyEntries)?;
        self.state.set_time_control(storage, entries)?;
        self.reply(link, Reply::Message(TimeControlEntryId { id }.into()));
        Ok(())
    }

    fn update_time_control<F: NorFlash>(
        &mut self,
        asked: &UpdateTimeControlEntry,
        storage: &mut Storage<F>,
    ) -> Done {
        let mut entries = self.state.time_control.clone();
        asked.time.minutes().ok_or(ErrorCode::BadParameter)?;
        let entry = TimeControl {
            id: asked.id,
            enabled: asked.enabled,
            weekdays: asked.weekdays,
            time: asked.time,
            action: asked.action,
        };
        if !entries.replace(entry) {
            return Err(ErrorCode::BadParameter);
        }
        Ok(self.state.set_time_control(storage, entries)?)
    }

    fn remove_time_control<F: NorFlash>(&mut self, id: TimeControlId, storage: &mut Storage<F>) -> Done {
        let mut entries = self.state.time_control.clone();
        if !entries.remove(id) {
            return Err(ErrorCode::BadParameter);
        }
        Ok(self.state.set_time_control(storage, entries)?)
    }
}

fn set_security_pin<F: NorFlash>(asked: &SetSecurityPin, storage: &mut Storage<F>) -> Done {
    Ok(set_pin(storage, &asked.new_pin)?)
}

fn log_list(asked: &RequestLogEntries) -> List {
    List::Log {
        // The count comes only where it was asked for.
        counted: !asked.want_count,
        query: Query::new(asked.start, asked.count, asked.order),
    }
}
