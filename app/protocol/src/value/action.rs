//! What can be asked of the lock, who or what asked, and how it ended.

use super::number::{Reported, numbers};
use crate::wire::{Field, Reader, Writer};

numbers! {
    /// What the motor can be asked to do.
    LockAction: u8, "lock action" {
        /// Turn the key until the door can be opened with the handle.
        Unlock = 1,
        /// Lock the door.
        Lock = 2,
        /// Unlock and hold the latch back for a moment.
        Unlatch = 3,
        /// Unlock, then lock again after a time.
        LockNGo = 4,
        /// Unlatch, then lock again after a time.
        LockNGoUnlatch = 5,
        /// Lock with every turn there is.
        FullLock = 6,
        /// What is configured for one press on the fob.
        FobAction1 = 0x81,
        /// What is configured for two presses on the fob.
        FobAction2 = 0x82,
        /// What is configured for three presses on the fob.
        FobAction3 = 0x83,
    }
}

/// The last action in a lock's report: 0 says that there was none.
impl Field for Option<Reported<LockAction>> {
    const MAX: usize = 1;

    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Some(action) => out.field(action),
            None => out.field(&0_u8),
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(|action| match action {
            Reported::Unknown(0) => None,
            Reported::Unknown(_) | Reported::Known(_) => Some(action),
        })
    }
}

numbers! {
    /// What the shortest of all commands can ask for.
    SimpleAction: u8, "simple lock action" {
        /// See [`LockAction::Unlock`].
        Unlock = 1,
        /// See [`LockAction::Lock`].
        Lock = 2,
    }
}

impl From<SimpleAction> for LockAction {
    fn from(action: SimpleAction) -> Self {
        match action {
            SimpleAction::Unlock => Self::Unlock,
            SimpleAction::Lock => Self::Lock,
        }
    }
}

/// How a lock action is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionFlags(pub u8);

impl ActionFlags {
    const AUTO_UNLOCK: u8 = 1;
    const FORCE: u8 = 2;

    /// The phone came near by itself; nobody pressed a button.
    #[must_use]
    pub const fn auto_unlock(self) -> bool {
        self.0 & Self::AUTO_UNLOCK != 0
    }

    /// Move although the lock believes that it is there already.
    #[must_use]
    pub const fn force(self) -> bool {
        self.0 & Self::FORCE != 0
    }
}

impl Field for ActionFlags {
    const MAX: usize = 1;

    fn write(&self, out: &mut Writer<'_>) {
        out.field(&self.0);
    }

    /// Takes any byte: clients set bits that are not documented, and none of them widens what is asked for.
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.field().map(Self)
    }
}

numbers! {
    /// Where a keypad action comes from.
    KeypadSource: u8, "keypad source" {
        /// The key with the arrow, without a code.
        ArrowKey = 0,
        /// A code that was typed in.
        Code = 1,
        /// A finger.
        Fingerprint = 2,
    }
}

numbers! {
    /// What a keypad asks for.
    KeypadAction: u8, "keypad action" {
        /// Lock when unlocked, unlock when locked.
        Intelligent = 0,
        /// See [`LockAction::Unlock`].
        Unlock = 1,
        /// See [`LockAction::Lock`].
        Lock = 2,
        /// See [`LockAction::Unlatch`].
        Unlatch = 3,
        /// See [`LockAction::LockNGo`].
        LockNGo = 4,
    }
}

numbers! {
    /// What set the lock moving.
    Trigger: u8, "trigger" {
        /// A command over Bluetooth.
        System = 0,
        /// A hand on the key.
        Manual = 1,
        /// The button on the lock.
        Button = 2,
        /// Time control, or the end of lock'n'go.
        Automatic = 3,
        /// Auto lock.
        AutoLock = 6,
        /// Apple HomeKit.
        HomeKit = 0xAB,
        /// MQTT.
        Mqtt = 0xAC,
    }
}

numbers! {
    /// How an action ended.
    Completion: u8, "completion" {
        /// As asked.
        Success = 0,
        /// Something held the motor.
        MotorBlocked = 1,
        /// Somebody stopped it.
        Canceled = 2,
        /// The same was asked for a moment ago.
        TooRecent = 3,
        /// Another action was going on.
        Busy = 4,
        /// The motor's supply was too low.
        LowMotorVoltage = 5,
        /// The clutch did not grip.
        ClutchFailure = 6,
        /// The motor had no power.
        MotorPowerFailure = 7,
        /// It ended half-way.
        Incomplete = 8,
        /// It failed.
        Failure = 0x0B,
        /// The keypad code was refused.
        InvalidCode = 0xE0,
        /// The finger was refused.
        InvalidFingerprint = 0xE1,
        /// Something that has no number of its own.
        Other = 0xFE,
        /// Not known.
        Unknown = 0xFF,
    }
}
