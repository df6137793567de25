//! The operators' dashboard: its pages as they come from the server.

mod doors;
mod fleet;
mod live;
mod pages;
mod rollouts;
mod sessions;
