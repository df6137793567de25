//! Updates as they should go, and what an honest client meets on the way.

use latchkey_handoff::{ImageId, Staging};
use latchkey_lock::smp::Outcome;
use latchkey_protocol::value::UpdateStage;

use crate::bench::*;
use crate::images::*;

#[test]
fn from_the_first_byte_to_the_request() {
    let image = release(30_000);
    let hash = digest_of(&image);
    let mut bench = Bench::opened();
    let listed = bench.list(A);
    assert_eq!(listed.images.len(), 1, "nothing but what runs");

    let reply = bench.first(A, &image, &sha(&image));
    assert_eq!(reply.off, Some(300));
    let size = image.len() as u32;
    assert_eq!(bench.outcome, Outcome::Began { from: 0, size });
    let told = bench.window.status(bench.now_ms);
    assert_eq!(
        (told.stage.known(), told.received),
        (Some(UpdateStage::Receiving), 300)
    );
    assert_eq!(bench.list(A).images.len(), 1, "half an image is none");

    let reply = bench.upload(A, &image, &sha(&image));
    assert_eq!((reply.off, reply.matches), (Some(size), Some(true)));
    assert_eq!(bench.outcome, Outcome::Whole);
    assert!(bench.slot_begins_with(&image));
    let listed = bench.list(A).images;
    assert_eq!(listed[1].hash, hash.0);
    assert_eq!(listed[1].version, "2.3.4.5");
    assert!(!listed[1].pending && !listed[1].active && !listed[1].confirmed);
    assert!(listed[0].active && listed[0].confirmed);
    assert_eq!(bench.window.progress().stage, UpdateStage::Received);

    let reply = bench.test(A, &hash.0);
    assert!(reply.images[1].pending);
    assert_eq!(bench.outcome, Outcome::Requested(hash));
    assert_eq!(bench.window.progress().stage, UpdateStage::Requested);
    assert_eq!(bench.window.status(bench.now_ms).refusal, 0);
    let Staging::Request(request) = bench.mailbox().staging else {
        panic!("the bootloader was not asked");
    };
    assert_eq!(
        request.image,
        ImageId::from(hash),
        "by the image's name, not the upload's"
    );
    let again = bench.mailbox();
    assert!(bench.test(A, &hash.0).images[1].pending, "asked twice");
    assert_eq!(bench.mailbox(), again, "and requested once");

    assert!(!bench.smp.wants_restart(&bench.window, bench.now_ms));
    assert!(!bench.reset(A).is_refused());
    assert_eq!(bench.outcome, Outcome::Restart);
    assert!(!bench.smp.wants_restart(&bench.window, bench.now_ms));
    let at_ms = bench.smp.next_deadline(&bench.window).unwrap();
    assert!(bench.smp.wants_restart(&bench.window, at_ms));
}

#[test]
fn version_one_of_the_protocol_does_as_well_with_a_small_mtu() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    bench.version = 0;
    // Whatever an MTU of 23 carries, in and out.
    let body = Piece {
        off: Some(0),
        len: Some(image.len() as u32),
        sha: Some(&sha(&image)),
        data: &image[..300],
        ..Piece::default()
    }
    .body();
    for piece in frame(2, 0, IMAGE, UPLOAD, &body).chunks(20) {
        bench.write(A, piece);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 20];
    while let Some(length) = bench.smp.outgoing(A, &mut piece) {
        answer.extend_from_slice(&piece[..length]);
    }
    assert_eq!(Reply::read(&answer).off, Some(300));
    assert_eq!(bench.upload(A, &image, &sha(&image)).matches, Some(true));
    assert!(bench.test(A, &digest_of(&image).0).images[1].pending);
}

#[test]
fn a_client_that_names_the_images_digest_or_part_of_one_or_nothing_is_served() {
    let image = release(9_000);
    let hash = digest_of(&image);
    let file = sha(&image);
    for name in [&hash.0[..], &file[..3], &file[..16]] {
        let mut bench = Bench::opened();
        let reply = bench.upload(A, &image, name);
        assert_eq!((reply.off, reply.matches), (Some(image.len() as u32), None));
        assert!(bench.test(A, &hash.0).images[1].pending);
    }
    let mut bench = Bench::opened();
    let piece = Piece {
        off: Some(0),
        len: Some(image.len() as u32),
        data: &image[..300],
        ..Piece::default()
    };
    for _ in 0..2 {
        assert_eq!(
            bench.piece(A, &piece).off,
            Some(300),
            "without a name it starts over"
        );
    }
    let mut off = 300;
    while off < image.len() as u32 {
        off = bench.next(A, &image, off).off.unwrap();
    }
    assert!(bench.test(A, &hash.0).images[1].pending);
}

#[test]
fn a_piece_that_comes_twice_too_early_or_too_late_is_answered_with_the_right_offset() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    assert_eq!(bench.next(A, &image, 700).off, Some(0), "nothing was begun");
    bench.first(A, &image, &sha(&image));
    let before = bench.flash.work().operations;
    for wrong in [1, 299, 301, 700, 8_999] {
        assert_eq!(bench.next(A, &image, wrong).off, Some(300));
    }
    assert_eq!(bench.flash.work().operations, before, "nothing was written");
    assert_eq!(bench.next(A, &image, 300).off, Some(700));
    assert_eq!(bench.next(A, &image, 300).off, Some(700));
    assert_eq!(
        bench.first(A, &image, &sha(&image)).off,
        Some(700),
        "the same one goes on"
    );
    assert_eq!(bench.upload(A, &image, &sha(&image)).matches, Some(true));
    assert!(bench.slot_begins_with(&image));
}

#[test]
fn another_name_or_length_starts_over() {
    let image = release(9_000);
    let other = release(9_001);
    let mut bench = Bench::opened();
    bench.first(A, &image, &sha(&image));
    bench.next(A, &image, 300);
    assert_eq!(bench.first(A, &other, &sha(&other)).off, Some(300));
    assert_eq!(bench.first(A, &image, &sha(&image)).off, Some(300));
    assert_eq!(bench.next(A, &image, 300).off, Some(700));
    assert_eq!(bench.first(A, &other, &sha(&image)).off, Some(300));
}

#[test]
fn an_upgrade_is_newer_than_what_runs() {
    let mut description = description();
    let mut bench = Bench::opened();
    for (minor, revision, newer) in [
        (2, 3, false),
        (2, 2, false),
        (1, 9, false),
        (2, 4, true),
        (3, 0, true),
    ] {
        (description.version.major, description.version.minor) = (1, minor);
        (description.version.revision, description.version.build) = (revision, 99);
        let image = signed(&description, 9_000);
        let reply = bench.without_flash_unless(newer, |bench| {
            bench.piece(
                A,
                &Piece {
                    off: Some(0),
                    len: Some(image.len() as u32),
                    data: &image[..300],
                    upgrade: Some(true),
                    ..Piece::default()
                },
            )
        });
        assert_eq!(reply.err, (!newer).then_some((1, 27)));
        assert_eq!(reply.off, newer.then_some(300));
    }
}

#[test]
fn an_install_waits_for_battery_and_calm_but_not_for_the_quiet_hours_to_end() {
    let image = release(9_000);
    let hash = digest_of(&image);
    let mut bench = Bench::opened();
    bench.upload(A, &image, &sha(&image));
    bench.conditions.battery_percent = 29;
    let reply = bench.without_flash(|bench| bench.test(A, &hash.0));
    assert_eq!(reply.rc, Some(6));
    assert_eq!(bench.window.status(bench.now_ms).refusal, 161);
    bench.conditions.battery_percent = 80;
    bench.conditions.busy = true;
    let reply = bench.without_flash(|bench| bench.test(A, &hash.0));
    assert_eq!(reply.rc, Some(10));
    assert_eq!(bench.window.status(bench.now_ms).refusal, 162);
    bench.conditions.busy = false;
    bench.conditions.quiet_hours = true;
    assert!(bench.test(A, &hash.0).images[1].pending);
}

#[test]
fn erasing_forgets_the_upload_and_the_request() {
    let image = release(9_000);
    let hash = digest_of(&image);
    let mut bench = Bench::opened();
    bench.without_flash_writes(|bench| assert!(!bench.erase(A).is_refused()));
    for asked in [false, true] {
        bench.upload(A, &image, &sha(&image));
        if asked {
            bench.test(A, &hash.0);
        }
        assert!(!bench.erase(A).is_refused());
        assert_eq!(bench.mailbox().staging, Staging::Nothing);
        assert_eq!(bench.list(A).images.len(), 1);
        assert_eq!(bench.test(A, &hash.0).err, Some((1, 3)));
        assert_eq!(bench.window.progress().stage, UpdateStage::Nothing);
        assert_eq!(bench.slot.owner(), None);
        assert_eq!(bench.first(A, &image, &sha(&image)).off, Some(300), "begun anew");
    }
}

#[test]
fn what_was_asked_for_is_installed_when_the_window_closes_at_the_latest() {
    let image = release(9_000);
    let mut bench = Bench::opened();
    bench.upload(A, &image, &sha(&image));
    bench.test(A, &digest_of(&image).0);
    let closes_ms = bench.smp.next_deadline(&bench.window).unwrap();
    assert_eq!(Some(closes_ms), bench.window.closes_ms());
    assert!(!bench.smp.wants_restart(&bench.window, closes_ms - 1));
    assert!(bench.smp.wants_restart(&bench.window, closes_ms));
}

#[test]
fn an_install_that_is_taken_back_is_not_restarted_for() {
    use latchkey_lock::slot::Source;
    let image = release(9_000);
    let other = release(9_001);
    for erased in [true, false] {
        let mut bench = Bench::opened();
        bench.upload(A, &image, &sha(&image));
        bench.test(A, &digest_of(&image).0);
        if erased {
            bench.erase(A);
        } else {
            bench.first(A, &other, &sha(&other));
        }
        bench.now_ms = bench.window.closes_ms().unwrap();
        assert_eq!(bench.echo(A).echo.as_deref(), Some("hi"));
        assert!(!bench.smp.wants_restart(&bench.window, bench.now_ms));
        bench.slot.claim(Source::Network).unwrap();
    }
}

#[test]
fn what_waits_to_be_installed_is_not_written_over_by_the_network() {
    use latchkey_lock::slot::Source;
    let image = release(9_000);
    let mut bench = Bench::opened();
    bench.upload(A, &image, &sha(&image));
    bench.test(A, &digest_of(&image).0);
    bench.now_ms = bench.window.closes_ms().unwrap();
    assert_eq!(bench.list(A).rc, Some(11));
    assert!(bench.slot.claim(Source::Network).is_err());
}

#[test]
fn half_an_image_over_the_same_one_whole_is_no_image() {
    let image = release(30_000);
    let mut bench = Bench::opened();
    bench.upload(A, &image, &sha(&image));
    assert_eq!(bench.list(A).images.len(), 2);
    // What is behind the first piece still lies there from before.
    bench.first(A, &image, b"another name");
    assert_eq!(bench.list(A).images.len(), 1);
    assert_eq!(bench.test(A, &digest_of(&image).0).err, Some((1, 3)));
}

#[test]
fn two_clients_do_not_disturb_each_other() {
    let image = release(9_000);
    let other = release(9_001);
    let mut bench = Bench::opened();
    bench.first(A, &image, &sha(&image));
    let reply = bench.without_flash(|bench| bench.first(B, &other, &sha(&other)));
    assert_eq!(reply.rc, Some(10));
    assert_eq!(
        bench.without_flash(|bench| bench.next(B, &image, 300)).rc,
        Some(10)
    );
    assert_eq!(bench.erase(B).rc, Some(10));
    assert_eq!(
        bench.window.status(bench.now_ms).refusal,
        0,
        "not the owner's concern"
    );
    assert_eq!(bench.echo(B).echo.as_deref(), Some("hi"));
    assert_eq!(bench.next(A, &image, 300).off, Some(700));
    // The first one goes silent; or goes.
    bench.now_ms += 10_000;
    assert_eq!(bench.first(B, &other, &sha(&other)).off, Some(300));
    assert_eq!(bench.next(A, &image, 700).rc, Some(10));
    bench.smp.disconnected(B);
    assert_eq!(
        bench.first(A, &other, &sha(&other)).off,
        Some(300),
        "goes on with B's"
    );
    assert_eq!(bench.upload(A, &other, &sha(&other)).matches, Some(true));
    assert!(
        bench.test(B, &digest_of(&other).0).images[1].pending,
        "whole, it is nobody's"
    );
}

#[test]
fn network_and_phone_take_turns() {
    use latchkey_lock::slot::Source;
    let image = release(9_000);
    let mut bench = Bench::opened();
    bench.slot.claim(Source::Network).unwrap();
    let reply = bench.without_flash(|bench| bench.first(A, &image, &sha(&image)));
    assert_eq!(reply.rc, Some(10));
    assert_eq!(bench.window.status(bench.now_ms).refusal, 158);
    assert_eq!(bench.without_flash(|bench| bench.erase(A)).rc, Some(10));
    bench.slot.release(Source::Network);
    bench.first(A, &image, &sha(&image));
    assert!(bench.slot.claim(Source::Network).is_err());
    // The window closes over half an upload: the slot is free again at the next look.
    bench.now_ms = bench.smp.next_deadline(&bench.window).unwrap();
    assert_eq!(bench.next(A, &image, 300).rc, Some(11));
    bench.slot.claim(Source::Network).unwrap();
}

impl Bench {
    fn without_flash_unless<T>(&mut self, used: bool, say: impl FnOnce(&mut Self) -> T) -> T {
        if used { say(self) } else { self.without_flash(say) }
    }

    fn without_flash_writes(&mut self, say: impl FnOnce(&mut Self)) {
        let before = self.flash.work().operations;
        say(self);
        assert_eq!(self.flash.work().operations, before);
    }
}
