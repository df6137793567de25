//! Why a lock refuses (Nuki Smart Lock API 2.1, error codes).

use core::fmt;

use super::number::numbers;

numbers! {
    /// Goes back to the client in an error report. Frozen.
    ErrorCode: u8, "error code" {
        /// The lock takes no new client now.
        NotPairing = 0x10,
        /// An authenticator does not fit: the other side does not hold the key.
        BadAuthenticator = 0x11,
        /// A value in pairing has no meaning.
        PairingBadParameter = 0x12,
        /// No room for one more authorization.
        MaxUser = 0x13,
        /// The lock knows no such authorization, or the box did not open.
        NotAuthorized = 0x20,
        /// The security PIN is wrong.
        BadPin = 0x21,
        /// The nonce was not fresh.
        BadNonce = 0x22,
        /// A value has no meaning or is not allowed.
        BadParameter = 0x23,
        /// There is no such authorization.
        InvalidAuthId = 0x24,
        /// The authorization or the function is switched off.
        Disabled = 0x25,
        /// Not from afar.
        RemoteNotAllowed = 0x26,
        /// Not at this time.
        TimeNotAllowed = 0x27,
        /// Too many wrong PINs; the lock takes none for a while.
        TooManyPinAttempts = 0x28,
        /// No room for one more entry.
        TooManyEntries = 0x29,
        /// Such a keypad code exists.
        CodeAlreadyExists = 0x2A,
        /// The keypad code opens nothing.
        CodeInvalid = 0x2B,
        /// The keypad code opens nothing; the keypad waits.
        CodeInvalidTimeout1 = 0x2C,
        /// The keypad code opens nothing; the keypad waits longer.
        CodeInvalidTimeout2 = 0x2D,
        /// The keypad code opens nothing; the keypad waits longest.
        CodeInvalidTimeout3 = 0x2E,
        /// Auto unlock happened a moment ago.
        AutoUnlockTooRecent = 0x40,
        /// The lock does not know where the bolt is.
        PositionUnknown = 0x41,
        /// Something holds the motor.
        MotorBlocked = 0x42,
        /// The clutch does not grip.
        ClutchFailure = 0x43,
        /// The motor took too long.
        MotorTimeout = 0x44,
        /// Another action is going on.
        Busy = 0x45,
        /// Somebody stopped it.
        Canceled = 0x46,
        /// The end positions are not known.
        NotCalibrated = 0x47,
        /// The motor is at its end.
        MotorPositionLimit = 0x48,
        /// The motor's supply is too low.
        MotorLowVoltage = 0x49,
        /// The motor has no power.
        MotorPowerFailure = 0x4A,
        /// The clutch has no power.
        ClutchPowerFailure = 0x4B,
        /// The battery is too low for this.
        VoltageTooLow = 0x4C,
        /// The lock must be updated first.
        FirmwareUpdateNeeded = 0x4D,
        /// The checksum does not fit.
        BadCrc = 0xFD,
        /// The message is too short or too long.
        BadLength = 0xFE,
        /// Something without a number of its own, such as an unknown command.
        Unknown = 0xFF,
    }
}

impl ErrorCode {
    /// What happened and what to do, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotPairing => {
                "the lock is not in pairing mode; hold its button for five seconds and try again"
            }
            Self::BadAuthenticator => "the lock refused the proof of the key; pair again",
            Self::PairingBadParameter => "the lock refused a value in pairing; update the client",
            Self::MaxUser => "the lock has no room for one more user; remove one first",
            Self::NotAuthorized => "the lock does not know this client; pair with it again",
            Self::BadPin => "the security PIN is wrong",
            Self::BadNonce => {
                "the challenge was used or is too old; ask for a new one and send the command again"
            }
            Self::BadParameter => "the lock refused a value in the command",
            Self::InvalidAuthId => "there is no such user on the lock",
            Self::Disabled => "this user or function is switched off on the lock",
            Self::RemoteNotAllowed => "this user may not act from afar",
            Self::TimeNotAllowed => "this user may not act at this time",
            Self::TooManyPinAttempts => "too many wrong PINs; wait and try again",
            Self::TooManyEntries => "the lock has no room for one more entry; remove one first",
            Self::CodeAlreadyExists => "this keypad code exists already; choose another",
            Self::CodeInvalid => "the keypad code is wrong",
            Self::CodeInvalidTimeout1 => "the keypad code is wrong; the keypad waits a moment",
            Self::CodeInvalidTimeout2 => "the keypad code is wrong; the keypad waits longer",
            Self::CodeInvalidTimeout3 => "the keypad code is wrong; the keypad waits for long",
            Self::AutoUnlockTooRecent => "auto unlock happened a moment ago",
            Self::PositionUnknown => "the lock does not know where its bolt is; let it calibrate",
            Self::MotorBlocked => "something holds the motor; see whether the door is closed",
            Self::ClutchFailure => "the clutch failed; have the lock looked at",
            Self::MotorTimeout => "the motor took too long; see whether the key turns freely",
            Self::Busy => "the lock is busy; try again",
            Self::Canceled => "somebody stopped the movement",
            Self::NotCalibrated => "the lock is not calibrated; calibrate it first",
            Self::MotorPositionLimit => "the motor is at the end of its way; calibrate again",
            Self::MotorLowVoltage => "the motor's supply is too low; change the batteries",
            Self::MotorPowerFailure => "the motor has no power; change the batteries",
            Self::ClutchPowerFailure => "the clutch has no power; change the batteries",
            Self::VoltageTooLow => "the battery is too low for this; change the batteries",
            Self::FirmwareUpdateNeeded => "the lock must be updated first",
            Self::BadCrc => "a message arrived damaged; send it again",
            Self::BadLength => "a message had the wrong length; update the client or the lock",
            Self::Unknown => "the lock does not know this command, or failed in a way that has no name",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
