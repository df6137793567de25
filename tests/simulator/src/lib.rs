//! Power cuts, simulated.
//!
//! The real bootloader core and the real updater run on flash that loses power at every operation, and again
//! at every operation of the recovery. After each history the lock has to hold what Latchkey promises:
//! [`oracle`] has the list.
//!
//! - [`nor`]: the flash and its fault contract; of use to any storage test.
//! - [`story`]: what happens to a lock when no power goes: installs, confirmations, crashes, rot.
//! - [`world`]: a lock that lives a story: bootloader, app, power.
//! - [`histories`]: every story with every cut; seeds, so that each can be had again.
//! - [`planted`]: bootloaders with one safeguard missing, each of which has to be caught.
//! - [`measure`]: what installs cost.
//! - [`storage`]: the lock's storage under the same cuts, with its own model and planted bugs.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test of the code under it: a number out of range here has to stop the run"
)]

pub mod geometry;
pub mod histories;
pub mod measure;
pub mod nor;
pub mod oracle;
pub mod planted;
pub mod random;
pub mod samples;
pub mod storage;
pub mod story;
pub mod world;
