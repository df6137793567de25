//! Which slot an image is for, and whether it is a program for it.

use latchkey_image::{Hardware, Slot, Uuid};

use crate::arguments::Place;
use crate::failure::Failure;

/// The slot that was named, or that the hardware class has; `None` when it was said not to look.
pub(crate) fn slot(place: &Place, vendor: Uuid, class: Uuid) -> Result<Option<Slot>, Failure> {
    if place.no_vector_table_check {
        return Ok(None);
    }
    if let (Some(address), Some(size), Some(ram)) = (place.slot_address, place.slot_size, &place.ram) {
        return Ok(Some(Slot {
            address,
            size,
            ram: ram.clone(),
        }));
    }
    place
        .board
        .map(|board| board.hardware())
        .or_else(|| Hardware::find(vendor, class))
        .map(|hardware| Some(hardware.slot))
        .ok_or_else(|| {
            Failure::Usage(format!(
                "hardware class {class} is none of this project's, so its slot is not known; give --board, or \
                 --slot-address, --slot-size and --ram, or say --no-vector-table-check"
            ))
        })
}
