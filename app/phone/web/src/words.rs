//! What a lock reports, in words for its owner. A number that this version does not know says so.

use latchkey_protocol::message::{LogEvent, Movement};
use latchkey_protocol::value::{
    AuthorizationType, Completion, DoorEvent, DoorState, KeypadAction, KeypadSource, LockAction, LockState,
    Reported, Trigger,
};

/// Where the bolt is: one word for the page, and words for people.
pub(crate) const fn lock_state(state: Reported<LockState>) -> (&'static str, &'static str) {
    let Reported::Known(state) = state else {
        return ("unknown", "in a state that this app does not know");
    };
    match state {
        LockState::Uncalibrated => ("fault", "not calibrated"),
        LockState::Locked => ("locked", "Locked"),
        LockState::Unlocking => ("moving", "Unlocking…"),
        LockState::Unlocked => ("unlocked", "Unlocked"),
        LockState::Locking => ("moving", "Locking…"),
        LockState::Unlatched => ("unlatched", "Unlatched"),
        LockState::UnlockedLockNGo => ("unlocked", "Unlocked, will lock by itself"),
        LockState::Unlatching => ("moving", "Unlatching…"),
        LockState::Calibration => ("moving", "Calibrating…"),
        LockState::BootRun => ("moving", "Finding its position…"),
        LockState::MotorBlocked => ("fault", "Motor blocked"),
        LockState::Undefined => ("unknown", "Unknown"),
    }
}

/// What the door sensor says; `None` when there is none to ask.
pub(crate) const fn door(state: Reported<DoorState>) -> Option<&'static str> {
    let Reported::Known(state) = state else {
        return Some("Door in a state that this app does not know");
    };
    match state {
        DoorState::Unavailable | DoorState::Deactivated => None,
        DoorState::Closed => Some("Door closed"),
        DoorState::Opened => Some("Door open"),
        DoorState::Unknown | DoorState::Undefined => Some("Door unknown"),
        DoorState::Calibrating | DoorState::Uncalibrated => Some("Door sensor still learning"),
        DoorState::Tampered => Some("Door sensor tampered with"),
    }
}

/// What kind of client somebody is.
pub(crate) const fn kind(kind: Reported<AuthorizationType>) -> &'static str {
    match kind {
        Reported::Known(AuthorizationType::App) => "Phone",
        Reported::Known(AuthorizationType::Bridge) => "Bridge",
        Reported::Known(AuthorizationType::Fob) => "Fob",
        Reported::Known(AuthorizationType::Keypad) => "Keypad",
        Reported::Unknown(_) => "Unknown kind",
    }
}

/// What was asked of the bolt.
pub(crate) const fn action(action: Reported<LockAction>) -> &'static str {
    let Reported::Known(action) = action else {
        return "Unknown action";
    };
    match action {
        LockAction::Unlock => "Unlock",
        LockAction::Lock => "Lock",
        LockAction::Unlatch => "Unlatch",
        LockAction::LockNGo => "Lock'n'go",
        LockAction::LockNGoUnlatch => "Unlatch, then lock",
        LockAction::FullLock => "Lock fully",
        LockAction::FobAction1 => "Fob, one press",
        LockAction::FobAction2 => "Fob, two presses",
        LockAction::FobAction3 => "Fob, three presses",
    }
}

const fn trigger(trigger: Reported<Trigger>) -> &'static str {
    match trigger {
        Reported::Known(Trigger::System) => "by Bluetooth",
        Reported::Known(Trigger::Manual) => "by hand",
        Reported::Known(Trigger::Button) => "by the button",
        Reported::Known(Trigger::Automatic) => "by the clock",
        Reported::Known(Trigger::AutoLock) => "by auto lock",
        Reported::Known(Trigger::HomeKit) => "by HomeKit",
        Reported::Known(Trigger::Mqtt) => "by MQTT",
        Reported::Unknown(_) => "by something unknown",
    }
}

/// How it ended, unless well.
const fn completion(completion: Reported<Completion>) -> Option<&'static str> {
    let Reported::Known(completion) = completion else {
        return Some("ended in an unknown way");
    };
    match completion {
        Completion::Success => None,
        Completion::MotorBlocked => Some("motor blocked"),
        Completion::Canceled => Some("stopped"),
        Completion::TooRecent => Some("asked for a moment before"),
        Completion::Busy => Some("busy"),
        Completion::LowMotorVoltage => Some("motor voltage too low"),
        Completion::ClutchFailure => Some("clutch failed"),
        Completion::MotorPowerFailure => Some("motor without power"),
        Completion::Incomplete => Some("ended half-way"),
        Completion::Failure => Some("failed"),
        Completion::InvalidCode => Some("wrong code"),
        Completion::InvalidFingerprint => Some("unknown finger"),
        Completion::Other => Some("ended otherwise"),
        Completion::Unknown => Some("end not known"),
    }
}

const fn keypad_action(action: Reported<KeypadAction>) -> &'static str {
    match action {
        Reported::Known(KeypadAction::Intelligent) => "Lock or unlock",
        Reported::Known(KeypadAction::Unlock) => "Unlock",
        Reported::Known(KeypadAction::Lock) => "Lock",
        Reported::Known(KeypadAction::Unlatch) => "Unlatch",
        Reported::Known(KeypadAction::LockNGo) => "Lock'n'go",
        Reported::Unknown(_) => "Unknown action",
    }
}

const fn source(source: Reported<KeypadSource>) -> &'static str {
    match source {
        Reported::Known(KeypadSource::ArrowKey) => "by the keypad's arrow",
        Reported::Known(KeypadSource::Code) => "by keypad code",
        Reported::Known(KeypadSource::Fingerprint) => "by finger",
        Reported::Unknown(_) => "by keypad",
    }
}

fn movement(what: &str, moved: &Movement) -> String {
    ended(&[what, trigger(moved.trigger)], moved.completion)
}

fn ended(words: &[&str], how: Reported<Completion>) -> String {
    let done = words.join(" ");
    match completion(how) {
        None => done,
        Some(ill) => format!("{done}: {ill}"),
    }
}

/// What happened.
pub(crate) fn event(event: &LogEvent) -> String {
    match event {
        LogEvent::Logging(true) => "Logging switched on".to_owned(),
        LogEvent::Logging(false) => "Logging switched off".to_owned(),
        LogEvent::LockAction(moved) => movement(moved.action.map_or("Movement", action), moved),
        LogEvent::Calibration(moved) => movement("Calibration", moved),
        LogEvent::InitializationRun(moved) => movement("Position found after a start", moved),
        LogEvent::KeypadAction {
            action,
            source: by,
            completion,
            code,
        } => {
            let words = ended(&[keypad_action(*action), source(*by)], *completion);
            if code.0 == 0 {
                words
            } else {
                format!("{words} (code {})", code.0)
            }
        }
        LogEvent::Door(Reported::Known(DoorEvent::Opened)) => "Door opened".to_owned(),
        LogEvent::Door(Reported::Known(DoorEvent::Closed)) => "Door closed".to_owned(),
        LogEvent::Door(Reported::Known(DoorEvent::Jammed)) => "Door sensor does not see the door".to_owned(),
        LogEvent::Door(Reported::Unknown(_)) => "Unknown event of the door".to_owned(),
        LogEvent::DoorSensorLogging(true) => "Logging of the door switched on".to_owned(),
        LogEvent::DoorSensorLogging(false) => "Logging of the door switched off".to_owned(),
        LogEvent::FirmwareUpdate(version) => {
            format!(
                "New firmware runs: {}.{}.{}",
                version.major, version.minor, version.patch
            )
        }
        LogEvent::Unknown(kind) => format!("Event {kind}, which this app does not know"),
    }
}
