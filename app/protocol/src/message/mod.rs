//! Every message of the protocol, one definition each, for both sides and both directions.
//!
//! The files follow the specification's areas, a message reads like a row of its table, and the name follows the
//! table where Rust lets it. [`FromClient`] and [`FromLock`] are what may stand in a sealed frame,
//! [`PairingFromClient`] and [`PairingFromLock`] what may stand in a plain one. Whether a message is allowed now
//! is not known here.

mod action;
mod authorization;
mod config;
mod keypad;
mod layout;
mod log;
mod maintenance;
mod pairing;
mod state;
mod time_control;
mod update;

use core::fmt;

pub use action::{
    ErrorReport, PerformKeypadAction, PerformLockAction, PerformSimpleLockAction, StatusReport,
};
pub use authorization::{
    AuthorizationEntry, AuthorizationEntryCount, InviteAuthorization, InvitedAuthorization,
    RemoveAuthorizationEntry, RequestAuthorizationEntries, UpdateAuthorizationEntry,
};
pub use config::{
    AdvancedConfig, AdvancedSettings, AutoLock, Config, Motor, RequestAdvancedConfig, RequestConfig,
    SetAdvancedConfig, SetConfig,
};
pub use keypad::{
    AddKeypadCode, KeypadCodeCount, KeypadCodeEntry, KeypadCodeId, RemoveKeypadCode, RequestKeypadCodes,
    UpdateKeypadCode,
};
pub use layout::{Command, Message, Payload};
pub use log::{EnableLogging, LogEntry, LogEntryCount, LogEvent, Movement, RequestLogEntries};
pub use maintenance::{RequestCalibration, RequestReboot, SetSecurityPin, UpdateTime, VerifySecurityPin};
pub use pairing::{
    AuthorizationAuthenticator, AuthorizationData, AuthorizationDataFifth, AuthorizationIdConfirmation,
    AuthorizationInfo, Challenge, GrantedAuthorization, GrantedAuthorizationFifth, PublicKeyOffer,
    RequestData,
};
pub use state::{BatteryReport, FirmwareStatus, KeyturnerStates, MostRecentCommand, OpeningsClosingsSummary};
pub use time_control::{
    AddTimeControlEntry, RemoveTimeControlEntry, RequestTimeControlEntries, TimeControlEntry,
    TimeControlEntryCount, TimeControlEntryId, UpdateTimeControlEntry,
};
pub use update::{CloseUpdateWindow, OpenUpdateWindow, RunningImage, UpdateStatus};

use crate::value::{ErrorCode, Nonce, Pin};
use crate::wire::{Malformed, PinWidth, Reader, Writer};

/// A command whose payload could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// No message with this number may stand here.
    UnknownCommand(Command),
    /// The payload is not that command's.
    Malformed(Command, Malformed),
}

impl Unreadable {
    /// The number that came.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::UnknownCommand(command) | Self::Malformed(command, _) => command,
        }
    }

    /// What a lock answers to a command.
    #[must_use]
    pub const fn error_code(self) -> ErrorCode {
        self.code(ErrorCode::BadParameter)
    }

    /// What a lock answers in pairing.
    #[must_use]
    pub const fn pairing_error_code(self) -> ErrorCode {
        self.code(ErrorCode::PairingBadParameter)
    }

    const fn code(self, value: ErrorCode) -> ErrorCode {
        match self {
            Self::UnknownCommand(_) => ErrorCode::Unknown,
            Self::Malformed(_, Malformed::TooShort { .. } | Malformed::TooLong { .. }) => {
                ErrorCode::BadLength
            }
            Self::Malformed(_, Malformed::Value(_)) => value,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(Command(command)) => write!(f, "no command {command:#06x} is known here"),
            Self::Malformed(Command(command), why) => write!(f, "in command {command:#06x} {why}"),
        }
    }
}

impl core::error::Error for Unreadable {}

// What may stand in one place: an enum over messages, told apart by their numbers.
macro_rules! catalogue {
    ($(#[$meta:meta])* $name:ident { $($message:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, PartialEq)]
        pub enum $name {
            $(#[doc = concat!("See [`", stringify!($message), "`].")] $message($message),)+
        }

        impl $name {
            /// The most bytes that a payload takes.
            pub const MAX: usize = largest(&[$($message::MAX),+]);

            /// The numbers of all of them.
            pub const COMMANDS: &'static [Command] = &[$($message::COMMAND),+];

            /// Reads the payload that came with a number.
            ///
            /// # Errors
            /// [`Unreadable`].
            #[inline(never)]
            pub fn read(command: Command, payload: &[u8], width: PinWidth) -> Result<Self, Unreadable> {
                let mut from = Reader::new(payload, width);
                let message = match command {
                    $($message::COMMAND => $message::fields(&mut from).map(Self::$message),)+
                    _ => return Err(Unreadable::UnknownCommand(command)),
                };
                from.finish(message).map_err(|why| Unreadable::Malformed(command, why))
            }

            /// The challenge's nonce, for messages that need one.
            #[must_use]
            pub fn nonce(&self) -> Option<&Nonce> {
                match self {
                    $(Self::$message(message) => message.nonce(),)+
                }
            }

            /// The security PIN, for messages that need it.
            #[must_use]
            pub fn pin(&self) -> Option<&Pin> {
                match self {
                    $(Self::$message(message) => message.pin(),)+
                }
            }
        }

        impl Payload for $name {
            fn command(&self) -> Command {
                match self {
                    $(Self::$message(_) => $message::COMMAND,)+
                }
            }

            fn write(&self, out: &mut Writer<'_>) {
                match self {
                    $(Self::$message(message) => message.write(out),)+
                }
            }
        }

        $(
            impl From<$message> for $name {
                fn from(message: $message) -> Self {
                    Self::$message(message)
                }
            }
        )+
    };
}

catalogue! {
    /// What a client may say in a sealed frame.
    FromClient {
        RequestData,
        RemoveAuthorizationEntry,
        RequestAuthorizationEntries,
        InviteAuthorization,
        PerformLockAction,
        SetConfig,
        RequestConfig,
        SetSecurityPin,
        RequestCalibration,
        RequestReboot,
        VerifySecurityPin,
        UpdateTime,
        UpdateAuthorizationEntry,
        RequestLogEntries,
        EnableLogging,
        SetAdvancedConfig,
        RequestAdvancedConfig,
        AddTimeControlEntry,
        RemoveTimeControlEntry,
        RequestTimeControlEntries,
        UpdateTimeControlEntry,
        AddKeypadCode,
        RequestKeypadCodes,
        UpdateKeypadCode,
        RemoveKeypadCode,
        PerformKeypadAction,
        PerformSimpleLockAction,
        OpenUpdateWindow,
        CloseUpdateWindow,
    }
}

catalogue! {
    /// What a lock may say in a sealed frame.
    FromLock {
        Challenge,
        AuthorizationEntry,
        KeyturnerStates,
        StatusReport,
        MostRecentCommand,
        OpeningsClosingsSummary,
        BatteryReport,
        ErrorReport,
        Config,
        InvitedAuthorization,
        AuthorizationEntryCount,
        FirmwareStatus,
        LogEntry,
        LogEntryCount,
        AdvancedConfig,
        TimeControlEntryId,
        TimeControlEntryCount,
        TimeControlEntry,
        KeypadCodeId,
        KeypadCodeCount,
        KeypadCodeEntry,
        UpdateStatus,
        RunningImage,
    }
}

catalogue! {
    /// What a client may say in a plain frame.
    PairingFromClient {
        RequestData,
        PublicKeyOffer,
        AuthorizationAuthenticator,
        AuthorizationData,
        AuthorizationIdConfirmation,
    }
}

catalogue! {
    /// What a lock may say in a plain frame.
    PairingFromLock {
        PublicKeyOffer,
        Challenge,
        GrantedAuthorization,
        StatusReport,
        ErrorReport,
        AuthorizationInfo,
    }
}

/// The longest payload of any message, in bytes.
pub const PAYLOAD_MAX: usize = largest(&[
    FromClient::MAX,
    FromLock::MAX,
    PairingFromClient::MAX,
    PairingFromLock::MAX,
]);

const fn largest(mut lengths: &[usize]) -> usize {
    let mut most = 0;
    while let [first, rest @ ..] = lengths {
        if *first > most {
            most = *first;
        }
        lengths = rest;
    }
    most
}
