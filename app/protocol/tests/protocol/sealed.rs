//! Sealed and plain frames against whoever changes, cuts, extends or replays them.

use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::frame::{FrameError, plain};
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use proptest::prelude::*;

use crate::draw::{Draw, Source};

const HOLDER: AuthorizationId = AuthorizationId(0x0A0B_0C0D);

fn key(byte: u8) -> SharedKey {
    SharedKey::from_bytes(&mut [byte; 32])
}

fn seal(message: &dyn Payload, seed: u8) -> Vec<u8> {
    let mut out = [0; sealed::FRAME_MAX];
    let nonce = FrameNonce::from_random([seed; 24]);
    let length = sealed::seal(message, HOLDER, &key(1), nonce, &mut out).unwrap();
    out[..length].to_vec()
}

fn unlock() -> PerformLockAction {
    let mut source = Source::new(1);
    PerformLockAction {
        action: LockAction::Unlock,
        ..Draw::draw(&mut source)
    }
}

fn error(frame: &mut [u8], key: &SharedKey) -> Option<FrameError> {
    Sealed::read(frame).and_then(|sealed| sealed.open(key)).err()
}

#[test]
fn no_single_flipped_bit_passes() {
    for message in [
        &unlock() as &dyn Payload,
        &StatusReport {
            status: Status::Complete,
        },
    ] {
        let real = seal(message, 7);
        assert_eq!(error(&mut real.clone(), &key(1)), None);
        for bit in 0..real.len() * 8 {
            let mut flipped = real.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0..24 => FrameError::Box,
                24..28 => FrameError::Authorization,
                28..30 => FrameError::Length,
                _ => FrameError::Box,
            };
            assert_eq!(error(&mut flipped, &key(1)), Some(expected), "bit {bit}");
        }
    }
}

#[test]
fn a_cut_or_longer_frame_is_none() {
    let real = seal(&unlock(), 7);
    for length in 0..real.len() {
        assert_eq!(
            error(&mut real[..length].to_vec(), &key(1)),
            Some(FrameError::Length)
        );
    }
    let mut longer = [real, vec![0]].concat();
    assert_eq!(error(&mut longer, &key(1)), Some(FrameError::Length));
}

#[test]
fn another_key_opens_nothing_and_leaves_the_frame_alone() {
    let real = seal(&unlock(), 7);
    let mut tried = real.clone();
    assert_eq!(error(&mut tried, &key(2)), Some(FrameError::Box));
    assert_eq!(tried, real);
}

/// A stolen key of one authorization must not speak in another's name: the id in front chooses the key, the id
/// in the box must be the same.
#[test]
fn a_box_of_one_authorization_behind_the_name_of_another() {
    let mut renamed = seal(&unlock(), 7);
    renamed[24..28].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(error(&mut renamed, &key(1)), Some(FrameError::Authorization));
}

/// The box proves who sealed; a checksum that does not fit is still an error, with its own name.
#[test]
fn a_sealed_message_with_a_wrong_checksum() {
    use crypto_secretbox::aead::{AeadInPlace, KeyInit};
    let mut inner = [0x0D_u8, 0x0C, 0x0B, 0x0A, 0x0E, 0, 0, 0x12, 0x34];
    let cipher = crypto_secretbox::XSalsa20Poly1305::new(&[1; 32].into());
    let tag = cipher
        .encrypt_in_place_detached(&[9; 24].into(), &[], &mut inner)
        .unwrap();
    let header = [&[9; 24][..], &HOLDER.0.to_le_bytes(), &25_u16.to_le_bytes()].concat();
    let mut frame = [&header[..], &tag, &inner].concat();
    assert_eq!(error(&mut frame, &key(1)), Some(FrameError::Checksum));
}

#[test]
fn no_frame_is_longer_than_it_may_be() {
    let mut source = Source::new(0);
    let invite = InviteAuthorization {
        pin: Pin::long(1),
        ..source.draw()
    };
    assert_eq!(seal(&invite, 1).len(), sealed::FRAME_MAX);
    assert_eq!(sealed::FRAME_MAX, 176);
    // What fits one indication at the largest MTU: everything.
    assert!(sealed::FRAME_MAX <= usize::from(latchkey_protocol::gatt::MTU_MAX - 3));
    for room in 0..sealed::FRAME_MAX {
        let nonce = FrameNonce::from_random([1; 24]);
        assert!(sealed::seal(&invite, HOLDER, &key(1), nonce, &mut vec![0; room]).is_err());
    }
}

#[test]
fn plain_frames_with_changed_bits_and_lengths() {
    let mut out = [0; plain::FRAME_MAX];
    let length = plain::write(&unlock(), &mut out).unwrap();
    let real = &out[..length];
    assert!(plain::read(real).is_ok());
    for bit in 0..real.len() * 8 {
        let mut flipped = real.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(plain::read(&flipped), Err(FrameError::Checksum), "bit {bit}");
    }
    for length in 0..4 {
        assert_eq!(plain::read(&real[..length]), Err(FrameError::Length));
    }
    for room in 0..length {
        assert!(plain::write(&unlock(), &mut vec![0; room]).is_err());
    }
}

#[test]
fn errors_have_their_answers() {
    let answers = [
        (FrameError::Length, ErrorCode::BadLength),
        (FrameError::Checksum, ErrorCode::BadCrc),
        (FrameError::Box, ErrorCode::NotAuthorized),
        (FrameError::Authorization, ErrorCode::NotAuthorized),
    ];
    for (error, code) in answers {
        assert_eq!(error.error_code(), code);
    }
}

proptest! {
    #[test]
    fn two_changed_bytes_do_not_pass_either(
        at in proptest::array::uniform2(any::<proptest::sample::Index>()),
        with in proptest::array::uniform2(1_u8..),
    ) {
        let real = seal(&unlock(), 7);
        let mut changed = real.clone();
        for (at, with) in at.iter().zip(with) {
            changed[at.index(real.len())] ^= with;
        }
        prop_assume!(changed != real);
        prop_assert!(error(&mut changed, &key(1)).is_some());
    }
}
