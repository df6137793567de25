//! The activity log.

use super::layout::messages;
use crate::value::{
    ActionFlags, AuthorizationId, CodeId, Completion, DateTime, DoorEvent, KeypadAction, KeypadSource,
    LockAction, LogIndex, Name, Reported, SortOrder, Trigger, Version,
};
use crate::wire::{Field, Reader, Writer};

messages! {
    /// Asks for entries of the log.
    guarded RequestLogEntries = 0x0031 {
        /// Entries beyond this one, in the order asked for; 0 begins at that order's first.
        start: LogIndex,
        /// At most how many.
        count: u16,
        /// Which end first.
        order: SortOrder,
        /// Whether a [`LogEntryCount`] should come before them.
        want_count: bool,
    }

    /// One entry.
    plain LogEntry = 0x0032 {
        /// Its place.
        index: LogIndex,
        /// When, UTC.
        time: DateTime,
        /// By whose authorization; 0 when by nobody's.
        authorization: AuthorizationId,
        /// Its name then, with the suffix of the command.
        name: Name<32>,
        /// What happened.
        event: LogEvent,
    }

    /// How long the log is and what goes into it.
    plain LogEntryCount = 0x0033 {
        /// Whether anything is logged.
        logging: bool,
        /// How many entries there are.
        count: u16,
        /// Whether there is a door sensor and it is on.
        door_sensor: bool,
        /// Whether what it says is logged.
        door_sensor_logging: bool,
    }

    /// Switches logging on or off.
    guarded EnableLogging = 0x0034 {
        /// On.
        enabled: bool,
    }
}

/// What happened. Newer locks pad what they write here, so what follows a known event is overlooked; of an
/// unknown event only its number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// Somebody switched logging on or off.
    Logging(bool),
    /// The lock moved, or should have.
    LockAction(Movement),
    /// It found its end positions.
    Calibration(Movement),
    /// It found its position after a start.
    InitializationRun(Movement),
    /// A keypad asked for something.
    KeypadAction {
        /// What it asked for.
        action: Reported<KeypadAction>,
        /// Key, code or finger.
        source: Reported<KeypadSource>,
        /// How it ended.
        completion: Reported<Completion>,
        /// With which code.
        code: CodeId,
    },
    /// The door moved.
    Door(Reported<DoorEvent>),
    /// Somebody switched logging of the door on or off.
    DoorSensorLogging(bool),
    /// New firmware runs.
    FirmwareUpdate(Version),
    /// An event that this version does not know, by its number.
    Unknown(u8),
}

/// How the lock moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Where to.
    pub action: Option<Reported<LockAction>>,
    /// What asked for it.
    pub trigger: Reported<Trigger>,
    /// How it was meant.
    pub flags: ActionFlags,
    /// How it ended.
    pub completion: Reported<Completion>,
}

impl Field for Movement {
    const MAX: usize = 4;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.action);
        out.field(&self.trigger);
        out.field(&self.flags);
        out.field(&self.completion);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            action: from.field()?,
            trigger: from.field()?,
            flags: from.field()?,
            completion: from.field()?,
        })
    }
}

impl LogEvent {
    const LOGGING: u8 = 1;
    const LOCK_ACTION: u8 = 2;
    const CALIBRATION: u8 = 3;
    const INITIALIZATION_RUN: u8 = 4;
    const KEYPAD_ACTION: u8 = 5;
    const DOOR: u8 = 6;
    const DOOR_SENSOR_LOGGING: u8 = 7;
    const FIRMWARE_UPDATE: u8 = 0x0A;

    const fn kind(&self) -> u8 {
        match self {
            Self::Logging(_) => Self::LOGGING,
            Self::LockAction(_) => Self::LOCK_ACTION,
            Self::Calibration(_) => Self::CALIBRATION,
            Self::InitializationRun(_) => Self::INITIALIZATION_RUN,
            Self::KeypadAction { .. } => Self::KEYPAD_ACTION,
            Self::Door(_) => Self::DOOR,
            Self::DoorSensorLogging(_) => Self::DOOR_SENSOR_LOGGING,
            Self::FirmwareUpdate(_) => Self::FIRMWARE_UPDATE,
            Self::Unknown(kind) => *kind,
        }
    }
}

impl Field for LogEvent {
    const MAX: usize = 6;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.kind());
        match self {
            Self::Logging(enabled) | Self::DoorSensorLogging(enabled) => out.field(enabled),
            Self::LockAction(movement) | Self::Calibration(movement) | Self::InitializationRun(movement) => {
                out.field(movement);
            }
            Self::KeypadAction {
                action,
                source,
                completion,
                code,
            } => {
                out.field(action);
                out.field(source);
                out.field(completion);
                out.field(code);
            }
            Self::Door(event) => out.field(event),
            Self::FirmwareUpdate(version) => out.field(version),
            Self::Unknown(_) => {}
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let event = match from.field()? {
            Self::LOGGING => Self::Logging(from.field()?),
            Self::LOCK_ACTION => Self::LockAction(from.field()?),
            Self::CALIBRATION => Self::Calibration(from.field()?),
            Self::INITIALIZATION_RUN => Self::InitializationRun(from.field()?),
            Self::KEYPAD_ACTION => Self::KeypadAction {
                action: from.field()?,
                source: from.field()?,
                completion: from.field()?,
                code: from.field()?,
            },
            Self::DOOR => Self::Door(from.field()?),
            Self::DOOR_SENSOR_LOGGING => Self::DoorSensorLogging(from.field()?),
            Self::FIRMWARE_UPDATE => Self::FirmwareUpdate(from.field()?),
            unknown => Self::Unknown(unknown),
        };
        from.skip_rest();
        Some(event)
    }
}
