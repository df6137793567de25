//! The decision as one would write it: check, and when the check is passed, jump.
//!
//! Never shipped (a release build refuses the feature). It is there to fall: `cargo xtask attack` must boot a bad
//! image through it, or it proves nothing about the other form.

use latchkey_board_cortex_m::stop;
use latchkey_board_emulator::Flash;
use latchkey_board_emulator::flash::BASE;
use latchkey_boot::check;
use latchkey_boot_cortex_m::Lock;
use latchkey_handoff::layout::{ACTIVE, IMAGE_HEADER, MAP};

use crate::{AUTHORITY, Emulator};

/// Where the vector table lies.
const TABLE: u32 = BASE + ACTIVE.offset + IMAGE_HEADER;

#[inline(never)]
pub(crate) fn run() -> ! {
    let Some(mut flash) = Emulator::flash() else {
        stop::reset()
    };
    if verifies(&mut flash) {
        // SAFETY: the table is that of an image that has passed the check.
        unsafe { cortex_m::asm::bootload(core::ptr::with_exposed_provenance(TABLE as usize)) }
    }
    Emulator::say(b"boot: NOTHING BOOTS\r\n");
    stop::sleep()
}

#[inline(never)]
fn verifies(flash: &mut Flash) -> bool {
    check(flash, &MAP, &AUTHORITY).is_ok()
}
