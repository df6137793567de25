//! What bootloader and lock app share: where things lie in flash, and the few small facts they hand each
//! other across a start.
//!
//! - [`layout`]: the flash map.
//! - [`Region`]: a window of a flash chip that cannot be left.
//! - [`Journal`]: records that are whole or absent at every power cut, and read the same at every start. [`Ring`]: the same slots, in a longer row.
//! - [`Mailbox`]: what the app asks for and confirms. The app writes it.
//! - [`BootRecord`] and [`BootReport`]: what the bootloader did and why. The bootloader writes them.
//! - [`Floor`]: the rollback floor. It never falls. The bootloader writes it.
//!
//! This crate decides nothing and knows no image format: that an image may run is proven elsewhere
//! (`latchkey-image`), what to do about it as well (`latchkey-boot`). It needs no heap and no clock.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod fields;
mod floor;
mod id;
mod journal;
pub mod layout;
mod mailbox;
pub mod reason;
mod record;
mod region;

pub use floor::Floor;
pub use id::ImageId;
pub use journal::{BODY, Body, Journal, JournalError, RECORD, Ring, newest};
pub use layout::{Map, Partition};
pub use mailbox::{Download, Mailbox, Request, Staging};
pub use record::{BootRecord, BootReport, Moves, Outcome, Phase, Progress};
pub use region::{Region, RegionError};
