//! The flash map: one megabyte, the same offsets on both boards.
//!
//! Offsets count from the start of the chip's flash window. ARCHITECTURE.md shows the same table; the linker
//! scripts are made from these constants.

/// Size of the whole flash, in bytes.
pub const FLASH: u32 = 0x10_0000;
/// Erase unit, in bytes.
pub const PAGE: u32 = 0x1000;
/// Program unit, in bytes.
pub const WORD: u32 = 4;
/// Size of an image's header, in bytes: the vector table lies this far into ACTIVE.
pub const IMAGE_HEADER: u32 = 0x200;

/// Bytes at the start of RAM that no program is linked into: what outlives a reset, but no loss of power.
pub const RETAINED: u32 = 32;

/// A part of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// First byte, counted from the start of the flash.
    pub offset: u32,
    /// Length in bytes.
    pub size: u32,
}

impl Partition {
    /// The part from `offset` on, `size` bytes long.
    #[must_use]
    pub const fn new(offset: u32, size: u32) -> Self {
        Self { offset, size }
    }

    /// The byte after the last.
    #[must_use]
    pub const fn end(self) -> u32 {
        self.offset.saturating_add(self.size)
    }
}

/// The bootloader's own code.
pub const BOOTLOADER: Partition = Partition::new(0, 0x1_0000);
/// The move engine's progress page.
pub const ENGINE: Partition = Partition::new(0x1_0000, PAGE);
/// Install requests and confirmations, two pages.
pub const MAILBOX: Partition = Partition::new(0x1_1000, 2 * PAGE);
/// The rollback floor, two pages.
pub const FLOOR: Partition = Partition::new(0x1_3000, 2 * PAGE);
/// The boot record, two pages.
pub const RECORD: Partition = Partition::new(0x1_5000, 2 * PAGE);
/// The image that runs.
pub const ACTIVE: Partition = Partition::new(0x1_8000, 96 * PAGE);
/// The image that waits, or the old one, one page up. One page longer than ACTIVE.
pub const DFU: Partition = Partition::new(0x7_8000, 97 * PAGE);
/// The app's own storage.
pub const STORAGE: Partition = Partition::new(0xd_9000, 39 * PAGE);

/// Where the bootloader core finds what it works on.
///
/// A value and not only constants, so that the simulator can run the same code on other geometries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// One page.
    pub engine: Partition,
    /// Two pages.
    pub mailbox: Partition,
    /// Two pages.
    pub floor: Partition,
    /// Two pages.
    pub record: Partition,
    /// Whole pages.
    pub active: Partition,
    /// One page more than `active`.
    pub dfu: Partition,
}

/// The map of both boards.
pub const MAP: Map = Map {
    engine: ENGINE,
    mailbox: MAILBOX,
    floor: FLOOR,
    record: RECORD,
    active: ACTIVE,
    dfu: DFU,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_pages_in_order_without_overlap() {
        let parts = [BOOTLOADER, ENGINE, MAILBOX, FLOOR, RECORD, ACTIVE, DFU, STORAGE];
        for pair in parts.windows(2) {
            assert!(pair[0].end() <= pair[1].offset, "{pair:x?}");
        }
        for part in parts {
            assert_eq!((part.offset % PAGE, part.size % PAGE), (0, 0), "{part:x?}");
        }
        assert_eq!(STORAGE.end(), FLASH);
        assert_eq!(DFU.size, ACTIVE.size + PAGE);
    }
}
