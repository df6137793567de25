//! Refusals by name, of images that are not of the allowed form: header, lengths, fields. Each image breaks one rule
//! and keeps all others, signatures included.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test data"
)]

mod common;

use common::forge::Forge;
use common::{check, image, public};
use latchkey_image::{Refusal, tlv};

#[track_caller]
fn refused(forge: &Forge, refusal: Refusal) {
    assert_eq!(check(&forge.forge()), Err(refusal));
}

#[test]
fn the_forge_itself_makes_what_the_builder_makes() {
    assert_eq!(Forge::right().forge(), image(600, &[1, 2]).into_bytes());
}

#[test]
fn no_image() {
    assert_eq!(check(&[]), Err(Refusal::NotAnImage));
    assert_eq!(check(&[0x3d, 0xb8, 0xf3, 0x96]), Err(Refusal::NotAnImage));
    assert_eq!(check(&[0xff; 4096]), Err(Refusal::Empty));
    assert_eq!(check(&[0x00; 4096]), Err(Refusal::NotAnImage));
}

#[test]
fn header_fields_out_of_range() {
    for size in [0_u16, 0x20, 0x1ff, 0x201, 0x300, 0x1200, 0xfe00, 0xffff] {
        let forge = Forge::right().patched(8, &size.to_le_bytes());
        refused(&forge, Refusal::HeaderSize { size });
    }
    refused(&Forge::right().patched(4, &[0, 0, 0, 0x20]), Refusal::LoadAddress);
    refused(&Forge::right().patched(28, &[1]), Refusal::ReservedField);
    for size in [0_u32, 7] {
        refused(
            &Forge::right().patched(12, &size.to_le_bytes()),
            Refusal::NoPayload,
        );
    }
}

#[test]
fn header_flags() {
    for (flags, refusal) in [
        (0x4_u32, Refusal::Encrypted),
        (0x8, Refusal::Encrypted),
        (0x200, Refusal::Compressed),
        (0x400, Refusal::Compressed),
        (0xc00, Refusal::Compressed),
        (0x1, Refusal::UnknownFlags { flags: 0x1 }),
        (0x10, Refusal::UnknownFlags { flags: 0x10 }),
        (0x20, Refusal::UnknownFlags { flags: 0x20 }),
        (0x100, Refusal::UnknownFlags { flags: 0x100 }),
        (0x8000_0000, Refusal::UnknownFlags { flags: 0x8000_0000 }),
    ] {
        refused(&Forge::right().patched(16, &flags.to_le_bytes()), refusal);
    }
}

#[test]
fn oversized_length_fields() {
    let room = u32::try_from(Forge::right().forge().len()).unwrap();
    for size in [
        u32::MAX,
        u32::MAX - 0x200,
        u32::MAX - 0x200 - 56,
        0x8000_0000,
        room,
    ] {
        refused(
            &Forge::right().patched(12, &size.to_le_bytes()),
            Refusal::TooLarge { room },
        );
    }
    for off_by in [2000, 0xff00] {
        let forge = Forge {
            protected_size_off_by: off_by,
            ..Forge::right()
        };
        refused(&forge, Refusal::TooLarge { room });
    }
    let mut long_trailer = Forge::right().forge();
    let at = long_trailer.len() - 4 - 36 - 2 * 104 + 2;
    long_trailer[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(check(&long_trailer), Err(Refusal::TooLarge { room }));
}

#[test]
fn lengths_that_point_elsewhere_in_the_image() {
    refused(
        &Forge::right().patched(12, &599_u32.to_le_bytes()),
        Refusal::NoTrailer,
    );
    for off_by in [-52, -4, 4] {
        refused(
            &Forge {
                protected_size_off_by: off_by,
                ..Forge::right()
            },
            Refusal::NoTrailer,
        );
    }
}

#[test]
fn a_protected_area_that_disagrees_with_the_header() {
    // The trailer stands where the header says, but the area before it says another length of itself.
    let mut forge = Forge::right();
    forge.protected.push((0x00a1, vec![0; 4]));
    let mut bytes = forge.forge();
    let info = 0x200 + 600;
    let length = u16::from_le_bytes([bytes[info + 2], bytes[info + 3]]);
    bytes[info + 2..info + 4].copy_from_slice(&(length - 8).to_le_bytes());
    assert_eq!(check(&bytes), Err(Refusal::ProtectedSize));
    let mut bytes = forge.forge();
    bytes[info..info + 2].copy_from_slice(&tlv::MAGIC.to_le_bytes());
    assert_eq!(check(&bytes), Err(Refusal::ProtectedSize));
}

#[test]
fn a_protected_area_at_its_limit() {
    let entry = 256 - 4 - 8 - 20 - 20 - 4;
    let largest = Forge::right().with_protected(0x00a1, &vec![1; entry]);
    assert!(check(&largest.forge()).is_ok());
    refused(
        &Forge::right().with_protected(0x00a1, &vec![1; entry + 1]),
        Refusal::ProtectedTooLong,
    );
}

#[test]
fn required_fields_missing() {
    refused(
        &Forge::right().without_protected(tlv::SEC_CNT),
        Refusal::NoCounter,
    );
    refused(
        &Forge::right().without_protected(tlv::UUID_VID),
        Refusal::NoVendor,
    );
    refused(&Forge::right().without_protected(tlv::UUID_CID), Refusal::NoClass);
    let none = Forge {
        protected: vec![],
        ..Forge::right()
    };
    refused(&none, Refusal::NoCounter);
    let no_area = Forge {
        protected_size_off_by: -4,
        ..none
    };
    let mut bytes = no_area.forge();
    bytes.drain(0x200 + 600..0x200 + 604);
    assert_eq!(check(&bytes), Err(Refusal::NoCounter), "no protected area at all");
}

#[test]
fn fields_of_wrong_length() {
    for (kind, lengths) in [
        (tlv::SEC_CNT, [0, 3, 5]),
        (tlv::UUID_VID, [0, 15, 17]),
        (tlv::UUID_CID, [0, 15, 17]),
        (tlv::MIN_VERSION, [0, 7, 9]),
    ] {
        for length in lengths {
            let forge = Forge::right()
                .without_protected(kind)
                .with_protected(kind, &vec![1; length]);
            refused(&forge, Refusal::FieldLength { kind });
        }
    }
    for (kind, length) in [
        (tlv::SHA256, 31),
        (tlv::KEYHASH, 20),
        (tlv::ED25519, 63),
        (tlv::ED25519, 0),
    ] {
        let forge = Forge {
            last: vec![(kind, vec![1; length])],
            ..Forge::right()
        };
        refused(&forge, Refusal::FieldLength { kind });
    }
}

#[test]
fn fields_that_stand_twice() {
    for kind in [
        tlv::SEC_CNT,
        tlv::UUID_VID,
        tlv::UUID_CID,
        tlv::MIN_VERSION,
        tlv::BOOT_RECORD,
        0x00a1,
    ] {
        let value = vec![
            1;
            match kind {
                tlv::SEC_CNT => 4,
                tlv::MIN_VERSION => 8,
                _ => 16,
            }
        ];
        let forge = Forge::right()
            .without_protected(kind)
            .with_protected(kind, &value)
            .with_protected(kind, &value);
        refused(&forge, Refusal::DuplicateField { kind });
    }
    let forge = Forge {
        middle: vec![(tlv::SHA256, vec![1; 32])],
        ..Forge::right()
    };
    refused(&forge, Refusal::DuplicateField { kind: tlv::SHA256 });
}

#[test]
fn fields_nobody_knows_and_demands_nobody_honours() {
    for kind in [
        0x00,
        0x03,
        0x61,
        0x76,
        0x9f,
        0xffff,
        tlv::SHA256,
        tlv::KEYHASH,
        tlv::ED25519,
    ] {
        refused(
            &Forge::right().with_protected(kind, &[1; 4]),
            Refusal::UnknownField { kind },
        );
    }
    refused(
        &Forge::right().with_protected(tlv::DEPENDENCY, &[0; 12]),
        Refusal::Dependency,
    );
    refused(&Forge::right().with_protected(0x70, &[0; 4]), Refusal::Compressed);
    for kind in [0x00, 0x03, 0x13, 0x9f, 0xffff] {
        let forge = Forge {
            last: vec![(kind, vec![1; 4])],
            ..Forge::right()
        };
        refused(&forge, Refusal::UnknownField { kind });
    }
}

#[test]
fn fields_that_say_nothing_to_us_are_tolerated_where_they_are_signed() {
    for kind in [tlv::BOOT_RECORD, 0x00a1, 0xfffe] {
        assert!(
            check(&Forge::right().with_protected(kind, &[1; 95]).forge()).is_ok(),
            "{kind:#x}"
        );
    }
}

#[test]
fn fields_moved_out_of_the_protected_area() {
    for kind in [
        tlv::SEC_CNT,
        tlv::UUID_VID,
        tlv::UUID_CID,
        tlv::BOOT_RECORD,
        tlv::DEPENDENCY,
        0x00a0,
        0xfffe,
    ] {
        let mut forge = Forge::right();
        let value = forge
            .protected
            .iter()
            .find(|(found, _)| *found == kind)
            .map_or(vec![0; 4], |(_, v)| v.clone());
        forge = forge.without_protected(kind);
        forge.last.push((kind, value));
        refused(&forge, Refusal::UnprotectedField { kind });
    }
}

#[test]
fn what_other_tools_put_into_the_trailer() {
    for (kind, length, refusal) in [
        (tlv::PUBKEY, 44, Refusal::FullKey),
        (tlv::SHA384, 48, Refusal::OtherHash),
        (tlv::SHA512, 64, Refusal::OtherHash),
        (tlv::SIG_PURE, 1, Refusal::Pure),
        (tlv::RSA2048, 256, Refusal::OtherSignature),
        (tlv::ECDSA, 72, Refusal::OtherSignature),
        (0x33, 80, Refusal::Encrypted),
        (0x34, 112, Refusal::Encrypted),
        (0x73, 4, Refusal::Compressed),
    ] {
        let entry = vec![(kind, vec![1; length])];
        refused(
            &Forge {
                first: entry.clone(),
                ..Forge::right()
            },
            refusal,
        );
        refused(
            &Forge {
                middle: entry.clone(),
                ..Forge::right()
            },
            refusal,
        );
        refused(
            &Forge {
                last: entry,
                ..Forge::right()
            },
            refusal,
        );
    }
}

#[test]
fn a_trailer_out_of_order() {
    refused(
        &Forge {
            with_digest: false,
            ..Forge::right()
        },
        Refusal::NoDigest,
    );
    refused(
        &Forge {
            with_digest: false,
            signers: vec![],
            ..Forge::right()
        },
        Refusal::NoDigest,
    );
    let hash = (tlv::KEYHASH, public(3).hash().to_vec());
    let signature = (tlv::ED25519, vec![1; 64]);
    refused(
        &Forge {
            first: vec![hash.clone()],
            ..Forge::right()
        },
        Refusal::NoDigest,
    );
    for entries in [
        vec![hash.clone()],
        vec![signature.clone()],
        vec![signature.clone(), hash.clone()],
    ] {
        refused(
            &Forge {
                middle: entries.clone(),
                ..Forge::right()
            },
            Refusal::BrokenPair,
        );
        refused(
            &Forge {
                last: entries,
                ..Forge::right()
            },
            Refusal::BrokenPair,
        );
    }
    refused(
        &Forge {
            middle: vec![hash.clone(), hash],
            ..Forge::right()
        },
        Refusal::BrokenPair,
    );
}

#[test]
fn an_entry_that_runs_beyond_its_area() {
    let mut trailer = Forge::right().forge();
    let at = trailer.len() - 68 + 2;
    trailer[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(check(&trailer), Err(Refusal::FieldOverrun));
    let mut stub = Forge::right();
    stub.last = vec![(0, vec![])];
    let mut bytes = stub.forge();
    bytes.pop();
    let info = bytes.len() - 3 - 4 - 36 - 2 * 104;
    let length = u16::from_le_bytes([bytes[info + 2], bytes[info + 3]]);
    bytes[info + 2..info + 4].copy_from_slice(&(length - 1).to_le_bytes());
    assert_eq!(
        check(&bytes),
        Err(Refusal::FieldOverrun),
        "three bytes of an entry's head"
    );

    let mut protected = Forge::right().forge();
    protected[0x200 + 600 + 4 + 2] = 0xff;
    assert_eq!(check(&protected), Err(Refusal::FieldOverrun));
}

#[test]
fn truncated_anywhere() {
    let bytes = image(600, &[1, 2]).into_bytes();
    for length in 0..bytes.len() {
        let answer = check(&bytes[..length]);
        assert!(
            matches!(answer, Err(Refusal::NotAnImage | Refusal::TooLarge { .. })),
            "{length}: {answer:?}"
        );
    }
}
