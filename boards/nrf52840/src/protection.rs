//! What the chip itself locks until the next reset: pages against writing, the debug port against everybody.

use latchkey_handoff::layout::{ACTIVE, ENGINE, FLOOR, Partition};
use nrf_pac::acl::regs::Perm;
use nrf_pac::uicr::regs::Approtect;
use nrf_pac::{ACL, APPROTECT, FICR, UICR};

use crate::flash::configure;

/// What only the bootloader writes: itself and the engine's state; floor, boot record and ACTIVE.
pub const PROTECTED: [Partition; 2] = [
    Partition::new(0, ENGINE.end()),
    Partition::new(FLOOR.offset, ACTIVE.end().saturating_sub(FLOOR.offset)),
];

/// Reading stays allowed; writing and erasing do not.
const READ_ONLY: Perm = Perm(0b010);
/// The most an ACL region covers, in bytes.
const REGION_MAX: u32 = 512 * 1024;

const _: () = assert!(PROTECTED[0].size <= REGION_MAX && PROTECTED[1].size <= REGION_MAX);

/// Protects [`PROTECTED`] against writing and erasing until the next reset. Only a reset takes it back.
pub fn protect_flash() {
    for (number, part) in PROTECTED.iter().enumerate() {
        let region = ACL.acl(number);
        region.addr().write_value(part.offset);
        region.size().write_value(part.size);
        region.perm().write_value(READ_ONLY);
    }
}

/// First silicon whose debug port is closed unless firmware opens it (build code Fxx).
const CLOSED_BY_DEFAULT: u8 = b'F';
/// Any value of UICR.APPROTECT but "disabled" closes the port on new silicon, only this one does on old.
const CLOSED: u32 = 0xffff_ff00;

/// Closes the debug port: on new silicon until the next reset, by FORCEPROTECT, so that not even UICR opens it;
/// on all silicon for good, by UICR. Says whether a reset is needed for that to take effect.
///
/// Only erasing the whole chip opens it again, and then nothing is left to protect.
#[must_use = "the port is open until the chip is reset"]
pub fn close_debug_port() -> bool {
    if build_code() >= CLOSED_BY_DEFAULT {
        // Any value forces the protection; 0 is the one the data sheet names.
        APPROTECT
            .forceprotect()
            .write_value(nrf_pac::approtect::regs::Forceprotect(0));
    }
    if UICR.approtect().read().0 & 0xff == 0 {
        return false;
    }
    configure(nrf_pac::nvmc::vals::Wen::Wen);
    UICR.approtect().write_value(Approtect(CLOSED));
    configure(nrf_pac::nvmc::vals::Wen::Ren);
    // An UICR that does not take the word must not end in a reset for ever.
    UICR.approtect().read().0 & 0xff == 0
}

/// The letter of the chip's build code, for example `F` in `AAF0`.
fn build_code() -> u8 {
    let [_, letter, _, _] = FICR.info().variant().read().to_le_bytes();
    letter
}
