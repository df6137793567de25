//! What the lock knows, connections apart: opened from flash at the start, and written back record by record.

use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use latchkey_image::ImageDigest;
use latchkey_protocol::message::{LogEvent, OpenUpdateWindow};
use latchkey_protocol::pairing::lock::LockPairing;
use latchkey_protocol::value::{
    AuthorizationId, CodeId, Completion, DoorState, LockAction, LockState, LockUuid, Name, Trigger,
};
use latchkey_storage::Storage;

use super::answers::BatteryMeter;
use super::motion::Act;
use super::stored::{
    BoltRecord, ClockRecord, Kept, default_name, first_start, geometry, latest_time, open_bolt,
    open_time_control,
};
use super::{Identity, LINKS};
use crate::access::{Authorizations, Codes, PinGuard, pin_is_set};
use crate::activity::{Entry, NOBODY};
use crate::bolt::{Bolt, Stand};
use crate::button::Button;
use crate::clock::{Clock, Local, UnixTime};
use crate::config::{Advanced, Config};
use crate::installed::Installed;
use crate::schedule::{Entries, Minutes, Night, Relock, Why};
use crate::store::{self, StoreFailed};
use crate::update::Conditions;
use crate::window::{NotOpened, UpdateWindow};

/// The lock cannot start: flash fails. A restart tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unopened;

impl From<StoreFailed> for Unopened {
    fn from(_: StoreFailed) -> Self {
        Self
    }
}

impl core::fmt::Display for Unopened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the lock's flash fails; restart it")
    }
}

impl core::error::Error for Unopened {}

/// A clock may be this wrong before being told the time counts as setting it, in seconds.
const DRIFT_S: u32 = 120;

/// The last action, as clients are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) action: Option<LockAction>,
    pub(super) trigger: Trigger,
    pub(super) completion: Completion,
}

/// See the module's header.
pub(super) struct State {
    pub(super) identity: Identity,
    pub(super) kept: Kept,
    /// The highest authorization id given out since the start, kept or not.
    last_authorization: u32,
    pub(super) config: Config,
    pub(super) advanced: Advanced,
    pub(super) guard: PinGuard,
    pub(super) authorizations: Authorizations,
    pub(super) codes: Codes,
    pub(super) time_control: Entries,
    pub(super) clock: Clock,
    pub(super) minutes: Minutes,
    pub(super) night: Night,
    pub(super) relock: Relock,
    pub(super) bolt: Bolt,
    /// What lies on flash about the bolt, as far as that is known.
    bolt_record: Option<BoltRecord>,
    pub(super) button: Button,
    pub(super) act: Option<Act>,
    pub(super) last: Last,
    /// What set the bolt moving last.
    pub(super) trigger: Trigger,
    pub(super) door: DoorState,
    pub(super) battery: BatteryMeter,
    pub(super) pairing_until_ms: Option<u64>,
    /// When auto unlock was last done.
    pub(super) auto_unlock_ms: Option<u64>,
    /// The log grew since a bridge last asked.
    pub(super) news_for_bridge: bool,
    pub(super) restart_at_ms: Option<u64>,
    pub(super) was_reset: bool,
    pub(super) window: UpdateWindow,
    /// The running image has yet to confirm itself, as far as anybody said.
    pub(super) on_trial: bool,
    /// What runs, once the shell has told.
    pub(super) installed: Option<Installed>,
}

impl State {
    pub(super) fn open<F: NorFlash>(
        storage: &mut Storage<F>,
        identity: Identity,
        uuid: [u8; 16],
        now_ms: u64,
    ) -> Result<Self, Unopened> {
        let authorizations = Authorizations::open(storage);
        let kept = match store::load(storage, store::LOCK) {
            Ok(Some(kept)) => kept,
            Ok(None) => first_start(storage, uuid, identity.firmware)?,
            // Whatever it was, it was not new, and no id is given out twice.
            Err(StoreFailed) => Kept {
                uuid: LockUuid(uuid),
                last_authorization: authorizations.highest(),
                last_code: 0,
                initialized: true,
                firmware: None,
            },
        };
        // What the owner set can be set again; it is no reason to stay locked.
        let config: Option<Config> = store::load(storage, store::CONFIG).unwrap_or(None);
        let config = config.unwrap_or_else(|| Config::new(default_name(&identity)));
        let advanced: Option<Advanced> = store::load(storage, store::ADVANCED).unwrap_or(None);
        let advanced = advanced.unwrap_or_default();
        let (bolt, was) = open_bolt(storage, &identity, &config, &advanced, now_ms);
        let mut state = Self {
            identity,
            last_authorization: kept.last_authorization,
            kept,
            guard: PinGuard::open(storage, now_ms),
            authorizations,
            codes: Codes::open(storage),
            time_control: open_time_control(storage),
            clock: Clock::resume(latest_time(storage), now_ms),
            minutes: Minutes::default(),
            night: Night::default(),
            relock: Relock::default(),
            bolt,
            bolt_record: was,
            button: Button::new(),
            act: None,
            last: Last {
                action: None,
                trigger: Trigger::System,
                completion: Completion::Success,
            },
            trigger: Trigger::System,
            door: DoorState::Unavailable,
            battery: BatteryMeter::new(),
            pairing_until_ms: None,
            auto_unlock_ms: None,
            news_for_bridge: false,
            restart_at_ms: None,
            was_reset: false,
            window: UpdateWindow::closed(),
            on_trial: true,
            installed: None,
            config,
            advanced,
        };
        let cut_off = was.is_some_and(|was| was.at_deg.is_none());
        state.located_since_start(cut_off);
        state.note_firmware(storage, now_ms)?;
        if was.is_some_and(|was| was.lock_n_go) {
            let after_s = state.advanced.lock_n_go_seconds.into();
            state.relock.arm(Why::LockNGo, after_s, now_ms);
        }
        Ok(state)
    }

    /// The state of this lock after its flash was emptied; `None` when flash fails. The bolt's stops are a fact of
    /// the door and stay known.
    pub(super) fn anew<F: NorFlash>(
        &self,
        storage: &mut Storage<F>,
        uuid: [u8; 16],
        now_ms: u64,
    ) -> Option<Self> {
        let mut identity = self.identity;
        identity.mounted_deg = self.bolt.kept().total_deg.or(identity.mounted_deg);
        let mut state = Self::open(storage, identity, uuid, now_ms).ok()?;
        state.identity = self.identity;
        state.door = self.door;
        state.on_trial = self.on_trial;
        state.installed = self.installed;
        let record = BoltRecord::of(self.bolt.kept(), false);
        store::save(storage, store::BOLT, &record).ok()?;
        state.bolt_record = Some(record);
        Some(state)
    }

    /// Forgets who may do what, where flash cannot be asked any more.
    pub(super) fn forget(&mut self) {
        self.authorizations = Authorizations::default();
        self.codes = Codes::default();
        self.time_control = Entries::default();
        self.pairing_until_ms = None;
        self.act = None;
    }

    /// Writes down that another firmware runs than before, on the way to a newer version or back.
    fn note_firmware<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        now_ms: u64,
    ) -> Result<(), StoreFailed> {
        let runs = Some(self.identity.firmware);
        if self.kept.firmware == runs {
            return Ok(());
        }
        let event = LogEvent::FirmwareUpdate(self.identity.firmware);
        let entry = Entry::new(self.clock.now(now_ms), NOBODY, Name::EMPTY, event);
        self.log(storage, &entry)?;
        let kept = Kept {
            firmware: runs,
            ..self.kept
        };
        self.save_kept(storage, kept)
    }

    /// A lock's side of pairing for a new connection.
    pub(super) fn new_pairing<F: NorFlash>(&self, storage: &mut Storage<F>) -> LockPairing {
        LockPairing::new(self.identity.family, pin_is_set(storage).unwrap_or(true))
    }

    /// Whether a client may pair now.
    pub(super) fn may_pair(&self, now_ms: u64) -> bool {
        !self.kept.initialized || self.pairing_until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    /// An id that no authorization ever had. It is used up until the next start; for good only with
    /// [`State::keep_authorization`], so that whoever begins to pair and does not end it writes nothing.
    pub(super) fn next_authorization(&mut self) -> Option<AuthorizationId> {
        let first = self.last_authorization.saturating_add(1);
        let next = (first..u32::MAX)
            .map(AuthorizationId)
            .find(|id| id.is_assignable())?;
        self.last_authorization = next.0;
        Some(next)
    }

    /// Writes down that this id was given out, and that the lock is new no more.
    pub(super) fn keep_authorization<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        id: AuthorizationId,
    ) -> Result<(), StoreFailed> {
        let kept = Kept {
            last_authorization: self.kept.last_authorization.max(id.0),
            initialized: true,
            ..self.kept
        };
        self.save_kept(storage, kept)
    }

    /// An id that no code has. Ids begin anew after the highest; one in use is passed over.
    pub(super) fn next_code<F: NorFlash>(&mut self, storage: &mut Storage<F>) -> Result<CodeId, StoreFailed> {
        let mut next = self.kept.last_code;
        // More tries than there can be codes.
        for _ in 0..=Codes::MAX {
            next = next.checked_add(1).unwrap_or(1);
            if !self.codes.has(CodeId(next)) {
                let kept = Kept {
                    last_code: next,
                    ..self.kept
                };
                self.save_kept(storage, kept)?;
                return Ok(CodeId(next));
            }
        }
        Err(StoreFailed)
    }

    fn save_kept<F: NorFlash>(&mut self, storage: &mut Storage<F>, kept: Kept) -> Result<(), StoreFailed> {
        store::save(storage, store::LOCK, &kept)?;
        self.kept = kept;
        Ok(())
    }

    pub(super) fn set_config<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        config: Config,
    ) -> Result<(), StoreFailed> {
        store::save(storage, store::CONFIG, &config)?;
        if config.zone() != self.config.zone() {
            self.minutes.reset();
        }
        self.config = config;
        self.reconfigure();
        Ok(())
    }

    pub(super) fn set_advanced<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        advanced: Advanced,
    ) -> Result<(), StoreFailed> {
        store::save(storage, store::ADVANCED, &advanced)?;
        self.advanced = advanced;
        self.reconfigure();
        Ok(())
    }

    fn reconfigure(&mut self) {
        self.bolt.configure(geometry(&self.config, &self.advanced, None));
    }

    pub(super) fn set_time_control<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        entries: Entries,
    ) -> Result<(), StoreFailed> {
        store::save(storage, store::TIME_CONTROL, &entries)?;
        self.time_control = entries;
        Ok(())
    }

    /// Writes down where the bolt is, where that is news.
    pub(super) fn save_bolt<F: NorFlash>(&mut self, storage: &mut Storage<F>) -> Result<(), StoreFailed> {
        let lock_n_go = self.relock.armed() == Some(Why::LockNGo);
        let record = BoltRecord::of(self.bolt.kept(), lock_n_go);
        if self.bolt_record != Some(record) {
            // Until it is written, nobody knows what lies there.
            self.bolt_record = None;
            store::save(storage, store::BOLT, &record)?;
            self.bolt_record = Some(record);
        }
        Ok(())
    }

    /// It is this time now. A clock that was only a little wrong still reaches every minute of a schedule; one that
    /// was set does not make up for what it jumps over.
    pub(super) fn tell_time(&mut self, time: UnixTime, now_ms: u64) {
        let before = self.clock.told(now_ms);
        self.clock.tell(time, now_ms);
        if before.is_none_or(|before| before.0.abs_diff(time.0) > DRIFT_S) {
            self.minutes.reset();
        }
    }

    /// Writes down a time that somebody told, so that the lock never goes behind it.
    pub(super) fn save_time<F: NorFlash>(
        storage: &mut Storage<F>,
        time: UnixTime,
    ) -> Result<(), StoreFailed> {
        store::save(storage, store::CLOCK, &ClockRecord { told: time.0 })
    }

    /// Local time, once the lock knows it.
    pub(super) fn local(&self, now_ms: u64) -> Option<Local> {
        let zone = self.config.zone();
        self.clock.told(now_ms).map(|time| zone.local(time))
    }

    /// Appends to the log where the owner wants one.
    pub(super) fn log<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        entry: &Entry,
    ) -> Result<(), StoreFailed> {
        if !self.config.logging {
            return Ok(());
        }
        self.log_always(storage, entry)
    }

    pub(super) fn log_always<F: NorFlash>(
        &mut self,
        storage: &mut Storage<F>,
        entry: &Entry,
    ) -> Result<(), StoreFailed> {
        store::append(storage, entry)?;
        self.news_for_bridge = true;
        Ok(())
    }

    /// Where the bolt is, as clients are told.
    pub(super) fn lock_state(&self) -> LockState {
        match self.bolt.stand() {
            Stand::Uncalibrated => LockState::Uncalibrated,
            Stand::Locating => LockState::BootRun,
            Stand::Undefined => LockState::Undefined,
            Stand::Locked => LockState::Locked,
            Stand::Unlocked if self.relock.armed() == Some(Why::LockNGo) => LockState::UnlockedLockNGo,
            Stand::Unlocked => LockState::Unlocked,
            Stand::Unlatched => LockState::Unlatched,
            Stand::Locking => LockState::Locking,
            Stand::Unlocking => LockState::Unlocking,
            Stand::Unlatching => LockState::Unlatching,
            Stand::Blocked => LockState::MotorBlocked,
            Stand::Calibrating => LockState::Calibration,
        }
    }

    /// Connections for which an action is under way; they are not idle.
    pub(super) fn acting(&self) -> Vec<u8, LINKS> {
        let link = self.act.as_ref().and_then(Act::link);
        link.into_iter().collect()
    }

    /// Opens the update window, as an authenticated owner asked for.
    pub(super) fn open_window(&mut self, asked: &OpenUpdateWindow, now_ms: u64) -> Result<(), NotOpened> {
        let conditions = Conditions {
            battery_percent: self.battery.percent(),
            busy: self.is_busy(now_ms),
            // Whoever asks is awake.
            quiet_hours: false,
            opted_out: false,
        };
        let image = asked.image.0.map(ImageDigest);
        self.window
            .open(asked.seconds, image, self.on_trial, conditions, now_ms)
    }

    pub(super) fn is_busy(&self, now_ms: u64) -> bool {
        self.bolt.is_moving()
            || self.relock.armed() == Some(Why::LockNGo)
            || self.pairing_until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }
}
