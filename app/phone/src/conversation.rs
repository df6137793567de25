//! What a lock may say to a request, in which order and how often; and when it has said all.

use latchkey_protocol::message::{Command, FromLock, Payload, StatusReport};
use latchkey_protocol::value::Status;

use crate::error::Error;
use crate::session::News;

/// States that a lock may tell of during one request without having been asked. Far more than any movement has.
const STATES_MOST: u8 = 64;

/// What comes back to a request, besides an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// This message, and no more.
    Report(Command),
    /// The number of what was made. Some locks say "complete" instead.
    Made(Command),
    /// "Complete".
    Change,
    /// "Accepted", states, "complete"; or "complete" at once when there is nothing to do.
    Motion,
    /// How many there are (not from every lock), entries, "complete".
    List {
        count: Command,
        entry: Command,
        most: u16,
    },
}

impl Shape {
    pub(crate) const fn list(count: Command, entry: Command, most: u16) -> Self {
        Self::List { count, entry, most }
    }
}

/// A request that was said, as far as its answers have come.
pub(crate) struct Conversation {
    shape: Shape,
    accepted: bool,
    counted: bool,
    entries: u16,
    states: u8,
}

impl Conversation {
    pub(crate) const fn new(shape: Shape) -> Self {
        Self {
            shape,
            accepted: false,
            counted: false,
            entries: 0,
            states: 0,
        }
    }

    /// Whether the lock is another after it, or may be.
    pub(crate) const fn changes(&self) -> bool {
        match self.shape {
            Shape::Made(_) | Shape::Change | Shape::Motion => true,
            Shape::Report(_) | Shape::List { .. } => false,
        }
    }

    /// Whether the lock has said that it begins.
    pub(crate) const fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Takes the lock's next message.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::OutOfStep`], [`Error::TooMuch`].
    pub(crate) fn hear(&mut self, message: FromLock) -> Result<News, Error> {
        let command = message.command();
        match (self.shape, message) {
            (_, FromLock::ErrorReport(report)) => Err(Error::Refused(report.error)),
            (Shape::Report(wanted) | Shape::Made(wanted), message) if command == wanted => {
                Ok(News::Done(Some(message)))
            }
            (_, FromLock::KeyturnerStates(states)) => {
                count(&mut self.states, STATES_MOST.into(), command)?;
                Ok(News::States(states))
            }
            (Shape::Motion, FromLock::StatusReport(status)) if status == ACCEPTED && !self.accepted => {
                self.accepted = true;
                Ok(News::Accepted)
            }
            (
                Shape::Made(_) | Shape::Change | Shape::Motion | Shape::List { .. },
                FromLock::StatusReport(COMPLETE),
            ) => Ok(News::Done(None)),
            (Shape::List { count, .. }, message)
                if command == count && !self.counted && self.entries == 0 =>
            {
                self.counted = true;
                Ok(News::Part(message))
            }
            (Shape::List { entry, most, .. }, message) if command == entry => {
                count(&mut self.entries, most, command)?;
                Ok(News::Part(message))
            }
            _ => Err(Error::OutOfStep(command)),
        }
    }
}

const ACCEPTED: StatusReport = StatusReport {
    status: Status::Accepted,
};
const COMPLETE: StatusReport = StatusReport {
    status: Status::Complete,
};

/// One more of what there may be at most so many of.
fn count<N: Copy + Into<u32> + TryFrom<u32>>(
    so_far: &mut N,
    most: u16,
    command: Command,
) -> Result<(), Error> {
    let now = (*so_far).into().saturating_add(1);
    if now > most.into() {
        return Err(Error::TooMuch(command));
    }
    *so_far = N::try_from(now).map_err(|_| Error::TooMuch(command))?;
    Ok(())
}
