//! Decides what boots.
//!
//! A board's binary goes through these steps, and only these:
//!
//! 1. [`Boot::start`]: settle what a power cut left in the small records, read them.
//! 2. [`Boot::prepare`]: finish a move that was cut off; take note of a confirmation; return to the old image
//!    when the new one's starts are used up; grant or refuse a request. Then ACTIVE holds what should run.
//! 3. [`check`]: the first whole check of ACTIVE. Refused: [`Boot::refused`] turns to the other slot when that
//!    verifies (go on with 3) or tells to halt.
//! 4. [`Boot::commit`]: count a trial start. The last flash operation before the jump, and none when there is
//!    nothing to count.
//! 5. [`check_with`]: the second whole check; its proof goes to the jump.
//!
//! The pages are moved by embassy-boot's engine, which is given windows as large as the images, adapters that
//! leave out work that changes nothing, and no say in what is moved: that stands in the
//! [`BootRecord`](latchkey_handoff::BootRecord) alone.
//!
//! This crate knows no chip, no radio, no heap and no clock. It keeps the invariant that at every power cut
//! ACTIVE and DFU together still hold the old or the new image whole, and the record says where.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod boot;
mod check;
mod engine;
mod fault;
pub mod guards;
mod marks;
mod shared;
mod window;

pub use boot::{Boot, Next};
pub use check::{Accepted, check, check_with};
pub use fault::Fault;

/// Starts that a new image has to confirm itself.
pub const TRIAL_STARTS: u8 = 3;
