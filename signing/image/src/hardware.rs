//! Where an image runs: the slot's address and memory, and the hardware classes this project builds for.
//!
//! The one table of classes: bootloader, signing tool and server take their numbers from here, and a test of
//! `latchkey-sign` holds it together with the flash map in `latchkey-handoff`.

use core::ops::Range;

use crate::Uuid;

/// The place an image is executed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where the image's first byte lies in the processor's memory when it runs.
    pub address: u32,
    /// How much room an image has there, in bytes: header, payload and all TLVs.
    pub size: u32,
    /// The memory the initial stack pointer must lie in (or just above, as stacks grow down).
    pub ram: Range<u32>,
}

/// A hardware class: who made the lock, which model and board revision it is, and where its image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Short name for command lines.
    pub board: &'static str,
    /// Vendor name, as given to `--vid`.
    pub vendor_name: &'static str,
    /// Class name, as given to `--cid`.
    pub class_name: &'static str,
    /// `Uuid::vendor(vendor_name)`.
    pub vendor: Uuid,
    /// `Uuid::class(vendor, class_name)`.
    pub class: Uuid,
    /// Where ACTIVE lies.
    pub slot: Slot,
}

/// Offset and size of ACTIVE in the flash map, the same on both boards.
const ACTIVE_OFFSET: u32 = 0x0001_8000;
const ACTIVE_SIZE: u32 = 384 * 1024;
const RAM: Range<u32> = 0x2000_0000..0x2004_0000;
/// The emulated board's flash window; the nRF52840's flash starts at 0.
const EMULATOR_FLASH: u32 = 0x2100_0000;

const VENDOR: Uuid = Uuid(0xb86b_3d25_9702_52ab_874f_55ef_769d_a8b8_u128.to_be_bytes());

impl Hardware {
    /// QEMU's mps2-an386, dressed as a lock.
    pub const EMULATOR: Self = Self {
        board: "emulator",
        vendor_name: "latchkey.example",
        class_name: "lock-emulator-1",
        vendor: VENDOR,
        class: Uuid(0x5785_39cc_9663_55bd_91a2_1ede_0ac0_bf1c_u128.to_be_bytes()),
        slot: Slot {
            address: EMULATOR_FLASH + ACTIVE_OFFSET,
            size: ACTIVE_SIZE,
            ram: RAM,
        },
    };

    /// The nRF52840 lock.
    pub const NRF52840: Self = Self {
        board: "nrf52840",
        vendor_name: "latchkey.example",
        class_name: "lock-nrf52840-1",
        vendor: VENDOR,
        class: Uuid(0xf14b_2e58_e16c_5a38_b8c9_4a26_ecd5_9a03_u128.to_be_bytes()),
        slot: Slot {
            address: ACTIVE_OFFSET,
            size: ACTIVE_SIZE,
            ram: RAM,
        },
    };

    /// Every class there is.
    pub const ALL: [Self; 2] = [Self::EMULATOR, Self::NRF52840];

    /// The class an image says it is for; `None` when this project knows none such.
    #[must_use]
    pub fn find(vendor: Uuid, class: Uuid) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|hardware| hardware.vendor == vendor && hardware.class == class)
    }
}

#[cfg(all(test, feature = "build"))]
mod tests {
    use super::*;

    #[test]
    fn the_uuids_are_those_of_the_names() {
        for hardware in Hardware::ALL {
            let vendor = Uuid::vendor(hardware.vendor_name).unwrap();
            assert_eq!(vendor, hardware.vendor);
            assert_eq!(Uuid::class(vendor, hardware.class_name).unwrap(), hardware.class);
        }
    }
}
