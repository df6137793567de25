//! An image's short name, for the small records: enough of its digest to tell images apart.

use core::fmt;

use latchkey_image::ImageDigest;

/// The first 16 bytes of an [`ImageDigest`].
///
/// A name, not a proof: what it names is verified in full wherever that matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub [u8; 16]);

impl From<ImageDigest> for ImageId {
    fn from(digest: ImageDigest) -> Self {
        let (first, _) = digest.0.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*first)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
