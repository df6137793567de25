//! The shapes of flash that histories are lived on. Small, so that many fit into a minute; the real map's
//! proportions, so that every path is taken.

use latchkey_handoff::{Map, Partition};

/// Where the simulated window of flash begins in the processor's memory.
pub const BASE: u32 = 0x1000_0000;
/// Pages before ACTIVE: engine, mailbox, floor, record.
const BEFORE: u32 = 7;

/// A flash map of pages of `page` bytes with `active` pages of ACTIVE.
#[must_use]
pub const fn map(page: u32, active: u32) -> Map {
    const fn pages(page: u32, first: u32, count: u32) -> Partition {
        Partition::new(first * page, count * page)
    }
    Map {
        engine: pages(page, 0, 1),
        mailbox: pages(page, 1, 2),
        floor: pages(page, 3, 2),
        record: pages(page, 5, 2),
        active: pages(page, BEFORE, active),
        dfu: pages(page, BEFORE + active, active + 1),
    }
}

/// Pages of the whole flash of `map`.
#[must_use]
pub const fn flash_pages(active: u32) -> usize {
    (BEFORE + 2 * active + 1) as usize
}

/// One of the three shapes. Pages of 256, 512 and 1024 bytes; 9, 6 and 4 of them in ACTIVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// Four records to a page: journals turn over all the time. Images of 4 to 9 pages.
    Small,
    /// Images of 2 to 6 pages.
    Middle,
    /// Images of 1 to 4 pages.
    Large,
}

impl Geometry {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Small, Self::Middle, Self::Large];

    /// Bytes of a page.
    #[must_use]
    pub const fn page(self) -> u32 {
        match self {
            Self::Small => 256,
            Self::Middle => 512,
            Self::Large => 1024,
        }
    }

    /// Pages of ACTIVE.
    #[must_use]
    pub const fn active(self) -> u32 {
        match self {
            Self::Small => 9,
            Self::Middle => 6,
            Self::Large => 4,
        }
    }

    /// The flash map.
    #[must_use]
    pub const fn map(self) -> Map {
        map(self.page(), self.active())
    }
}
