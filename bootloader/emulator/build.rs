//! Bakes in the trust policy and the memory map.

use latchkey_handoff::layout::BOOTLOADER;
use latchkey_image::Hardware;

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_PLAIN_JUMP").is_some()
        && std::env::var_os("LATCHKEY_RELEASE").is_some()
    {
        return Err("the feature plain-jump is for attacking only; it is never released".into());
    }
    latchkey_bake::policy()?;
    latchkey_bake::memory(0, BOOTLOADER.size, &Hardware::EMULATOR.slot.ram)?;
    latchkey_bake::no_interrupts()
}
