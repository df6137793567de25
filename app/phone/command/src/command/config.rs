//! `config` and `pin`: what an owner sets at a lock.
//!
//! A setting is one row of the tables below: its name, and where it stands in the lock's messages. What a lock has and
//! this version does not know is never set: it would be another value afterwards.

use latchkey_phone::request::{Act, Administer, Settings};
use latchkey_protocol::message::{AdvancedConfig, AdvancedSettings, AutoLock, Config, FromLock, Motor};
use latchkey_protocol::value::{
    AdvertisingMode, AuthorizationType, BatteryType, ButtonAction, DateTime, DaylightSaving, FobAction,
    MotorSpeed, Name, Reported, TimeOfDay, TimeZoneId,
};
use latchkey_protocol::wire::Tail;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Context;
use crate::arguments::{self, PinCommand};
use crate::clock;
use crate::door::Door;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits;
use crate::secret::{PinSource, obtain, parse_pin};
use crate::words::{date, parse, time_of_day, word};

/// What an owner sets of the advanced configuration.
type Advanced = AdvancedSettings<ButtonAction, BatteryType>;

/// A value as people write it.
trait Setting: Sized {
    fn show(&self) -> Value;
    fn read(text: &str) -> Result<Self, String>;
}

macro_rules! plain {
    ($($type:ty),+) => { $(
        impl Setting for $type {
            fn show(&self) -> Value {
                json!(self)
            }

            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("{text:?} is no {}", stringify!($type)))
            }
        }
    )+ };
}

macro_rules! named {
    ($($type:ty),+) => { $(
        impl Setting for $type {
            fn show(&self) -> Value {
                json!(word(self))
            }

            fn read(text: &str) -> Result<Self, String> {
                parse(text)
            }
        }
    )+ };
}

plain!(bool, u8, u16, i16, f32);
named!(
    AdvertisingMode,
    BatteryType,
    ButtonAction,
    DaylightSaving,
    FobAction,
    TimeZoneId
);

impl Setting for Name<32> {
    fn show(&self) -> Value {
        json!(self.as_str())
    }

    fn read(text: &str) -> Result<Self, String> {
        Self::new(text).ok_or_else(|| "a lock's name has at most 32 bytes".to_owned())
    }
}

impl Setting for TimeOfDay {
    fn show(&self) -> Value {
        json!(time_of_day(*self))
    }

    fn read(text: &str) -> Result<Self, String> {
        limits::time_of_day(text)
    }
}

macro_rules! table {
    ($show:ident, $set:ident, $names:ident, $of:ty { $($field:ident),+ $(,)? }) => {
        #[cfg(test)]
        const $names: &[&str] = &[$(stringify!($field)),+];

        fn $show(settings: &$of, into: &mut Map<String, Value>) {
            $(into.insert(stringify!($field).to_owned(), settings.$field.show());)+
        }

        /// Says whether there is a setting of this name.
        fn $set(settings: &mut $of, name: &str, value: &str) -> Result<bool, String> {
            match name {
                $(stringify!($field) => settings.$field = Setting::read(value)?,)+
                _ => return Ok(false),
            }
            Ok(true)
        }
    };
}

table!(
    show_basic,
    set_basic,
    BASIC,
    Settings {
        name,
        latitude,
        longitude,
        auto_unlatch,
        pairing_enabled,
        button_enabled,
        led_enabled,
        led_brightness,
        offset_minutes,
        daylight_saving,
        fob_action_1,
        fob_action_2,
        fob_action_3,
        single_lock,
        advertising_mode,
        time_zone,
    }
);
table!(
    show_advanced,
    set_advanced,
    ADVANCED,
    Advanced {
        unlocked_offset,
        locked_offset,
        single_locked_offset,
        unlocked_to_locked_offset,
        lock_n_go_seconds,
        single_press,
        double_press,
        detached_cylinder,
        battery_type,
        detects_battery,
        unlatch_seconds,
        auto_lock_seconds,
        auto_unlock_disabled,
        night_mode,
        night_start,
        night_end,
        night_auto_lock,
        night_auto_unlock_disabled,
        night_immediate_lock,
    }
);
table!(
    show_auto_lock,
    set_auto_lock,
    AUTO_LOCK,
    AutoLockSettings {
        auto_lock_enabled,
        auto_lock_immediate,
        auto_update,
    }
);

/// [`AutoLock`], under names that say what they are without it.
#[derive(Clone, Copy)]
struct AutoLockSettings {
    auto_lock_enabled: bool,
    auto_lock_immediate: bool,
    auto_update: bool,
}

impl From<AutoLock> for AutoLockSettings {
    fn from(lock: AutoLock) -> Self {
        Self {
            auto_lock_enabled: lock.enabled,
            auto_lock_immediate: lock.immediate,
            auto_update: lock.auto_update,
        }
    }
}

impl From<AutoLockSettings> for AutoLock {
    fn from(settings: AutoLockSettings) -> Self {
        Self {
            enabled: settings.auto_lock_enabled,
            immediate: settings.auto_lock_immediate,
            auto_update: settings.auto_update,
        }
    }
}

/// Everything that can be set, as a lock has it.
struct Everything {
    basic: Settings,
    advanced: Advanced,
    auto_lock: Option<AutoLockSettings>,
    /// Set as it is: this program has no name for it.
    motor: Option<Motor<Reported<MotorSpeed>>>,
}

/// Which messages a change needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Touched {
    basic: bool,
    advanced: bool,
}

impl Everything {
    fn of(config: &Config, advanced: &AdvancedConfig) -> Option<Self> {
        let told = &advanced.settings;
        Some(Self {
            basic: Settings::of(config)?,
            advanced: Advanced {
                unlocked_offset: told.unlocked_offset,
                locked_offset: told.locked_offset,
                single_locked_offset: told.single_locked_offset,
                unlocked_to_locked_offset: told.unlocked_to_locked_offset,
                lock_n_go_seconds: told.lock_n_go_seconds,
                single_press: told.single_press.known()?,
                double_press: told.double_press.known()?,
                detached_cylinder: told.detached_cylinder,
                battery_type: told.battery_type.known()?,
                detects_battery: told.detects_battery,
                unlatch_seconds: told.unlatch_seconds,
                auto_lock_seconds: told.auto_lock_seconds,
                auto_unlock_disabled: told.auto_unlock_disabled,
                night_mode: told.night_mode,
                night_start: told.night_start,
                night_end: told.night_end,
                night_auto_lock: told.night_auto_lock,
                night_auto_unlock_disabled: told.night_auto_unlock_disabled,
                night_immediate_lock: told.night_immediate_lock,
            },
            auto_lock: advanced.auto_lock.0.map(AutoLockSettings::from),
            motor: advanced.motor.0,
        })
    }

    fn ask(door: &mut Door) -> Outcome<Self> {
        let Some(FromLock::Config(config)) = door.ask(Act::Config {})?.last else {
            return Err(Failure::odd_answer());
        };
        let Some(FromLock::AdvancedConfig(advanced)) = door.ask(Act::AdvancedConfig {})?.last else {
            return Err(Failure::odd_answer());
        };
        Self::of(&config, &advanced).ok_or_else(|| {
            Failure::new(
                Kind::Refused,
                "the lock's configuration has a value that this version does not know; update latchkey",
            )
        })
    }

    fn show(&self) -> Map<String, Value> {
        let mut all = Map::new();
        show_basic(&self.basic, &mut all);
        show_advanced(&self.advanced, &mut all);
        if let Some(auto_lock) = &self.auto_lock {
            show_auto_lock(auto_lock, &mut all);
        }
        all
    }

    /// Takes in one change.
    fn set(&mut self, change: &str, touched: &mut Touched) -> Outcome<()> {
        let usage = |why: &str| Failure::usage(format!("{change}: {why}. Nothing was changed"));
        let (name, value) = change.split_once('=').ok_or_else(|| usage("write NAME=VALUE"))?;
        let wrong = |why: String| usage(&why);
        if set_basic(&mut self.basic, name, value).map_err(wrong)? {
            touched.basic = true;
            return Ok(());
        }
        let advanced = set_advanced(&mut self.advanced, name, value).map_err(wrong)?;
        let auto_lock = match &mut self.auto_lock {
            Some(settings) => set_auto_lock(settings, name, value).map_err(wrong)?,
            None => false,
        };
        if !advanced && !auto_lock {
            return Err(usage(
                "there is no such setting; `latchkey config get` shows them",
            ));
        }
        touched.advanced = true;
        Ok(())
    }
}

pub(super) fn run(context: &Context, asked: &arguments::Config) -> Outcome<()> {
    match asked {
        arguments::Config::Get { names } => get(context, names),
        arguments::Config::Clock { pin } => set_clock(context, pin),
        arguments::Config::Set { changes, pin } => set(context, changes, pin),
    }
}

fn set(context: &Context, changes: &[String], pin: &PinSource) -> Outcome<()> {
    let (mut door, asked) = context.administer(pin)?;
    let mut all = Everything::ask(&mut door)?;
    let mut touched = Touched::default();
    for change in changes {
        all.set(change, &mut touched)?;
    }
    let names: Vec<String> = changes
        .iter()
        .filter_map(|change| Some(change.split_once('=')?.0.to_owned()))
        .collect();
    let facts = select(all.show(), &names)?;
    // Nothing is set before it is certain that all can be.
    let motor = match touched.advanced {
        true => all.motor.map(known_motor).transpose()?,
        false => None,
    };
    if touched.basic {
        let request = Administer::SetConfig { settings: all.basic };
        door.ask(request.with(asked.pin()?))?;
    }
    if touched.advanced {
        let request = Administer::SetAdvancedConfig {
            settings: all.advanced,
            auto_lock: Tail(all.auto_lock.map(AutoLock::from)),
            motor: Tail(motor),
        };
        let set = door.ask(request.with(asked.pin()?));
        // Two messages, and the lock took the first.
        set.map_err(|failure| match touched.basic {
            true => Failure::new(
                failure.kind,
                format!("{failure}, but for the basic settings, which were set"),
            ),
            false => failure,
        })?;
    }
    door.leave();
    context.output.facts(&Value::from(facts));
    Ok(())
}

fn set_clock(context: &Context, pin: &PinSource) -> Outcome<()> {
    let held = context.held(AuthorizationType::App)?;
    let asked = pin.ask(held.credentials.family.pin_width())?;
    let mut door = context.connect(held)?;
    let time = clock::unix_now()
        .and_then(DateTime::from_unix)
        .ok_or_else(|| Failure::usage("this computer's clock is wrong; set it first"))?;
    door.ask(Administer::SetTime { time }.with(asked.pin()?))?;
    door.leave();
    context.output.facts(&json!({ "time_utc": date(time) }));
    Ok(())
}

/// What the lock has, to be set as it is.
fn known_motor(told: Motor<Reported<MotorSpeed>>) -> Outcome<Motor<MotorSpeed>> {
    let speed = told.speed.known().ok_or_else(|| {
        Failure::new(
            Kind::Refused,
            "the lock's motor has a speed that this version does not know; update latchkey. Nothing was changed",
        )
    })?;
    Ok(Motor {
        speed,
        slow_at_night: told.slow_at_night,
    })
}

fn get(context: &Context, names: &[String]) -> Outcome<()> {
    let mut door = context.door(AuthorizationType::App)?;
    let all = Everything::ask(&mut door)?.show();
    door.leave();
    let shown = if names.is_empty() {
        all
    } else {
        select(all, names)?
    };
    context.output.facts(&Value::from(shown));
    Ok(())
}

fn select(mut all: Map<String, Value>, names: &[String]) -> Outcome<Map<String, Value>> {
    let mut shown = Map::new();
    for name in names {
        let (name, value) = all.remove_entry(name).ok_or_else(|| {
            Failure::usage(format!(
                "there is no setting {name:?}, or it is named twice; `latchkey config get` shows them"
            ))
        })?;
        shown.insert(name, value);
    }
    Ok(shown)
}

/// `pin set`.
pub(super) fn set_pin(context: &Context, asked: &PinCommand) -> Outcome<()> {
    let PinCommand::Set { new_pin_file, pin } = asked;
    let held = context.held(AuthorizationType::App)?;
    let width = held.credentials.family.pin_width();
    let old = pin.ask(width)?.pin()?;
    let ask = |prompt| {
        obtain(
            new_pin_file.as_deref(),
            "LATCHKEY_NEW_PIN",
            "--new-pin-file",
            prompt,
        )
    };
    let typed: Zeroizing<String> = ask("New security PIN: ")?;
    let is_typed = new_pin_file.is_none() && std::env::var_os("LATCHKEY_NEW_PIN").is_none();
    if is_typed && *typed != *ask("Once more: ")? {
        return Err(Failure::usage(
            "that is not twice the same; the PIN is what it was",
        ));
    }
    let new_pin = parse_pin(&typed, width)?;
    let mut door = context.connect(held)?;
    door.ask(Administer::SetPin { new_pin }.with(old))?;
    door.leave();
    context.output.facts(&json!({ "pin": "changed" }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_settings() {
        let mut names: Vec<&str> = [BASIC, ADVANCED, AUTO_LOCK].concat();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        fn both_ways<T: Setting>(text: &str) {
            let shown = T::read(text).unwrap().show();
            let shown = shown.as_str().map_or(shown.to_string(), str::to_owned);
            assert_eq!(shown, text);
        }
        both_ways::<bool>("true");
        both_ways::<i16>("-60");
        both_ways::<Name<32>>("Front door");
        both_ways::<TimeOfDay>("22:30");
        both_ways::<ButtonAction>("show-status");
        both_ways::<TimeZoneId>("europe-berlin");
        assert!(bool::read("yes").is_err() && u8::read("256").is_err() && TimeOfDay::read("24:00").is_err());
        assert!(FobAction::read("open").unwrap_err().contains("lock-n-go"));
    }

    #[test]
    fn what_was_not_asked_for_is_not_shown() {
        let all: Map<String, Value> = [("a", 1), ("b", 2)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        assert_eq!(select(all.clone(), &["b".to_owned()]).unwrap().len(), 1);
        assert!(select(all.clone(), &["c".to_owned()]).is_err());
        assert!(select(all, &["a".to_owned(), "a".to_owned()]).is_err());
    }
}
