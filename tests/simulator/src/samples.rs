//! Images to install: signed for real, small, each different from the others.

use latchkey_handoff::{ImageId, Map};
use latchkey_image::build::{Description, SigningKey};
use latchkey_image::{Authority, PublicKey, SecurityCounter, Slot, TrustPolicy, Uuid, Version};

use crate::geometry::BASE;
use crate::random::Random;

const VENDOR: Uuid = Uuid([1; 16]);
const CLASS: Uuid = Uuid([2; 16]);
const RAM: core::ops::Range<u32> = 0x2000_0000..0x2000_8000;
/// Header before the payload.
const HEADER: u16 = 0x200;
/// The shortest payload: a vector table and room for what tells images apart.
const SHORTEST: usize = 64;

/// An image.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its name in records.
    pub id: ImageId,
    /// Its digest.
    pub digest: latchkey_image::ImageDigest,
    /// Decides rollback.
    pub counter: SecurityCounter,
}

/// Who signs, and what a lock accepts: one of two keys, so that one signature is checked each time.
#[derive(Debug)]
pub struct Release {
    key: SigningKey,
    policy: [PublicKey; 2],
}

impl Default for Release {
    fn default() -> Self {
        let keys = [7, 8].map(|seed| SigningKey::from_bytes(&[seed; 32]));
        let policy = [&keys[0], &keys[1]].map(|key| PublicKey::new(key.verifying_key().to_bytes()));
        let [key, _] = keys;
        Self { key, policy }
    }
}

impl Release {
    /// What a lock with `map` accepts.
    ///
    /// # Panics
    /// Never: the policy is a fixed one.
    #[must_use]
    pub fn authority(&self, map: &Map) -> Authority<'_> {
        Authority {
            policy: TrustPolicy::new(1, &self.policy).expect("one of two different keys"),
            vendor: VENDOR,
            class: CLASS,
            slot: Slot {
                address: BASE + map.active.offset,
                size: map.active.size,
                ram: RAM,
            },
        }
    }

    /// An image with `payload` bytes of payload, or the least there can be.
    ///
    /// # Panics
    /// When the image is none: a mistake of the story's.
    #[must_use]
    pub fn image(&self, map: &Map, counter: u32, payload: usize, random: &mut Random) -> Sample {
        let mut body = vec![0; payload.max(SHORTEST)];
        random.fill(&mut body);
        self.image_of(map, counter, body)
    }

    /// An image with these bytes as payload, but for the vector table.
    ///
    /// # Panics
    /// When the image is none: a mistake of the story's.
    #[must_use]
    pub fn image_of(&self, map: &Map, counter: u32, mut payload: Vec<u8>) -> Sample {
        let entry = BASE + map.active.offset + u32::from(HEADER) + 32 + 1;
        payload[..4].copy_from_slice(&(RAM.end - 64).to_le_bytes());
        payload[4..8].copy_from_slice(&entry.to_le_bytes());
        self.signed(&Self::description(SecurityCounter(counter)), &payload)
    }

    /// What every image here says of itself.
    #[must_use]
    pub fn description(counter: SecurityCounter) -> Description {
        Description {
            version: Version::default(),
            counter,
            vendor: VENDOR,
            class: CLASS,
            min_version: None,
            header_size: HEADER,
        }
    }

    /// An image that says this of itself.
    ///
    /// # Panics
    /// When the image is none: a mistake of the story's.
    #[must_use]
    pub fn signed(&self, description: &Description, payload: &[u8]) -> Sample {
        let file = description
            .build(payload)
            .expect("a well-formed image")
            .signed(&self.key)
            .expect("a first signature");
        let digest = file.digest();
        Sample {
            bytes: file.into_bytes(),
            id: digest.into(),
            digest,
            counter: description.counter,
        }
    }

    /// Bytes of an image beside its payload.
    ///
    /// # Panics
    /// Never: the image is a fixed one.
    #[must_use]
    pub fn overhead(&self, map: &Map) -> usize {
        self.image(map, 0, SHORTEST, &mut Random::new(0)).bytes.len() - SHORTEST
    }
}
