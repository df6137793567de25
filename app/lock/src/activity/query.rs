//! Which entries a query gets, one after the other, without keeping any.

use core::ops::Range;

use latchkey_protocol::value::{LogIndex, SortOrder};

/// A query under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    order: SortOrder,
    /// The index beyond which the next entry lies, as the client counts; 0 at the order's first.
    beyond: u32,
    left: u16,
}

impl Query {
    /// Entries beyond `start` in this order, at most `count`. 0 begins at the order's first.
    #[must_use]
    pub fn new(start: LogIndex, count: u16, order: SortOrder) -> Self {
        Self {
            order,
            beyond: start.0,
            left: count,
        }
    }

    /// The number in the ring of the next entry, `None` when there is none. `there` is what the ring holds now:
    /// an entry that was overwritten in between is passed over.
    pub fn next(&mut self, there: Range<u32>) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let number = match self.order {
            // An index is one above the number, so the number above the index's own is the index itself.
            SortOrder::Ascending => self.beyond.max(there.start),
            SortOrder::Descending if self.beyond == 0 => there.end.checked_sub(1)?,
            SortOrder::Descending => there.end.min(self.beyond.checked_sub(1)?).checked_sub(1)?,
        };
        if !there.contains(&number) {
            self.left = 0;
            return None;
        }
        self.beyond = number.saturating_add(1);
        // Number 0 was the last one that lies below.
        if self.order == SortOrder::Descending && number == 0 {
            self.left = 0;
        }
        Some(number)
    }
}
