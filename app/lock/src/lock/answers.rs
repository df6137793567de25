//! What the lock tells of itself, put together when it is sent: always what is true then.

use latchkey_protocol::message::{
    AdvancedConfig, BatteryReport, Config as ConfigMessage, FirmwareStatus, KeyturnerStates, Motor,
};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{
    AccessoryBattery, AuthorizationType, Battery, DeviceType, HomeKit, LockAction, LockState, NukiState,
    RemoteAccess,
};
use latchkey_protocol::wire::{Rest, Tail};

use super::BatteryLevel;
use super::state::State;

/// Below this charge the battery is critical.
const CRITICAL_PERCENT: u8 = 20;
/// "Not supported", where a strength of signal is told.
const NOT_SUPPORTED_DBM: i8 = 1;

/// What the battery did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatteryMeter {
    now: Option<BatteryLevel>,
    action: Option<LockAction>,
    start: Option<BatteryLevel>,
    lowest_mv: u16,
    from_deg: Option<i16>,
    distance_deg: u16,
}

impl BatteryMeter {
    pub(super) const fn new() -> Self {
        Self {
            now: None,
            action: None,
            start: None,
            lowest_mv: 0,
            from_deg: None,
            distance_deg: 0,
        }
    }

    pub(super) fn measured(&mut self, level: BatteryLevel) {
        self.now = Some(level);
        self.lowest_mv = self.lowest_mv.min(level.millivolts);
    }

    /// A motion begins.
    pub(super) fn begin(&mut self, action: LockAction, at_deg: Option<i16>) {
        self.action = Some(action);
        self.start = self.now;
        self.lowest_mv = self.now.map_or(0, |level| level.millivolts);
        self.from_deg = at_deg;
        self.distance_deg = 0;
    }

    /// It is over.
    pub(super) fn end(&mut self, at_deg: Option<i16>) {
        let ends = self.from_deg.zip(at_deg);
        self.distance_deg = ends.map_or(0, |(from, to)| from.abs_diff(to));
    }

    fn is_critical(&self) -> bool {
        self.now.is_some_and(|level| level.percent < CRITICAL_PERCENT)
    }

    /// The charge; a lock that does not measure it does not mind.
    pub(super) fn percent(&self) -> u8 {
        self.now.map_or(100, |level| level.percent)
    }

    fn state(&self) -> Battery {
        self.now.map_or(Battery::new(false, false, 100), |level| {
            Battery::new(self.is_critical(), level.charging, level.percent)
        })
    }

    pub(super) fn report(&self) -> BatteryReport {
        let millivolts = |level: Option<BatteryLevel>| level.map_or(0, |level| level.millivolts);
        BatteryReport {
            // Energy, current and resistance need a meter that neither board has.
            drain: 0,
            millivolts: millivolts(self.now),
            battery: self.state(),
            action: self.action.map(Into::into),
            start_millivolts: millivolts(self.start),
            lowest_millivolts: self.lowest_mv,
            distance_degrees: self.distance_deg,
            start_celsius: self.start.map_or(0, |level| level.celsius),
            highest_milliampere: 0,
            resistance_milliohm: 0,
        }
    }
}

impl State {
    fn nuki_state(&self, now_ms: u64) -> NukiState {
        if !self.kept.initialized {
            NukiState::Uninitialized
        } else if self.may_pair(now_ms) {
            NukiState::Pairing
        } else {
            NukiState::DoorMode
        }
    }

    /// The states, all 27 bytes. `lock_state` is that of the moment they tell of.
    pub(super) fn states(&self, lock_state: LockState, now_ms: u64) -> KeyturnerStates {
        let time = self.clock.now(now_ms);
        KeyturnerStates {
            nuki_state: self.nuki_state(now_ms).into(),
            lock_state: lock_state.into(),
            trigger: self.trigger.into(),
            time: time.date(),
            offset_minutes: self.config.zone().offset_min(time),
            battery: self.battery.state(),
            config_updates: self.config.updates,
            lock_n_go_seconds: self.relock.lock_n_go_left_s(now_ms),
            last_action: self.last.action.map(Into::into),
            last_trigger: self.last.trigger.into(),
            last_completion: self.last.completion.into(),
            door: self.door.into(),
            night_mode: Tail(Some(self.night.is_active())),
            accessories: Tail(Some(AccessoryBattery::default())),
            remote: Tail(Some(RemoteAccess(
                // Bit 1: a bridge is paired.
                u8::from(self.authorizations.has(AuthorizationType::Bridge)) << 1,
            ))),
            bluetooth_dbm: Tail(Some(NOT_SUPPORTED_DBM)),
            wifi_dbm: Tail(Some(NOT_SUPPORTED_DBM)),
            wifi: Tail(Some(0)),
            mqtt: Tail(Some(0)),
            thread: Tail(Some(0)),
            newer: Rest,
        }
    }

    pub(super) fn config_message(&self, now_ms: u64) -> ConfigMessage {
        let config = &self.config;
        ConfigMessage {
            nuki_id: self.identity.nuki_id,
            name: config.name,
            latitude: config.latitude,
            longitude: config.longitude,
            auto_unlatch: config.auto_unlatch,
            pairing_enabled: config.pairing_enabled,
            button_enabled: config.button_enabled,
            led_enabled: config.led_enabled,
            led_brightness: config.led_brightness,
            time: self.clock.now(now_ms).date(),
            offset_minutes: config.offset_minutes,
            daylight_saving: config.daylight_saving.into(),
            has_fob: self.authorizations.has(AuthorizationType::Fob),
            fob_action_1: config.fob_action_1.into(),
            fob_action_2: config.fob_action_2.into(),
            fob_action_3: config.fob_action_3.into(),
            single_lock: config.single_lock,
            advertising_mode: config.advertising_mode.into(),
            has_keypad: self.authorizations.has(AuthorizationType::Keypad),
            firmware: self.identity.firmware,
            hardware: self.identity.hardware,
            homekit: HomeKit::NotAvailable.into(),
            time_zone: config.time_zone.into(),
            device_type: Tail(Some(self.device_type().into())),
            capabilities: Tail(Some(0)),
            has_keypad_2: Tail(Some(false)),
            matter: Tail(Some(0)),
            // Kept short of the one byte more that some clients take for an error.
            variant: Tail(None),
            newer: Rest,
        }
    }

    pub(super) fn advanced_message(&self) -> AdvancedConfig {
        let advanced = &self.advanced;
        let motor = advanced.motor();
        AdvancedConfig {
            total_degrees: self.bolt.kept().total_deg.unwrap_or(0),
            settings: advanced.settings(),
            auto_lock: Tail(Some(advanced.auto_lock_settings())),
            motor: Tail(match self.identity.family {
                Family::ToFourth => None,
                Family::Fifth => Some(Motor {
                    speed: motor.speed.into(),
                    slow_at_night: motor.slow_at_night,
                }),
            }),
            newer: Rest,
        }
    }

    pub(super) fn firmware_status(&self) -> FirmwareStatus {
        FirmwareStatus {
            version: self.identity.firmware,
            unknown: [0; 5],
        }
    }

    fn device_type(&self) -> DeviceType {
        match self.identity.family {
            Family::ToFourth => DeviceType::SmartLock3,
            Family::Fifth => DeviceType::SmartLockUltra,
        }
    }
}
