//! What holds for every image: no changed bit passes, no bytes make the parser panic, what is built is what is
//! read, and flash that changes its answers changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test data"
)]

mod common;

use std::ops::Range;

use common::{authority, check, check_by, image, key, keys, payload};
use embedded_storage::nor_flash::{ErrorType, NorFlashErrorKind, ReadNorFlash, check_read};
use latchkey_image::build::{Description, ImageFile};
use latchkey_image::{Bytes, Hardware, Image, Refusal, SecurityCounter, Slot, TrustPolicy, Uuid, Version};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn no_single_flipped_bit_passes() {
    let file = image(72, &[1, 2]);
    let mut bytes = file.into_bytes();
    // Also with flash behind it, so that a length may claim more than the image has.
    for behind in [0, 3000] {
        let end = bytes.len();
        bytes.resize(end + behind, 0xff);
        assert!(check(&bytes).is_ok());
        let mut tried = 0;
        for at in 0..end {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                assert!(check(&bytes).is_err(), "bit {bit} of byte {at:#x}");
                bytes[at] ^= 1 << bit;
                tried += 1;
            }
        }
        assert_eq!(tried, (512 + 72 + 52 + 4 + 36 + 2 * 104) * 8);
        bytes.truncate(end);
    }
}

/// A flash of words, strict about alignment, that holds one image but shows a part of another during some of
/// the reads of that part.
struct Unsteady<'b> {
    usual: &'b [u8],
    odd: &'b [u8],
    part: Range<usize>,
    odd_reads: Range<usize>,
    reads: usize,
}

impl ErrorType for Unsteady<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Unsteady<'_> {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let at = offset as usize;
        let end = at + bytes.len();
        bytes.copy_from_slice(&self.usual[at..end]);
        let (from, to) = (self.part.start.max(at), self.part.end.min(end));
        if from < to {
            if self.odd_reads.contains(&self.reads) {
                bytes[from - at..to - at].copy_from_slice(&self.odd[from..to]);
            }
            self.reads += 1;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.usual.len()
    }
}

/// An attack with flash that changes its mind: whatever part changes, during whichever reads, the outcome is a
/// refusal or one of the honest images, with the fields of that very image.
#[test]
fn flash_that_changes_between_reads_cannot_mix_two_images() {
    let signed = |counter: u32, class: Uuid| {
        let mut description = common::description();
        (description.counter, description.class) = (SecurityCounter(counter), class);
        description.version.build = counter;
        let file = description.build(&payload(1000)).unwrap();
        file.signed(&key(1)).unwrap().signed(&key(2)).unwrap()
    };
    let mine = Hardware::EMULATOR.class;
    let honest = [
        signed(7, mine),
        signed(6, mine),
        signed(9, Hardware::NRF52840.class),
        signed(8, mine),
    ];
    let keys = keys();
    let authority = authority(2, &keys);
    let mut outcomes = [0; 2];
    let pairs = honest
        .iter()
        .flat_map(|a| honest.iter().map(move |b| (a.as_bytes(), b.as_bytes())));
    for (usual, odd) in pairs.filter(|(usual, odd)| usual != odd) {
        let cuts = [
            0,
            0x20,
            0x200,
            0x208,
            0x5e8,
            0x5ec,
            0x5f4,
            0x608,
            0x61c,
            0x620,
            0x644,
            usual.len(),
        ];
        let parts = cuts.iter().flat_map(|from| cuts.iter().map(|to| *from..*to));
        for part in parts.filter(|part| !part.is_empty()) {
            for odd_reads in (0..6).flat_map(|from| (1..5).map(move |reads| from..from + reads)) {
                let mut flash = Unsteady {
                    usual,
                    odd,
                    part: part.clone(),
                    odd_reads,
                    reads: 0,
                };
                let answer =
                    Image::parse(&mut flash).and_then(|image| authority.verify(image, SecurityCounter(7)));
                outcomes[usize::from(answer.is_ok())] += 1;
                let Ok(image) = answer else { continue };
                let source = honest
                    .iter()
                    .find(|file| file.digest() == image.digest())
                    .unwrap();
                let mut steady = Bytes::new(source.as_bytes());
                let steady = Image::parse(&mut steady).unwrap();
                assert_eq!(image.security_counter(), steady.security_counter());
                assert_eq!((image.class(), image.header()), (mine, steady.header()));
                assert!(image.security_counter() >= SecurityCounter(7));
            }
        }
    }
    assert!(
        outcomes.iter().all(|count| *count > 1000),
        "both outcomes occur: {outcomes:?}"
    );
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid)
}

fn version() -> impl Strategy<Value = Version> {
    any::<(u8, u8, u16, u32)>().prop_map(|(major, minor, revision, build)| Version {
        major,
        minor,
        revision,
        build,
    })
}

prop_compose! {
    fn any_description()(
        version in version(),
        counter in any::<u32>().prop_map(SecurityCounter),
        vendor in uuid(),
        class in uuid(),
        min_version in proptest::option::of(version()),
        header_steps in 1_u16..=8,
    ) -> Description {
        Description { version, counter, vendor, class, min_version, header_size: header_steps * 0x200 }
    }
}

proptest! {
    #[test]
    fn what_is_built_is_what_is_verified(description in any_description(), body in vec(any::<u8>(), 8..3000)) {
        let slot = Slot { address: 0x4000, size: 1 << 20, ram: 0x2000_0000..0x2000_1000 };
        let mut payload = body;
        payload.resize(payload.len().max(12), 0);
        let entry = slot.address + u32::from(description.header_size) + 9;
        payload[..4].copy_from_slice(&0x2000_1000_u32.to_le_bytes());
        payload[4..8].copy_from_slice(&entry.to_le_bytes());
        let file = description.build(&payload).unwrap().signed(&key(3)).unwrap();

        let keys = keys();
        let policy = TrustPolicy::new(1, &keys).unwrap();
        let authority = latchkey_image::Authority {
            policy,
            vendor: description.vendor,
            class: description.class,
            slot,
        };
        let mut flash = Bytes::new(file.as_bytes());
        let image = authority.verify(Image::parse(&mut flash).unwrap(), description.counter);
        let image = image.map_err(|refusal| TestCaseError::fail(refusal.to_string()))?;
        prop_assert_eq!(image.version(), description.version);
        prop_assert_eq!(image.security_counter(), description.counter);
        prop_assert_eq!(image.vendor(), description.vendor);
        prop_assert_eq!(image.class(), description.class);
        prop_assert_eq!(image.min_version(), description.min_version);
        prop_assert_eq!(image.payload_offset(), u32::from(description.header_size));
        prop_assert_eq!(image.total_size() as usize, file.as_bytes().len());
        prop_assert_eq!(&ImageFile::open(file.as_bytes().to_vec()).unwrap(), &file);
    }

    #[test]
    fn random_bytes_are_refused(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert!(check(&bytes).is_err());
    }

    #[test]
    fn random_bytes_behind_a_right_header_are_refused(tail in vec(any::<u8>(), 0..1000), at in 32_usize..900) {
        let mut bytes = image(72, &[1, 2]).into_bytes();
        let at = at.min(bytes.len());
        prop_assume!(!tail.starts_with(&bytes[at..]));
        bytes.truncate(at);
        bytes.extend(tail);
        prop_assert!(check(&bytes).is_err());
    }

    #[test]
    fn several_changed_bytes_are_refused(changes in vec((0_usize..884, 1_u8..), 1..5)) {
        let right = image(72, &[1, 2]).into_bytes();
        let mut bytes = right.clone();
        for (at, with) in changes {
            bytes[at] ^= with;
        }
        prop_assume!(bytes != right);
        prop_assert!(check(&bytes).is_err());
    }

    #[test]
    fn below_the_floor_is_refused_and_at_it_is_not(counter in any::<u32>(), floor in any::<u32>()) {
        let mut description = common::description();
        description.counter = SecurityCounter(counter);
        let file = description.build(&payload(72)).unwrap().signed(&key(1)).unwrap();
        let keys = keys();
        let answer = check_by(&authority(1, &keys), SecurityCounter(floor), file.as_bytes());
        let (offered, floor) = (SecurityCounter(counter), SecurityCounter(floor));
        if counter < floor.0 {
            prop_assert_eq!(answer, Err(Refusal::BelowFloor { offered, floor }));
        } else {
            prop_assert_eq!(answer, Ok(file.digest()));
        }
    }
}
