//! What the owner has set: the two configurations, their bounds, and how they lie on flash.
//!
//! A configuration is only ever whole and within its bounds: [`Config::set`] and [`Advanced::set`] refuse before
//! anything changes. What the lock alone knows (its clock, what is attached to it) is not here.

mod advanced;

use latchkey_protocol::message::SetConfig;
use latchkey_protocol::value::{AdvertisingMode, DaylightSaving, FobAction, LockAction, Name, TimeZoneId};

use crate::clock::Zone;
use crate::store::form::{self, Lenient};
use crate::store::record::record;

pub use advanced::Advanced;

/// A value is outside its bounds. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

/// Brightness of the light at most.
const BRIGHTNESS_MAX: u8 = 5;
/// Furthest from UTC that any place on earth is, in minutes.
const OFFSET_MAX_MIN: u16 = 14 * 60;

impl Lenient for AdvertisingMode {
    const FALLBACK: Self = Self::Automatic;
}
impl Lenient for DaylightSaving {
    const FALLBACK: Self = Self::Off;
}
impl Lenient for FobAction {
    const FALLBACK: Self = Self::None;
}
impl Lenient for TimeZoneId {
    const FALLBACK: Self = Self::None;
}

/// The configuration. The meaning of each field is that of [`SetConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What the owner calls the lock.
    pub name: Name<32>,
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
    /// Draw the latch whenever the door is unlocked.
    pub auto_unlatch: bool,
    /// Whether the button opens pairing.
    pub pairing_enabled: bool,
    /// Whether the button moves the lock.
    pub button_enabled: bool,
    /// Whether the light shows anything.
    pub led_enabled: bool,
    /// 0 to 5.
    pub led_brightness: u8,
    /// Standard time's offset from UTC in minutes, without a zone.
    pub offset_minutes: i16,
    /// Daylight saving, without a zone.
    pub daylight_saving: DaylightSaving,
    /// One, two and three presses on the fob.
    pub fob_action_1: FobAction,
    /// Two presses.
    pub fob_action_2: FobAction,
    /// Three presses.
    pub fob_action_3: FobAction,
    /// One turn is locked.
    pub single_lock: bool,
    /// How often to advertise.
    pub advertising_mode: AdvertisingMode,
    /// The zone that the lock is in.
    pub time_zone: TimeZoneId,
    /// Counts changes of either configuration, so that clients read it again.
    pub updates: u8,
    /// Whether the activity log is kept.
    pub logging: bool,
}

record! {
    Config as Map from Config::new(Name::EMPTY);
    required {
        0 => name: form::Text,
        1 => latitude: form::Float,
        2 => longitude: form::Float,
        3 => auto_unlatch: form::Flag,
        4 => pairing_enabled: form::Flag,
        5 => button_enabled: form::Flag,
        6 => led_enabled: form::Flag,
        7 => led_brightness: form::Unsigned,
        8 => offset_minutes: form::Signed,
        9 => daylight_saving: form::Number,
        10 => fob_action_1: form::Number,
        11 => fob_action_2: form::Number,
        12 => fob_action_3: form::Number,
        13 => single_lock: form::Flag,
        14 => advertising_mode: form::Number,
        15 => time_zone: form::Number,
        16 => updates: form::Unsigned,
        17 => logging: form::Flag,
    }
    optional {}
}

impl Config {
    /// A new lock's configuration.
    #[must_use]
    pub fn new(name: Name<32>) -> Self {
        Self {
            name,
            latitude: 0.0,
            longitude: 0.0,
            auto_unlatch: false,
            pairing_enabled: true,
            button_enabled: true,
            led_enabled: true,
            led_brightness: 3,
            offset_minutes: 0,
            daylight_saving: DaylightSaving::Off,
            fob_action_1: FobAction::Intelligent,
            fob_action_2: FobAction::LockNGo,
            fob_action_3: FobAction::None,
            single_lock: false,
            advertising_mode: AdvertisingMode::Automatic,
            time_zone: TimeZoneId::None,
            updates: 0,
            logging: true,
        }
    }

    /// The configuration after a client set this one.
    ///
    /// # Errors
    /// [`OutOfBounds`].
    pub fn set(&self, to: &SetConfig) -> Result<Self, OutOfBounds> {
        let on_earth = to.latitude.abs() <= 90.0 && to.longitude.abs() <= 180.0;
        let near_utc = to.offset_minutes.unsigned_abs() <= OFFSET_MAX_MIN;
        if !on_earth || !near_utc || to.led_brightness > BRIGHTNESS_MAX {
            return Err(OutOfBounds);
        }
        Ok(Self {
            name: to.name,
            latitude: to.latitude,
            longitude: to.longitude,
            auto_unlatch: to.auto_unlatch,
            pairing_enabled: to.pairing_enabled,
            button_enabled: to.button_enabled,
            led_enabled: to.led_enabled,
            led_brightness: to.led_brightness,
            offset_minutes: to.offset_minutes,
            daylight_saving: to.daylight_saving,
            fob_action_1: to.fob_action_1,
            fob_action_2: to.fob_action_2,
            fob_action_3: to.fob_action_3,
            single_lock: to.single_lock,
            advertising_mode: to.advertising_mode,
            time_zone: to.time_zone,
            updates: self.updates.wrapping_add(1),
            logging: self.logging,
        })
    }

    /// The same, with its changes counted once more.
    #[must_use]
    pub fn counted(&self) -> Self {
        Self {
            updates: self.updates.wrapping_add(1),
            ..self.clone()
        }
    }

    /// The same, with the log kept or not.
    #[must_use]
    pub fn with_logging(&self, logging: bool) -> Self {
        Self {
            logging,
            ..self.clone()
        }
    }

    /// Where the lock's clock is.
    #[must_use]
    pub fn zone(&self) -> Zone {
        Zone {
            id: self.time_zone,
            offset_min: self.offset_minutes,
            saving: self.daylight_saving,
        }
    }

    /// What is set for this action, if it is one of a fob.
    #[must_use]
    pub fn fob_action(&self, action: LockAction) -> Option<FobAction> {
        match action {
            LockAction::FobAction1 => Some(self.fob_action_1),
            LockAction::FobAction2 => Some(self.fob_action_2),
            LockAction::FobAction3 => Some(self.fob_action_3),
            LockAction::Unlock
            | LockAction::Lock
            | LockAction::Unlatch
            | LockAction::LockNGo
            | LockAction::LockNGoUnlatch
            | LockAction::FullLock => None,
        }
    }
}

#[cfg(test)]
mod tests;
