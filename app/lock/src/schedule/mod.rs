//! What the lock does by itself: lock again after a time, keep the night, act at set times.
//!
//! These machines say when and why; whether and how the bolt then moves is the lock's affair. They know local time
//! as the clock gives it and nothing of daylight saving rules. Invariant: a time of day that the clock skips is
//! not lost, and one that it shows twice acts once.

mod night;
mod relock;
mod time_control;

pub use night::{Night, NightChange, NightRule};
pub use relock::{Door, Relock, Why};
pub use time_control::{Entries, Entry, Minutes, NoRoom, minutes_until};
