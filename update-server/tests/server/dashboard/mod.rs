//! The operators' dashboard: its pages as they come from the server.

mod doors;
mod fleet;
mod sessions;
