//! What the lock does, is and remembers.

use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Rest, Tail};

use super::*;

pub(super) fn actions_and_states() -> Vec<Sample> {
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

pub(super) fn configurations() -> Vec<Sample> {
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

pub(super) fn maintenance() -> Vec<Sample> {
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

pub(super) fn log() -> Vec<Sample> {
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

pub(super) fn time_control() -> Vec<Sample> {
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

pub(super) fn updates() -> Vec<Sample> {
    let open = |image| OpenUpdateWindow {
        seconds: 600,
        image,
        nonce: NONCE,
        pin: pin(),
    };
    vec![
        sample("OpenUpdateWindow", open(Tail(None))),
        sample("OpenUpdateWindow.image", open(Tail(Some(counting(0x80))))),
        sample(
            "CloseUpdateWindow",
            CloseUpdateWindow {
                nonce: NONCE,
                pin: pin(),
            },
        ),
        sample(
            "UpdateStatus",
            UpdateStatus {
                seconds_left: 599,
                stage: UpdateStage::Receiving.into(),
                received: 70_000,
                size: 200_000,
                refusal: 156,
            },
        ),
        sample("RunningImage", running_image()),
    ]
}

fn running_image() -> RunningImage {
    let key: [u8; 32] = counting(0x80);
    RunningImage {
        vendor: counting(0x80),
        class: counting(0x90),
        room: 393_216,
        image: key,
        major: 1,
        minor: 2,
        revision: 3,
        build: 4,
        counter: 5,
        floor: 6,
        confirmed: true,
        outcome: BootOutcome::Refused.into(),
        refusal: 35,
        about: counting(0x80),
        starts_left: 2,
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
