//! The whole check of ACTIVE, made twice.
//!
//! Both start from flash and share nothing: not the parsed header, not the digest, not the floor. So one glitch
//! spoils one of them at most. Neither is inlined, and each leaves its token itself, so that skipping the call
//! leaves none.

use latchkey_board_cortex_m::gate::{First, Gate, Second};
use latchkey_boot::{Accepted, check_with};
use latchkey_handoff::layout::MAP;
use latchkey_image::Refusal;

use crate::Lock;

/// What the first check leaves, beside its token: the proof itself ends, since the start has yet to be written
/// down.
pub(crate) struct Passed {
    pub(crate) first: First,
    pub(crate) accepted: Accepted,
}

/// The first whole check.
#[inline(never)]
pub(crate) fn first<L: Lock>(flash: &mut L::Flash) -> Result<Passed, Refusal> {
    check_with(flash, &MAP, L::authority(), |proof| Passed {
        first: First::passed(&proof),
        accepted: Accepted::of(&proof),
    })
}

/// The second, and with its proof through the gate. Returns only when it refuses.
#[inline(never)]
pub(crate) fn again<L: Lock>(mut flash: L::Flash, first: First) {
    let _ = check_with(&mut flash, &MAP, L::authority(), |proof| -> () {
        Gate::<L>::enter(first, Second::passed::<L>(proof))
    });
}
