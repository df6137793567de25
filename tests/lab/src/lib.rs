//! The laboratory: an emulated lock with its flash in a file, an update server, and releases for both.
//!
//! Everything is the real program in a process of its own; the only thing simulated is the board, by QEMU.
//! Cutting the power is `kill -9`. Nothing here waits for a time to pass: it waits for a line to be printed,
//! and a limit only says when to give up.
#![forbid(unsafe_code)]

mod air;
mod bluez;
mod browser;
mod builds;
mod chip;
mod console;
mod emulator;
mod flash;
mod install;
mod lock;
mod openid;
mod owner;
mod phone;
mod release;
mod server;
mod smp;

pub use air::Air;
pub use bluez::Bluez;
pub use browser::{AccessibleNode, Browser, Choice, Scheme};
pub use builds::{
    Builds, HAWKBIT_TARGET, NUKI_RS_TARGET, TOUGH_TARGET, Variant, hawkbit_program, nuki_rs_program,
    owner_program, peer_program, server_program, sign_program, swupdate_program, tough_program,
};
pub use chip::{Chip, Records, Stage};
pub use console::{Console, Silence};
pub use emulator::{Emulator, Machine};
pub use flash::FlashFile;
pub use install::{At, Fate};
pub use lock::Lock;
pub use openid::OpenIdProvider;
pub use owner::{Owner, address};
pub use phone::{Indication, Phone, Seen};
pub use release::{Release, SignedImage, Signer, example_director};
pub use server::Server;
pub use smp::smpclient;
