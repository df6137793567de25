//! The update window, as an owner opens it over the lock's own protocol: with the PIN and a fresh nonce, or not at all.

use latchkey_directive::{BootReport, Running};
use latchkey_image::{ImageDigest, SecurityCounter, Uuid};
use latchkey_lock::installed::Installed;
use latchkey_lock::lock::{BatteryLevel, Characteristic, Event};
use latchkey_lock::update::Standing;
use latchkey_lock::window::{LONGEST_S, Progress};
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Tail;

use crate::bench::*;

const IMAGE: [u8; 32] = [7; 32];

fn house() -> (House, Client) {
    let mut house = House::new();
    let owner = house.pair(A, AuthorizationType::App, "Ann");
    house.lock.set_on_trial(false);
    (house, owner)
}

fn open(owner: &Client, seconds: u16, image: Option<[u8; 32]>) -> impl FnOnce(Nonce) -> OpenUpdateWindow {
    let pin = owner.pin(0);
    move |nonce| OpenUpdateWindow {
        seconds,
        image: Tail(image),
        nonce,
        pin,
    }
}

fn is_open(house: &mut House) -> bool {
    let now_ms = house.now_ms;
    house.lock.update_window().admit(now_ms).is_some()
}

fn status(house: &mut House, client: &Client) -> UpdateStatus {
    match client.ask(house, UpdateStatus::COMMAND).pop() {
        Some(FromLock::UpdateStatus(status)) => status,
        other => panic!("no status: {other:?}"),
    }
}

#[test]
fn an_owner_opens_it_reads_what_came_of_it_and_closes_it() {
    let (mut house, owner) = house();
    assert_eq!(status(&mut house, &owner).seconds_left, 0);
    let done = owner.command(&mut house, open(&owner, 600, Some(IMAGE)));
    assert_eq!(done, [complete()]);
    let now_ms = house.now_ms;
    let window = house.lock.update_window();
    let admitted = window.admit(now_ms).unwrap();
    assert!(admitted.allows(ImageDigest(IMAGE)));
    assert!(!admitted.allows(ImageDigest([8; 32])));
    window.note(Progress {
        stage: UpdateStage::Receiving,
        received: 1_000,
        size: 2_000,
    });
    window.refused(152);
    let told = status(&mut house, &owner);
    let expected = UpdateStatus {
        seconds_left: 600,
        stage: UpdateStage::Receiving.into(),
        received: 1_000,
        size: 2_000,
        refusal: 152,
    };
    assert_eq!(told, expected);
    let pin = owner.pin(0);
    let done = owner.command(&mut house, |nonce| CloseUpdateWindow { nonce, pin });
    assert_eq!(done, [complete()]);
    assert!(!is_open(&mut house));
}

#[test]
fn it_closes_by_time_and_by_a_restart() {
    let (mut house, owner) = house();
    owner.command(&mut house, open(&owner, 10, None));
    assert!(is_open(&mut house));
    house.wait(10_000);
    assert!(!is_open(&mut house));
    house.connect(B);
    let owner = owner.on(B);
    owner.command(&mut house, open(&owner, 600, None));
    assert!(is_open(&mut house));
    let mut house = house.restart();
    assert!(!is_open(&mut house));
}

#[test]
fn without_the_pin_it_stays_closed() {
    let (mut house, owner) = house();
    let set = SetSecurityPin::COMMAND;
    let new_pin = owner.pin(1234);
    let done = owner.command(&mut house, |nonce| SetSecurityPin {
        new_pin,
        nonce,
        pin: owner.pin(0),
    });
    assert_eq!(done, [complete()], "{set:?}");
    // The owner's phone in other hands, and a guest's own key.
    house.connect(B);
    let replies = owner.command(&mut house, open(&owner, 600, None));
    assert_eq!(replies, [error(ErrorCode::BadPin, OpenUpdateWindow::COMMAND)]);
    assert!(!is_open(&mut house));
    // Nor does he close one that is open.
    let pin = owner.pin(1234);
    owner.command(&mut house, |nonce| OpenUpdateWindow {
        seconds: 600,
        image: Tail(None),
        nonce,
        pin,
    });
    let pin = owner.pin(4321);
    let replies = owner.command(&mut house, |nonce| CloseUpdateWindow { nonce, pin });
    assert_eq!(replies, [error(ErrorCode::BadPin, CloseUpdateWindow::COMMAND)]);
    assert!(is_open(&mut house));
}

#[test]
fn window_reopened_by_replay() {
    let (mut house, owner) = house();
    let nonce = owner.challenge(&mut house);
    let frame = owner.seal(&mut house, &open(&owner, 60, None)(nonce));
    house.write(A, Characteristic::UserData, &frame);
    assert!(is_open(&mut house));
    house.read(A);
    house.lock.update_window().close();
    for link in [A, B] {
        house.connect(link);
        house.write(link, Characteristic::UserData, &frame);
        let replies = owner.on(link).open(house.read(link));
        assert_eq!(replies, [error(ErrorCode::BadNonce, OpenUpdateWindow::COMMAND)]);
        assert!(!is_open(&mut house));
    }
}

#[test]
fn on_trial_with_a_low_battery_or_while_the_bolt_moves_it_stays_closed() {
    let (mut house, owner) = house();
    let refused = |house: &mut House, seconds, code| {
        let replies = owner.command(house, open(&owner, seconds, None));
        let (_, replies) = apart(replies);
        assert_eq!(replies, [error(code, OpenUpdateWindow::COMMAND)]);
        assert!(!is_open(house));
    };
    refused(&mut house, 0, ErrorCode::BadParameter);
    refused(&mut house, LONGEST_S + 1, ErrorCode::BadParameter);
    house.lock.set_on_trial(true);
    refused(&mut house, 60, ErrorCode::Disabled);
    house.lock.set_on_trial(false);
    let level = |percent| BatteryLevel {
        percent,
        millivolts: 4_000,
        charging: false,
        celsius: 20,
    };
    house.event(Event::Battery(level(29)));
    refused(&mut house, 60, ErrorCode::VoltageTooLow);
    house.event(Event::Battery(level(30)));
    house.motor = Drive::Silent;
    owner.act(&mut house, LockAction::Lock);
    refused(&mut house, 60, ErrorCode::Busy);
}

#[test]
fn a_trial_closes_it_and_nobody_having_said_that_there_is_none_counts_as_one() {
    let mut house = House::new();
    let owner = house.pair(A, AuthorizationType::App, "Ann");
    let replies = owner.command(&mut house, open(&owner, 60, None));
    assert_eq!(replies, [error(ErrorCode::Disabled, OpenUpdateWindow::COMMAND)]);
    house.lock.set_on_trial(false);
    owner.command(&mut house, open(&owner, 60, None));
    assert!(is_open(&mut house));
    house.lock.set_on_trial(true);
    assert!(!is_open(&mut house));
}

#[test]
fn whoever_uploads_stays_as_long_as_the_window_is_open_and_nobody_else() {
    let (mut house, owner) = house();
    house.connect(B);
    house.connect(C);
    owner.command(&mut house, open(&owner, 120, None));
    for _ in 0..12 {
        house.wait(10_000);
        let now_ms = house.now_ms;
        house.lock.serves_update(B, now_ms);
    }
    assert!(!house.is_connected(C), "silent, and proves nothing");
    assert!(house.is_connected(B));
    for _ in 0..3 {
        house.wait(10_000);
        let now_ms = house.now_ms;
        house.lock.serves_update(B, now_ms);
    }
    assert!(!house.is_connected(B), "the window is closed");
}

#[test]
fn everybody_whom_the_lock_knows_is_told_what_runs_and_what_became_of_the_last_install() {
    let (mut house, owner) = house();
    let unknown = owner.ask(&mut house, RunningImage::COMMAND);
    assert!(
        matches!(unknown[..], [FromLock::ErrorReport(_)]),
        "nobody has told the lock yet"
    );
    let standing = Standing {
        running: Running {
            image: ImageDigest(IMAGE),
            version: latchkey_image::Version {
                major: 1,
                minor: 2,
                revision: 300,
                build: 4,
            },
            counter: SecurityCounter(5),
            confirmed: true,
        },
        floor: SecurityCounter(4),
        boot: BootReport {
            outcome: latchkey_directive::BootOutcome::Refused,
            reason: 35,
            about: [9; 16],
            starts_left: 2,
        },
    };
    house.lock.set_installed(Installed {
        vendor: Uuid([1; 16]),
        class: Uuid([2; 16]),
        room: 393_216,
        standing,
    });
    for on_trial in [true, false] {
        house.lock.set_on_trial(on_trial);
        let told = RunningImage {
            vendor: [1; 16],
            class: [2; 16],
            room: 393_216,
            image: IMAGE,
            major: 1,
            minor: 2,
            revision: 300,
            build: 4,
            counter: 5,
            floor: 4,
            confirmed: !on_trial,
            outcome: BootOutcome::Refused.into(),
            refusal: 35,
            about: [9; 16],
            starts_left: 2,
        };
        assert_eq!(
            owner.ask(&mut house, RunningImage::COMMAND),
            [FromLock::RunningImage(told)]
        );
    }
}
