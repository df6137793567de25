//! A number in RAM that a reset leaves alone and a loss of power does not.
//!
//! It lies in the first bytes of RAM, which the linker scripts of bootloaders and apps leave free, so that it is in
//! the same place whatever ran before. It is written three times over; after a loss of power RAM holds anything,
//! and what does not agree is no number.

use core::sync::atomic::{AtomicBool, Ordering};

use latchkey_handoff::layout::{RETAINED, WORD};

use crate::window::Window;

/// Where RAM begins, on every board.
const RAM: u32 = 0x2000_0000;
/// Sets the third copy apart from memory that is all zeros or all ones.
const MARK: u32 = 0x4c4b_7274;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The number. There is one.
pub struct Retained(Window);

impl Retained {
    /// `None` when it has been taken before.
    #[must_use]
    pub fn take() -> Option<Self> {
        // SAFETY: the linker scripts (latchkey-bake) put nothing there, so no Rust object lies in it, and TAKEN sees
        // to it that there is one owner.
        let window = unsafe { Window::new(RAM, RETAINED) };
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self(window))
    }

    /// What was kept before the last reset, or since.
    #[must_use]
    pub fn get(&self) -> Option<u32> {
        let number = self.0.load(0);
        let copies = [self.0.load(WORD), self.0.load(2 * WORD)];
        (copies == [!number, number ^ MARK]).then_some(number)
    }

    /// Keeps a number. A reset in the middle of it leaves none.
    pub fn set(&mut self, number: u32) {
        self.0.store(0, number);
        self.0.store(WORD, !number);
        self.0.store(2 * WORD, number ^ MARK);
    }
}
