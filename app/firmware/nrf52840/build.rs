//! The linker's memory map, from the flash map that the bootloader has too.

use std::path::PathBuf;
use std::{env, fs};

use latchkey_handoff::layout::{ACTIVE, IMAGE_HEADER};
use latchkey_image::Hardware;

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    let slot = Hardware::NRF52840.slot;
    let origin = slot.address.saturating_add(IMAGE_HEADER);
    let room = ACTIVE.size.saturating_sub(IMAGE_HEADER);
    let ram = slot.ram.end.saturating_sub(slot.ram.start);
    let map = format!(
        "MEMORY {{\n  FLASH : ORIGIN = {origin:#x}, LENGTH = {room:#x}\n  \
         RAM : ORIGIN = {:#x}, LENGTH = {ram:#x}\n}}\n",
        slot.ram.start
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("only for cargo: OUT_DIR is not set")?);
    fs::write(out.join("memory.x"), map).map_err(|error| error.to_string())?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    Ok(())
}
