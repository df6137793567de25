//! Archives as cpio writes them, and each thing that may be wrong with one.

use proptest::prelude::*;

use super::*;

const IMAGE: &[u8] = b"the image, signatures included";

/// One member as cpio writes it, with what a test wants of it.
#[derive(Clone)]
struct Draft {
    magic: &'static str,
    mode: u32,
    name: Vec<u8>,
    bytes: Vec<u8>,
    checksum: Option<u32>,
}

fn draft(name: &str, bytes: &[u8]) -> Draft {
    Draft {
        magic: "070702",
        mode: 0o10_0644,
        name: name.as_bytes().to_vec(),
        bytes: bytes.to_vec(),
        checksum: None,
    }
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

fn archive(members: &[Draft]) -> Vec<u8> {
    let mut archive = Vec::new();
    let trailer = Draft {
        mode: 0,
        magic: members.first().map_or("070702", |member| member.magic),
        ..draft("TRAILER!!!", b"")
    };
    for member in members.iter().chain([&trailer]) {
        let sum: u32 = member.bytes.iter().map(|byte| u32::from(*byte)).sum();
        let sum = if member.magic == "070702" { sum } else { 0 };
        let mut numbers = [0_u32; 13];
        numbers[1] = member.mode;
        numbers[6] = u32::try_from(member.bytes.len()).unwrap();
        numbers[11] = u32::try_from([&member.name[..], b"\0"].concat().len()).unwrap();
        numbers[12] = member.checksum.unwrap_or(sum);
        archive.extend_from_slice(member.magic.as_bytes());
        for number in numbers {
            archive.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        archive.extend_from_slice(&member.name);
        archive.push(0);
        pad(&mut archive);
        archive.extend_from_slice(&member.bytes);
        pad(&mut archive);
    }
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

fn good() -> [Draft; 3] {
    [
        draft("sw-description", b"software = {};"),
        draft("sw-description.sig", b"a signature"),
        draft("app-2.0.0.img", IMAGE),
    ]
}

fn judged(file: &[u8]) -> Result<Form, NotSwu> {
    check(file, &FileHash::of(IMAGE))
}

#[test]
fn both_forms_are_taken_and_told_apart() {
    assert_eq!(judged(&archive(&good())), Ok(Form::Crc));
    let newc = good().map(|member| Draft {
        magic: "070701",
        ..member
    });
    assert_eq!(judged(&archive(&newc)), Ok(Form::Newc));
}

#[test]
fn whatever_is_not_three_members_in_order_is_refused_by_name() {
    let [description, signature, image] = good();
    let more = draft("update.sh", b"rm -rf /");
    let expected = "sw-description";
    for (members, refused) in [
        (vec![], NotSwu::TooFew { number: 0 }),
        (vec![description.clone()], NotSwu::TooFew { number: 1 }),
        (
            vec![description.clone(), signature.clone()],
            NotSwu::TooFew { number: 2 },
        ),
        (
            vec![signature.clone(), description.clone(), image.clone()],
            NotSwu::OutOfOrder { number: 1, expected },
        ),
        (
            vec![description.clone(), image.clone()],
            NotSwu::OutOfOrder {
                number: 2,
                expected: "sw-description.sig",
            },
        ),
        (
            vec![
                description.clone(),
                signature.clone(),
                more.clone(),
                image.clone(),
            ],
            NotSwu::OtherImage,
        ),
        (
            vec![description.clone(), signature.clone(), image.clone(), more],
            NotSwu::TooMany,
        ),
        (
            vec![description, signature, image.clone(), image],
            NotSwu::TooMany,
        ),
    ] {
        assert_eq!(judged(&archive(&members)), Err(refused));
    }
}

#[test]
fn another_image_is_refused_also_by_one_byte() {
    for other in [
        &IMAGE[1..],
        &IMAGE[..IMAGE.len() - 1],
        &[IMAGE, b"\0"].concat(),
        b"The image, signatures included",
        b"",
    ] {
        let [description, signature, _] = good();
        let file = archive(&[description, signature, draft("app-2.0.0.img", other)]);
        assert_eq!(judged(&file), Err(NotSwu::OtherImage));
    }
}

#[test]
fn names_modes_and_checksums_are_those_of_plain_files() {
    let third = |change: &dyn Fn(&mut Draft)| {
        let mut members = good();
        change(&mut members[2]);
        judged(&archive(&members))
    };
    let number = 3;
    let long = "a".repeat(256);
    for name in ["", "../app.img", "/etc/passwd", "a b", "a\0b", "ä", "a\n", &long] {
        let renamed = third(&|member| member.name = name.as_bytes().to_vec());
        assert_eq!(renamed, Err(NotSwu::BadName { number }), "{name:?}");
    }
    for mode in [0, 0o12_0777, 0o04_0755, 0o14_0644, 0o644, 0o02_0600] {
        assert_eq!(
            third(&|member| member.mode = mode),
            Err(NotSwu::NoFile { number })
        );
    }
    assert_eq!(
        third(&|member| member.checksum = Some(1)),
        Err(NotSwu::BadChecksum { number })
    );
    let unlike = third(&|member| member.magic = "070701");
    assert!(matches!(unlike, Err(NotSwu::NoHeader { .. })), "{unlike:?}");
}

#[test]
fn numbers_that_lead_out_of_the_file_lead_nowhere() {
    let file = archive(&good());
    for (at, digits) in [(54, "FFFFFFFF"), (94, "FFFFFFFF"), (94, "0001FFFF")] {
        let mut file = file.clone();
        file[at..at + 8].copy_from_slice(digits.as_bytes());
        assert!(
            matches!(judged(&file), Err(NotSwu::CutOff { .. })),
            "{at} {digits}"
        );
    }
    for (at, digits) in [
        (94, "00000000"),
        (94, "0000000G"),
        (54, "+0000001"),
        (6, "       1"),
    ] {
        let mut file = file.clone();
        file[at..at + 8].copy_from_slice(digits.as_bytes());
        assert!(judged(&file).is_err(), "{at} {digits}");
    }
}

#[test]
fn nothing_hides_in_padding_or_behind_the_end() {
    let file = archive(&good());
    let last = file.len() - 1;
    for (at, byte) in [(110 + 15, b'x'), (last, b'x')] {
        let mut file = file.clone();
        assert_eq!(file[at], 0);
        file[at] = byte;
        assert_eq!(judged(&file), Err(NotSwu::NotPadding { at }));
    }
    let twice = [file.clone(), file.clone()].concat();
    assert_eq!(judged(&twice), Err(NotSwu::NotPadding { at: file.len() }));
}

#[test]
fn no_beginning_of_a_file_is_one() {
    let file = archive(&good());
    let end = file.iter().rposition(|byte| *byte != 0).unwrap();
    for length in 0..=end {
        assert!(judged(&file[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(judged(&bytes).is_err());
    }

    /// Whatever was changed: what is taken has the image, once.
    #[test]
    fn what_is_taken_has_the_image(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut file = archive(&good());
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let images = file.windows(IMAGE.len()).filter(|window| *window == IMAGE).count();
        prop_assert!(judged(&file).is_err() || images == 1);
    }
}
