//! The good road: fetched, proven, installed, confirmed; again; after power cuts; and without the server.

use latchkey_handoff::{Outcome, Phase, Staging, layout};
use latchkey_lab::{Records, SignedImage, Stage, Variant};
use latchkey_system_tests::{PATIENCE, Site};

/// The bootloader has taken note: nothing under way, the floor at the image that runs.
fn settled(records: &Records, image: &SignedImage) -> bool {
    matches!(records.boot.phase, Phase::Steady { .. }) && records.floor == image.counter
}

fn assert_runs(site: &mut Site, image: &SignedImage) {
    site.lock.power_on().unwrap();
    site.lock
        .wait_for_records(|records| settled(records, image), PATIENCE)
        .unwrap();
    let report = site.lock.wait_for("boot report", PATIENCE).unwrap();
    assert!(report.contains("boot report Steady floor"), "{report}");
    let chip = site.lock.chip().unwrap();
    assert!(
        chip.part(layout::ACTIVE).starts_with(&image.bytes),
        "ACTIVE is not the image, byte for byte"
    );
    assert_eq!(chip.records().unwrap().boot.report.outcome, Outcome::Steady);
}

#[test]
fn one_update_and_then_another() {
    let mut site = Site::with_one_lock();
    for (variant, major) in [(Variant::V2, 2), (Variant::V1, 3)] {
        let new = site.world.release(variant, major);
        site.server.publish(&new).unwrap();
        site.server.roll_out(&new).unwrap();
        for line in [
            "update: offered",
            "update: verified",
            "update: requested",
            "on trial",
        ] {
            site.lock.wait_for(line, PATIENCE).unwrap();
        }
        let event = site
            .server
            .wait_for_event_about(&site.id, "confirmed", &new, PATIENCE)
            .unwrap();
        assert_eq!(event["reason"], 0);
        assert_runs(&mut site, &new);
        let told = site.server.wait_until_told(&site.id, PATIENCE, |told| {
            told["running"] == new.digest.to_string() && told["floor"] == new.counter.0
        });
        assert_eq!(told.unwrap()["confirmed"], true);
    }
}

#[test]
fn download_goes_on_where_the_power_went() {
    let mut site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    let has_pages = |records: &Records| match records.mailbox.staging {
        Staging::Download(download) => download.pages_done >= 4,
        Staging::Request(_) | Staging::Nothing => false,
    };
    site.lock.wait_for_records(has_pages, PATIENCE).unwrap();
    site.lock.cut_power();
    assert_eq!(
        site.lock.records().unwrap().stage(),
        Stage::Download,
        "the cut came too late to prove anything"
    );
    site.lock.power_on().unwrap();
    let first = site.lock.wait_for("update: download ", PATIENCE).unwrap();
    assert!(!first.contains("download 0/"), "it began anew: {first}");
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
    assert_runs(&mut site, &new);
}

#[test]
fn good_image_confirms_while_the_server_is_away_and_reports_when_it_is_back() {
    let mut site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    site.lock.wait_for("update: requested", PATIENCE).unwrap();
    site.server.kill();
    site.lock.wait_for("on trial", PATIENCE).unwrap();
    site.lock.wait_for("latchkey: confirmed ", PATIENCE).unwrap();
    site.server.restart().unwrap();
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
    assert_runs(&mut site, &new);
}

#[test]
fn install_waits_for_the_battery() {
    let mut site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    site.lock.set_battery(5);
    site.lock.power_on().unwrap();
    site.server.publish(&new).unwrap();
    let careful = site.server.roll_out(&new).unwrap();
    site.server
        .wait_until_told(&site.id, PATIENCE, |_| {
            let decision = site.server.decision(&site.id);
            decision.is_ok_and(|why| why.to_string().contains("its battery is at 5 %"))
        })
        .unwrap();

    // Operators who ask for less than the lock itself does: it waits all the same.
    site.server.abort(&careful).unwrap();
    let digest = new.digest.to_string();
    let careless = [
        "rollout",
        "create",
        "--release",
        &digest,
        "--all",
        "--battery-percent",
        "0",
    ];
    site.server.operator(&careless).unwrap();
    site.lock
        .wait_for("update: install waits: battery low", PATIENCE)
        .unwrap();
    site.lock.cut_power();
    assert_ne!(site.lock.records().unwrap().stage(), Stage::Request);
    site.lock.set_battery(100);
    site.lock.power_on().unwrap();
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
    assert_runs(&mut site, &new);
}
