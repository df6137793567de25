//! What happens at a door day by day.

mod at_the_lock;
mod by_the_clock;
mod motions;

use crate::bench::*;
use latchkey_lock::bolt::{MotorCommand, Sense};
use latchkey_lock::lock::{BatteryLevel, DoorSense, Event};
use latchkey_protocol::advertising::Advertisement;
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Tail;

use AuthorizationType::{App, Bridge};
use LockState::{Locked, Locking, Unlatched, Unlatching, Unlocked, UnlockedLockNGo, Unlocking};

fn paired() -> (House, Client) {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    (house, phone)
}

fn movement(entry: &LogEntry) -> (Option<LockAction>, Trigger, Completion) {
    match entry.event {
        LogEvent::LockAction(movement) => (
            movement.action.and_then(Reported::known),
            movement.trigger.known().unwrap(),
            movement.completion.known().unwrap(),
        ),
        other => panic!("no lock action: {other:?}"),
    }
}

pub(crate) fn set_advanced(
    client: &Client,
    house: &mut House,
    change: impl FnOnce(&mut SetAdvancedConfig),
) -> Vec<FromLock> {
    let replies = client.command(house, |nonce| RequestAdvancedConfig { nonce });
    let [FromLock::AdvancedConfig(told)] = &replies[..] else {
        panic!("no configuration: {replies:?}")
    };
    let settings = told.settings;
    let mut set = SetAdvancedConfig {
        settings: AdvancedSettings {
            unlocked_offset: settings.unlocked_offset,
            locked_offset: settings.locked_offset,
            single_locked_offset: settings.single_locked_offset,
            unlocked_to_locked_offset: settings.unlocked_to_locked_offset,
            lock_n_go_seconds: settings.lock_n_go_seconds,
            single_press: settings.single_press.known().unwrap(),
            double_press: settings.double_press.known().unwrap(),
            detached_cylinder: settings.detached_cylinder,
            battery_type: settings.battery_type.known().unwrap(),
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
        },
        auto_lock: Tail(told.auto_lock.0),
        motor: Tail(None),
        nonce: client.challenge(house),
        pin: client.pin(0),
    };
    change(&mut set);
    client.say(house, &set)
}
