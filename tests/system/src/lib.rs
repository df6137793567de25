//! What the system tests share: attackers, and a world of one lock and its surroundings.
//!
//! The lock is the real bootloader and the real app on the emulator, the server the real server unless it is
//! the attacker. Tests wait for what the lock prints, writes into its chip or tells a server, never for time.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test crate: what goes wrong here has to end the test"
)]

mod attack;
mod client;
mod command;
mod door;
mod http;
mod keyring;
mod proxy;
mod stolen_server;
mod world;

pub use attack::{BadImage, bad_images};
pub use client::{Client, uuid};
pub use command::{Latchkey, Ran, Way, run};
pub use door::{Door, FAST_MOTOR_DEG_S, nuki_id};
pub use http::WebPage;
pub use keyring::Desktop;
pub use latchkey_lab::address;
pub use proxy::{Answer, Proxy};
pub use stolen_server::{Addressee, Offer, StolenServer};
pub use world::{PATIENCE, Site, World};
