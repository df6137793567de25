//! No way to the update server: this board has no network driver yet.

use core::future;

use latchkey_firmware::{Sink, Uplink};
use latchkey_image::ImageDigest;
use latchkey_lock::update::Failure;

/// Never online.
pub(crate) struct Nowhere;

impl Uplink for Nowhere {
    /// There is no interface whose link could be missing, so the self-test asks for none.
    fn has_link(&self) -> bool {
        true
    }

    fn is_online(&self) -> bool {
        false
    }

    async fn changed(&self) {
        future::pending().await
    }

    async fn post(&mut self, _: &str, _: &[u8], _: &mut [u8]) -> Result<(u16, usize), Failure> {
        Err(Failure::Connection)
    }

    async fn fetch(&mut self, _: ImageDigest, _: u32, _: u64, _: &mut impl Sink) -> Result<(), Failure> {
        Err(Failure::Connection)
    }
}
