//! What the stack tells: who called whom, for the log of a lock that has come to an end, and how deep it has been.

use latchkey_board_cortex_m::window::Window;
use latchkey_handoff::layout::ACTIVE;

use crate::flash::BASE;

/// Words of the stack that are looked at.
const DEPTH: u32 = 256;
/// More bytes than clearing the stack and an interrupt on top of it take.
const OWN_STACK: u32 = 1024;
/// Where RAM ends.
const RAM_END: u32 = 0x2004_0000;

/// Words on the stack that look like return addresses into the app, the latest first. Some may be stale; look them
/// up in the app's ELF file, for example with `llvm-addr2line`.
pub fn callers() -> impl Iterator<Item = u32> {
    let top = cortex_m::register::msp::read() & !3;
    let length = RAM_END.saturating_sub(top).min(DEPTH.saturating_mul(4));
    // SAFETY: the stack lies there, up to the end of RAM; it is only read, word by word, by a program that does
    // nothing else any more.
    let stack = unsafe { Window::new(top, length) };
    let code = BASE.wrapping_add(ACTIVE.offset)..BASE.wrapping_add(ACTIVE.end());
    (0..length)
        .step_by(4)
        .map(move |offset| stack.load(offset))
        // Return addresses are odd: the processor executes Thumb code only.
        .filter(move |word| word & 1 == 1 && code.contains(word))
}

/// How deep the stack has been since power came or [`clear_unused_stack`] was called, in bytes. Memory of this machine
/// is zero then.
#[must_use]
pub fn deepest_stack() -> u32 {
    let (bottom, length) = stack();
    // SAFETY: from the end of the variables to the end of RAM there is the stack and nothing else; it is only read.
    let stack = unsafe { Window::new(bottom, length) };
    let untouched = (0..length).step_by(4).find(|offset| stack.load(*offset) != 0);
    length.saturating_sub(untouched.unwrap_or(length))
}

/// Makes [`deepest_stack`] forget what has been: of the whole stack, what is not in use now is zero again.
pub fn clear_unused_stack() {
    let (bottom, length) = stack();
    // SAFETY: as above; what is written lies below what is in use, with room for what this function itself takes.
    let mut stack = unsafe { Window::new(bottom, length) };
    let unused = cortex_m::register::msp::read()
        .saturating_sub(bottom)
        .saturating_sub(OWN_STACK);
    // An interrupt that comes meanwhile is over before this goes on.
    for offset in (0..unused).step_by(4) {
        stack.store(offset, 0);
    }
}

/// Where the variables end and the stack may grow to, and how many bytes it may take.
fn stack() -> (u32, u32) {
    let bottom = (&raw const __sheap).addr() as u32 & !3;
    (bottom, RAM_END.saturating_sub(bottom))
}

unsafe extern "C" {
    static __sheap: u8;
}
