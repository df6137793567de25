//! The slots that this tool signs for are those of the flash map that the bootloader and the boards use.

use latchkey_handoff::layout::{ACTIVE, IMAGE_HEADER};
use latchkey_image::{HEADER_SIZE_STEP, Hardware};

/// Where each board's flash begins in its processor's memory.
const FLASH: [(&str, u32); 2] = [("emulator", 0x2100_0000), ("nrf52840", 0)];

#[test]
fn the_slots_are_the_flash_maps() {
    for (hardware, (board, flash)) in Hardware::ALL.into_iter().zip(FLASH) {
        assert_eq!(hardware.board, board);
        assert_eq!(
            hardware.slot.address,
            flash.wrapping_add(ACTIVE.offset),
            "{board}"
        );
        assert_eq!(hardware.slot.size, ACTIVE.size, "{board}");
    }
    assert_eq!(IMAGE_HEADER, u32::from(HEADER_SIZE_STEP));
}
