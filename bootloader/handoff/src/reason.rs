//! Why the bootloader did what it did, where no rule about the image itself is the reason.
//!
//! Codes 1 to 99 are `latchkey_image::Refusal`'s, 100 to 149 are these, 150 and up the lock app's. They are
//! frozen: a lock may tell an old server, and an old lock a new one.

/// Nothing was wrong.
pub const NONE: u16 = 0;
/// The image did not confirm itself in its starts.
pub const NOT_CONFIRMED: u16 = 100;
/// The DFU slot holds another image than the one asked for.
pub const OTHER_IMAGE: u16 = 101;
/// The image asked for is the one that runs.
pub const ALREADY_RUNNING: u16 = 102;
/// The image did not confirm itself in its starts, and the old one does not verify any more: it stays.
pub const NOTHING_TO_RETURN_TO: u16 = 103;
/// The image demands a newer version than the running one to come from.
pub const TOO_BIG_A_STEP: u16 = 104;
/// The image asked for has a lower security counter than the running one.
pub const OLDER_THAN_RUNNING: u16 = 105;

/// What `code` means and what to do; `None` when it is not one of the bootloader's.
#[must_use]
pub const fn describe(code: u16) -> Option<&'static str> {
    Some(match code {
        NOT_CONFIRMED => {
            "the new image did not confirm itself in its three starts, the old one is back; \
             find out why its self-test failed and publish a repaired build"
        }
        OTHER_IMAGE => {
            "the update slot holds another image than the one asked for, nothing was moved; \
             download the image again and ask anew"
        }
        ALREADY_RUNNING => "the image asked for is the one that runs; nothing was moved, nothing is to do",
        NOTHING_TO_RETURN_TO => {
            "the new image did not confirm itself and the old one does not verify any more, the new one \
             stays; publish a repaired build"
        }
        TOO_BIG_A_STEP => {
            "the running version is older than the image allows to upgrade from, nothing was moved; \
             install a version in between first"
        }
        OLDER_THAN_RUNNING => {
            "the image asked for is older than the running one, nothing was moved; \
             build with a security counter not below the running image's"
        }
        _ => return None,
    })
}
