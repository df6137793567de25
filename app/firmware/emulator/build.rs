//! Links the app for its slot. Refuses test builds in a release.

use std::env;

use latchkey_handoff::layout::{ACTIVE, IMAGE_HEADER};
use latchkey_image::Hardware;

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LATCHKEY_RELEASE");
    let fault = ["CRASH", "HANG", "NEVER_CONFIRM"]
        .iter()
        .any(|fault| env::var_os(format!("CARGO_FEATURE_FAULT_{fault}")).is_some());
    if fault && env::var_os("LATCHKEY_RELEASE").is_some() {
        return Err("a build with a fault-… feature is for tests only; leave it out of a release".into());
    }
    let slot = Hardware::EMULATOR.slot;
    let room = ACTIVE.size.saturating_sub(IMAGE_HEADER);
    latchkey_bake::app_memory(slot.address.saturating_add(IMAGE_HEADER), room, &slot.ram)?;
    // The interrupt table is the board crate's own.
    latchkey_bake::no_interrupts()
}
