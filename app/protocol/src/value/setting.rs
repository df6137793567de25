//! Choices in the lock's configuration.

use super::number::numbers;

numbers! {
    /// What a press on the fob does.
    FobAction: u8, "fob action" {
        /// Nothing.
        None = 0,
        /// Unlock.
        Unlock = 1,
        /// Lock.
        Lock = 2,
        /// Lock'n'go.
        LockNGo = 3,
        /// Lock when unlocked, unlock when locked.
        Intelligent = 4,
    }
}

numbers! {
    /// What a press on the lock's own button does.
    ButtonAction: u8, "button action" {
        /// Nothing.
        None = 0,
        /// Lock when unlocked, unlock when locked.
        Intelligent = 1,
        /// Unlock.
        Unlock = 2,
        /// Lock.
        Lock = 3,
        /// Unlatch.
        Unlatch = 4,
        /// Lock'n'go.
        LockNGo = 5,
        /// Show with the light where the bolt is.
        ShowStatus = 6,
    }
}

numbers! {
    /// How often the lock advertises.
    AdvertisingMode: u8, "advertising mode" {
        /// As the lock sees fit.
        Automatic = 0,
        /// Often: clients connect fast.
        Normal = 1,
        /// Less often: the battery lasts longer.
        Slow = 2,
        /// As seldom as can be.
        Slowest = 3,
    }
}

numbers! {
    /// Daylight saving, for locks that have no time zone set.
    DaylightSaving: u8, "daylight saving mode" {
        /// None.
        Off = 0,
        /// The European rule.
        European = 1,
    }
}

numbers! {
    /// How the lock stands to Apple HomeKit.
    HomeKit: u8, "HomeKit state" {
        /// It has none.
        NotAvailable = 0,
        /// Off.
        Disabled = 1,
        /// On.
        Enabled = 2,
        /// On, and paired.
        Paired = 3,
    }
}

numbers! {
    /// What kind of device speaks.
    DeviceType: u8, "device type" {
        /// Smart Lock, first and second generation.
        SmartLock = 0,
        /// Opener.
        Opener = 2,
        /// Smart Door.
        SmartDoor = 3,
        /// Smart Lock, third and fourth generation.
        SmartLock3 = 4,
        /// Smart Lock Ultra, and the 5th generation.
        SmartLockUltra = 5,
    }
}

numbers! {
    /// What feeds the lock.
    BatteryType: u8, "battery type" {
        /// Alkaline.
        Alkaline = 0,
        /// Rechargeable.
        Accumulator = 1,
        /// Lithium.
        Lithium = 2,
    }
}

numbers! {
    /// How fast the motor turns.
    MotorSpeed: u8, "motor speed" {
        /// As usual.
        Standard = 0,
        /// As fast as it can.
        Insane = 1,
        /// Slow and quiet.
        Gentle = 2,
    }
}

numbers! {
    /// Which end of the log comes first.
    SortOrder: u8, "sort order" {
        /// Oldest first.
        Ascending = 0,
        /// Newest first.
        Descending = 1,
    }
}
