//! Links the app for its slot.

use latchkey_handoff::layout::{ACTIVE, IMAGE_HEADER};
use latchkey_image::Hardware;

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    let slot = Hardware::NRF52840.slot;
    let room = ACTIVE.size.saturating_sub(IMAGE_HEADER);
    latchkey_bake::app_memory(slot.address.saturating_add(IMAGE_HEADER), room, &slot.ram)
}
