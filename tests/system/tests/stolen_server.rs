//! A stolen server offers what it likes, signed with the director key. The lock app refuses before it asks the
//! bootloader, says why, and goes on with what it has.

use latchkey_directive::{BootOutcome, Event};
use latchkey_handoff::{Staging, layout};
use latchkey_lab::{Lock, SignedImage, Variant};
use latchkey_system_tests::{Addressee, BadImage, Offer, PATIENCE, StolenServer, World, bad_images};

/// The lock runs what it ran, and nothing was asked of the bootloader.
fn assert_untouched(lock: &mut Lock, image: &SignedImage, attack: &str) {
    lock.cut_power();
    let mut chip = lock.chip().unwrap();
    assert_eq!(chip.image(layout::ACTIVE), Some(image.digest), "{attack}");
    assert!(
        chip.part(layout::ACTIVE).starts_with(&image.bytes),
        "{attack}: ACTIVE was changed"
    );
    let staging = chip.records().unwrap().mailbox.staging;
    assert!(!matches!(staging, Staging::Request(_)), "{attack}: {staging:?}");
}

fn refuses(bad: &BadImage) {
    let world = World::new();
    let server = StolenServer::start().unwrap();
    let (mut lock, running) = world.updated_lock("lock");
    server.offer(Offer::of(&bad.image), Addressee::Truth);
    lock.set_server(Some(&server.url()));
    lock.power_on().unwrap();

    let line = lock.wait_for("update: refused ", PATIENCE).unwrap();
    assert!(
        line.contains(&format!("refused {} (", bad.reason)),
        "{}: {line}",
        bad.name
    );
    let report = server
        .wait_for_report(|report| report.event == Event::RefusedByApp, PATIENCE)
        .unwrap();
    assert_eq!(
        (report.image, report.reason),
        (bad.image.digest, bad.reason),
        "{}",
        bad.name
    );
    let so_far = server.check_ins();
    let check_in = server.wait_for_check_in(so_far, |_| true, PATIENCE).unwrap();
    assert_eq!(check_in.running.image, running.digest, "{}", bad.name);
    assert_eq!(check_in.boot.outcome, BootOutcome::Steady, "{}", bad.name);
    assert_untouched(&mut lock, &running, bad.name);
}

/// One test a bad image, so that they run side by side and each failure has the attack's name.
macro_rules! refuses {
    ($($test:ident: $attack:literal)*) => {
        $(#[test]
        fn $test() {
            refuses(&bad_image($attack));
        })*

        #[test]
        fn no_bad_image_is_left_out() {
            let tested = [$($attack),*];
            let all: Vec<_> = images().iter().map(|bad| bad.name).collect();
            assert_eq!(all, tested);
        }
    };
}

fn images() -> Vec<BadImage> {
    bad_images(&World::new().builds.payload(Variant::V2).unwrap())
}

fn bad_image(attack: &str) -> BadImage {
    images().into_iter().find(|bad| bad.name == attack).unwrap()
}

refuses! {
    flipped_program: "one flipped bit in the program"
    flipped_signature: "one flipped bit in a signature"
    other_key: "signed by a key of the attacker's"
    too_few_signers: "signed by one of two"
    unsigned: "not signed at all"
    wrong_hardware_class: "for other hardware"
    older_counter: "older than the floor"
    truncated_program: "cut short in the program"
    truncated_signatures: "cut short in the signatures"
    oversized_payload_length: "a payload length of four gigabytes"
    payload_length_beyond_slot: "a payload length beyond the slot"
    oversized_protected_area: "a protected area of 64 KB"
    oversized_field: "a field that runs beyond its area"
}

#[test]
fn older_counter_under_a_lie() {
    // The directive says a counter that would be welcome; the image has another.
    let bad = bad_image("older than the floor");
    let mut offer = Offer::of(&bad.image);
    offer.install.counter.0 = 99;
    let world = World::new();
    let server = StolenServer::start().unwrap();
    let (mut lock, running) = world.updated_lock("lock");
    server.offer(offer, Addressee::Truth);
    lock.set_server(Some(&server.url()));
    lock.power_on().unwrap();
    let report = server
        .wait_for_report(|report| report.event == Event::RefusedByApp, PATIENCE)
        .unwrap();
    assert_eq!(report.reason, bad.reason);
    assert_untouched(&mut lock, &running, bad.name);
}

#[test]
fn another_good_image_than_the_directive_names() {
    let world = World::new();
    let server = StolenServer::start().unwrap();
    let (mut lock, running) = world.updated_lock("lock");
    let named = world.release(Variant::V2, 7);
    let sent = world.release(Variant::V2, 6);
    server.offer(Offer::of(&named).with_body(sent.bytes), Addressee::Truth);
    lock.set_server(Some(&server.url()));
    lock.power_on().unwrap();
    let report = server
        .wait_for_report(|report| report.event == Event::RefusedByApp, PATIENCE)
        .unwrap();
    assert_eq!(report.image, named.digest);
    assert_eq!(report.reason, latchkey_lock::reason::Reason::OtherImage.code());
    assert_untouched(&mut lock, &running, "another image");
}

#[test]
fn directive_for_another_device() {
    ignores_directive(Addressee::AnotherDevice);
}

#[test]
fn directive_for_another_check_in() {
    ignores_directive(Addressee::AnotherCheckIn);
}

fn ignores_directive(addressee: Addressee) {
    let world = World::new();
    let server = StolenServer::start().unwrap();
    let (mut lock, running) = world.updated_lock("lock");
    // The image is good: only whom the directive is for is wrong.
    server.offer(Offer::of(&world.release(Variant::V2, 6)), addressee);
    lock.set_server(Some(&server.url()));
    lock.power_on().unwrap();
    lock.wait_for("the answer is for another lock or another check-in", PATIENCE)
        .unwrap();
    // It asks again, gets the same, and still does nothing but ask.
    lock.wait_for("the answer is for another lock or another check-in", PATIENCE)
        .unwrap();
    let said = lock.console().unwrap().transcript().join("\n");
    assert!(!said.contains("offered "), "{said}");
    assert_untouched(&mut lock, &running, "a directive for somebody else");
}
