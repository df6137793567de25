//! Everything that can be asked of a lock, one row each: what has to be given, the message that says it, and what
//! comes back. The challenge's nonce is put in by the session; a request that the lock guards by its PIN cannot be
//! made without one.

use latchkey_protocol::message::{
    AddKeypadCode, AddTimeControlEntry, AdvancedConfig, AdvancedSettings, AuthorizationEntry,
    AuthorizationEntryCount, AutoLock, BatteryReport, CloseUpdateWindow, Config, EnableLogging,
    FirmwareStatus, FromClient, InviteAuthorization, InvitedAuthorization, KeypadCodeCount, KeypadCodeEntry,
    KeypadCodeId, KeyturnerStates, LogEntry, LogEntryCount, Message, Motor, OpenUpdateWindow,
    PerformKeypadAction, PerformLockAction, PerformSimpleLockAction, RemoveAuthorizationEntry,
    RemoveKeypadCode, RemoveTimeControlEntry, RequestAdvancedConfig, RequestAuthorizationEntries,
    RequestCalibration, RequestConfig, RequestData, RequestKeypadCodes, RequestLogEntries, RequestReboot,
    RequestTimeControlEntries, RunningImage, SetAdvancedConfig, SetConfig, SetSecurityPin, TimeControlEntry,
    TimeControlEntryCount, TimeControlEntryId, UpdateAuthorizationEntry, UpdateKeypadCode, UpdateStatus,
    UpdateTime, UpdateTimeControlEntry, VerifySecurityPin,
};
use latchkey_protocol::value::{
    ActionFlags, AdvertisingMode, AppId, AuthorizationId, AuthorizationType, BatteryType, ButtonAction,
    CarriedKey, CodeId, DateTime, DaylightSaving, EnteredCode, FobAction, KeypadAction, KeypadCode,
    KeypadSource, LockAction, LogIndex, MotorSpeed, Name, Nonce, Pin, SimpleAction, SortOrder, TimeControlId,
    TimeLimits, TimeOfDay, TimeZoneId, Weekdays,
};
use latchkey_protocol::wire::{PinWidth, Rest, Tail};

use crate::conversation::Shape;

/// A request.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// The lock tells this to everybody it knows.
    Report(Report),
    /// The lock wants to be sure that it is asked now.
    Act(Act),
    /// And that an administrator asks.
    Administer(Administer, Pin),
}

impl From<Report> for Request {
    fn from(report: Report) -> Self {
        Self::Report(report)
    }
}

impl From<Act> for Request {
    fn from(act: Act) -> Self {
        Self::Act(act)
    }
}

impl Administer {
    /// The request, with the lock's security PIN. A lock on which none was set takes 0.
    #[must_use]
    pub const fn with(self, pin: Pin) -> Request {
        Request::Administer(self, pin)
    }

    /// A PIN that it carries besides the one that guards it.
    const fn carried_pin(&self) -> Option<&Pin> {
        if let Self::SetPin { new_pin } = self {
            Some(new_pin)
        } else {
            None
        }
    }
}

impl Request {
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Report(asked) => asked.shape(),
            Self::Act(asked) => asked.shape(),
            Self::Administer(asked, _) => asked.shape(),
        }
    }

    /// The message that says it.
    pub(crate) fn into_message(self, app: AppId, nonce: Nonce) -> FromClient {
        match self {
            Self::Report(asked) => asked.into_message(),
            Self::Act(asked) => asked.into_message(app, nonce),
            Self::Administer(asked, pin) => asked.into_message(nonce, pin),
        }
    }

    /// Whether every PIN in it is as wide as this.
    pub(crate) fn has_pins_of(&self, width: PinWidth) -> bool {
        match self {
            Self::Report(_) | Self::Act(_) => true,
            Self::Administer(asked, pin) => {
                pin.width() == width && asked.carried_pin().is_none_or(|pin| pin.width() == width)
            }
        }
    }
}

// A table of requests: what they ask for, the message that says so, and what comes back.
macro_rules! requests {
    (
        $(#[$meta:meta])*
        $name:ident($($given:ident: $given_type:ty),*) {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident { $($field:ident: $type:ty),* $(,)? } => $message:expr, $shape:expr;
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, PartialEq)]
        #[allow(missing_docs, reason = "the fields are those of the messages, word for word")]
        pub enum $name {
            $($(#[$variant_meta])* $variant { $($field: $type),* },)+
        }

        impl $name {
            /// The message that says it.
            #[allow(unused_variables, reason = "not every message needs everything")]
            pub(crate) fn into_message(self, $($given: $given_type),*) -> FromClient {
                match self {
                    $(Self::$variant { $($field),* } => $message.into(),)+
                }
            }

            #[allow(unused_variables, reason = "few fields decide what comes back")]
            pub(crate) fn shape(&self) -> Shape {
                match self {
                    $(Self::$variant { $($field),* } => $shape,)+
                }
            }
        }
    };
}

requests! {
    /// What the lock tells without a challenge.
    Report() {
        /// Lock and door, now.
        States {} => RequestData { wanted: KeyturnerStates::COMMAND, extra: Rest },
            Shape::Report(KeyturnerStates::COMMAND);
        /// How the battery did.
        Battery {} => RequestData { wanted: BatteryReport::COMMAND, extra: Rest },
            Shape::Report(BatteryReport::COMMAND);
        /// What runs.
        Firmware {} => RequestData { wanted: FirmwareStatus::COMMAND, extra: Rest },
            Shape::Report(FirmwareStatus::COMMAND);
        /// The update window, and what came of it. Our own locks know it.
        Update {} => RequestData { wanted: UpdateStatus::COMMAND, extra: Rest },
            Shape::Report(UpdateStatus::COMMAND);
        /// What runs, on which hardware, and what became of the last install. Our own locks know it.
        Running {} => RequestData { wanted: RunningImage::COMMAND, extra: Rest },
            Shape::Report(RunningImage::COMMAND);
    }
}

requests! {
    /// What the lock does for everybody it knows, and tells them.
    Act(app: AppId, nonce: Nonce) {
        /// The configuration.
        Config {} => RequestConfig { nonce }, Shape::Report(Config::COMMAND);
        /// The advanced configuration.
        AdvancedConfig {} => RequestAdvancedConfig { nonce }, Shape::Report(AdvancedConfig::COMMAND);
        /// Moves the lock.
        Lock { action: LockAction, flags: ActionFlags, suffix: Tail<Name<20>> } =>
            PerformLockAction { action, app, flags, suffix, nonce }, Shape::Motion;
        /// Moves the lock, in as few bytes as can be.
        Simple { action: SimpleAction } => PerformSimpleLockAction { action, nonce }, Shape::Motion;
        /// Moves the lock as a keypad does.
        Keypad { source: KeypadSource, code: EnteredCode, action: KeypadAction } =>
            PerformKeypadAction { source, code, action, nonce }, Shape::Motion;
    }
}

requests! {
    /// What the lock does for administrators only.
    Administer(nonce: Nonce, pin: Pin) {
        /// Has the lock find its end positions.
        Calibrate {} => RequestCalibration { nonce, pin }, Shape::Motion;
        /// Has the lock take an image over SMP for so long; only this one, where its digest is given. Our own locks
        /// know it.
        OpenUpdateWindow { seconds: u16, image: Tail<[u8; 32]> } =>
            OpenUpdateWindow { seconds, image, nonce, pin }, Shape::Change;
        /// And no longer.
        CloseUpdateWindow {} => CloseUpdateWindow { nonce, pin }, Shape::Change;
        /// Has the lock start again.
        Restart {} => RequestReboot { nonce, pin }, Shape::Change;
        /// Sets the clock, UTC.
        SetTime { time: DateTime } => UpdateTime { time, nonce, pin }, Shape::Change;
        /// Sets the security PIN.
        SetPin { new_pin: Pin } => SetSecurityPin { new_pin, nonce, pin }, Shape::Change;
        /// Asks whether the PIN is right.
        VerifyPin {} => VerifySecurityPin { nonce, pin }, Shape::Change;
        /// Sets the configuration.
        SetConfig { settings: Settings } => settings.into_message(nonce, pin), Shape::Change;
        /// Sets the advanced configuration.
        SetAdvancedConfig {
            settings: AdvancedSettings<ButtonAction, BatteryType>,
            auto_lock: Tail<AutoLock>,
            motor: Tail<Motor<MotorSpeed>>,
        } => SetAdvancedConfig { settings, auto_lock, motor, nonce, pin }, Shape::Change;

        /// Who may use the lock: how many, then one after the other.
        Authorizations { offset: u16, count: u16 } =>
            RequestAuthorizationEntries { offset, count, nonce, pin },
            Shape::list(AuthorizationEntryCount::COMMAND, AuthorizationEntry::COMMAND, *count);
        /// Makes an authorization for somebody who is not here.
        Invite {
            name: Name<32>,
            kind: AuthorizationType,
            key: CarriedKey,
            remote_allowed: bool,
            limits: Option<TimeLimits>,
        } => InviteAuthorization { name, kind, key, remote_allowed, limits: limits.into(), nonce, pin },
            Shape::Made(InvitedAuthorization::COMMAND);
        /// Changes an authorization.
        UpdateAuthorization {
            authorization: AuthorizationId,
            name: Name<32>,
            enabled: bool,
            remote_allowed: bool,
            limits: Option<TimeLimits>,
        } => UpdateAuthorizationEntry {
            authorization, name, enabled, remote_allowed, limits: limits.into(), nonce, pin,
        }, Shape::Change;
        /// Takes an authorization away.
        RemoveAuthorization { authorization: AuthorizationId } =>
            RemoveAuthorizationEntry { authorization, nonce, pin }, Shape::Change;

        /// The activity log; how long it is comes first, where that is wanted.
        Log { start: LogIndex, count: u16, order: SortOrder, want_count: bool } =>
            RequestLogEntries { start, count, order, want_count, nonce, pin },
            Shape::list(LogEntryCount::COMMAND, LogEntry::COMMAND, *count);
        /// Switches logging on or off.
        EnableLogging { enabled: bool } => EnableLogging { enabled, nonce, pin }, Shape::Change;

        /// Gives out a keypad code.
        AddCode { code: KeypadCode, name: Name<20>, limits: Option<TimeLimits> } =>
            AddKeypadCode { code, name, limits: limits.into(), nonce, pin },
            Shape::Made(KeypadCodeId::COMMAND);
        /// The keypad codes: how many, then one after the other.
        Codes { offset: u16, count: u16 } => RequestKeypadCodes { offset, count, nonce, pin },
            Shape::list(KeypadCodeCount::COMMAND, KeypadCodeEntry::COMMAND, *count);
        /// Changes a keypad code.
        UpdateCode {
            id: CodeId,
            code: KeypadCode,
            name: Name<20>,
            enabled: bool,
            limits: Option<TimeLimits>,
        } => UpdateKeypadCode { id, code, name, enabled, limits: limits.into(), nonce, pin }, Shape::Change;
        /// Takes a keypad code away.
        RemoveCode { id: CodeId } => RemoveKeypadCode { id, nonce, pin }, Shape::Change;

        /// Has the lock do something by the clock.
        AddTimeControl { weekdays: Weekdays, time: TimeOfDay, action: LockAction } =>
            AddTimeControlEntry { weekdays, time, action, nonce, pin },
            Shape::Made(TimeControlEntryId::COMMAND);
        /// What the lock does by the clock: how much, then one after the other.
        TimeControl {} => RequestTimeControlEntries { nonce, pin },
            Shape::list(TimeControlEntryCount::COMMAND, TimeControlEntry::COMMAND, u8::MAX.into());
        /// Changes what the lock does by the clock.
        UpdateTimeControl {
            id: TimeControlId,
            enabled: bool,
            weekdays: Weekdays,
            time: TimeOfDay,
            action: LockAction,
        } => UpdateTimeControlEntry { id, enabled, weekdays, time, action, nonce, pin }, Shape::Change;
        /// Takes an entry of time control away.
        RemoveTimeControl { id: TimeControlId } => RemoveTimeControlEntry { id, nonce, pin }, Shape::Change;
    }
}

// What an owner may set of the configuration, by the names it has in the message.
macro_rules! settings {
    ($($field:ident: $type:ty, $read:expr;)+) => {
        /// What an owner may set of the configuration. What each means stands at [`Config`].
        #[allow(missing_docs, reason = "the fields are those of Config, word for word")]
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings { $(pub $field: $type,)+ }

        impl Settings {
            /// Those that a lock has, to be changed and set again. `None` when one of them has a value that this
            /// version does not know: setting them would change it.
            #[must_use]
            pub fn of(config: &Config) -> Option<Self> {
                Some(Self { $($field: $read(config)?,)+ })
            }

            fn into_message(self, nonce: Nonce, pin: Pin) -> SetConfig {
                SetConfig { $($field: self.$field,)+ nonce, pin }
            }
        }
    };
}

settings! {
    name: Name<32>, |config: &Config| Some(config.name);
    latitude: f32, |config: &Config| Some(config.latitude);
    longitude: f32, |config: &Config| Some(config.longitude);
    auto_unlatch: bool, |config: &Config| Some(config.auto_unlatch);
    pairing_enabled: bool, |config: &Config| Some(config.pairing_enabled);
    button_enabled: bool, |config: &Config| Some(config.button_enabled);
    led_enabled: bool, |config: &Config| Some(config.led_enabled);
    led_brightness: u8, |config: &Config| Some(config.led_brightness);
    offset_minutes: i16, |config: &Config| Some(config.offset_minutes);
    daylight_saving: DaylightSaving, |config: &Config| config.daylight_saving.known();
    fob_action_1: FobAction, |config: &Config| config.fob_action_1.known();
    fob_action_2: FobAction, |config: &Config| config.fob_action_2.known();
    fob_action_3: FobAction, |config: &Config| config.fob_action_3.known();
    single_lock: bool, |config: &Config| Some(config.single_lock);
    advertising_mode: AdvertisingMode, |config: &Config| config.advertising_mode.known();
    time_zone: TimeZoneId, |config: &Config| config.time_zone.known();
}
