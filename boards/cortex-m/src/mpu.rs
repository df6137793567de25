//! Memory protection: what may be executed, and what may be written, from reset until the app runs.
//!
//! Until the [`gate`](crate::gate) opens, nothing can be executed but the bootloader: a glitch that returns into
//! data, or jumps to a refused image, ends in a fault. The protection holds inside fault handlers too
//! (HFNMIENA), since by then a handler may be the refused image's own.
//!
//! | region | what | until the gate opens | for the app |
//! |---|---|---|---|
//! | 0 | code area | no execution | no execution |
//! | 1 | bootloader | execute, read only | execute, read only |
//! | 2 | RAM area | no execution | no execution |
//! | 3 | devices | no execution | no execution |
//! | 4, 6 | ACTIVE | – | execute, read only |
//! | 5 | DFU, as far as region 4 reaches into it | – | no execution |
//! | 7 | engine, floor, record | – | read only |
//!
//! A lock app runs privileged and could take this down again; for it, the protection is a net, not a wall. The
//! wall is the chip's own flash protection, where there is one.

use latchkey_handoff::layout::{ACTIVE, BOOTLOADER, DFU, ENGINE, FLOOR, MAILBOX, RECORD};

use crate::Board;

const CONTROL: *mut u32 = 0xE000_ED94 as *mut u32;
const BASE: *mut u32 = 0xE000_ED9C as *mut u32;
const ATTRIBUTES: *mut u32 = 0xE000_EDA0 as *mut u32;

/// ENABLE, HFNMIENA (also in fault handlers), PRIVDEFENA (what no region names, as if there was no protection).
const CONTROL_ON: u32 = 0b111;

const ENABLE: u32 = 1;
const NO_EXECUTE: u32 = 1 << 28;
const READ_WRITE: u32 = 0b011 << 24;
const READ_ONLY: u32 = 0b110 << 24;
/// Cacheable, not shared: memory. Its absence, with `B`: a device.
const MEMORY: u32 = 1 << 17;
const DEVICE: u32 = 1 << 16;

const HALF_GIGABYTE: u32 = 1 << 29;
const EIGHTH: u32 = 0x1000;
const BLOCK: u32 = 8 * EIGHTH;
const HALF_MEGABYTE: u32 = 0x8_0000;

/// Attributes that make the two parts of ACTIVE executable; the gate computes them from the proofs.
pub(crate) const OPEN_HEAD: u32 = attributes(BLOCK, 0, READ_ONLY | MEMORY);
pub(crate) const OPEN_REST: u32 = attributes(HALF_MEGABYTE, 0b0000_0011, READ_ONLY | MEMORY);
/// The regions' numbers.
pub(crate) const REST: u32 = 4;
pub(crate) const HEAD: u32 = 6;

// Regions are powers of two in eighths; the flash map is cut to suit.
const _: () = {
    assert!(BOOTLOADER.offset == 0 && BOOTLOADER.size == 0x1_0000);
    assert!(ACTIVE.offset == 3 * BLOCK && ACTIVE.end() == HALF_MEGABYTE - BLOCK);
    assert!(ACTIVE.end() == DFU.offset && DFU.end() >= HALF_MEGABYTE);
    assert!(ENGINE.offset == 2 * BLOCK && ENGINE.size == EIGHTH);
    assert!(MAILBOX.offset == 2 * BLOCK + EIGHTH && MAILBOX.size == 2 * EIGHTH);
    assert!(FLOOR.offset == MAILBOX.end() && RECORD.offset == FLOOR.end() && RECORD.end() <= ACTIVE.offset);
};

/// Forbids execution of everything but the bootloader. The first thing `main` does.
#[inline(always)]
pub fn guard() {
    set(
        0,
        0,
        attributes(HALF_GIGABYTE, 0, READ_WRITE | MEMORY | NO_EXECUTE),
    );
    set(1, 0, attributes(BOOTLOADER.size, 0, READ_ONLY | MEMORY));
    set(
        2,
        0x2000_0000,
        attributes(HALF_GIGABYTE, 0, READ_WRITE | MEMORY | NO_EXECUTE),
    );
    set(
        3,
        0x4000_0000,
        attributes(HALF_GIGABYTE, 0, READ_WRITE | DEVICE | NO_EXECUTE),
    );
    // SAFETY: the register exists on both boards' cores. Regions 0 to 3 leave the bootloader all that it uses:
    // its code, RAM, flash and devices.
    unsafe { CONTROL.write_volatile(CONTROL_ON) };
    barrier();
}

/// Makes what only the bootloader writes read only, and names the two parts of ACTIVE for the gate to open.
/// After this no flash operation on them succeeds.
pub fn settle<B: Board>() {
    set(
        5,
        B::FLASH.wrapping_add(HALF_MEGABYTE - BLOCK),
        attributes(BLOCK, 0, READ_WRITE | MEMORY | NO_EXECUTE),
    );
    // Engine, floor and record, but not the mailbox: eighths 1 and 2 are the app's.
    set(
        7,
        B::FLASH.wrapping_add(2 * BLOCK),
        attributes(BLOCK, 0b0000_0110, READ_ONLY | MEMORY | NO_EXECUTE),
    );
    set(REST, B::FLASH, 0);
    set(HEAD, B::FLASH.wrapping_add(ACTIVE.offset), 0);
    barrier();
}

/// The attribute word of an enabled region of `size` bytes, a power of two; bits set in `holes` leave out that
/// eighth of it.
const fn attributes(size: u32, holes: u32, access: u32) -> u32 {
    assert!(size.is_power_of_two() && size >= 256);
    access | holes << 8 | size.ilog2().saturating_sub(1) << 1 | ENABLE
}

/// Whether a region with these attributes lets code run.
pub(crate) const fn executable(attributes: u32) -> bool {
    attributes & ENABLE != 0 && attributes & NO_EXECUTE == 0
}

#[inline(always)]
fn set(number: u32, base: u32, attributes: u32) {
    const VALID: u32 = 1 << 4;
    // SAFETY: the registers exist on both boards' cores. A region only takes rights away from the default map,
    // and the callers name regions that hold nothing the bootloader still has to execute or write.
    unsafe {
        BASE.write_volatile(base | VALID | number);
        ATTRIBUTES.write_volatile(attributes);
    }
}

#[inline(always)]
fn barrier() {
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
