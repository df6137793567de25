//! The system tests, a module for each part of the road.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests: what is not there must end them"
)]

mod bad_builds;
mod bluetooth;
mod browser;
mod chip_in_hand;
mod dashboard;
mod hawkbit;
mod latchkey;
mod man_in_the_middle;
mod openid;
mod operators_api;
mod over_the_air;
mod owner;
mod phone_updates;
mod radio_attacks;
mod soak;
mod stolen_server;
mod strangers;
mod swupdate;
mod tuf;
mod update_by_phone;
mod updates_and_radio;
mod upgrade;
mod web_app;

/// Every request once, with what comes back: the same as against the lock's core.
#[path = "../../../app/phone/tests/session/tour.rs"]
mod tour;

#[test]
fn every_file_here_is_a_module() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    for file in std::fs::read_dir(here).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let is_one = include_str!("main.rs")
            .lines()
            .any(|line| line == format!("mod {module};"));
        assert!(is_one || module == "main", "{name} is left out of main.rs");
    }
}
