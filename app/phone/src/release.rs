//! Images, looked at before a lock is bothered with them.
//!
//! [`Signed`] is the proof that an image has the signatures that the policy demands, over bytes that nobody has changed
//! since. [`Signed::for_lock`] measures it by what a lock says of itself, and ends in [`Fitting`]: what an update asks
//! for. Both are a courtesy: they spare an owner an upload in vain. Lock and bootloader look for themselves, and
//! theirs is the law.
//!
//! The policy is that of `latchkey-sign`; its file is read by `latchkey_image::policy_file`. Knows no files, and no
//! server.

use core::fmt;

use latchkey_image::{
    Authority, Bytes, Hardware, Image, ImageDigest, Refusal, SecurityCounter, TrustPolicy, Uuid, Version,
};
use latchkey_protocol::message::RunningImage;
use latchkey_protocol::reason::Reason;
use latchkey_protocol::value::{BootOutcome, Reported};

/// What an image says of itself, once that is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Which image.
    pub image: ImageDigest,
    /// Its version.
    pub version: Version,
    /// Its security counter, which decides what is older.
    pub counter: SecurityCounter,
    /// Whose locks it is for.
    pub vendor: Uuid,
    /// Which hardware it is for.
    pub class: Uuid,
    /// The lowest version that may upgrade to it.
    pub min_version: Option<Version>,
    /// Its length, in bytes.
    pub size: u32,
}

/// An image that enough of the policy's keys have signed, for hardware that this project knows.
///
/// It owns its bytes, or borrows them. (Bytes that change behind a shared reference, as a `RefCell` may lend them, take
/// the promise away from nobody but who brought them.)
pub struct Signed<B> {
    bytes: B,
    about: About,
}

/// Why an image is not even worth showing to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// By the rules for every image.
    Image(Refusal),
    /// For hardware that this version does not know.
    UnknownHardware {
        /// Of this vendor.
        vendor: Uuid,
        /// And this class.
        class: Uuid,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(refusal) => refusal.fmt(f),
            Self::UnknownHardware { vendor, class } => write!(
                f,
                "the image is for hardware that this version does not know (vendor {vendor}, class {class}); update \
                 this program"
            ),
        }
    }
}

impl core::error::Error for Refused {}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Image(refusal)
    }
}

impl<B: AsRef<[u8]>> Signed<B> {
    /// The whole check, hardware by hardware as the image names it.
    ///
    /// # Errors
    /// [`Refused`], by the first rule broken.
    pub fn check(bytes: B, policy: TrustPolicy<'_>) -> Result<Self, Refused> {
        let mut flash = Bytes::new(bytes.as_ref());
        let image = Image::parse(&mut flash)?;
        let (vendor, class) = (image.vendor(), image.class());
        let hardware = Hardware::find(vendor, class).ok_or(Refused::UnknownHardware { vendor, class })?;
        let authority = Authority {
            policy,
            vendor,
            class,
            slot: hardware.slot,
        };
        // Which counter is too low, only a lock can say.
        let proven = authority.verify(image, SecurityCounter(0))?;
        let about = About {
            image: proven.digest(),
            version: proven.version(),
            counter: proven.security_counter(),
            vendor,
            class,
            min_version: proven.min_version(),
            size: proven.total_size(),
        };
        Ok(Self { bytes, about })
    }

    /// The image's bytes, without what a file may have behind them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let size = usize::try_from(self.about.size).unwrap_or(usize::MAX);
        self.bytes.as_ref().get(..size).unwrap_or_default()
    }
}

impl<B> Signed<B> {
    /// What it says of itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Whether this lock may take it, by what it says of itself.
    ///
    /// # Errors
    /// [`Unfit`], by the first rule broken.
    pub fn for_lock(&self, lock: &LockFacts) -> Result<Fitting, Unfit> {
        let about = self.about;
        if about.image == lock.image {
            return Err(Unfit::Running);
        }
        if about.vendor != lock.vendor {
            return Err(Unfit::OtherVendor);
        }
        if about.class != lock.class {
            return Err(Unfit::OtherHardware);
        }
        let lowest = lock.floor.max(lock.counter);
        if about.counter < lowest {
            return Err(Unfit::Older {
                offered: about.counter,
                lowest,
            });
        }
        if about.counter == lock.counter {
            return Err(Unfit::NotNewer {
                counter: lock.counter,
            });
        }
        if let Some(needed) = about.min_version
            && lock.version < needed
        {
            let runs = lock.version;
            return Err(Unfit::TooBigAStep { runs, needed });
        }
        if about.size > lock.room {
            return Err(Unfit::TooLarge {
                size: about.size,
                room: lock.room,
            });
        }
        Ok(Fitting { image: about.image })
    }
}

/// Proof that an image was measured by what a lock says of itself, and may be sent there. Only
/// [`Signed::for_lock`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitting {
    image: ImageDigest,
}

impl Fitting {
    /// Which image.
    #[must_use]
    pub const fn image(&self) -> ImageDigest {
        self.image
    }
}

/// Why an image that is signed as it should be is not for this lock, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It runs already.
    Running,
    /// Another vendor's.
    OtherVendor,
    /// For another model or board revision.
    OtherHardware,
    /// Its counter is lower than that of anything the lock installs.
    Older {
        /// The image's counter.
        offered: SecurityCounter,
        /// The lowest that the lock installs.
        lowest: SecurityCounter,
    },
    /// Another image, but with the counter of the one that runs: nobody can say which is newer.
    NotNewer {
        /// The counter of both.
        counter: SecurityCounter,
    },
    /// What runs is below the lowest version that may upgrade to it.
    TooBigAStep {
        /// What runs.
        runs: Version,
        /// The lowest.
        needed: Version,
    },
    /// It would not fit.
    TooLarge {
        /// Its length.
        size: u32,
        /// The lock's room.
        room: u32,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("the lock runs this image already; there is nothing to do"),
            Self::OtherVendor => f.write_str("the image is for another vendor's locks; choose the right one"),
            Self::OtherHardware => {
                f.write_str("the image is for another model or board revision; choose the right one")
            }
            Self::Older { offered, lowest } => write!(
                f,
                "the image is older than what the lock installs (counter {offered}, lowest {lowest}); choose a newer one"
            ),
            Self::NotNewer { counter } => write!(
                f,
                "the image has the same security counter as the one that runs ({counter}), so it is not newer; choose \
                 a newer one"
            ),
            Self::TooBigAStep { runs, needed } => write!(
                f,
                "the lock runs {runs}, and this image follows {needed} or later; install a version between first"
            ),
            Self::TooLarge { size, room } => {
                write!(
                    f,
                    "the image has {size} bytes, and the lock has room for {room}; choose the right one"
                )
            }
        }
    }
}

impl core::error::Error for Unfit {}

/// What a lock says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockFacts {
    /// Who made it.
    pub vendor: Uuid,
    /// Which hardware it is.
    pub class: Uuid,
    /// Room for an image, in bytes.
    pub room: u32,
    /// What runs.
    pub image: ImageDigest,
    /// Its version.
    pub version: Version,
    /// Its security counter.
    pub counter: SecurityCounter,
    /// The rollback floor.
    pub floor: SecurityCounter,
    /// Whether it has confirmed itself.
    pub confirmed: bool,
    /// What the bootloader did at the last start.
    pub boot: Boot,
}

/// What the bootloader did at the last start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// What.
    pub outcome: Reported<BootOutcome>,
    /// Why, by number; 0 for no reason. [`describe`] has the words.
    pub reason: u16,
    /// The first half of the digest of the image that this is about; zeros for none.
    pub about: [u8; 16],
    /// How often an image on trial may yet start.
    pub starts_left: u8,
}

impl Boot {
    /// Whether it is about this image.
    #[must_use]
    pub fn is_about(&self, image: ImageDigest) -> bool {
        image.0.first_chunk() == Some(&self.about)
    }
}

impl From<&RunningImage> for LockFacts {
    fn from(told: &RunningImage) -> Self {
        Self {
            vendor: Uuid(told.vendor),
            class: Uuid(told.class),
            room: told.room,
            image: ImageDigest(told.image),
            version: Version {
                major: told.major,
                minor: told.minor,
                revision: told.revision,
                build: told.build,
            },
            counter: SecurityCounter(told.counter),
            floor: SecurityCounter(told.floor),
            confirmed: told.confirmed,
            boot: Boot {
                outcome: told.outcome,
                reason: told.refusal,
                about: told.about,
                starts_left: told.starts_left,
            },
        }
    }
}

/// What a number means that a lock gives as the reason of a refusal, and what to do; `None` when this version does not
/// know it.
#[must_use]
pub fn describe(reason: u16) -> Option<&'static str> {
    Refusal::describe(reason)
        .or_else(|| latchkey_handoff::reason::describe(reason))
        .or_else(|| Reason::describe(reason))
}
