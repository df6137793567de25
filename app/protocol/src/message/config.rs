//! The two configurations, as the lock tells them and as a client sets them.
//!
//! A client sets what it may change; what the lock alone knows (its id, its clock, what is attached) is not in
//! that form.

use super::layout::messages;
use crate::value::{
    AdvertisingMode, BatteryType, ButtonAction, DateTime, DaylightSaving, DeviceType, FobAction, HomeKit,
    MotorSpeed, Name, NukiId, Reported, TimeOfDay, TimeZoneId, Version,
};
use crate::wire::{Field, Reader, Rest, Tail, Writer};

messages! {
    /// Asks for the configuration.
    challenged RequestConfig = 0x0014 {}

    /// The configuration. Version 2.1 ends after the time zone; each later field is there or not.
    plain Config = 0x0015 {
        /// The lock's name to people.
        nuki_id: NukiId,
        /// What the owner calls it.
        name: Name<32>,
        /// Where it is, in degrees north.
        latitude: f32,
        /// Where it is, in degrees east.
        longitude: f32,
        /// Hold the latch back after every unlocking.
        auto_unlatch: bool,
        /// Whether the button starts pairing mode.
        pairing_enabled: bool,
        /// Whether the button moves the lock.
        button_enabled: bool,
        /// Whether the light shows anything.
        led_enabled: bool,
        /// From 0, off, to 5.
        led_brightness: u8,
        /// The lock's clock, UTC.
        time: DateTime,
        /// What to add for local time, in minutes, without a time zone.
        offset_minutes: i16,
        /// Daylight saving without a time zone.
        daylight_saving: Reported<DaylightSaving>,
        /// Whether a fob is paired.
        has_fob: bool,
        /// What one press on the fob does.
        fob_action_1: Reported<FobAction>,
        /// What two presses on the fob do.
        fob_action_2: Reported<FobAction>,
        /// What three presses on the fob do.
        fob_action_3: Reported<FobAction>,
        /// Lock with one turn only.
        single_lock: bool,
        /// How often it advertises.
        advertising_mode: Reported<AdvertisingMode>,
        /// Whether a keypad is paired.
        has_keypad: bool,
        /// The firmware's version.
        firmware: Version,
        /// The hardware's version: major, minor.
        hardware: [u8; 2],
        /// How it stands to Apple HomeKit.
        homekit: Reported<HomeKit>,
        /// Where its clock lives.
        time_zone: Reported<TimeZoneId>,
        /// What kind of device it is.
        device_type: Tail<Reported<DeviceType>>,
        /// What it can do, a bit field.
        capabilities: Tail<u8>,
        /// Whether a keypad of the second generation is paired.
        has_keypad_2: Tail<bool>,
        /// How it stands to Matter.
        matter: Tail<u8>,
        /// Which variant of the product it is.
        variant: Tail<u8>,
        /// Newer fields.
        newer: Rest,
    }

    /// Sets the configuration.
    guarded SetConfig = 0x0013 {
        /// See [`Config`], here and below.
        name: Name<32>,
        /// Degrees north.
        latitude: f32,
        /// Degrees east.
        longitude: f32,
        /// Hold the latch back after every unlocking.
        auto_unlatch: bool,
        /// Whether the button starts pairing mode.
        pairing_enabled: bool,
        /// Whether the button moves the lock.
        button_enabled: bool,
        /// Whether the light shows anything.
        led_enabled: bool,
        /// From 0, off, to 5.
        led_brightness: u8,
        /// Minutes to add for local time, without a time zone.
        offset_minutes: i16,
        /// Daylight saving without a time zone.
        daylight_saving: DaylightSaving,
        /// One press on the fob.
        fob_action_1: FobAction,
        /// Two presses on the fob.
        fob_action_2: FobAction,
        /// Three presses on the fob.
        fob_action_3: FobAction,
        /// Lock with one turn only.
        single_lock: bool,
        /// How often to advertise.
        advertising_mode: AdvertisingMode,
        /// Where the lock's clock lives.
        time_zone: TimeZoneId,
    }

    /// Asks for the advanced configuration.
    challenged RequestAdvancedConfig = 0x0036 {}

    /// The advanced configuration.
    plain AdvancedConfig = 0x0037 {
        /// The whole way of the key, in degrees.
        total_degrees: u16,
        /// What a client may set.
        settings: AdvancedSettings<Reported<ButtonAction>, Reported<BatteryType>>,
        /// Since version 2.2.
        auto_lock: Tail<AutoLock>,
        /// Smart Lock Ultra.
        motor: Tail<Motor<Reported<MotorSpeed>>>,
        /// Newer fields.
        newer: Rest,
    }

    /// Sets the advanced configuration.
    guarded SetAdvancedConfig = 0x0035 {
        /// See [`AdvancedConfig`].
        settings: AdvancedSettings<ButtonAction, BatteryType>,
        /// Since version 2.2.
        auto_lock: Tail<AutoLock>,
        /// Smart Lock Ultra.
        motor: Tail<Motor<MotorSpeed>>,
    }
}

// A group of fields that stand together in more than one message.
macro_rules! group {
    (
        $(#[$meta:meta])*
        $name:ident$(<$($parameter:ident),+>)? { $($(#[$field_meta:meta])* $field:ident: $type:ty,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name$(<$($parameter),+>)? { $($(#[$field_meta])* pub $field: $type,)+ }

        impl$(<$($parameter: Field),+>)? Field for $name$(<$($parameter),+>)? {
            const MAX: usize = super::layout::sum(&[$(<$type as Field>::MAX),+]);

            fn write(&self, out: &mut Writer<'_>) {
                $(out.field(&self.$field);)+
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                Some(Self { $($field: from.field()?,)+ })
            }
        }
    };
}

group! {
    /// What every version's advanced configuration holds.
    AdvancedSettings<Button, Kind> {
        /// Where unlocked is, in degrees from where it was calibrated.
        unlocked_offset: i16,
        /// Where locked is, likewise.
        locked_offset: i16,
        /// Where locked with one turn is, likewise.
        single_locked_offset: i16,
        /// Where unlocked begins on the way to locked, likewise.
        unlocked_to_locked_offset: i16,
        /// After how many seconds lock'n'go locks.
        lock_n_go_seconds: u8,
        /// What one press on the button does.
        single_press: Button,
        /// What two presses on the button do.
        double_press: Button,
        /// Whether the inner side of the cylinder turns apart from the outer.
        detached_cylinder: bool,
        /// What feeds the lock.
        battery_type: Kind,
        /// Whether the lock finds that out by itself.
        detects_battery: bool,
        /// How many seconds the latch is held back.
        unlatch_seconds: u8,
        /// After how many seconds auto lock locks.
        auto_lock_seconds: u16,
        /// Whether auto unlock is off.
        auto_unlock_disabled: bool,
        /// Whether there is a night mode.
        night_mode: bool,
        /// When it begins.
        night_start: TimeOfDay,
        /// When it ends.
        night_end: TimeOfDay,
        /// Auto lock at night.
        night_auto_lock: bool,
        /// No auto unlock at night.
        night_auto_unlock_disabled: bool,
        /// Lock when the night begins.
        night_immediate_lock: bool,
    }
}

group! {
    /// What version 2.2 added.
    AutoLock {
        /// Lock by itself after a time.
        enabled: bool,
        /// Lock as soon as the door is closed.
        immediate: bool,
        /// Update the firmware by itself.
        auto_update: bool,
    }
}

group! {
    /// What the Ultra added.
    Motor<Speed> {
        /// How fast it turns.
        speed: Speed,
        /// Whether it turns slowly at night.
        slow_at_night: bool,
    }
}
