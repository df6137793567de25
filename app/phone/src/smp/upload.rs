//! One upload on one connection: which piece comes next, by what the lock says it has.
//!
//! It begins with a piece that names the image; the lock's answer to that says from where to go on, which may be far
//! into it after an earlier connection was lost. From then on the lock has to get on: it may go back, as one does that
//! was restarted in between, but not often; and it never has what it was not sent.

use latchkey_image::ImageDigest;

use super::answer::Offset;
use super::error::Error;
use super::request::{Piece, Start};
use super::{Client, Request};

/// How often the lock may stay where it is or go back.
const STUMBLES_MOST: u8 = 8;

/// See the module's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upload {
    start: Start,
    begun: bool,
    offset: u32,
    /// What the lock will have once it has taken the last piece.
    sent: u32,
    stumbles: u8,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to send.
    More {
        /// Bytes that the lock has.
        offset: u32,
    },
    /// The lock has all of it.
    Whole,
}

impl Upload {
    /// An image of `size` bytes, of which the lock may have some already.
    #[must_use]
    pub const fn new(image: ImageDigest, size: u32) -> Self {
        Self {
            start: Start { image, size },
            begun: false,
            offset: 0,
            sent: 0,
            stumbles: 0,
        }
    }

    /// The next piece of `bytes`, which are the whole image, as long as `client` takes it.
    #[must_use]
    pub fn next<'b>(&mut self, bytes: &'b [u8], client: &Client) -> Request<'b> {
        let offset = if self.begun { self.offset } else { 0 };
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| bytes.get(offset..))
            .unwrap_or_default();
        let room = client.room(!self.begun).min(rest.len());
        let data = rest.get(..room).unwrap_or_default();
        self.sent = offset.saturating_add(u32::try_from(room).unwrap_or(u32::MAX));
        Request::Upload(Piece {
            offset,
            data,
            start: (!self.begun).then_some(self.start),
        })
    }

    /// Takes the lock's answer to the last piece.
    ///
    /// # Errors
    /// [`Error::Beyond`], [`Error::Stuck`], [`Error::Mismatch`].
    pub fn answered(&mut self, answer: Offset) -> Result<Progress, Error> {
        let Offset { offset, matches } = answer;
        if matches == Some(false) {
            return Err(Error::Mismatch);
        }
        // Where to go on from is the lock's to say; afterwards it has what it was sent, or less.
        let most = if self.begun { self.sent } else { self.start.size };
        if offset > most {
            let sent = self.sent;
            return Err(Error::Beyond { offset, sent });
        }
        if offset < self.sent {
            self.stumbles = self.stumbles.saturating_add(1);
            if self.stumbles > STUMBLES_MOST {
                return Err(Error::Stuck { offset });
            }
        }
        // A lock that has nothing has to hear again what comes.
        self.begun = offset > 0;
        self.offset = offset;
        if offset == self.start.size {
            return Ok(Progress::Whole);
        }
        Ok(Progress::More { offset })
    }
}
