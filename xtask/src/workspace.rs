//! Where things are in this checkout.

use std::path::{Path, PathBuf};

/// The checkout's root.
pub(crate) fn root() -> &'static Path {
    // xtask's manifest lies one folder below the root; cargo fixes the path when it builds xtask.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// What tasks make and may throw away: virtual environments, firmware builds, laboratory files.
pub(crate) fn scratch() -> PathBuf {
    root().join(".latchkey")
}
