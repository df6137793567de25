//! What the lock is and does, as its states report tells it.

use super::number::numbers;
use crate::wire::{Field, Reader, Writer};

numbers! {
    /// What the lock as a device is doing.
    NukiState: u8, "device state" {
        /// Nobody ever paired with it.
        Uninitialized = 0,
        /// It takes a new client.
        Pairing = 1,
        /// At work on its door.
        DoorMode = 2,
        /// At work, held open (Opener).
        ContinuousMode = 3,
        /// In maintenance.
        Maintenance = 4,
    }
}

numbers! {
    /// Where the bolt is and which way it goes.
    LockState: u8, "lock state" {
        /// The end positions are not known.
        Uncalibrated = 0,
        /// Locked.
        Locked = 1,
        /// On the way to unlocked.
        Unlocking = 2,
        /// Unlocked.
        Unlocked = 3,
        /// On the way to locked.
        Locking = 4,
        /// The latch is held back.
        Unlatched = 5,
        /// Unlocked; it will lock by itself.
        UnlockedLockNGo = 6,
        /// On the way to unlatched.
        Unlatching = 7,
        /// Finding its end positions.
        Calibration = 0xFC,
        /// Finding its position after a start.
        BootRun = 0xFD,
        /// Something holds the motor.
        MotorBlocked = 0xFE,
        /// Not known.
        Undefined = 0xFF,
    }
}

numbers! {
    /// What the door sensor says.
    DoorState: u8, "door state" {
        /// There is no sensor.
        Unavailable = 0,
        /// It is switched off.
        Deactivated = 1,
        /// The door is closed.
        Closed = 2,
        /// The door is open.
        Opened = 3,
        /// It cannot tell.
        Unknown = 4,
        /// It is learning.
        Calibrating = 5,
        /// It has yet to learn.
        Uncalibrated = 0x10,
        /// Somebody tampered with it or took it away.
        Tampered = 0xF0,
        /// Not known, as newer firmware says it.
        Undefined = 0xFF,
    }
}

numbers! {
    /// What the door did.
    DoorEvent: u8, "door event" {
        /// Opened.
        Opened = 0,
        /// Closed.
        Closed = 1,
        /// The sensor does not see the door.
        Jammed = 2,
    }
}

numbers! {
    /// How far a command has come.
    Status: u8, "status" {
        /// Done.
        Complete = 0,
        /// Understood and allowed; the movement begins.
        Accepted = 1,
    }
}

numbers! {
    /// How far an image that a phone sends is. Own numbers.
    UpdateStage: u8, "update stage" {
        /// Nothing has come.
        Nothing = 0,
        /// It is on its way.
        Receiving = 1,
        /// It is there, whole; nobody asked for its install yet.
        Received = 2,
        /// It was proven, and will be installed at the next start.
        Requested = 3,
    }
}

numbers! {
    /// What the bootloader did at a start. Own numbers.
    BootOutcome: u8, "boot outcome" {
        /// Nothing was asked for.
        Steady = 0,
        /// It started an image that has yet to confirm itself.
        Trial = 1,
        /// It took an image back that did not confirm itself.
        Reverted = 2,
        /// It refused the image whose install was asked for.
        Refused = 3,
        /// What ran was damaged; it started another image.
        Rescued = 4,
    }
}

// A byte whose bits the lock reports; unknown bits are kept.
macro_rules! bits {
    ($name:ident) => {
        impl Field for $name {
            const MAX: usize = 1;

            fn write(&self, out: &mut Writer<'_>) {
                out.field(&self.0);
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.field().map(Self)
            }
        }
    };
}

/// The lock's battery: bit 0 critical; newer firmware adds bit 1 charging and the charge in steps of 2 % above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Battery(pub u8);

bits!(Battery);

impl Battery {
    const CRITICAL: u8 = 1;
    const CHARGING: u8 = 2;
    const CHARGE_SHIFT: u32 = 2;

    /// Puts the byte together; more than 100 percent counts as 100.
    #[must_use]
    pub const fn new(critical: bool, charging: bool, percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        let charge = (percent >> 1) << Self::CHARGE_SHIFT;
        let critical = if critical { Self::CRITICAL } else { 0 };
        let charging = if charging { Self::CHARGING } else { 0 };
        Self(charge | critical | charging)
    }

    /// Batteries should be changed now.
    #[must_use]
    pub const fn critical(self) -> bool {
        self.0 & Self::CRITICAL != 0
    }

    /// It is being charged.
    #[must_use]
    pub const fn charging(self) -> bool {
        self.0 & Self::CHARGING != 0
    }

    /// The charge in percent, in steps of 2; 0 also when the lock does not tell.
    #[must_use]
    pub const fn percent(self) -> u8 {
        (self.0 >> Self::CHARGE_SHIFT) << 1
    }
}

/// The batteries of keypad and door sensor: bit 0 keypad told of, bit 1 keypad critical, bit 2 door sensor told
/// of, bit 3 door sensor critical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessoryBattery(pub u8);

bits!(AccessoryBattery);

impl AccessoryBattery {
    /// Whether the keypad's battery is critical; `None` when the lock does not tell.
    #[must_use]
    pub const fn keypad_critical(self) -> Option<bool> {
        if self.0 & 1 == 0 {
            None
        } else {
            Some(self.0 & 2 != 0)
        }
    }

    /// Whether the door sensor's battery is critical; `None` when the lock does not tell.
    #[must_use]
    pub const fn door_sensor_critical(self) -> Option<bool> {
        if self.0 & 4 == 0 {
            None
        } else {
            Some(self.0 & 8 != 0)
        }
    }
}

/// How the lock is reached from afar: bit 0 uplink, 1 bridge paired, 2 by Wi-Fi, 3 connected, 4 by Thread,
/// 5 Thread enabled, 6 NAT64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteAccess(pub u8);

bits!(RemoteAccess);
