//! The update server as its clients see it: the whole router in memory, and the real program as a process.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "all of this is test code, helpers included: what goes wrong here shall fail the test"
)]

mod access;
mod audit;
mod check_in;
mod clones;
mod cohorts;
mod commands;
mod dashboard;
mod databases;
mod documents;
mod enrolment;
mod floods;
mod hang_up;
mod hawkbit;
mod hostile;
mod images;
mod import;
mod incidents;
mod instances;
mod kill;
mod lifetimes;
mod limits;
mod openapi;
mod openid;
mod operations;
mod owners;
mod persons;
mod plans;
mod program;
mod releases;
mod reports;
mod rollouts;
mod s3;
mod silence;
mod stages;
mod stop;
mod support;
mod tallies;
mod terms;
mod tls;
mod tuf;
mod vectors;
mod visit;
mod web_app;
mod webhooks;
mod wire;
