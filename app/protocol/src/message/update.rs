//! Updates by phone: the window in which the lock takes an image over SMP, and how far that is.

use super::layout::messages;
use crate::value::{BootOutcome, Reported, UpdateStage};
use crate::wire::Tail;

messages! {
    /// Opens the update window, or the open one anew. Own message.
    guarded OpenUpdateWindow = 0x4C00 {
        /// For how long, in seconds; not for ever.
        seconds: u16,
        /// SHA-256 digest of the one image that may be installed, as its trailer has it. Without it: any that the
        /// lock accepts.
        image: Tail<[u8; 32]>,
    }

    /// Closes the update window. What has arrived stays, and an upload goes on from there one day. Own message.
    guarded CloseUpdateWindow = 0x4C01 {}

    /// The window and what came of it, for whoever asks with Request Data. Own message.
    plain UpdateStatus = 0x4C02 {
        /// How long the window is open yet, in seconds, rounded up; 0: it is closed.
        seconds_left: u16,
        /// How far the image is.
        stage: Reported<UpdateStage>,
        /// Bytes of the image that are on flash.
        received: u32,
        /// Bytes of the whole image; 0 when none was begun since the lock started.
        size: u32,
        /// Why the last thing asked for was refused, in the numbers of boot reports and check-ins; 0: nothing was,
        /// since the window was opened.
        refusal: u16,
    }

    /// What runs, on which hardware, and what became of the last install, for whoever asks with Request Data: what an
    /// image is measured by before it is sent, and what is looked at afterwards. Own message.
    plain RunningImage = 0x4C03 {
        /// Who made the lock, as images name it.
        vendor: [u8; 16],
        /// Which hardware it is, as images name it.
        class: [u8; 16],
        /// Room for an image, in bytes: header, payload and all fields.
        room: u32,
        /// SHA-256 digest of the image that runs, as its trailer has it.
        image: [u8; 32],
        /// Its version's first part.
        major: u8,
        /// The second.
        minor: u8,
        /// The third.
        revision: u16,
        /// Which build.
        build: u32,
        /// Its security counter.
        counter: u32,
        /// The rollback floor. No image with a lower counter is installed, nor one below what runs.
        floor: u32,
        /// Whether it has confirmed itself; else it is on trial.
        confirmed: bool,
        /// What the bootloader did at this start.
        outcome: Reported<BootOutcome>,
        /// Why it refused or took back an image, in the numbers of boot reports and check-ins; 0: it did not.
        refusal: u16,
        /// Which image that is about, the first half of its digest; zeros: none.
        about: [u8; 16],
        /// How often an image on trial may yet start.
        starts_left: u8,
    }
}
