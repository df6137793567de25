//! Draws any value of any field and any message from a seed. A struct literal per message: a field that is
//! forgotten does not compile.

use fastrand::Rng;
use latchkey_protocol::key::{Authenticator, PublicKey};
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Always, PinWidth, Rest, Tail};

/// Where values come from. PINs are as wide as it says.
pub(crate) struct Source {
    pub(crate) random: Rng,
    pub(crate) width: PinWidth,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let width = match random.bool() {
            true => PinWidth::Short,
            false => PinWidth::Long,
        };
        Self { random, width }
    }

    pub(crate) fn draw<T: Draw>(&mut self) -> T {
        T::draw(self)
    }
}

/// Something that can be any of its values.
pub(crate) trait Draw: Sized {
    fn draw(from: &mut Source) -> Self;
}

macro_rules! draw {
    ($($type:ty: |$from:ident| $draw:expr;)+) => { $(
        impl Draw for $type {
            fn draw($from: &mut Source) -> Self {
                $draw
            }
        }
    )+ };
}

/// Any of the known numbers.
macro_rules! numbers {
    ($($type:ty),+) => { $(
        impl Draw for $type {
            fn draw(from: &mut Source) -> Self {
                *from.random.choice(<$type>::ALL).unwrap()
            }
        }
    )+ };
}

numbers!(
    AdvertisingMode,
    AuthorizationType,
    BatteryType,
    BootOutcome,
    ButtonAction,
    Completion,
    DaylightSaving,
    DeviceType,
    DoorEvent,
    DoorState,
    ErrorCode,
    FobAction,
    HomeKit,
    KeypadAction,
    KeypadSource,
    LockAction,
    LockState,
    MotorSpeed,
    NukiState,
    SimpleAction,
    SortOrder,
    Status,
    TimeZoneId,
    Trigger,
    UpdateStage
);

draw! {
    bool: |from| from.random.bool();
    u8: |from| from.random.u8(..);
    u16: |from| from.random.u16(..);
    u32: |from| from.random.u32(..);
    i8: |from| from.random.i8(..);
    i16: |from| from.random.i16(..);
    f32: |from| from.random.f32() * 360.0 - 180.0;
    ActionFlags: |from| Self(from.draw());
    AccessoryBattery: |from| Self(from.draw());
    Battery: |from| Self(from.draw());
    RemoteAccess: |from| Self(from.draw());
    Command: |from| Self(from.draw());
    AuthorizationId: |from| Self(from.draw());
    AppId: |from| Self(from.draw());
    CodeId: |from| Self(from.draw());
    TimeControlId: |from| Self(from.draw());
    LogIndex: |from| Self(from.draw());
    LockUuid: |from| Self(from.draw());
    Nonce: |from| Self(from.draw());
    PublicKey: |from| Self(from.draw());
    Authenticator: |from| Self(from.draw());
    NukiId: |from| Self::new(from.random.u32(1..=0x7FFF_FFFF)).unwrap();
    EnteredCode: |from| Self::new(from.draw());
    CarriedKey: |from| Self::new(from.draw());
    Weekdays: |from| Self::from_mask(from.random.u8(..0x80)).unwrap();
    Rest: |_from| Self;
    Pin: |from| match from.width {
        PinWidth::Short => Self::short(from.draw()),
        PinWidth::Long => Self::long(from.draw()),
    };
    KeypadCode: |from| {
        let code = (0..6).fold(0, |code, _| code * 10 + from.random.u32(1..=9));
        Self::new(code).unwrap_or_else(|| from.draw())
    };
    Option<Reported<LockAction>>: |from| {
        // 0 on the wire is what says that there is none.
        let action: Reported<LockAction> = from.draw();
        (action != Reported::Unknown(0)).then_some(action)
    };
    Option<TimeLimits>: |from| from.random.bool().then(|| from.draw());
    LogEvent: |from| match from.random.u8(..9) {
        0 => Self::Logging(from.draw()),
        1 => Self::LockAction(from.draw()),
        2 => Self::Calibration(from.draw()),
        3 => Self::InitializationRun(from.draw()),
        4 => Self::KeypadAction {
            action: from.draw(),
            source: from.draw(),
            completion: from.draw(),
            code: from.draw(),
        },
        5 => Self::Door(from.draw()),
        6 => Self::DoorSensorLogging(from.draw()),
        7 => Self::FirmwareUpdate(from.draw()),
        _ => Self::Unknown(from.random.u8(0x0B..)),
    };
}

impl<const N: usize> Draw for [u8; N] {
    fn draw(from: &mut Source) -> Self {
        std::array::from_fn(|_| from.draw())
    }
}

/// Known or not.
impl<T: Number> Draw for Reported<T>
where
    T::Raw: Draw,
{
    fn draw(from: &mut Source) -> Self {
        let raw = match from.random.bool() {
            true => from.random.choice(T::ALL).unwrap().number(),
            false => from.draw(),
        };
        T::from_number(raw).map_or(Self::Unknown(raw), Self::Known)
    }
}

impl<T: Draw> Draw for Always<T> {
    fn draw(from: &mut Source) -> Self {
        Self(from.random.bool().then(|| from.draw()))
    }
}

impl<const N: usize> Draw for Name<N> {
    fn draw(from: &mut Source) -> Self {
        let wanted = from.random.usize(..=N);
        let mut text = String::new();
        while let letter = from.random.char('\u{1}'..='\u{10FFFF}')
            && text.len() + letter.len_utf8() <= wanted
        {
            text.push(letter);
        }
        Self::new(&text).unwrap()
    }
}

macro_rules! fields {
    ($($type:ty { $($field:ident),* })+) => { $(
        impl Draw for $type {
            #[allow(unused_variables, reason = "not every message has fields")]
            fn draw(from: &mut Source) -> Self {
                Self { $($field: from.draw()),* }
            }
        }
    )+ };
}

fields! {
    DateTime { year, month, day, hour, minute, second }
    TimeOfDay { hour, minute }
    TimeLimits { from, until, weekdays, daily_from, daily_until }
    Version { major, minor, patch }
    Movement { action, trigger, flags, completion }
    AutoLock { enabled, immediate, auto_update }

    RequestData { wanted, extra }
    PublicKeyOffer { key }
    Challenge { nonce }
    AuthorizationAuthenticator { authenticator }
    AuthorizationData { authenticator, kind, app, name, nonce }
    GrantedAuthorization { authenticator, authorization, uuid, nonce }
    AuthorizationIdConfirmation { authenticator, authorization }
    AuthorizationInfo { pin_set }
    GrantedAuthorizationFifth { authorization, uuid }

    PerformSimpleLockAction { action, nonce }
    PerformKeypadAction { source, code, action, nonce }
    StatusReport { status }
    ErrorReport { error, command }

    BatteryReport {
        drain, millivolts, battery, action, start_millivolts, lowest_millivolts, distance_degrees, start_celsius,
        highest_milliampere, resistance_milliohm
    }
    MostRecentCommand { command }
    OpeningsClosingsSummary { openings, closings, openings_since_start, closings_since_start }
    FirmwareStatus { version, unknown }

    RequestConfig { nonce }
    SetConfig {
        name, latitude, longitude, auto_unlatch, pairing_enabled, button_enabled, led_enabled, led_brightness,
        offset_minutes, daylight_saving, fob_action_1, fob_action_2, fob_action_3, single_lock, advertising_mode,
        time_zone, nonce, pin
    }
    RequestAdvancedConfig { nonce }

    SetSecurityPin { new_pin, nonce, pin }
    VerifySecurityPin { nonce, pin }
    RequestCalibration { nonce, pin }
    RequestReboot { nonce, pin }
    UpdateTime { time, nonce, pin }

    RemoveAuthorizationEntry { authorization, nonce, pin }
    RequestAuthorizationEntries { offset, count, nonce, pin }
    AuthorizationEntryCount { count }
    AuthorizationEntry {
        authorization, kind, name, enabled, remote_allowed, created, last_active, lock_count, limits
    }
    InviteAuthorization { name, kind, key, remote_allowed, limits, nonce, pin }
    InvitedAuthorization { authorization, created }
    UpdateAuthorizationEntry { authorization, name, enabled, remote_allowed, limits, nonce, pin }

    RequestLogEntries { start, count, order, want_count, nonce, pin }
    LogEntry { index, time, authorization, name, event }
    LogEntryCount { logging, count, door_sensor, door_sensor_logging }
    EnableLogging { enabled, nonce, pin }

    AddKeypadCode { code, name, limits, nonce, pin }
    KeypadCodeId { id, created }
    RequestKeypadCodes { offset, count, nonce, pin }
    KeypadCodeCount { count }
    KeypadCodeEntry { id, code, name, enabled, created, last_active, lock_count, limits }
    UpdateKeypadCode { id, code, name, enabled, limits, nonce, pin }
    RemoveKeypadCode { id, nonce, pin }

    AddTimeControlEntry { weekdays, time, action, nonce, pin }
    TimeControlEntryId { id }
    RemoveTimeControlEntry { id, nonce, pin }
    RequestTimeControlEntries { nonce, pin }
    TimeControlEntryCount { count }
    TimeControlEntry { id, enabled, weekdays, time, action }
    UpdateTimeControlEntry { id, enabled, weekdays, time, action, nonce, pin }

    CloseUpdateWindow { nonce, pin }
    UpdateStatus { seconds_left, stage, received, size, refusal }
    RunningImage {
        vendor, class, room, image, major, minor, revision, build, counter, floor, confirmed, outcome, refusal, about,
        starts_left
    }
}

impl Draw for AuthorizationDataFifth {
    fn draw(from: &mut Source) -> Self {
        Self {
            app: from.draw(),
            name: from.draw(),
            pin: from.draw(),
        }
    }
}

impl<Button: Draw, Kind: Draw> Draw for AdvancedSettings<Button, Kind> {
    fn draw(from: &mut Source) -> Self {
        Self {
            unlocked_offset: from.draw(),
            locked_offset: from.draw(),
            single_locked_offset: from.draw(),
            unlocked_to_locked_offset: from.draw(),
            lock_n_go_seconds: from.draw(),
            single_press: from.draw(),
            double_press: from.draw(),
            detached_cylinder: from.draw(),
            battery_type: from.draw(),
            detects_battery: from.draw(),
            unlatch_seconds: from.draw(),
            auto_lock_seconds: from.draw(),
            auto_unlock_disabled: from.draw(),
            night_mode: from.draw(),
            night_start: from.draw(),
            night_end: from.draw(),
            night_auto_lock: from.draw(),
            night_auto_unlock_disabled: from.draw(),
            night_immediate_lock: from.draw(),
        }
    }
}

impl<Speed: Draw> Draw for Motor<Speed> {
    fn draw(from: &mut Source) -> Self {
        Self {
            speed: from.draw(),
            slow_at_night: from.draw(),
        }
    }
}

/// How many of a message's optional last fields are there: none is, behind one that is not.
struct Tails(usize);

impl Tails {
    fn up_to(from: &mut Source, most: usize) -> Self {
        Self(from.random.usize(..=most))
    }

    fn next<T: Draw>(&mut self, from: &mut Source) -> Tail<T> {
        let there = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        Tail(there.then(|| from.draw()))
    }
}

impl Draw for PerformLockAction {
    fn draw(from: &mut Source) -> Self {
        let mut tails = Tails::up_to(from, 1);
        Self {
            action: from.draw(),
            app: from.draw(),
            flags: from.draw(),
            suffix: tails.next(from),
            nonce: from.draw(),
        }
    }
}

impl Draw for KeyturnerStates {
    fn draw(from: &mut Source) -> Self {
        let mut tails = Tails::up_to(from, 8);
        Self {
            nuki_state: from.draw(),
            lock_state: from.draw(),
            trigger: from.draw(),
            time: from.draw(),
            offset_minutes: from.draw(),
            battery: from.draw(),
            config_updates: from.draw(),
            lock_n_go_seconds: from.draw(),
            last_action: from.draw(),
            last_trigger: from.draw(),
            last_completion: from.draw(),
            door: from.draw(),
            night_mode: tails.next(from),
            accessories: tails.next(from),
            remote: tails.next(from),
            bluetooth_dbm: tails.next(from),
            wifi_dbm: tails.next(from),
            wifi: tails.next(from),
            mqtt: tails.next(from),
            thread: tails.next(from),
            newer: Rest,
        }
    }
}

impl Draw for Config {
    fn draw(from: &mut Source) -> Self {
        let mut tails = Tails::up_to(from, 5);
        Self {
            nuki_id: from.draw(),
            name: from.draw(),
            latitude: from.draw(),
            longitude: from.draw(),
            auto_unlatch: from.draw(),
            pairing_enabled: from.draw(),
            button_enabled: from.draw(),
            led_enabled: from.draw(),
            led_brightness: from.draw(),
            time: from.draw(),
            offset_minutes: from.draw(),
            daylight_saving: from.draw(),
            has_fob: from.draw(),
            fob_action_1: from.draw(),
            fob_action_2: from.draw(),
            fob_action_3: from.draw(),
            single_lock: from.draw(),
            advertising_mode: from.draw(),
            has_keypad: from.draw(),
            firmware: from.draw(),
            hardware: from.draw(),
            homekit: from.draw(),
            time_zone: from.draw(),
            device_type: tails.next(from),
            capabilities: tails.next(from),
            has_keypad_2: tails.next(from),
            matter: tails.next(from),
            variant: tails.next(from),
            newer: Rest,
        }
    }
}

impl Draw for AdvancedConfig {
    fn draw(from: &mut Source) -> Self {
        let mut tails = Tails::up_to(from, 2);
        Self {
            total_degrees: from.draw(),
            settings: from.draw(),
            auto_lock: tails.next(from),
            motor: tails.next(from),
            newer: Rest,
        }
    }
}

impl Draw for SetAdvancedConfig {
    fn draw(from: &mut Source) -> Self {
        let mut tails = Tails::up_to(from, 2);
        Self {
            settings: from.draw(),
            auto_lock: tails.next(from),
            motor: tails.next(from),
            nonce: from.draw(),
            pin: from.draw(),
        }
    }
}

impl Draw for OpenUpdateWindow {
    fn draw(from: &mut Source) -> Self {
        let mut tails = Tails::up_to(from, 1);
        Self {
            seconds: from.draw(),
            image: tails.next(from),
            nonce: from.draw(),
            pin: from.draw(),
        }
    }
}
