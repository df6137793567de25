//! What somebody in range may try, by name. Each is refused, said why, and leaves the lock as it was.

use latchkey_handoff::{BootRecord, ImageId, Outcome as Boot, Phase, Region, Staging};
use latchkey_image::{ImageDigest, Refusal, SecurityCounter, Uuid, Version};
use latchkey_lock::reason::Reason;
use latchkey_lock::smp::{BUFFER, Outcome};
use latchkey_lock::window::STARTS;
use proptest::prelude::*;

use crate::bench::*;
use crate::images::*;

/// What the shell was told.
fn code(bench: &Bench) -> u16 {
    match bench.outcome {
        Outcome::Refused(refused) => refused.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn upload_outside_the_window() {
    let image = release(9_000);
    let mut bench = Bench::new();
    let before = bench.rest_of_flash();
    bench.without_flash(|bench| {
        for reply in [
            bench.first(A, &image, &sha(&image)),
            bench.next(A, &image, 300),
            bench.test(A, &digest_of(&image).0),
            bench.set_state(A, None, Some(true)),
            bench.erase(A),
            bench.reset(A),
            bench.list(A),
        ] {
            assert_eq!(reply.rc, Some(11));
            assert_eq!(reply.rsn.as_deref(), Some(Reason::WindowClosed.sentence()));
            assert_eq!(code(bench), Reason::WindowClosed.code());
        }
    });
    assert!(!bench.smp.wants_restart(&bench.window, u64::MAX));
    assert_eq!(
        bench.window.status(0).refusal,
        0,
        "strangers do not fill the owner's report"
    );
    assert_eq!(bench.rest_of_flash(), before);
}

#[test]
fn upload_that_outlasts_the_window() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    bench.first(A, &image, &sha(&image));
    bench.now_ms += 599_999;
    assert_eq!(bench.next(A, &image, 300).off, Some(700));
    bench.now_ms += 1;
    let reply = bench.without_flash(|bench| bench.next(A, &image, 700));
    assert_eq!(reply.rc, Some(11));
    bench.open(600);
    // What is on flash is not lost; it only has to be taken up again.
    assert_eq!(bench.next(A, &image, 700).off, Some(0));
    assert_eq!(bench.upload(A, &image, &sha(&image)).matches, Some(true));
}

#[test]
fn upload_on_trial() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    let (mut journal, record) = BootRecord::open(Region::new(&mut bench.flash, MAP.record)).unwrap();
    let mut record = record.unwrap_or(BootRecord::FACTORY);
    record.phase = Phase::Steady { held: 0 };
    record.report.outcome = Boot::Trial;
    record.report.running = Some(ImageId::from(RUNNING));
    record.post(&mut journal).unwrap();
    // The window should not be open at all; were it, the image to return to is left alone.
    let before = bench.flash.work().operations;
    let reply = bench.first(A, &image, &sha(&image));
    assert_eq!(reply.rc, Some(6));
    assert_eq!(code(&bench), Reason::OnTrial.code());
    assert_eq!(bench.erase(A).rc, Some(6));
    assert_eq!(code(&bench), Reason::OnTrial.code());
    assert_eq!(bench.flash.work().operations, before);
}

/// Uploads it whole and asks for its install; the reason of the refusal.
fn refused(image: &[u8], hash: ImageDigest) -> u16 {
    let mut bench = Bench::opened();
    let before = bench.rest_of_flash();
    bench.upload(A, image, &sha(image));
    let reply = bench.test(A, &hash.0);
    assert!(reply.is_refused(), "{reply:?}");
    let why = code(&bench);
    assert_eq!(
        bench.window.status(bench.now_ms).refusal,
        why,
        "the owner is told"
    );
    if reply.rc == Some(9) {
        assert_eq!(bench.mailbox().staging, Staging::Nothing, "given up");
        assert_eq!(bench.list(A).images.len(), 1);
        assert_eq!(bench.slot.owner(), None);
    }
    assert!(!matches!(bench.mailbox().staging, Staging::Request(_)));
    assert_eq!(bench.rest_of_flash(), before);
    why
}

#[test]
fn older_image() {
    let mut description = description();
    description.counter = SecurityCounter(3);
    let image = signed(&description, 9_000);
    let (offered, floor) = (SecurityCounter(3), SecurityCounter(4));
    let below = Refusal::BelowFloor { offered, floor };
    assert_eq!(refused(&image, digest_of(&image)), below.code());
}

#[test]
fn image_for_other_hardware() {
    let mut description = description();
    let class = Uuid([3; 16]);
    description.class = class;
    let image = signed(&description, 9_000);
    assert_eq!(
        refused(&image, digest_of(&image)),
        Refusal::OtherClass { class }.code()
    );
}

#[test]
fn unsigned_image() {
    let image = nobody_signed(9_000);
    let unsigned = refused(&image, digest_of(&image));
    assert!(
        [
            Refusal::Unsigned.code(),
            Refusal::TooFewSigners { have: 0, need: 2 }.code()
        ]
        .contains(&unsigned)
    );
    let image = signed_once(9_000);
    let too_few = Refusal::TooFewSigners { have: 1, need: 2 };
    assert_eq!(refused(&image, digest_of(&image)), too_few.code());
}

#[test]
fn tampered_image() {
    let image = release(9_000);
    let mut tampered = image.clone();
    tampered[5_000] ^= 1;
    assert_eq!(
        refused(&tampered, digest_of(&image)),
        Refusal::DigestMismatch.code()
    );
}

#[test]
fn image_with_something_behind_it() {
    let image = release(9_000);
    let mut longer = image.clone();
    longer.extend_from_slice(&[0; 8]);
    assert_eq!(refused(&longer, digest_of(&image)), Reason::OtherImage.code());
}

#[test]
fn image_that_may_not_follow_this_one() {
    let mut description = description();
    description.min_version = Some(Version {
        major: 1,
        minor: 9,
        ..Version::default()
    });
    let image = signed(&description, 9_000);
    assert_eq!(refused(&image, digest_of(&image)), Reason::TooOldToUpgrade.code());
}

#[test]
fn another_image_than_the_one_that_was_uploaded() {
    let image = release(9_000);
    assert_eq!(refused(&image, ImageDigest([9; 32])), Reason::BadRequest.code());
    assert_eq!(refused(&image, RUNNING), Reason::BadRequest.code());
}

#[test]
fn another_image_than_the_owner_opened_the_window_for() {
    let image = release(9_000);
    let other = release(9_001);
    let mut bench = Bench::new();
    let named = Some(digest_of(&image));
    bench
        .window
        .open(600, named, false, bench.conditions, bench.now_ms)
        .unwrap();
    bench.upload(B, &other, &sha(&other));
    let reply = bench.without_flash(|bench| bench.test(B, &digest_of(&other).0));
    assert_eq!(reply.rc, Some(11));
    assert_eq!(code(&bench), Reason::NotAllowed.code());
    bench.upload(A, &image, &sha(&image));
    assert!(bench.test(A, &digest_of(&image).0).images[1].pending);
}

#[test]
fn sha_that_does_not_match() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    let reply = bench.upload(A, &image, &[7; 32]);
    assert_eq!(
        (reply.off, reply.matches),
        (Some(image.len() as u32), Some(false))
    );
    assert_eq!(code(&bench), Reason::Checksum.code());
    assert_eq!(bench.window.status(bench.now_ms).refusal, Reason::Checksum.code());
    assert_eq!(bench.mailbox().staging, Staging::Nothing);
    assert_eq!(bench.test(A, &digest_of(&image).0).err, Some((1, 3)));
}

#[test]
fn oversized_length() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    for len in [0, MAP.active.size + 1, u32::MAX] {
        let piece = Piece {
            off: Some(0),
            len: Some(len),
            data: &image[..300],
            ..Piece::default()
        };
        assert_eq!(
            bench.without_flash(|bench| bench.piece(A, &piece)).err,
            Some((1, 30))
        );
    }
    // More bytes than were said, in the first piece and in a later one.
    let piece = Piece {
        off: Some(0),
        len: Some(299),
        data: &image[..300],
        ..Piece::default()
    };
    assert_eq!(
        bench.without_flash(|bench| bench.piece(A, &piece)).err,
        Some((1, 31))
    );
    let piece = Piece {
        len: Some(301),
        ..piece
    };
    assert_eq!(bench.piece(A, &piece).off, Some(300));
    let piece = Piece {
        off: Some(300),
        data: &image[300..302],
        ..Piece::default()
    };
    assert_eq!(
        bench.without_flash(|bench| bench.piece(A, &piece)).err,
        Some((1, 31))
    );
}

#[test]
fn first_pieces_that_are_no_images_beginning() {
    let image = release(9_000);
    let mut compressed = image.clone();
    compressed[17] |= 2;
    let piece = |data| Piece {
        off: Some(0),
        len: Some(9_000),
        data,
        ..Piece::default()
    };
    let cases: [(Piece<'_>, u32); 8] = [
        (piece(&image[..31]), 22),
        (piece(&[]), 22),
        (piece(&compressed[..300]), 22),
        (piece(&[0x5a; 300]), 23),
        (piece(&[0xff; 300]), 23),
        (
            Piece {
                len: None,
                ..piece(&image[..300])
            },
            21,
        ),
        (
            Piece {
                off: None,
                ..piece(&image[..300])
            },
            20,
        ),
        (
            Piece {
                image: Some(1),
                ..piece(&image[..300])
            },
            14,
        ),
    ];
    let mut bench = Bench::opened();
    for (piece, error) in &cases {
        let reply = bench.without_flash(|bench| bench.piece(A, piece));
        assert_eq!(reply.err, Some((1, *error)), "{piece:?}");
    }
    let long = [1; 33];
    let piece = Piece {
        sha: Some(&long),
        ..piece(&image[..300])
    };
    assert_eq!(
        bench.without_flash(|bench| bench.piece(A, &piece)).err,
        Some((1, 24))
    );
}

#[test]
fn uploads_begun_over_and_over_to_wear_out_the_flash() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    for name in 0..STARTS {
        assert_eq!(bench.first(B, &image, &[name]).off, Some(300));
        assert_eq!(
            bench.first(B, &image, &[name]).off,
            Some(300),
            "the same one costs nothing"
        );
    }
    let erased = bench.flash.erased().iter().max().copied().unwrap();
    assert!(erased <= u64::from(STARTS), "{erased} erases of a page");
    let reply = bench.without_flash(|bench| bench.first(B, &image, &sha(&image)));
    assert_eq!(reply.rc, Some(6));
    assert_eq!(code(&bench), Reason::TooManyStarts.code());
    // It is the owner's to let them go on.
    bench.open(600);
    bench.smp.disconnected(B);
    assert_eq!(bench.upload(A, &image, &sha(&image)).matches, Some(true));
}

#[test]
fn confirmation_from_outside() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    bench.upload(A, &image, &sha(&image));
    let before = bench.mailbox();
    for hash in [None, Some(digest_of(&image)), Some(RUNNING)] {
        let hash = hash.as_ref().map(|hash| &hash.0[..]);
        let reply = bench.without_flash(|bench| bench.set_state(A, hash, Some(true)));
        assert_eq!(reply.err, Some((1, 32)));
    }
    assert_eq!(bench.mailbox(), before);
}

#[test]
fn frames_longer_than_the_buffer_are_answered_once_and_passed_over() {
    let mut bench = Bench::opened();
    for length in [BUFFER - 7, 3_000, usize::from(u16::MAX)] {
        let mut request = frame(2, 1, IMAGE, UPLOAD, &[]);
        request[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        request.resize(8 + length, 0xa0);
        let mut answers = Vec::new();
        for piece in request.chunks(PIECE) {
            bench.write(A, piece);
            answers.extend(bench.read(A));
        }
        let reply = Reply::read(&answers);
        assert_eq!(reply.rc, Some(2), "{length}");
        assert_eq!(bench.echo(A).echo.as_deref(), Some("hi"), "understood again");
    }
}

#[test]
fn half_a_frame_does_not_spoil_the_next() {
    let mut bench = Bench::opened();
    let request = frame(2, 1, OS, 0, b"\xa1\x61d\x62hi");
    for cut in 1..request.len() {
        assert_eq!(bench.write(A, &request[..cut]), Outcome::Waiting);
        bench.now_ms += 1_001;
        assert_eq!(bench.echo(A).echo.as_deref(), Some("hi"));
        assert_eq!(bench.write(A, &request[..cut]), Outcome::Waiting);
        bench.smp.disconnected(A);
        assert_eq!(bench.echo(A).echo.as_deref(), Some("hi"));
    }
}

#[test]
fn requests_without_reading_the_answers() {
    let mut bench = Bench::opened();
    let request = frame(2, 1, OS, 0, b"\xa1\x61d\x62hi");
    assert_eq!(bench.write(A, &request), Outcome::Answered);
    for _ in 0..100 {
        assert_eq!(bench.write(A, &request), Outcome::Ignored);
    }
    assert_eq!(
        Reply::read(&bench.read(A)).echo.as_deref(),
        Some("hi"),
        "one, and whole"
    );
    // Whoever lost an answer on the way is not shut out.
    bench.write(A, &request);
    bench.now_ms += 1_001;
    let reply = bench.say(A, 2, OS, 0, b"\xa1\x61d\x63new");
    assert_eq!(reply.echo.as_deref(), Some("new"));
}

#[test]
fn other_versions_and_operations() {
    let mut bench = Bench::opened();
    let echo = b"\xa1\x61d\x62hi";
    for version in [2, 3] {
        let answer = bench.exchange(A, &frame(2, version, OS, 0, echo));
        assert_eq!(Reply::read(&answer).rc, Some(13));
    }
    for operation in [1, 3, 4, 5, 6, 7] {
        let request = frame(operation, 1, OS, 0, echo);
        assert_eq!(
            bench.exchange(A, &request),
            [],
            "what is no request gets no answer"
        );
        assert_eq!(bench.outcome, Outcome::Ignored);
    }
    let mut two = frame(2, 1, OS, 0, echo);
    two.extend(two.clone());
    assert_eq!(Reply::read(&bench.exchange(A, &two)).rc, Some(3));
    assert_eq!(bench.echo(A).echo.as_deref(), Some("hi"));
}

#[test]
fn malformed_bodies() {
    let mut bench = Bench::opened();
    let bodies: [&[u8]; 12] = [
        b"\xa1",
        b"\xa1\x61d",
        b"\xa1\x61d\x05",
        b"\xa2\x61d\x61a\x61d\x61b",
        b"\xa1\x61d\x62hi\x00",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61d\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61d\x62\xff\xfe",
        b"\xbf\x61d\x62hi",
        b"\x80",
        b"\xff",
        b"\xa1\x01\x02",
    ];
    for body in bodies {
        let reply = bench.say(A, 2, OS, 0, body);
        assert_eq!(reply.rc, Some(3), "{body:x?}");
        assert_eq!(code(&bench), Reason::BadRequest.code());
    }
    let reply = bench.say(A, 2, OS, 0, b"\xbf\x61x\x82\x01\x02\x61d\x62hi\xff");
    assert_eq!(
        reply.echo.as_deref(),
        Some("hi"),
        "what is not known is passed over"
    );
}

#[test]
fn commands_that_a_lock_does_not_have() {
    let mut bench = Bench::opened();
    for (group, command, operation) in [
        (OS, 1, 2),
        (OS, 2, 0),
        (OS, 4, 2),
        (OS, 6, 2),
        (OS, 7, 0),
        (OS, 5, 0),
        (IMAGE, 1, 0),
        (IMAGE, 2, 2),
        (IMAGE, 5, 0),
        (2, 0, 0),
        (3, 0, 2),
        (8, 0, 0),
        (9, 0, 2),
        (63, 0, 2),
        (64, 1, 2),
        (u16::MAX, u8::MAX, 2),
    ] {
        let reply = bench.without_flash(|bench| bench.say(A, operation, group, command, &[0xa0]));
        assert_eq!(reply.rc, Some(8), "{group} {command}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Outside a window, whatever is written in whatever pieces, flash is not so much as read.
    #[test]
    fn outside_the_window_nothing_touches_flash(
        writes in proptest::collection::vec(
            (0_u8..6, any::<u8>(), 0_u16..3, 0_u8..9, proptest::collection::vec(any::<u8>(), 0..300), 0_u64..3_000),
            1..30,
        ),
    ) {
        let image = release(9_000);
        let mut bench = Bench::new();
        // One that was open, and is not any more.
        bench.open(1);
        bench.first(A, &image, &sha(&image));
        bench.now_ms += 1_000;
        let before = bench.flash.work();
        for (link, operation, group, command, body, later) in writes {
            let link = latchkey_lock::lock::LinkId(link);
            bench.exchange(link, &frame(operation % 8, operation >> 6, group, command, &body));
            bench.next(A, &image, 300);
            bench.first(A, &image, &sha(&image));
            bench.now_ms += later;
        }
        prop_assert_eq!(bench.flash.work(), before);
        prop_assert_eq!(bench.slot.owner(), None);
    }
}
