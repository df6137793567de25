//! The one whole check, and the value that says it was passed.
//!
//! Every rule about what may run is applied here or in the parsing before it, in this order: container, known
//! signers, hash, signatures, vendor, class, floor, slot, vector table. Nothing else mints a [`Verified`].

use core::ops::Deref;

use embedded_storage::nor_flash::ReadNorFlash;

use crate::policy::MAX_KEYS;
use crate::{Image, Refusal, SecurityCounter, Slot, TrustPolicy, Uuid};

/// Who may say what runs, on what hardware, in which place. Can be a `const`.
#[derive(Clone, Debug)]
pub struct Authority<'p> {
    /// Whose signatures count, and how many.
    pub policy: TrustPolicy<'p>,
    /// Who made this lock.
    pub vendor: Uuid,
    /// Which hardware it is.
    pub class: Uuid,
    /// Where an image would run.
    pub slot: Slot,
}

/// Proof that its content passed [`Authority::verify`], and has been borrowed ever since.
///
/// Read-only: there is no way to change what was proven or to build one by hand.
pub struct Verified<T> {
    inner: T,
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl Authority<'_> {
    /// The whole check. `floor` is the lowest security counter this lock still runs.
    ///
    /// Hashes the image once and checks exactly as many signatures as the policy demands: those of the first
    /// keys, in the order of the policy, that claim to have signed. Signatures by unknown keys are not looked at,
    /// so that keys can be changed over time; a wrong one by a known key refuses the image.
    ///
    /// # Errors
    /// The first [`Refusal`] met. The image is dropped then and the flash is free again.
    pub fn verify<'f, F: ReadNorFlash>(
        &self,
        mut image: Image<'f, F>,
        floor: SecurityCounter,
    ) -> Result<Verified<Image<'f, F>>, Refusal> {
        let vectors = self
            .policy
            .check_identity(self.vendor, self.class, &mut image, floor)?;
        self.slot.check(&image, vectors)?;
        Ok(Verified { inner: image })
    }
}

impl TrustPolicy<'_> {
    /// Everything but the slot: for tools that look at images no lock of this project could run. Gives no
    /// [`Verified`], because it does not say what a lock would do.
    ///
    /// # Errors
    /// The first [`Refusal`] met.
    #[cfg(feature = "build")]
    pub fn check_without_slot<F: ReadNorFlash>(
        &self,
        vendor: Uuid,
        class: Uuid,
        image: &mut Image<'_, F>,
        floor: SecurityCounter,
    ) -> Result<(), Refusal> {
        self.check_identity(vendor, class, image, floor).map(drop)
    }

    /// Signers, hash, signatures, vendor, class, floor. Gives the payload's first eight bytes as hashed.
    fn check_identity<F: ReadNorFlash>(
        &self,
        vendor: Uuid,
        class: Uuid,
        image: &mut Image<'_, F>,
        floor: SecurityCounter,
    ) -> Result<[u8; 8], Refusal> {
        let vectors = authenticate(self, image)?;
        if image.vendor() != vendor {
            return Err(Refusal::OtherVendor {
                vendor: image.vendor(),
            });
        }
        if image.class() != class {
            return Err(Refusal::OtherClass { class: image.class() });
        }
        let offered = image.security_counter();
        if offered < floor {
            return Err(Refusal::BelowFloor { offered, floor });
        }
        Ok(vectors)
    }
}

impl Slot {
    /// Whether the image fits here and its first two words make sense when it runs here.
    ///
    /// `vectors` are the payload's first eight bytes.
    pub(crate) fn check<F: ReadNorFlash>(
        &self,
        image: &Image<'_, F>,
        vectors: [u8; 8],
    ) -> Result<(), Refusal> {
        self.check_size(image.total_size())?;
        self.check_vectors(image.payload_offset(), image.header().payload_size, vectors)
    }

    /// Whether an image of `total_size` bytes has room here.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`]
    pub const fn check_size(&self, total_size: u32) -> Result<(), Refusal> {
        if total_size > self.size {
            Err(Refusal::TooLarge { room: self.size })
        } else {
            Ok(())
        }
    }

    /// Whether a payload of `size` bytes, `offset` bytes into this slot, starts with a plausible vector table:
    /// an aligned stack pointer into memory, and an entry address inside the payload with the Thumb bit set.
    ///
    /// # Errors
    /// [`Refusal::StackPointer`] or [`Refusal::ResetHandler`].
    pub fn check_vectors(&self, offset: u32, size: u32, vectors: [u8; 8]) -> Result<(), Refusal> {
        let [s0, s1, s2, s3, r0, r1, r2, r3] = vectors;
        let stack = u32::from_le_bytes([s0, s1, s2, s3]);
        let reset = u32::from_le_bytes([r0, r1, r2, r3]);
        if stack <= self.ram.start || stack > self.ram.end || !stack.is_multiple_of(8) {
            return Err(Refusal::StackPointer { value: stack });
        }
        // The entry lies behind the two words just read, and its instruction (two bytes at least) inside.
        let into = (reset & !1)
            .checked_sub(self.address)
            .and_then(|into| into.checked_sub(offset));
        let inside = into.is_some_and(|into| into >= 8 && into <= size.saturating_sub(2));
        if reset.is_multiple_of(2) || !inside {
            return Err(Refusal::ResetHandler { value: reset });
        }
        Ok(())
    }
}

/// Signers, hash, signatures. Gives the payload's first eight bytes as they were hashed.
fn authenticate<F: ReadNorFlash>(
    policy: &TrustPolicy<'_>,
    image: &mut Image<'_, F>,
) -> Result<[u8; 8], Refusal> {
    let signers = known_signers(policy, image)?;
    let (digest, vectors) = image.hash()?;
    if digest != image.digest() {
        return Err(Refusal::DigestMismatch);
    }
    let mut valid = 0_u8;
    for (key, (public, signer)) in (0_u8..).zip(policy.keys().iter().zip(signers)) {
        let Some(index) = signer else { continue };
        if valid == policy.threshold() {
            break;
        }
        if !public.verifies(&digest, &image.signature(index)?) {
            return Err(Refusal::BadSignature { key });
        }
        valid = valid.saturating_add(1);
    }
    if valid == policy.threshold() {
        Ok(vectors)
    } else {
        Err(Refusal::TooFewSigners {
            have: valid,
            need: policy.threshold(),
        })
    }
}

/// For each key of the policy, which of the image's signatures claims to be its. Refuses before any hashing
/// what cannot reach the threshold.
fn known_signers<F: ReadNorFlash>(
    policy: &TrustPolicy<'_>,
    image: &mut Image<'_, F>,
) -> Result<[Option<u8>; MAX_KEYS], Refusal> {
    let mut signers = [None; MAX_KEYS];
    let mut have = 0_u8;
    for index in 0..image.signature_count() {
        let hash = image.signer(index)?;
        for (key, (public, signer)) in (0_u8..).zip(policy.keys().iter().zip(signers.iter_mut())) {
            if public.hash() != hash {
                continue;
            }
            if signer.replace(index).is_some() {
                return Err(Refusal::RepeatedSigner { key });
            }
            have = have.saturating_add(1);
        }
    }
    match (image.signature_count(), have, policy.threshold()) {
        (0, _, _) => Err(Refusal::Unsigned),
        (_, 0, _) => Err(Refusal::UnknownSigner),
        (_, have, need) if have < need => Err(Refusal::TooFewSigners { have, need }),
        _ => Ok(signers),
    }
}
