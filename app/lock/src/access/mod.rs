//! Who may do what, and when: authorizations, keypad codes, the security PIN, and what guessing costs.
//!
//! Authorizations and codes lie on flash, one record each; RAM holds only which there are. Every change is on flash
//! when the function that makes it returns without an error, and has not happened when it returns with one.

mod authorizations;
mod codes;
pub mod guesses;
pub mod limits;
mod pin;

pub(crate) use authorizations::same_key;
pub use authorizations::{Authorization, Authorizations};
pub use codes::{Code, Codes};
pub use pin::{PinGuard, Wrong};
pub(crate) use pin::{pin_is_set, set_pin};

use heapless::Vec;

use crate::store::StoreFailed;

/// Why something was not added. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// There is no room for one more.
    Full,
    /// Flash failed.
    Store,
}

impl From<StoreFailed> for NotAdded {
    fn from(_: StoreFailed) -> Self {
        Self::Store
    }
}

/// Puts a row among the others: lists are in the order of the names, wherever the records lie.
fn insert<R, N: Ord, const MAX: usize>(
    rows: &mut Vec<R, MAX>,
    row: R,
    name: impl Fn(&R) -> N,
) -> Result<(), NotAdded> {
    let place = rows.iter().take_while(|other| name(other) < name(&row)).count();
    rows.insert(place, row).map_err(|_| NotAdded::Full)
}
