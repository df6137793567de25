//! Updates by phone: the window in which the lock takes an image over SMP, and how far that is.

use super::layout::messages;
use crate::value::{Reported, UpdateStage};
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
}
