//! Builds that are signed, welcome and bad: each is installed, tried three times and taken back, and the server
//! hears why and does not offer it again.

use latchkey_handoff::{ImageId, Outcome, layout, reason};
use latchkey_lab::Variant;
use latchkey_system_tests::{PATIENCE, Site};

fn is_taken_back(variant: Variant) {
    let mut site = Site::with_one_lock();
    let bad = site.world.release(variant, 2);
    site.server.publish(&bad).unwrap();
    site.server.roll_out(&bad).unwrap();

    for starts_left in [2, 1, 0] {
        let trial = site.lock.wait_for("on trial", PATIENCE).unwrap();
        assert!(
            trial.contains(&format!(
                "boot: 2.0.0+0 counter 2, on trial, starts left {starts_left}"
            )),
            "{trial}"
        );
    }
    let line = site
        .lock
        .wait_for("boot: 1.0.0+0 counter 1, reverted", PATIENCE)
        .unwrap();
    assert!(
        line.ends_with(&format!("reason {}", reason::NOT_CONFIRMED)),
        "{line}"
    );
    let event = site
        .server
        .wait_for_event(&site.id, "reverted", PATIENCE)
        .unwrap();
    assert_eq!(event["image"], bad.digest.to_string());
    assert_eq!(event["reason"], reason::NOT_CONFIRMED);
    let told = site
        .server
        .wait_for_boot_report(&site.id, "reverted", reason::NOT_CONFIRMED, PATIENCE)
        .unwrap();
    assert_eq!(told["running"], site.running.digest.to_string());

    let records = site.lock.records().unwrap();
    assert_eq!(records.outcome(), (Outcome::Reverted, reason::NOT_CONFIRMED));
    assert_eq!(records.boot.report.about, Some(ImageId::from(bad.digest)));
    assert!(
        records.floor <= site.running.counter,
        "the floor rose to an image that never confirmed"
    );
    let chip = site.lock.chip().unwrap();
    assert!(
        chip.part(layout::ACTIVE).starts_with(&site.running.bytes),
        "the old image is not back whole"
    );
    let decision = site.server.decision(&site.id).unwrap();
    assert!(decision["install"].is_null(), "it is offered again: {decision}");
}

#[test]
fn build_that_crashes_at_start() {
    is_taken_back(Variant::Crash);
}

#[test]
fn build_that_hangs_at_start() {
    is_taken_back(Variant::Hang);
}

#[test]
fn build_that_never_confirms() {
    is_taken_back(Variant::NeverConfirm);
}
