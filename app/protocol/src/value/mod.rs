//! The words of the language: what the fields of messages mean.
//!
//! What a client asks for must be understood whole, so an unknown number in a request is a named error. What a
//! lock reports may be newer than its reader, who must still show the rest: such fields are [`Reported`] and
//! keep an unknown number. Which of the two a field is stands in the message's definition, as its type.

mod action;
mod error_code;
mod id;
mod name;
mod number;
mod secret;
mod setting;
mod state;
mod time;
mod zone;

pub use action::{ActionFlags, Completion, KeypadAction, KeypadSource, LockAction, SimpleAction, Trigger};
pub use error_code::ErrorCode;
pub use id::{
    AppId, AuthorizationId, AuthorizationType, CodeId, LockUuid, LogIndex, NukiId, TimeControlId, Version,
};
pub use name::Name;
pub use number::{Number, Reported};
pub use secret::{CarriedKey, EnteredCode, KeypadCode, Nonce, Pin};
pub use setting::{
    AdvertisingMode, BatteryType, ButtonAction, DaylightSaving, DeviceType, FobAction, HomeKit, MotorSpeed,
    SortOrder,
};
pub use state::{
    AccessoryBattery, Battery, BootOutcome, DoorEvent, DoorState, LockState, NukiState, RemoteAccess, Status,
    UpdateStage,
};
pub use time::{DateTime, TimeLimits, TimeOfDay, Weekday, Weekdays};
pub use zone::TimeZoneId;
