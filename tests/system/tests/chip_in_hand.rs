//! An attacker with the chip in a programmer writes what the app would never write: bad images into DFU with a
//! forged request, and into ACTIVE itself. The bootloader's check is the law; its report reaches the server.

use latchkey_handoff::{ImageId, Outcome, layout, reason};
use latchkey_image::Refusal;
use latchkey_lab::{Lock, Release, Server, SignedImage, Variant};
use latchkey_system_tests::{BadImage, PATIENCE, Site, World, bad_images};

/// What the bootloader prints when it has nothing to run.
const HALTED: &str = "NOTHING BOOTS";

fn images() -> Vec<BadImage> {
    bad_images(&World::new().builds.payload(Variant::V2).unwrap())
}

/// Puts an image into DFU and a request for it into the mailbox.
fn forge(lock: &mut Lock, image: &SignedImage) {
    lock.cut_power();
    let mut chip = lock.chip().unwrap();
    chip.wipe(layout::DFU);
    chip.put(layout::DFU.offset, &image.bytes).unwrap();
    chip.forge_request(image.digest).unwrap();
    chip.write_back(lock.flash()).unwrap();
}

/// Every bad image after the other on one lock: the attacker has time.
#[test]
fn forged_requests_for_bad_images_are_refused_by_the_bootloader() {
    let world = World::new();
    let server = Server::start(&world.path("server")).unwrap();
    let (mut lock, running) = world.updated_lock("lock");
    lock.set_server(Some(server.url()));
    lock.power_on().unwrap();
    let id = lock.identity(PATIENCE).unwrap();
    server.approve(&id).unwrap();
    for bad in images() {
        forge(&mut lock, &bad.image);
        lock.power_on().unwrap();
        let line = lock.wait_for("update refused", PATIENCE).unwrap();
        let refused = format!("boot: 5.0.0+0 counter 5, update refused, reason {}", bad.reason);
        assert!(line.ends_with(&refused), "{}: {line}", bad.name);
        let line = lock.wait_for("boot report", PATIENCE).unwrap();
        assert!(
            line.contains(&format!(" reason {} (", bad.reason)),
            "{}: {line}",
            bad.name
        );
        let told = server
            .wait_for_boot_report(&id, "refused", bad.reason, PATIENCE)
            .unwrap();
        assert_eq!(told["running"], running.digest.to_string(), "{}", bad.name);
        let records = lock.records().unwrap();
        assert_eq!(records.outcome(), (Outcome::Refused, bad.reason), "{}", bad.name);
        assert_eq!(
            records.boot.report.about,
            Some(ImageId::from(bad.image.digest)),
            "{}",
            bad.name
        );
        let chip = lock.chip().unwrap();
        assert!(
            chip.part(layout::ACTIVE).starts_with(&running.bytes),
            "{}: ACTIVE was changed",
            bad.name
        );
    }
}

#[test]
fn a_good_image_under_another_images_name_is_refused() {
    let world = World::new();
    let (mut lock, running) = world.updated_lock("lock");
    let good = world.release(Variant::V2, 6);
    let other = world.release(Variant::V2, 7);
    let mut chip = lock.chip().unwrap();
    chip.put(layout::DFU.offset, &good.bytes).unwrap();
    chip.forge_request(other.digest).unwrap();
    chip.write_back(lock.flash()).unwrap();
    lock.power_on().unwrap();
    let line = lock.wait_for("update refused", PATIENCE).unwrap();
    assert!(
        line.ends_with(&format!("reason {}", reason::OTHER_IMAGE)),
        "{line}"
    );
    assert!(
        line.contains(&format!("reason {}", latchkey_handoff::reason::OTHER_IMAGE)),
        "{line}"
    );
    assert_eq!(lock.chip().unwrap().image(layout::ACTIVE), Some(running.digest));
}

#[test]
fn bad_image_in_place_of_the_running_one_never_runs() {
    for bad in images() {
        let world = World::new();
        let (mut lock, _) = world.updated_lock("lock");
        let mut chip = lock.chip().unwrap();
        chip.wipe(layout::ACTIVE);
        chip.put(layout::ACTIVE.offset, &bad.image.bytes).unwrap();
        chip.write_back(lock.flash()).unwrap();
        lock.power_on().unwrap();
        lock.wait_for(HALTED, PATIENCE).unwrap();
        let said = lock.console().unwrap().transcript().join("\n");
        assert!(!said.contains("latchkey: app"), "{}: it runs: {said}", bad.name);
    }
}

#[test]
fn running_image_that_rots_is_replaced_by_the_old_one() {
    let mut site = Site::with_one_lock();
    // The same counter as the old image: otherwise the floor would, rightly, keep the old one from running.
    let new = Release {
        counter: site.running.counter,
        ..Release::new(site.world.builds.payload(Variant::V2).unwrap(), 2)
    };
    let new = new.sign().unwrap();
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
    site.lock.power_on().unwrap();
    site.lock
        .wait_for("boot: 2.0.0+0 counter 1, steady", PATIENCE)
        .unwrap();
    site.lock.cut_power();
    let rotten = site.lock.flash().read(layout::ACTIVE.offset + 0x5000, 1).unwrap();
    site.lock
        .flash()
        .write(layout::ACTIVE.offset + 0x5000, &[rotten[0] ^ 4])
        .unwrap();

    site.lock.power_on().unwrap();
    let reason = Refusal::DigestMismatch.code();
    let line = site.lock.wait_for("rescued", PATIENCE).unwrap();
    assert!(
        line.ends_with(&format!("boot: 1.0.0+0 counter 1, rescued, reason {reason}")),
        "{line}"
    );
    let told = site
        .server
        .wait_for_boot_report(&site.id, "rescued", reason, PATIENCE)
        .unwrap();
    assert_eq!(told["running"], site.running.digest.to_string());
    assert!(
        site.lock
            .chip()
            .unwrap()
            .part(layout::ACTIVE)
            .starts_with(&site.running.bytes)
    );
}

/// Garbage where the small records lie, with the factory's image in place: the lock runs that image or says
/// why it runs nothing, and never anything else.
#[test]
fn garbage_in_the_records_runs_nothing_new_and_hangs_nothing() {
    const OUTCOMES: [&str; 3] = ["latchkey: app 1.0.0+0", "NOTHING BOOTS", "FAULT"];
    let world = World::new();
    let running = world.release(Variant::V1, 1);
    // The image in DFU would be welcome if anything asked for it; garbage does not.
    let waiting = world.release(Variant::V2, 2);
    let garbage = &waiting.bytes[0x31000..];
    for part in [layout::ENGINE, layout::MAILBOX, layout::FLOOR, layout::RECORD] {
        for start in [0, 0x1111, 0x2222] {
            let mut lock = world.lock("lock", &running);
            let mut chip = lock.chip().unwrap();
            let length = usize::try_from(part.size).unwrap();
            chip.put(part.offset, &garbage[start..start + length]).unwrap();
            chip.put(layout::DFU.offset, &waiting.bytes).unwrap();
            chip.write_back(lock.flash()).unwrap();
            lock.power_on().unwrap();
            lock.console().unwrap().wait_for_any(&OUTCOMES, PATIENCE).unwrap();
            lock.cut_power();
            let active = lock.chip().unwrap().image(layout::ACTIVE);
            assert_eq!(
                active,
                Some(running.digest),
                "garbage at {:#x} moved an image",
                part.offset
            );
        }
    }
}
