//! What the lock tells of itself without a challenge.

use super::layout::messages;
use crate::message::Command;
use crate::value::{
    AccessoryBattery, Battery, Completion, DateTime, DoorState, LockAction, LockState, NukiState,
    RemoteAccess, Reported, Trigger, Version,
};
use crate::wire::{Rest, Tail};

messages! {
    /// Everything about lock and door now. Version 2.1 ends after the door sensor; each later field is there or
    /// not, and none is there behind one that is not. Bytes behind the last known field are newer still.
    plain KeyturnerStates = 0x000C {
        /// What the device is doing.
        nuki_state: Reported<NukiState>,
        /// Where the bolt is.
        lock_state: Reported<LockState>,
        /// What set it moving last.
        trigger: Reported<Trigger>,
        /// The lock's clock, UTC.
        time: DateTime,
        /// What to add for local time, in minutes.
        offset_minutes: i16,
        /// The lock's battery.
        battery: Battery,
        /// Counts changes of the configuration, so that clients know when to read it again.
        config_updates: u8,
        /// Seconds until lock'n'go locks; 0 when it is not running.
        lock_n_go_seconds: u8,
        /// The last action, if there was one.
        last_action: Option<Reported<LockAction>>,
        /// What asked for it.
        last_trigger: Reported<Trigger>,
        /// How it ended.
        last_completion: Reported<Completion>,
        /// The door.
        door: Reported<DoorState>,
        /// Whether night mode is on now.
        night_mode: Tail<bool>,
        /// The batteries of keypad and door sensor.
        accessories: Tail<AccessoryBattery>,
        /// How the lock is reached from afar.
        remote: Tail<RemoteAccess>,
        /// Strength of Bluetooth in dBm; 0 not valid, 1 not supported.
        bluetooth_dbm: Tail<i8>,
        /// Strength of Wi-Fi in dBm; 0 not valid, 1 not supported.
        wifi_dbm: Tail<i8>,
        /// Wi-Fi, a bit field.
        wifi: Tail<u8>,
        /// MQTT, a bit field.
        mqtt: Tail<u8>,
        /// Thread, a bit field.
        thread: Tail<u8>,
        /// Newer fields.
        newer: Rest,
    }

    /// How the battery did during the last movement.
    plain BatteryReport = 0x0011 {
        /// Energy of the last action, in milliwatt seconds.
        drain: u16,
        /// Now, in millivolts.
        millivolts: u16,
        /// How it is. The document calls this byte "critical"; a real lock was seen to send its charge along, as in
        /// its states.
        battery: Battery,
        /// The action that was measured.
        action: Option<Reported<LockAction>>,
        /// When it began, in millivolts.
        start_millivolts: u16,
        /// At the least, in millivolts.
        lowest_millivolts: u16,
        /// How far the key turned, in degrees.
        distance_degrees: u16,
        /// When it began, in degrees Celsius.
        start_celsius: i8,
        /// The most that the motor drew, in milliampere.
        highest_milliampere: u16,
        /// The battery's inner resistance, in milliohm.
        resistance_milliohm: u16,
    }

    /// First generation's firmware 1: the last command.
    plain MostRecentCommand = 0x000F {
        /// Its number.
        command: Command,
    }

    /// First generation's firmware 1: how often the door was opened and closed.
    plain OpeningsClosingsSummary = 0x0010 {
        /// Openings ever.
        openings: u16,
        /// Closings ever.
        closings: u16,
        /// Openings since the last start.
        openings_since_start: u16,
        /// Closings since the last start.
        closings_since_start: u16,
    }

    /// What runs. Not in the public document; the meaning of the last five bytes is not known.
    plain FirmwareStatus = 0x0029 {
        /// The firmware's version.
        version: Version,
        /// Not known.
        unknown: [u8; 5],
    }
}
