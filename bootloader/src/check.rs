//! The whole check of ACTIVE, as a function of flash alone, so that a board can make it twice.
//!
//! It reads the floor itself, every time. Which rules there are is not decided here but in
//! `latchkey_image::Authority`.

use embedded_storage::nor_flash::ReadNorFlash;
use latchkey_handoff::{Floor, ImageId, Map, Region};
use latchkey_image::{Authority, Image, Refusal, SecurityCounter, Verified, Version};

/// What a whole check of ACTIVE has found. Only a check makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    id: ImageId,
    version: Version,
    counter: SecurityCounter,
}

impl Accepted {
    /// What this proof is about. The proof's flash may be let go afterwards.
    #[must_use]
    pub fn of<F: ReadNorFlash>(proof: &Verified<Image<'_, F>>) -> Self {
        Self {
            id: proof.digest().into(),
            version: proof.version(),
            counter: proof.security_counter(),
        }
    }

    /// The image's name.
    #[must_use]
    pub const fn id(&self) -> ImageId {
        self.id
    }

    /// Its version, for people.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Its security counter.
    #[must_use]
    pub const fn counter(&self) -> SecurityCounter {
        self.counter
    }
}

/// Checks the image in ACTIVE against `authority` and the floor in flash.
///
/// # Errors
/// Why it may not run.
pub fn check<F: ReadNorFlash>(
    flash: &mut F,
    map: &Map,
    authority: &Authority<'_>,
) -> Result<Accepted, Refusal> {
    check_with(flash, map, authority, |proof| Accepted::of(&proof))
}

/// Checks the image in ACTIVE and hands the proof to `then`; the flash stays borrowed until that returns.
///
/// # Errors
/// Why it may not run; `then` is not called.
pub fn check_with<F: ReadNorFlash, R>(
    flash: &mut F,
    map: &Map,
    authority: &Authority<'_>,
    then: impl FnOnce(Verified<Image<'_, Region<&mut F>>>) -> R,
) -> Result<R, Refusal> {
    let floor = Floor::read(&mut Region::new(&mut *flash, map.floor));
    let Ok(Some(floor)) = floor else {
        return Err(Refusal::FlashUnreadable);
    };
    let mut slot = Region::new(flash, map.active);
    let image = Image::parse(&mut slot)?;
    Ok(then(authority.verify(image, floor)?))
}
