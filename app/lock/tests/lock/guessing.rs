//! Guessing: the security PIN and keypad codes, by those who may guess and those who may not.

use crate::bench::*;
use crate::people::{add_code, type_in};
use latchkey_lock::lock::Characteristic;
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;

use AuthorizationType::{App, Keypad};

fn with_pin() -> (House, Client) {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    let set = phone.command(&mut house, |nonce| SetSecurityPin {
        new_pin: Pin::short(4_711),
        nonce,
        pin: Pin::short(0),
    });
    assert_eq!(set, [complete()]);
    (house, phone)
}

fn verify(client: &Client, house: &mut House, pin: u16) -> Vec<FromLock> {
    client.command(house, |nonce| VerifySecurityPin {
        nonce,
        pin: Pin::short(pin),
    })
}

fn wrong() -> Vec<FromLock> {
    vec![error(ErrorCode::BadPin, VerifySecurityPin::COMMAND)]
}

fn too_many() -> Vec<FromLock> {
    vec![error(ErrorCode::TooManyPinAttempts, VerifySecurityPin::COMMAND)]
}

#[test]
fn the_pin_is_refused_after_five_wrong_ones_for_everybody_and_comes_back() {
    let (mut house, phone) = with_pin();
    let guest = house.pair(B, App, "Bob");
    for pin in 0..5 {
        assert_eq!(verify(&guest, &mut house, pin), wrong());
    }
    assert_eq!(
        verify(&guest, &mut house, 4_711),
        too_many(),
        "even the right one"
    );
    assert_eq!(verify(&phone, &mut house, 4_711), too_many());
    let locked = phone.act(&mut house, LockAction::Lock);
    assert_eq!(apart(locked).1, [accepted(), complete()], "the door still works");
    house.wait(60_000);
    house.connect(A);
    assert_eq!(verify(&phone, &mut house, 4_711), [complete()]);
    for pin in 0..4 {
        assert_eq!(verify(&phone, &mut house, pin), wrong());
    }
    assert_eq!(
        verify(&phone, &mut house, 4_711),
        [complete()],
        "the row begins anew"
    );
}

#[test]
fn guessing_the_pin_across_restarts_gains_nothing() {
    let (mut house, phone) = with_pin();
    for pin in 0..5 {
        assert_eq!(verify(&phone, &mut house, pin), wrong());
        house = house.restart();
        house.connect(A);
    }
    assert_eq!(verify(&phone, &mut house, 4_711), too_many());
    house.wait(59_000);
    house = house.restart();
    house.connect(A);
    assert_eq!(
        verify(&phone, &mut house, 4_711),
        too_many(),
        "the wait begins anew"
    );
    house.wait(60_000);
    house.connect(A);
    assert_eq!(verify(&phone, &mut house, 4_711), [complete()]);
}

#[test]
fn a_pin_with_a_stale_nonce_is_no_guess() {
    let (mut house, phone) = with_pin();
    for pin in 0..20 {
        let guess = VerifySecurityPin {
            nonce: Nonce([0x55; 32]),
            pin: Pin::short(pin),
        };
        let stale = [error(ErrorCode::BadNonce, VerifySecurityPin::COMMAND)];
        assert_eq!(phone.say(&mut house, &guess), stale);
    }
    assert_eq!(verify(&phone, &mut house, 4_711), [complete()]);
}

#[test]
fn nobody_without_a_key_can_lock_the_owner_out() {
    let (mut house, phone) = with_pin();
    house.connect(B);
    // A stranger who knows the owner's id and seals with a key of his own, and one who replays.
    let stranger = Client {
        key: latchkey_protocol::key::SharedKey::from_bytes(&mut [7; 32]),
        ..phone.on(B)
    };
    let recorded = phone.seal(
        &mut house,
        &VerifySecurityPin {
            nonce: Nonce([1; 32]),
            pin: Pin::short(1),
        },
    );
    for pin in 0..20 {
        let frame = stranger.seal(
            &mut house,
            &VerifySecurityPin {
                nonce: Nonce([1; 32]),
                pin: Pin::short(pin),
            },
        );
        house.write(B, Characteristic::UserData, &frame);
        house.write(B, Characteristic::UserData, &recorded);
        house.read(B);
    }
    assert_eq!(verify(&phone, &mut house, 4_711), [complete()]);
}

#[test]
fn a_wrong_pin_changes_nothing() {
    let (mut house, phone) = with_pin();
    let refused = |command| [error(ErrorCode::BadPin, command)];
    let set = phone.command(&mut house, |nonce| {
        crate::catalogue::set_config(nonce, Pin::short(1))
    });
    assert_eq!(set, refused(SetConfig::COMMAND));
    let removed = phone.command(&mut house, |nonce| RemoveAuthorizationEntry {
        authorization: phone.id,
        nonce,
        pin: Pin::short(2),
    });
    assert_eq!(removed, refused(RemoveAuthorizationEntry::COMMAND));
    let codes = phone.command(&mut house, |nonce| RequestKeypadCodes {
        offset: 0,
        count: 100,
        nonce,
        pin: Pin::short(3),
    });
    assert_eq!(
        codes,
        refused(RequestKeypadCodes::COMMAND),
        "codes stay in the lock"
    );
    assert_eq!(phone.states(&mut house).config_updates, 0);
}

#[test]
fn keypad_codes_are_guessed_slower_and_slower_also_across_restarts() {
    let mut house = House::new();
    let phone = house.pair(A, App, "Ann");
    add_code(&phone, &mut house, 345_678);
    let keypad = house.pair(B, Keypad, "Keypad");
    let refused = |code| vec![error(code, PerformKeypadAction::COMMAND)];
    let expected = [
        ErrorCode::CodeInvalid,
        ErrorCode::CodeInvalid,
        ErrorCode::CodeInvalidTimeout1,
        ErrorCode::CodeInvalidTimeout1,
        ErrorCode::CodeInvalidTimeout2,
        ErrorCode::CodeInvalidTimeout2,
        ErrorCode::CodeInvalidTimeout2,
        ErrorCode::CodeInvalidTimeout3,
        ErrorCode::CodeInvalidTimeout3,
    ];
    for (code, wait_ms) in expected
        .into_iter()
        .zip([0, 0, 0, 10_000, 10_000, 60_000, 60_000, 60_000, 300_000])
    {
        house.wait(wait_ms);
        house.connect(B);
        let replies = type_in(&keypad, &mut house, 987_654, KeypadAction::Unlock);
        assert_eq!(replies, refused(code));
    }
    let waiting = refused(ErrorCode::CodeInvalidTimeout3);
    for code in [987_654, 345_678] {
        assert_eq!(type_in(&keypad, &mut house, code, KeypadAction::Lock), waiting);
    }
    let mut house = house.restart();
    house.connect(A);
    assert_eq!(
        phone.log(&mut house).len(),
        9,
        "only what was looked at is logged"
    );
    house.connect(B);
    assert_eq!(type_in(&keypad, &mut house, 345_678, KeypadAction::Lock), waiting);
    assert_eq!(house.at_deg, 0);
    house.wait(300_000);
    house.connect(B);
    let locked = type_in(&keypad, &mut house, 345_678, KeypadAction::Lock);
    assert_eq!(apart(locked).1, [accepted(), complete()]);
    house.wait(20_000);
    house.connect(B);
    let anew = type_in(&keypad, &mut house, 987_654, KeypadAction::Unlock);
    assert_eq!(anew, refused(ErrorCode::CodeInvalid));
}
