//! The challenge: once, for one authorization, on one connection.

use latchkey_protocol::challenge::{Fresh, OpenChallenge, StaleNonce};
use latchkey_protocol::value::{AuthorizationId, ErrorCode, Nonce};

const ALICE: AuthorizationId = AuthorizationId(1);
const BOB: AuthorizationId = AuthorizationId(2);

fn issued(challenge: &mut OpenChallenge, to: AuthorizationId, byte: u8) -> Nonce {
    challenge.issue(to, Fresh::from_random([byte; 32])).nonce
}

#[test]
fn a_nonce_is_good_for_one_command() {
    let mut challenge = OpenChallenge::none();
    let nonce = issued(&mut challenge, ALICE, 1);
    assert_eq!(challenge.redeem(ALICE, &nonce), Ok(()));
    assert_eq!(
        challenge.redeem(ALICE, &nonce),
        Err(StaleNonce),
        "replayed unlock"
    );
}

#[test]
fn a_wrong_try_uses_the_nonce_up() {
    let mut challenge = OpenChallenge::none();
    let nonce = issued(&mut challenge, ALICE, 1);
    assert_eq!(challenge.redeem(ALICE, &Nonce([2; 32])), Err(StaleNonce));
    assert_eq!(challenge.redeem(ALICE, &nonce), Err(StaleNonce));
}

#[test]
fn a_nonce_is_good_for_whom_it_was_given_to() {
    let mut challenge = OpenChallenge::none();
    let nonce = issued(&mut challenge, ALICE, 1);
    assert_eq!(challenge.redeem(BOB, &nonce), Err(StaleNonce));
}

#[test]
fn a_new_challenge_takes_the_place_of_the_old() {
    let mut challenge = OpenChallenge::none();
    let old = issued(&mut challenge, ALICE, 1);
    let new = issued(&mut challenge, ALICE, 2);
    assert_eq!(challenge.redeem(ALICE, &old), Err(StaleNonce));
    assert_eq!(
        challenge.redeem(ALICE, &new),
        Err(StaleNonce),
        "gone with the try"
    );
    let _ = issued(&mut challenge, ALICE, 3);
    let newest = issued(&mut challenge, BOB, 4);
    assert_eq!(challenge.redeem(BOB, &newest), Ok(()));
}

#[test]
fn without_a_challenge_no_nonce_is_good() {
    assert_eq!(
        OpenChallenge::none().redeem(ALICE, &Nonce([0; 32])),
        Err(StaleNonce)
    );
    assert_eq!(
        OpenChallenge::default().redeem(ALICE, &Nonce([0; 32])),
        Err(StaleNonce)
    );
    assert_eq!(StaleNonce.error_code(), ErrorCode::BadNonce);
}
