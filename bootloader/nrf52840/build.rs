//! Bakes in the trust policy and the memory map.

use latchkey_handoff::layout::BOOTLOADER;
use latchkey_image::Hardware;

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    latchkey_bake::policy()?;
    latchkey_bake::memory(0, BOOTLOADER.size, &Hardware::NRF52840.slot.ram)?;
    latchkey_bake::no_interrupts()
}
