//! Every message against bytes that another implementation made (`tests/vectors/make.py`): payload, plain frame
//! and sealed frame, written and read back.

use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::key::{Authenticator, PublicKey, SharedKey};
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Always, PinWidth, Rest, Tail, Writer};

use crate::vectors::Vectors;

pub(crate) const NONCE: Nonce = Nonce(counting(0x40));
pub(crate) const UUID: LockUuid = LockUuid(counting(0x10));
pub(crate) const APP: AppId = AppId(0x0102_0304);
pub(crate) const AUTHORIZATION: AuthorizationId = AuthorizationId(5);

/// Bytes that count up.
pub(crate) const fn counting<const N: usize>(mut from: u8) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = from;
        from += 1;
        at += 1;
    }
    bytes
}

const CREATED: DateTime = date(2024, 2, 29, 23, 59, 58);
const ACTIVE: DateTime = date(2026, 11, 26, 1, 2, 3);

const fn date(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> DateTime {
    DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    }
}

const fn clock(hour: u8, minute: u8) -> TimeOfDay {
    TimeOfDay { hour, minute }
}

fn limits() -> TimeLimits {
    TimeLimits {
        from: date(2025, 1, 1, 0, 0, 0),
        until: date(2027, 12, 31, 23, 59, 59),
        weekdays: Weekdays::new(&[Weekday::Monday, Weekday::Sunday]),
        daily_from: clock(6, 30),
        daily_until: clock(22, 15),
    }
}

pub(crate) fn name() -> Name<32> {
    Name::new("Zoë's phone").unwrap()
}

fn short_name() -> Name<20> {
    Name::new("Straße 1").unwrap()
}

fn pin() -> Pin {
    Pin::short(0x1234)
}

pub(crate) fn wide_pin() -> Pin {
    Pin::long(987_654)
}

fn code() -> KeypadCode {
    KeypadCode::new(987_654).unwrap()
}

fn weekdays() -> Weekdays {
    Weekdays::new(&Weekday::ALL[1..6])
}

fn authorization_entry(limits: Option<TimeLimits>) -> AuthorizationEntry {
    AuthorizationEntry {
        authorization: AUTHORIZATION,
        kind: AuthorizationType::Fob.into(),
        name: name(),
        enabled: true,
        remote_allowed: false,
        created: CREATED,
        last_active: ACTIVE,
        lock_count: 513,
        limits,
    }
}

fn update_authorization(pin: Pin) -> UpdateAuthorizationEntry {
    UpdateAuthorizationEntry {
        authorization: AUTHORIZATION,
        name: name(),
        enabled: false,
        remote_allowed: true,
        limits: Always(Some(limits())),
        nonce: NONCE,
        pin,
    }
}

fn states() -> KeyturnerStates {
    KeyturnerStates {
        nuki_state: NukiState::DoorMode.into(),
        lock_state: LockState::Locked.into(),
        trigger: Trigger::System.into(),
        time: ACTIVE,
        offset_minutes: 60,
        battery: Battery::new(false, true, 98),
        config_updates: 7,
        lock_n_go_seconds: 0,
        last_action: Some(LockAction::Lock.into()),
        last_trigger: Trigger::Manual.into(),
        last_completion: Completion::Success.into(),
        door: DoorState::Opened.into(),
        night_mode: Tail(None),
        accessories: Tail(None),
        remote: Tail(None),
        bluetooth_dbm: Tail(None),
        wifi_dbm: Tail(None),
        wifi: Tail(None),
        mqtt: Tail(None),
        thread: Tail(None),
        newer: Rest,
    }
}

fn newest_states() -> KeyturnerStates {
    KeyturnerStates {
        night_mode: true.into(),
        accessories: AccessoryBattery(0b1101).into(),
        remote: RemoteAccess(0b101).into(),
        bluetooth_dbm: (-70).into(),
        wifi_dbm: (-60).into(),
        wifi: 4.into(),
        mqtt: 5.into(),
        thread: 6.into(),
        ..states()
    }
}

fn lock_action(action: LockAction, flags: u8, suffix: Option<Name<20>>) -> PerformLockAction {
    PerformLockAction {
        action,
        app: APP,
        flags: ActionFlags(flags),
        suffix: Tail(suffix),
        nonce: NONCE,
    }
}

fn config() -> Config {
    Config {
        nuki_id: NukiId::new(0x1A2B_3C4D).unwrap(),
        name: name(),
        latitude: 48.25,
        longitude: -16.5,
        auto_unlatch: true,
        pairing_enabled: false,
        button_enabled: true,
        led_enabled: true,
        led_brightness: 5,
        time: ACTIVE,
        offset_minutes: -90,
        daylight_saving: DaylightSaving::European.into(),
        has_fob: true,
        fob_action_1: FobAction::Intelligent.into(),
        fob_action_2: FobAction::None.into(),
        fob_action_3: FobAction::LockNGo.into(),
        single_lock: true,
        advertising_mode: AdvertisingMode::Slow.into(),
        has_keypad: false,
        firmware: version(),
        hardware: [5, 1],
        homekit: HomeKit::Enabled.into(),
        time_zone: TimeZoneId::EuropeBerlin.into(),
        device_type: Tail(None),
        capabilities: Tail(None),
        has_keypad_2: Tail(None),
        matter: Tail(None),
        variant: Tail(None),
        newer: Rest,
    }
}

fn newest_config() -> Config {
    Config {
        device_type: Tail(Some(DeviceType::SmartLock3.into())),
        capabilities: 3.into(),
        has_keypad_2: true.into(),
        matter: 7.into(),
        variant: 9.into(),
        ..config()
    }
}

fn set_config() -> SetConfig {
    SetConfig {
        name: name(),
        latitude: 48.25,
        longitude: -16.5,
        auto_unlatch: true,
        pairing_enabled: false,
        button_enabled: true,
        led_enabled: true,
        led_brightness: 5,
        offset_minutes: -90,
        daylight_saving: DaylightSaving::European,
        fob_action_1: FobAction::Intelligent,
        fob_action_2: FobAction::None,
        fob_action_3: FobAction::LockNGo,
        single_lock: true,
        advertising_mode: AdvertisingMode::Slow,
        time_zone: TimeZoneId::EuropeBerlin,
        nonce: NONCE,
        pin: pin(),
    }
}

fn version() -> Version {
    Version {
        major: 3,
        minor: 9,
        patch: 5,
    }
}

fn settings<Button, Kind>(
    button: impl Fn(ButtonAction) -> Button,
    kind: Kind,
) -> AdvancedSettings<Button, Kind> {
    AdvancedSettings {
        unlocked_offset: -90,
        locked_offset: 1,
        single_locked_offset: -2,
        unlocked_to_locked_offset: 300,
        lock_n_go_seconds: 20,
        single_press: button(ButtonAction::Intelligent),
        double_press: button(ButtonAction::ShowStatus),
        detached_cylinder: true,
        battery_type: kind,
        detects_battery: true,
        unlatch_seconds: 3,
        auto_lock_seconds: 300,
        auto_unlock_disabled: true,
        night_mode: true,
        night_start: clock(22, 0),
        night_end: clock(6, 30),
        night_auto_lock: true,
        night_auto_unlock_disabled: false,
        night_immediate_lock: true,
    }
}

const AUTO_LOCK: AutoLock = AutoLock {
    enabled: true,
    immediate: false,
    auto_update: true,
};

fn advanced(auto_lock: bool, motor: bool) -> AdvancedConfig {
    AdvancedConfig {
        total_degrees: 1230,
        settings: settings(Reported::Known, BatteryType::Lithium.into()),
        auto_lock: Tail(auto_lock.then_some(AUTO_LOCK)),
        motor: Tail(motor.then_some(Motor {
            speed: MotorSpeed::Gentle.into(),
            slow_at_night: true,
        })),
        newer: Rest,
    }
}

fn set_advanced(auto_lock: bool, motor: bool, pin: Pin) -> SetAdvancedConfig {
    SetAdvancedConfig {
        settings: settings(|button| button, BatteryType::Lithium),
        auto_lock: Tail(auto_lock.then_some(AUTO_LOCK)),
        motor: Tail(motor.then_some(Motor {
            speed: MotorSpeed::Gentle,
            slow_at_night: true,
        })),
        nonce: NONCE,
        pin,
    }
}

fn log_entry(event: LogEvent) -> LogEntry {
    LogEntry {
        index: LogIndex(70_000),
        time: ACTIVE,
        authorization: AUTHORIZATION,
        name: name(),
        event,
    }
}

fn movement(action: Option<LockAction>, trigger: Trigger, flags: u8, completion: Completion) -> Movement {
    Movement {
        action: action.map(Reported::Known),
        trigger: trigger.into(),
        flags: ActionFlags(flags),
        completion: completion.into(),
    }
}

fn add_code(limits: Option<TimeLimits>) -> AddKeypadCode {
    AddKeypadCode {
        code: code(),
        name: short_name(),
        limits: Always(limits),
        nonce: NONCE,
        pin: pin(),
    }
}

fn code_entry(limits: Option<TimeLimits>) -> KeypadCodeEntry {
    KeypadCodeEntry {
        id: CodeId(300),
        code: code(),
        name: short_name(),
        enabled: true,
        created: CREATED,
        last_active: ACTIVE,
        lock_count: 513,
        limits,
    }
}

/// A message and how to read one like it.
struct Sample {
    name: &'static str,
    message: Box<dyn Payload>,
    /// Reads a payload and writes what was read.
    again: fn(&[u8], PinWidth) -> Vec<u8>,
}

fn sample<M: Message + 'static>(name: &'static str, message: M) -> Sample {
    Sample {
        name,
        message: Box::new(message),
        again: |bytes, width| payload(&M::read(bytes, width).unwrap()),
    }
}

/// A message's payload.
pub(crate) fn payload(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; PAYLOAD_MAX];
    let mut writer = Writer::new(&mut out);
    message.write(&mut writer);
    let length = writer.finish().unwrap();
    out[..length].to_vec()
}

fn pairing_samples() -> Vec<Sample> {
    let authenticator = Authenticator(counting(0xC0));
    vec![
        sample(
            "RequestData",
            RequestData {
                wanted: Challenge::COMMAND,
                extra: Rest,
            },
        ),
        sample(
            "PublicKeyOffer",
            PublicKeyOffer {
                key: PublicKey(counting(0x80)),
            },
        ),
        sample("Challenge", Challenge { nonce: NONCE }),
        sample(
            "AuthorizationAuthenticator",
            AuthorizationAuthenticator { authenticator },
        ),
        sample(
            "AuthorizationData",
            AuthorizationData {
                authenticator,
                kind: AuthorizationType::Bridge,
                app: APP,
                name: name(),
                nonce: NONCE,
            },
        ),
        sample(
            "GrantedAuthorization",
            GrantedAuthorization {
                authenticator,
                authorization: AUTHORIZATION,
                uuid: UUID,
                nonce: NONCE,
            },
        ),
        sample(
            "AuthorizationIdConfirmation",
            AuthorizationIdConfirmation {
                authenticator,
                authorization: AUTHORIZATION,
            },
        ),
        sample("AuthorizationInfo", AuthorizationInfo { pin_set: true }),
        sample(
            "AuthorizationDataFifth",
            AuthorizationDataFifth {
                app: APP,
                name: name(),
                pin: wide_pin(),
            },
        ),
        sample(
            "GrantedAuthorizationFifth",
            GrantedAuthorizationFifth {
                authorization: AUTHORIZATION,
                uuid: UUID,
            },
        ),
    ]
}

fn authorization_samples() -> Vec<Sample> {
    vec![
        sample(
            "RemoveAuthorizationEntry",
            RemoveAuthorizationEntry {
                authorization: AUTHORIZATION,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "RequestAuthorizationEntries",
            RequestAuthorizationEntries {
                offset: 3,
                count: 10,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample("AuthorizationEntry", authorization_entry(None)),
        sample("AuthorizationEntry.limited", authorization_entry(Some(limits()))),
        sample(
            "InviteAuthorization",
            InviteAuthorization {
                name: name(),
                kind: AuthorizationType::App,
                key: CarriedKey::new(counting(0x80)),
                remote_allowed: true,
                limits: Always(None),
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "InvitedAuthorization",
            InvitedAuthorization {
                authorization: AUTHORIZATION,
                created: CREATED,
            },
        ),
        sample("UpdateAuthorizationEntry", update_authorization(pin())),
        sample("UpdateAuthorizationEntry.wide", update_authorization(wide_pin())),
        sample("AuthorizationEntryCount", AuthorizationEntryCount { count: 259 }),
    ]
}

fn state_samples() -> Vec<Sample> {
    vec![
        sample("KeyturnerStates", states()),
        sample("KeyturnerStates.newest", newest_states()),
        sample("PerformLockAction", lock_action(LockAction::Unlatch, 2, None)),
        sample(
            "PerformLockAction.suffix",
            lock_action(LockAction::FobAction3, 1, Some(short_name())),
        ),
        sample(
            "StatusReport",
            StatusReport {
                status: Status::Accepted,
            },
        ),
        sample(
            "MostRecentCommand",
            MostRecentCommand {
                command: PerformLockAction::COMMAND,
            },
        ),
        sample(
            "OpeningsClosingsSummary",
            OpeningsClosingsSummary {
                openings: 1000,
                closings: 999,
                openings_since_start: 12,
                closings_since_start: 11,
            },
        ),
        sample(
            "BatteryReport",
            BatteryReport {
                drain: 15_041,
                millivolts: 4988,
                battery: Battery::default(),
                action: Some(LockAction::LockNGo.into()),
                start_millivolts: 4987,
                lowest_millivolts: 4511,
                distance_degrees: 1230,
                start_celsius: -5,
                highest_milliampere: 1436,
                resistance_milliohm: 406,
            },
        ),
        sample(
            "ErrorReport",
            ErrorReport {
                error: ErrorCode::Busy.into(),
                command: PerformLockAction::COMMAND,
            },
        ),
        sample(
            "FirmwareStatus",
            FirmwareStatus {
                version: version(),
                unknown: counting(1),
            },
        ),
        sample(
            "PerformKeypadAction",
            PerformKeypadAction {
                source: KeypadSource::Code,
                code: EnteredCode::new(123_456),
                action: KeypadAction::LockNGo,
                nonce: NONCE,
            },
        ),
        sample(
            "PerformSimpleLockAction",
            PerformSimpleLockAction {
                action: SimpleAction::Lock,
                nonce: NONCE,
            },
        ),
    ]
}

fn config_samples() -> Vec<Sample> {
    vec![
        sample("SetConfig", set_config()),
        sample("RequestConfig", RequestConfig { nonce: NONCE }),
        sample("Config", config()),
        sample("Config.newest", newest_config()),
        sample("SetAdvancedConfig", set_advanced(false, false, pin())),
        sample("SetAdvancedConfig.autolock", set_advanced(true, false, pin())),
        sample("SetAdvancedConfig.motor", set_advanced(true, true, wide_pin())),
        sample("RequestAdvancedConfig", RequestAdvancedConfig { nonce: NONCE }),
        sample("AdvancedConfig", advanced(false, false)),
        sample("AdvancedConfig.autolock", advanced(true, false)),
        sample("AdvancedConfig.motor", advanced(true, true)),
    ]
}

fn maintenance_samples() -> Vec<Sample> {
    vec![
        sample(
            "SetSecurityPin",
            SetSecurityPin {
                new_pin: Pin::short(4321),
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "SetSecurityPin.wide",
            SetSecurityPin {
                new_pin: Pin::long(123_456),
                nonce: NONCE,
                pin: wide_pin(),
            },
        ),
        sample(
            "RequestCalibration",
            RequestCalibration {
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "RequestReboot",
            RequestReboot {
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "VerifySecurityPin",
            VerifySecurityPin {
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "VerifySecurityPin.wide",
            VerifySecurityPin {
                nonce: NONCE,
                pin: wide_pin(),
            },
        ),
        sample(
            "UpdateTime",
            UpdateTime {
                time: ACTIVE,
                nonce: NONCE,
                pin: pin(),
            },
        ),
    ]
}

fn log_samples() -> Vec<Sample> {
    let entry = |name, event| sample(name, log_entry(event));
    let lock = movement(
        Some(LockAction::Unlock),
        Trigger::AutoLock,
        2,
        Completion::Success,
    );
    let keypad = LogEvent::KeypadAction {
        action: KeypadAction::Lock.into(),
        source: KeypadSource::Code.into(),
        completion: Completion::InvalidCode.into(),
        code: CodeId(300),
    };
    vec![
        sample(
            "RequestLogEntries",
            RequestLogEntries {
                start: LogIndex(70_000),
                count: 20,
                order: SortOrder::Descending,
                want_count: true,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        entry("LogEntry.logging", LogEvent::Logging(true)),
        entry("LogEntry.action", LogEvent::LockAction(lock)),
        entry(
            "LogEntry.calibration",
            LogEvent::Calibration(movement(None, Trigger::Manual, 0, Completion::Failure)),
        ),
        entry(
            "LogEntry.initialization",
            LogEvent::InitializationRun(movement(None, Trigger::System, 0, Completion::MotorBlocked)),
        ),
        entry("LogEntry.keypad", keypad),
        entry("LogEntry.door", LogEvent::Door(DoorEvent::Closed.into())),
        entry("LogEntry.door_logging", LogEvent::DoorSensorLogging(false)),
        entry("LogEntry.firmware", LogEvent::FirmwareUpdate(version())),
        sample(
            "LogEntryCount",
            LogEntryCount {
                logging: true,
                count: 1000,
                door_sensor: false,
                door_sensor_logging: true,
            },
        ),
        sample(
            "EnableLogging",
            EnableLogging {
                enabled: true,
                nonce: NONCE,
                pin: pin(),
            },
        ),
    ]
}

fn time_control_samples() -> Vec<Sample> {
    let id = TimeControlId(9);
    let time = clock(6, 30);
    vec![
        sample(
            "AddTimeControlEntry",
            AddTimeControlEntry {
                weekdays: weekdays(),
                time,
                action: LockAction::Lock,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample("TimeControlEntryId", TimeControlEntryId { id }),
        sample(
            "RemoveTimeControlEntry",
            RemoveTimeControlEntry {
                id,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "RequestTimeControlEntries",
            RequestTimeControlEntries {
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample("TimeControlEntryCount", TimeControlEntryCount { count: 4 }),
        sample(
            "TimeControlEntry",
            TimeControlEntry {
                id,
                enabled: true,
                weekdays: weekdays(),
                time,
                action: LockAction::Lock.into(),
            },
        ),
        sample(
            "UpdateTimeControlEntry",
            UpdateTimeControlEntry {
                id,
                enabled: false,
                weekdays: weekdays(),
                time,
                action: LockAction::Lock,
                nonce: NONCE,
                pin: pin(),
            },
        ),
    ]
}

fn keypad_samples() -> Vec<Sample> {
    let id = CodeId(300);
    vec![
        sample("AddKeypadCode", add_code(Some(limits()))),
        sample("AddKeypadCode.unlimited", add_code(None)),
        sample("KeypadCodeId", KeypadCodeId { id, created: CREATED }),
        sample(
            "RequestKeypadCodes",
            RequestKeypadCodes {
                offset: 3,
                count: 10,
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample("KeypadCodeCount", KeypadCodeCount { count: 259 }),
        sample("KeypadCodeEntry", code_entry(None)),
        sample("KeypadCodeEntry.limited", code_entry(Some(limits()))),
        sample(
            "UpdateKeypadCode",
            UpdateKeypadCode {
                id,
                code: code(),
                name: short_name(),
                enabled: false,
                limits: Always(Some(limits())),
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "RemoveKeypadCode",
            RemoveKeypadCode {
                id,
                nonce: NONCE,
                pin: pin(),
            },
        ),
    ]
}

fn samples() -> Vec<Sample> {
    [
        pairing_samples(),
        authorization_samples(),
        state_samples(),
        config_samples(),
        maintenance_samples(),
        log_samples(),
        time_control_samples(),
        keypad_samples(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn payloads_are_as_another_implementation_makes_them() {
    let vectors = Vectors::messages();
    for Sample { name, message, again } in samples() {
        let expected = vectors.get(&format!("{name}.payload"));
        assert_eq!(payload(&*message), expected, "{name}");
        let width = match name.ends_with(".wide") || name.ends_with(".motor") || name.ends_with("Fifth") {
            true => PinWidth::Long,
            false => PinWidth::Short,
        };
        assert_eq!(again(expected, width), expected, "{name} read back");
    }
}

#[test]
fn frames_are_as_another_implementation_makes_them() {
    let vectors = Vectors::messages();
    for Sample { name, message, .. } in samples() {
        let expected = vectors.get(&format!("{name}.frame"));
        let mut out = [0; plain::FRAME_MAX];
        let length = plain::write(&*message, &mut out).unwrap();
        assert_eq!(&out[..length], expected, "{name}");
        let read = plain::read(expected).unwrap();
        assert_eq!(read.command, message.command(), "{name}");
        assert_eq!(read.payload, vectors.get(&format!("{name}.payload")), "{name}");
    }
}

#[test]
fn sealed_frames_are_as_libsodium_makes_them() {
    let vectors = Vectors::messages();
    let key = SharedKey::from_bytes(&mut counting(0x20));
    let authorization = AuthorizationId(0x0102_0304);
    for Sample { name, message, .. } in samples() {
        let mut expected = vectors.get(&format!("{name}.sealed")).to_vec();
        let nonce = FrameNonce::from_random(*expected.first_chunk().unwrap());
        let mut out = [0; sealed::FRAME_MAX];
        let length = sealed::seal(&*message, authorization, &key, nonce, &mut out).unwrap();
        assert_eq!(out[..length], expected, "{name}");
        let opened = Sealed::read(&mut expected).unwrap().open(&key).unwrap();
        assert_eq!(opened.authorization, authorization, "{name}");
        assert_eq!(opened.command, message.command(), "{name}");
        assert_eq!(opened.payload, vectors.get(&format!("{name}.payload")), "{name}");
    }
}

#[test]
fn every_vector_has_its_sample_and_every_message_a_vector() {
    let samples = samples();
    let vectors = Vectors::messages();
    let names: Vec<_> = vectors
        .names()
        .filter_map(|name| name.strip_suffix(".payload"))
        .collect();
    assert_eq!(names.len(), samples.len());
    for command in [
        FromClient::COMMANDS,
        FromLock::COMMANDS,
        PairingFromClient::COMMANDS,
        PairingFromLock::COMMANDS,
    ]
    .concat()
    {
        assert!(
            samples.iter().any(|sample| sample.message.command() == command),
            "{command:?}"
        );
    }
}
