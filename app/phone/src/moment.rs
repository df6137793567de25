//! When something happens to a session, with the randomness that it may need.

use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::sealed::FrameNonce;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Random bytes that each [`Moment`] brings: more than the one nonce of a frame and the one of a pairing.
pub const RANDOM_LENGTH: usize = 56;

/// When something happened, with random bytes that nobody else gets. No `Clone` and no `Copy`: each is for one call,
/// since nonces are made of it, and none must be made twice.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Moment {
    /// Milliseconds on any clock that never goes back.
    pub now_ms: u64,
    frame: [u8; 24],
    fresh: [u8; 32],
}

impl Moment {
    /// This moment, with fresh bytes from a cryptographic random number generator.
    #[must_use]
    pub fn new(now_ms: u64, mut random: [u8; RANDOM_LENGTH]) -> Self {
        let mut moment = Self {
            now_ms,
            frame: [0; 24],
            fresh: [0; 32],
        };
        let (frame, fresh) = random.split_at(moment.frame.len());
        moment.frame.copy_from_slice(frame);
        moment.fresh.copy_from_slice(fresh);
        random.zeroize();
        moment
    }

    /// The nonce of the one frame that an event can lead to, and the randomness of the one step of a pairing.
    pub(crate) fn split(self) -> (FrameNonce, Fresh) {
        (
            FrameNonce::from_random(self.frame),
            Fresh::from_random(self.fresh),
        )
    }
}
