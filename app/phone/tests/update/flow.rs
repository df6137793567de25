//! An update from beginning to end, and each way in which it ends otherwise.

use latchkey_image::{Hardware, SecurityCounter};
use latchkey_lock::lock::LinkId;
use latchkey_lock::window::Progress;
use latchkey_phone::error::NotAsked;
use latchkey_phone::release::{Signed, Unfit};
use latchkey_phone::smp::Fault;
use latchkey_phone::update::{Earlier, Ended, News};
use latchkey_protocol::value::{ErrorCode, UpdateStage};

use crate::house::*;
use crate::images::*;

const LENGTH: usize = 20_000;

fn version() -> latchkey_image::Version {
    release(LENGTH).about().version
}

fn confirmed() -> Option<Ended> {
    Some(Ended::Confirmed {
        version: version(),
        before: false,
    })
}

#[test]
fn it_goes_from_the_plan_to_the_confirmed_image() {
    for mtu in [23, 64, 185, 247] {
        let (mut house, held) = House::new(mtu);
        let mut shell = Shell::new(release(LENGTH), held);
        assert_eq!(shell.run(&mut house), confirmed(), "MTU {mtu}");
        let size = release(LENGTH).about().size;
        let [News::Plan(plan), News::Uploading { .. }, .., News::OnTrial] = &shell.news[..] else {
            panic!("{:?}", shell.news);
        };
        assert_eq!(plan.from, "1.2.3".parse().unwrap());
        assert_eq!(plan.to, version());
        assert_eq!((plan.size, plan.received, plan.earlier), (size, 0, None));
        assert_eq!(plan.battery.percent(), 100);
        assert_eq!(plan.away_seconds, 10 + 2);
        let whole = News::Uploading { received: size, size };
        let [first, requested, restarting] = [&whole, &News::Requested, &News::Restarting].map(|news| {
            shell
                .news
                .iter()
                .position(|told| told == news)
                .expect("it is told")
        });
        assert!(first < requested && requested < restarting);
        assert_eq!(house.restarts, 1);
    }
}

#[test]
fn what_runs_already_is_told_at_once_and_nothing_is_asked_of_anybody() {
    let (mut house, held) = House::new(247);
    let new = release(LENGTH);
    house.standing.running.image = new.about().image;
    house.standing.running.version = new.about().version;
    house.tell_lock();
    let mut shell = Shell::new(new, held);
    let before = true;
    let version = version();
    assert_eq!(shell.run(&mut house), Some(Ended::Confirmed { version, before }));
    assert_eq!(shell.news, []);
}

#[test]
fn an_owner_who_says_no_has_the_lock_as_it_was() {
    let (mut house, held) = House::new(247);
    let mut shell = Shell::new(release(LENGTH), held);
    shell.consents = false;
    let before = house.flash.work();
    assert_eq!(shell.run(&mut house), Some(Ended::Declined));
    assert_eq!(house.flash.work(), before);
    assert_eq!(house.pieces, 0);
    assert!(house.door.lock.update_window().admit(house.door.now_ms).is_none());
}

#[test]
fn what_is_not_for_this_lock_is_not_even_shown() {
    let other = Hardware::NRF52840;
    let other = latchkey_image::build::Description {
        class: other.class,
        ..description()
    };
    let old = latchkey_image::build::Description {
        counter: SecurityCounter(3),
        ..description()
    };
    let (offered, lowest) = (SecurityCounter(3), SecurityCounter(4));
    for (what, unfit) in [
        (other, Unfit::OtherHardware),
        (old, Unfit::Older { offered, lowest }),
    ] {
        let (mut house, held) = House::new(247);
        let release = Signed::check(file(&what, LENGTH), policy()).unwrap();
        let mut shell = Shell::new(release, held);
        let before = house.flash.work();
        assert_eq!(shell.run(&mut house), Some(Ended::Unfit(unfit)));
        assert_eq!(shell.news, []);
        assert_eq!((house.pieces, house.flash.work()), (0, before));
    }
}

#[test]
fn what_the_bootloader_says_is_what_the_owner_hears() {
    let [confirms_ms, after_ms] = [1_000_000, 20_000];
    for (verdict, ended) in [
        (
            Verdict::Refuse { reason: 35 },
            Ended::RefusedByBootloader { reason: 35 },
        ),
        (
            Verdict::Revert {
                after_ms,
                reason: 100,
            },
            Ended::Reverted { reason: 100 },
        ),
        (Verdict::Install { confirms_ms }, Ended::StillOnTrial),
        (
            Verdict::Overlook { reason: 39 },
            Ended::NotInstalled {
                version: "1.2.3".parse().unwrap(),
                reason: 39,
            },
        ),
    ] {
        let (mut house, held) = House::new(247);
        house.verdict = verdict;
        let mut shell = Shell::new(release(LENGTH), held);
        assert_eq!(shell.run(&mut house), Some(ended.clone()));
        let on_trial = matches!(verdict, Verdict::Install { .. } | Verdict::Revert { .. });
        assert_eq!(shell.news.contains(&News::OnTrial), on_trial);

        // Whoever tries again is told.
        let held = shell.update.into_credentials().unwrap();
        let earlier = match ended {
            Ended::RefusedByBootloader { reason } => Earlier::Refused(reason),
            Ended::Reverted { reason } => Earlier::Reverted(reason),
            _ => continue,
        };
        let mut again = Shell::new(release(LENGTH), held);
        house.verdict = Verdict::Install { confirms_ms: 1_000 };
        assert_eq!(again.run(&mut house), confirmed());
        let Some(News::Plan(plan)) = again.news.first() else {
            panic!("{:?}", again.news);
        };
        assert_eq!(plan.earlier, Some(earlier));
    }
}

#[test]
fn a_lock_that_does_not_come_back_is_not_waited_for_for_ever() {
    let (mut house, held) = House::new(247);
    let mut shell = Shell::new(release(LENGTH), held);
    shell.meanwhile = |house| {
        if house.restarts > 0 {
            house.out_of_reach = usize::MAX;
        }
    };
    assert_eq!(shell.run(&mut house), Some(Ended::NotBack));
    let after_ms = house.door.now_ms;
    assert!(after_ms < 400_000, "{after_ms}");
}

#[test]
fn a_lock_out_of_reach_is_tried_for_a_while() {
    let (mut house, held) = House::new(247);
    house.out_of_reach = usize::MAX;
    let mut shell = Shell::new(release(LENGTH), held);
    assert_eq!(shell.run(&mut house), Some(Ended::LinkLost { received: 0 }));
    assert_eq!(shell.news.len(), 12, "each wait is told");
}

#[test]
fn a_lock_that_opens_no_window_says_why() {
    let (mut house, held) = House::new(247);
    house.standing.running.confirmed = false;
    house.tell_lock();
    let mut shell = Shell::new(release(LENGTH), held);
    let version = "1.2.3".parse().unwrap();
    assert_eq!(shell.run(&mut house), Some(Ended::LockOnTrial { version }));

    // It says that its image is confirmed, and yet knows better.
    let (mut house, held) = House::new(247);
    let mut shell = Shell::new(release(LENGTH), held);
    shell.meanwhile = |house| house.door.lock.set_on_trial(true);
    let ended = shell.run(&mut house);
    assert!(matches!(ended, Some(Ended::LockOnTrial { .. })), "{ended:?}");
}

#[test]
fn a_wrong_pin_opens_nothing() {
    let (mut house, held) = House::new(247);
    let mut shell = Shell::with_pin(release(LENGTH), held, latchkey_protocol::value::Pin::short(1));
    let ended = shell.run(&mut house);
    assert_eq!(ended, Some(Ended::NotOpened(ErrorCode::BadPin.into())));
    assert_eq!(house.slot.owner(), None);

    let (mut house, held) = House::new(247);
    let mut shell = Shell::with_pin(release(LENGTH), held, latchkey_protocol::value::Pin::long(0));
    assert_eq!(shell.run(&mut house), Some(Ended::NotAsked(NotAsked::PinWidth)));
}

/// The first piece of somebody else's upload.
fn guest_uploads(house: &mut House) {
    let mut client = latchkey_phone::smp::Client::new(247);
    let other = Signed::check(file(&description(), 9_000), policy()).unwrap();
    let about = *other.about();
    let mut upload = latchkey_phone::smp::Upload::new(about.image, about.size);
    let request = upload.next(other.bytes(), &client);
    client.ask(&request, 0).unwrap();
    while let Some(piece) = client.next_piece() {
        let notified = house.write_smp(GUEST, piece);
        for bytes in notified {
            assert!(client.receive(&bytes).is_ok(), "the guest has the slot");
        }
    }
}

const GUEST: LinkId = LinkId(1);

fn open_for_guest(house: &mut House) {
    let now_ms = house.door.now_ms;
    let conditions = latchkey_lock::update::Conditions {
        battery_percent: 80,
        busy: false,
        quiet_hours: false,
        opted_out: false,
    };
    let window = house.door.lock.update_window();
    window.open(1_800, None, false, conditions, now_ms).unwrap();
    guest_uploads(house);
    assert_eq!(
        house.door.lock.update_window().progress().stage,
        UpdateStage::Receiving
    );
}

#[test]
fn a_second_phone_is_told_who_has_the_slot_and_disturbs_nobody() {
    let (mut house, held) = House::new(247);
    open_for_guest(&mut house);
    let progress: Progress = house.door.lock.update_window().progress();
    let mut shell = Shell::new(release(LENGTH), held);
    // The guest goes on, slowly.
    shell.meanwhile = |house| {
        if house.door.now_ms.is_multiple_of(1_000) {
            guest_uploads(house);
        }
    };
    let Some(Ended::Busy(Some(refused))) = shell.run(&mut house) else {
        panic!("{:?}", shell.news);
    };
    assert_eq!(refused.fault, Fault::BUSY);
    assert_eq!(refused.words, "another client is uploading; try again later");
    assert!(shell.news.contains(&News::Busy));
    let window = house.door.lock.update_window();
    assert_eq!(window.progress(), progress, "the guest's upload is as it was");
    let now_ms = house.door.now_ms;
    let admitted = house
        .door
        .lock
        .update_window()
        .admit(now_ms)
        .expect("the window stays open");
    assert!(admitted.allows(OLD), "and for any image");
}

#[test]
fn a_second_phone_goes_on_once_the_first_has_gone() {
    let (mut house, held) = House::new(247);
    open_for_guest(&mut house);
    let mut shell = Shell::new(release(LENGTH), held);
    assert_eq!(shell.run(&mut house), confirmed());
}

#[test]
fn while_the_network_has_the_slot_the_phone_is_told() {
    let (mut house, held) = House::new(247);
    house.slot.claim(latchkey_lock::slot::Source::Network).unwrap();
    let mut shell = Shell::new(release(LENGTH), held);
    let Some(Ended::Busy(Some(refused))) = shell.run(&mut house) else {
        panic!("{:?}", shell.news);
    };
    assert_eq!(
        refused.words,
        "an update from the server is under way; try again later"
    );
    let now_ms = house.door.now_ms;
    assert!(
        house.door.lock.update_window().admit(now_ms).is_none(),
        "it closes what it has opened"
    );
}
