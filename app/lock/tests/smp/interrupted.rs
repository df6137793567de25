//! Uploads that break off anywhere: at any byte, at any flash operation, by power, by connection, by window.

use latchkey_handoff::Staging;
use latchkey_simulator::nor::{Cut, Moment};
use latchkey_simulator::random::Random;
use proptest::prelude::*;

use crate::bench::*;
use crate::images::*;

/// Says everything of an update until the power goes. Whether it came to an end.
fn update(bench: &mut Bench, image: &[u8]) -> bool {
    let name = sha(image);
    let mut reply = bench.first(A, image, &name);
    while let Some(off) = reply.off.filter(|off| *off < image.len() as u32) {
        if bench.flash.is_off() {
            return false;
        }
        reply = bench.next(A, image, off);
    }
    let asked = bench.test(A, &digest_of(image).0);
    !bench.flash.is_off() && asked.images.get(1).is_some_and(|listed| listed.pending)
}

#[test]
fn power_cut_at_every_operation_and_again_in_the_start_after() {
    let image = release(20_000);
    let mut histories = 0;
    for moment in [Moment::Before, Moment::Inside, Moment::After] {
        for operation in 0.. {
            let mut bench = Bench::over(used_flash(operation));
            bench.open(600);
            let random = Random::of(operation, &[1]);
            bench.flash.power_on(Some(Cut { operation, moment }), random);
            if update(&mut bench, &image) {
                break;
            }
            assert!(bench.flash.is_off());
            // A restart closes the window; the owner opens it again, and the power goes again.
            let again = Cut {
                operation: operation % 9,
                moment: Moment::Inside,
            };
            bench.flash.power_on(Some(again), Random::of(operation, &[2]));
            let mut bench = Bench::over(bench.flash);
            assert_eq!(bench.first(A, &image, &sha(&image)).rc, Some(11));
            bench.open(600);
            update(&mut bench, &image);
            bench.flash.power_on(None, Random::of(operation, &[3]));
            let mut bench = Bench::over(bench.flash);
            bench.open(600);
            assert!(update(&mut bench, &image), "at {operation} {moment:?}");
            assert!(bench.slot_begins_with(&image), "at {operation} {moment:?}");
            assert!(matches!(bench.mailbox().staging, Staging::Request(_)));
            assert_eq!(bench.flash.misused(), None);
            histories += 1;
        }
    }
    assert!(histories > 150, "only {histories} cuts were tried");
}

#[test]
fn a_cut_upload_goes_on_from_the_last_mark_and_not_from_the_start() {
    let image = release(40_000);
    let mut bench = Bench::opened();
    let mut off = bench.first(A, &image, &sha(&image)).off.unwrap();
    while off < 36_000 {
        off = bench.next(A, &image, off).off.unwrap();
    }
    let mut bench = Bench::over(bench.flash);
    bench.open(600);
    let goes_on = bench.first(A, &image, &sha(&image)).off.unwrap();
    assert_eq!(goes_on, 8 * PAGE as u32);
    assert_eq!(bench.upload(A, &image, &sha(&image)).matches, Some(true));
    assert!(bench.slot_begins_with(&image));
}

#[test]
fn a_cut_upload_without_a_name_goes_on_nowhere() {
    let image = release(40_000);
    let first = Piece {
        off: Some(0),
        len: Some(image.len() as u32),
        data: &image[..300],
        ..Piece::default()
    };
    let mut bench = Bench::opened();
    let mut off = bench.piece(A, &first).off.unwrap();
    while off < 36_000 {
        off = bench.next(A, &image, off).off.unwrap();
    }
    let mut bench = Bench::over(bench.flash);
    bench.open(600);
    assert_eq!(bench.piece(A, &first).off, Some(300));
}

#[test]
fn flash_that_fails_once_is_named_and_gone_on_from() {
    let image = release(20_000);
    let mut bench = Bench::opened();
    bench.first(A, &image, &sha(&image));
    let cut = Cut {
        operation: 0,
        moment: Moment::Before,
    };
    bench.flash.power_on(Some(cut), Random::new(1));
    assert_eq!(bench.next(A, &image, 300).err, Some((1, 12)));
    assert_eq!(bench.window.status(bench.now_ms).refusal, 152);
    bench.flash.power_on(None, Random::new(2));
    assert_eq!(bench.next(A, &image, 300).off, Some(0));
    assert_eq!(bench.upload(A, &image, &sha(&image)).matches, Some(true));
}

#[test]
fn an_image_that_is_whole_is_asked_for_after_a_restart_too() {
    let image = release(20_000);
    let mut bench = Bench::opened();
    bench.upload(A, &image, &sha(&image));
    let mut bench = Bench::over(bench.flash);
    bench.open(600);
    assert_eq!(bench.list(A).images[1].hash, digest_of(&image).0);
    let reply = bench.first(A, &image, &sha(&image));
    assert_eq!((reply.off, reply.matches), (Some(image.len() as u32), Some(true)));
    let mut bench = Bench::over(bench.flash);
    bench.open(600);
    assert!(bench.test(A, &digest_of(&image).0).images[1].pending);
}

/// What happens between two pieces.
#[derive(Clone, Copy, Debug)]
enum Happens {
    /// The next piece, so long.
    Piece(usize),
    /// A piece for another offset.
    Astray(u32),
    /// The connection goes; the client comes again, maybe on another one.
    Reconnect(bool),
    /// Power.
    Restart,
    /// The window closes and is opened again.
    Reopen,
    /// Half a frame, then silence.
    Half(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => (1_usize..450).prop_map(Happens::Piece),
        1 => (1_u32..20_000).prop_map(Happens::Astray),
        1 => any::<bool>().prop_map(Happens::Reconnect),
        1 => Just(Happens::Restart),
        1 => Just(Happens::Reopen),
        1 => (1_usize..300).prop_map(Happens::Half),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn whatever_happens_on_the_way_the_image_arrives_whole(
        length in 5_000_usize..20_000, story in proptest::collection::vec(happens(), 1..80),
    ) {
        let image = release(length);
        let name = sha(&image);
        let mut bench = Bench::opened();
        let mut link = A;
        let mut off = bench.first(link, &image, &name).off.unwrap();
        for happens in story {
            match happens {
                Happens::Piece(length) => {
                    let rest = &image[off as usize..];
                    let data = &rest[..length.min(rest.len())];
                    let reply = bench.piece(link, &Piece { off: Some(off), data, ..Piece::default() });
                    prop_assert_eq!(reply.off, Some(off + data.len() as u32));
                    off = reply.off.unwrap();
                }
                Happens::Astray(wrong) => {
                    let wrong = wrong.min(image.len() as u32 - 1);
                    if wrong != off {
                        prop_assert_eq!(bench.next(link, &image, wrong).off, Some(off));
                    }
                }
                Happens::Reconnect(other) => {
                    bench.smp.disconnected(link);
                    if other {
                        link = if link == A { B } else { A };
                    }
                    prop_assert_eq!(bench.first(link, &image, &name).off, Some(off), "nothing is lost");
                }
                Happens::Restart => {
                    bench = Bench::over(bench.flash);
                    bench.open(600);
                    off = bench.first(link, &image, &name).off.unwrap();
                }
                Happens::Reopen => {
                    bench.window.close();
                    prop_assert_eq!(bench.next(link, &image, off.min(image.len() as u32 - 1)).rc, Some(11));
                    bench.open(600);
                    off = bench.first(link, &image, &name).off.unwrap();
                }
                Happens::Half(length) => {
                    let body = Piece { off: Some(off), data: &image[..400], ..Piece::default() }.body();
                    bench.write(link, &frame(2, 1, IMAGE, UPLOAD, &body)[..length]);
                    bench.now_ms += 1_001;
                }
            }
        }
        bench.now_ms += 10_000;
        let reply = bench.upload(link, &image, &name);
        prop_assert_eq!(reply.off, Some(image.len() as u32));
        prop_assert!(bench.slot_begins_with(&image));
        prop_assert!(bench.test(link, &digest_of(&image).0).images[1].pending);
        prop_assert_eq!(bench.flash.misused(), None);
    }
}
