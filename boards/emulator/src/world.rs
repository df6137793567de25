//! What is around the emulated lock and stays when its battery is taken out: where the bolt stands, and the door.
//!
//! Kept in the same file as the flash, behind the chip, in memory that no real lock has. Power cuts leave it.

use core::sync::atomic::{AtomicBool, Ordering};

use latchkey_board_cortex_m::window::Window;
use latchkey_handoff::layout::FLASH;

use crate::flash::BASE;

const BOLT: u32 = 0;
const DOOR: u32 = 4;
const SIZE: u32 = 8;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The world. There is one. A new one is all zeros.
pub struct World(Window);

impl World {
    /// The world; `None` when it has been taken before.
    #[must_use]
    pub fn take() -> Option<Self> {
        // SAFETY: the machine's memory goes on behind the chip, nothing else of this program lies there, and TAKEN
        // sees to it that there is one owner.
        let window = unsafe { Window::new(BASE + FLASH, SIZE) };
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self(window))
    }

    /// Where the bolt stands, in degrees from the unlocked stop.
    #[must_use]
    pub fn bolt_deg(&self) -> i32 {
        self.0.load(BOLT).cast_signed()
    }

    /// Turns the bolt.
    pub fn set_bolt_deg(&mut self, at_deg: i32) {
        self.0.store(BOLT, at_deg.cast_unsigned());
    }

    /// The door, by a number of the user's choosing.
    #[must_use]
    pub fn door(&self) -> u32 {
        self.0.load(DOOR)
    }

    /// Moves the door.
    pub fn set_door(&mut self, door: u32) {
        self.0.store(DOOR, door);
    }
}
