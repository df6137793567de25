//! The advanced configuration: degrees, times, night.

use latchkey_protocol::message::{AdvancedSettings, AutoLock, Motor, SetAdvancedConfig};
use latchkey_protocol::value::{BatteryType, ButtonAction, MotorSpeed, TimeOfDay};

use super::OutOfBounds;
use crate::schedule::NightRule;
use crate::store::form::{self, Lenient};
use crate::store::record::record;

/// Bounds of lock'n'go's time, in seconds (as real locks take them, says nuki-cli).
const LOCK_N_GO_S: core::ops::RangeInclusive<u8> = 5..=60;
/// How long the latch may be held, in seconds (likewise).
const UNLATCH_MAX_S: u8 = 30;
/// How far a place may be moved, in degrees: ten turns, as far as a calibration may go.
const OFFSET_MAX_DEG: u16 = 3_600;
/// The least time that auto lock leaves, in seconds.
const AUTO_LOCK_MIN_S: u16 = 2;

impl Lenient for BatteryType {
    const FALLBACK: Self = Self::Alkaline;
}
impl Lenient for ButtonAction {
    const FALLBACK: Self = Self::None;
}
impl Lenient for MotorSpeed {
    const FALLBACK: Self = Self::Standard;
}

/// The advanced configuration. The meaning of each field is that of [`AdvancedSettings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advanced {
    pub(crate) unlocked_offset: i16,
    pub(crate) locked_offset: i16,
    pub(crate) single_locked_offset: i16,
    pub(crate) unlocked_to_locked_offset: i16,
    pub(crate) lock_n_go_seconds: u8,
    pub(crate) single_press: ButtonAction,
    pub(crate) double_press: ButtonAction,
    pub(crate) detached_cylinder: bool,
    pub(crate) battery_type: BatteryType,
    pub(crate) detects_battery: bool,
    pub(crate) unlatch_seconds: u8,
    pub(crate) auto_lock_seconds: u16,
    pub(crate) auto_unlock_disabled: bool,
    pub(crate) night_mode: bool,
    pub(crate) night_start: TimeOfDay,
    pub(crate) night_end: TimeOfDay,
    pub(crate) night_auto_lock: bool,
    pub(crate) night_auto_unlock_disabled: bool,
    pub(crate) night_immediate_lock: bool,
    pub(crate) auto_lock: bool,
    pub(crate) immediate_auto_lock: bool,
    pub(crate) auto_update: bool,
    pub(crate) motor_speed: MotorSpeed,
    pub(crate) slow_at_night: bool,
}

record! {
    Advanced as Map from Advanced::default();
    required {
        0 => unlocked_offset: form::Signed,
        1 => locked_offset: form::Signed,
        2 => single_locked_offset: form::Signed,
        3 => unlocked_to_locked_offset: form::Signed,
        4 => lock_n_go_seconds: form::Unsigned,
        5 => single_press: form::Number,
        6 => double_press: form::Number,
        7 => detached_cylinder: form::Flag,
        8 => battery_type: form::Number,
        9 => detects_battery: form::Flag,
        10 => unlatch_seconds: form::Unsigned,
        11 => auto_lock_seconds: form::Unsigned,
        12 => auto_unlock_disabled: form::Flag,
        13 => night_mode: form::Flag,
        14 => night_start: form::Wire,
        15 => night_end: form::Wire,
        16 => night_auto_lock: form::Flag,
        17 => night_auto_unlock_disabled: form::Flag,
        18 => night_immediate_lock: form::Flag,
        19 => auto_lock: form::Flag,
        20 => immediate_auto_lock: form::Flag,
        21 => auto_update: form::Flag,
        22 => motor_speed: form::Number,
        23 => slow_at_night: form::Flag,
    }
    optional {}
}

impl Default for Advanced {
    /// A new lock's.
    fn default() -> Self {
        Self {
            unlocked_offset: 0,
            locked_offset: 0,
            single_locked_offset: 0,
            unlocked_to_locked_offset: 0,
            lock_n_go_seconds: 20,
            single_press: ButtonAction::Intelligent,
            double_press: ButtonAction::LockNGo,
            detached_cylinder: false,
            battery_type: BatteryType::Alkaline,
            detects_battery: true,
            unlatch_seconds: 3,
            auto_lock_seconds: 300,
            auto_unlock_disabled: false,
            night_mode: false,
            night_start: TimeOfDay { hour: 22, minute: 0 },
            night_end: TimeOfDay { hour: 6, minute: 0 },
            night_auto_lock: false,
            night_auto_unlock_disabled: false,
            night_immediate_lock: false,
            auto_lock: false,
            immediate_auto_lock: false,
            auto_update: true,
            motor_speed: MotorSpeed::Standard,
            slow_at_night: false,
        }
    }
}

impl Advanced {
    /// The configuration after a client set this one. What an older client does not know stays as it is.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn set(&self, to: &SetAdvancedConfig) -> Result<Self, OutOfBounds> {
        let settings = to.settings;
        if !within_bounds(&settings) {
            return Err(OutOfBounds);
        }
        let auto_lock = to.auto_lock.0.unwrap_or(self.auto_lock_settings());
        let motor = to.motor.0.unwrap_or(self.motor());
        Ok(Self {
            unlocked_offset: settings.unlocked_offset,
            locked_offset: settings.locked_offset,
            single_locked_offset: settings.single_locked_offset,
            unlocked_to_locked_offset: settings.unlocked_to_locked_offset,
            lock_n_go_seconds: settings.lock_n_go_seconds,
            single_press: settings.single_press,
            double_press: settings.double_press,
            detached_cylinder: settings.detached_cylinder,
            battery_type: settings.battery_type,
            detects_battery: settings.detects_battery,
            unlatch_seconds: settings.unlatch_seconds,
            auto_lock_seconds: settings.auto_lock_seconds,
            auto_unlock_disabled: settings.auto_unlock_disabled,
            night_mode: settings.night_mode,
            night_start: settings.night_start,
            night_end: settings.night_end,
            night_auto_lock: settings.night_auto_lock,
            night_auto_unlock_disabled: settings.night_auto_unlock_disabled,
            night_immediate_lock: settings.night_immediate_lock,
            auto_lock: auto_lock.enabled,
            immediate_auto_lock: auto_lock.immediate,
            auto_update: auto_lock.auto_update,
            motor_speed: motor.speed,
            slow_at_night: motor.slow_at_night,
        })
    }

    /// What every version tells.
    #[must_use]
    pub fn settings<B: From<ButtonAction>, K: From<BatteryType>>(&self) -> AdvancedSettings<B, K> {
        AdvancedSettings {
            unlocked_offset: self.unlocked_offset,
            locked_offset: self.locked_offset,
            single_locked_offset: self.single_locked_offset,
            unlocked_to_locked_offset: self.unlocked_to_locked_offset,
            lock_n_go_seconds: self.lock_n_go_seconds,
            single_press: self.single_press.into(),
            double_press: self.double_press.into(),
            detached_cylinder: self.detached_cylinder,
            battery_type: self.battery_type.into(),
            detects_battery: self.detects_battery,
            unlatch_seconds: self.unlatch_seconds,
            auto_lock_seconds: self.auto_lock_seconds,
            auto_unlock_disabled: self.auto_unlock_disabled,
            night_mode: self.night_mode,
            night_start: self.night_start,
            night_end: self.night_end,
            night_auto_lock: self.night_auto_lock,
            night_auto_unlock_disabled: self.night_auto_unlock_disabled,
            night_immediate_lock: self.night_immediate_lock,
        }
    }

    /// What version 2.2 added.
    #[must_use]
    pub fn auto_lock_settings(&self) -> AutoLock {
        AutoLock {
            enabled: self.auto_lock,
            immediate: self.immediate_auto_lock,
            auto_update: self.auto_update,
        }
    }

    /// What the Ultra added.
    #[must_use]
    pub fn motor(&self) -> Motor<MotorSpeed> {
        Motor {
            speed: self.motor_speed,
            slow_at_night: self.slow_at_night,
        }
    }

    /// When it is night.
    #[must_use]
    pub fn night(&self) -> NightRule {
        NightRule {
            enabled: self.night_mode,
            from_min: self.night_start.minutes().unwrap_or(0),
            until_min: self.night_end.minutes().unwrap_or(0),
        }
    }
}

fn within_bounds<B, K>(settings: &AdvancedSettings<B, K>) -> bool {
    let offsets = [
        settings.unlocked_offset,
        settings.locked_offset,
        settings.single_locked_offset,
        settings.unlocked_to_locked_offset,
    ];
    offsets
        .iter()
        .all(|offset| offset.unsigned_abs() <= OFFSET_MAX_DEG)
        && LOCK_N_GO_S.contains(&settings.lock_n_go_seconds)
        && settings.unlatch_seconds <= UNLATCH_MAX_S
        && settings.auto_lock_seconds >= AUTO_LOCK_MIN_S
        && settings.night_start.minutes().is_some()
        && settings.night_end.minutes().is_some()
}
