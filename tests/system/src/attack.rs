//! Images that no lock may run, each named after the attack, with the refusal it must end in.

use latchkey_image::{Hardware, Refusal, SecurityCounter, tlv};
use latchkey_lab::{Release, SignedImage, Signer};

/// An image that must be refused.
pub struct BadImage {
    /// The attack.
    pub name: &'static str,
    /// The file, and what a liar says about it.
    pub image: SignedImage,
    /// Frozen code of the refusal, by the lock app and by the bootloader: both see the image in the same slot.
    pub reason: u16,
}

/// The security counter of the lock that is attacked: what it runs, and its floor.
pub(crate) const FLOOR: u8 = 5;

/// Every bad image, made from a payload that is fine and a version that would be welcome.
#[must_use]
pub fn bad_images(payload: &[u8]) -> Vec<BadImage> {
    let good = Release::new(payload.to_vec(), FLOOR + 1);
    let signed = |release: &Release| release.sign().expect("the example keys sign");
    let by = |signers: &[Signer]| {
        let signers = signers.to_vec();
        signed(&Release {
            signers,
            ..good.clone()
        })
    };
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut image = signed(&good);
        change(&mut image.bytes);
        image
    };
    let other_hardware = Release {
        class: Hardware::NRF52840.class,
        ..good.clone()
    };
    let older = Release {
        counter: SecurityCounter(u32::from(FLOOR) - 1),
        ..good.clone()
    };
    let bad = |name, image, refusal: Refusal| BadImage {
        name,
        image,
        reason: refusal.code(),
    };
    vec![
        bad(
            "one flipped bit in the program",
            changed(|file| file[0x4000] ^= 0x10),
            Refusal::DigestMismatch,
        ),
        bad(
            "one flipped bit in a signature",
            changed(|file| flip_last_bit(file)),
            Refusal::BadSignature { key: 1 },
        ),
        bad(
            "signed by a key of the attacker's",
            by(&[Signer::Stranger]),
            Refusal::UnknownSigner,
        ),
        bad(
            "signed by one of two",
            by(&[Signer::A]),
            Refusal::TooFewSigners { have: 1, need: 2 },
        ),
        bad("not signed at all", by(&[]), Refusal::Unsigned),
        bad(
            "for other hardware",
            signed(&other_hardware),
            Refusal::OtherClass {
                class: other_hardware.class,
            },
        ),
        bad(
            "older than the floor",
            signed(&older),
            Refusal::BelowFloor {
                offered: older.counter,
                floor: SecurityCounter(FLOOR.into()),
            },
        ),
        bad(
            "cut short in the program",
            changed(|file| file.truncate(file.len() / 2)),
            Refusal::NoTrailer,
        ),
        bad(
            "cut short in the signatures",
            // The lengths all fit; what is missing of the last signature reads as erased flash.
            changed(|file| file.truncate(file.len() - 60)),
            Refusal::BadSignature { key: 1 },
        ),
        bad(
            "a payload length of four gigabytes",
            changed(|file| {
                file[0x0c..0x10].copy_from_slice(&[0xff; 4]);
            }),
            Refusal::TooLarge { room: 0 },
        ),
        bad(
            "a payload length beyond the slot",
            changed(|file| {
                file[0x0c..0x10].copy_from_slice(&0x0006_0000_u32.to_le_bytes());
            }),
            Refusal::TooLarge { room: 0 },
        ),
        bad(
            "a protected area of 64 KB",
            changed(|file| {
                file[0x0a..0x0c].copy_from_slice(&[0xff; 2]);
            }),
            // With it the image would not fit its slot.
            Refusal::TooLarge { room: 0 },
        ),
        bad(
            "a field that runs beyond its area",
            changed(|file| overrun_first_field(file)),
            Refusal::FieldOverrun,
        ),
    ]
}

fn flip_last_bit(file: &mut [u8]) {
    if let Some(last) = file.last_mut() {
        *last ^= 1;
    }
}

/// Gives the first field of the protected area a length that no area has.
fn overrun_first_field(file: &mut [u8]) {
    let payload = u32::from_le_bytes(file[0x0c..0x10].try_into().expect("four bytes"));
    let area = 0x200 + usize::try_from(payload).expect("a small payload");
    assert_eq!(file[area..area + 2], tlv::PROTECTED_MAGIC.to_le_bytes());
    file[area + 6..area + 8].copy_from_slice(&[0xff; 2]);
}
