//! Frames out of pieces.

use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce};
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::*;
use latchkey_protocol::reassembly::{FRAME_MAX, Kind, Reassembly, ReassemblyError};
use latchkey_protocol::value::AuthorizationId;
use latchkey_protocol::wire::Rest;
use proptest::prelude::*;

use crate::draw::{Draw, Source};
use crate::vectors::Vectors;

fn plain_frame(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; plain::FRAME_MAX];
    let length = plain::write(message, &mut out).unwrap();
    out[..length].to_vec()
}

fn sealed_frame(message: &dyn Payload) -> Vec<u8> {
    let mut out = [0; FRAME_MAX];
    let key = SharedKey::from_bytes(&mut [1; 32]);
    let nonce = FrameNonce::from_random([9; 24]);
    let length = sealed::seal(message, AuthorizationId(1), &key, nonce, &mut out).unwrap();
    out[..length].to_vec()
}

/// Gives the pieces one after the other; what came out, and after which piece.
fn pieces(reassembly: &mut Reassembly, frame: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut whole = None;
    for piece in frame.chunks(size) {
        assert!(whole.is_none(), "whole before its end");
        whole = reassembly.push(piece).unwrap().map(|frame| frame.to_vec());
    }
    whole
}

#[test]
fn published_frames_in_pieces_of_any_size() {
    let vectors = Vectors::published();
    let mut plain = Reassembly::new(Kind::Plain);
    let mut sealed = Reassembly::new(Kind::Sealed);
    for size in 1..100 {
        for step in 1..=10 {
            let frame = vectors.get(&format!("document.pair.{step}"));
            assert_eq!(
                pieces(&mut plain, frame, size).as_deref(),
                Some(frame),
                "step {step} by {size}"
            );
        }
        for name in ["ask_states", "states", "ask_challenge", "challenge", "unlock"] {
            let frame = vectors.get(&format!("document.{name}"));
            assert_eq!(
                pieces(&mut sealed, frame, size).as_deref(),
                Some(frame),
                "{name} by {size}"
            );
        }
    }
}

#[test]
fn more_than_a_frame_is_dropped_whole() {
    let frame = plain_frame(&Source::new(1).draw::<Challenge>());
    let mut reassembly = Reassembly::new(Kind::Plain);
    let longer = [&frame[..], &[0]].concat();
    assert_eq!(reassembly.push(&longer), Err(ReassemblyError::Overlong));
    assert!(!reassembly.is_waiting());
    assert!(
        reassembly.push(&frame).unwrap().is_some(),
        "the next one is taken"
    );

    let frame = sealed_frame(&Source::new(1).draw::<RequestConfig>());
    let mut reassembly = Reassembly::new(Kind::Sealed);
    let longer = [&frame[..], &[0]].concat();
    assert_eq!(reassembly.push(&longer), Err(ReassemblyError::Overlong));
    assert!(reassembly.push(&frame).unwrap().is_some());
}

#[test]
fn a_header_that_announces_the_impossible_is_refused_at_once() {
    for length in [0_u16, 16, 23, 147, 1000, u16::MAX] {
        let mut header = [0; sealed::HEADER_LENGTH];
        header[28..].copy_from_slice(&length.to_le_bytes());
        let pushed = Reassembly::new(Kind::Sealed)
            .push(&header)
            .map(|frame| frame.is_some());
        assert_eq!(pushed, Err(ReassemblyError::ImpossibleLength), "{length}");
    }
    for length in [24_u16, 146] {
        let mut header = [0; sealed::HEADER_LENGTH];
        header[28..].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Reassembly::new(Kind::Sealed).push(&header), Ok(None), "{length}");
    }
}

#[test]
fn an_endless_sender_meets_the_end_of_the_buffer() {
    // Unknown commands have no length of their own; these pieces never have a checksum that fits.
    let mut reassembly = Reassembly::new(Kind::Plain);
    for _ in 0..FRAME_MAX / 20 {
        assert_eq!(reassembly.push(&[0x99; 20]), Ok(None));
        assert!(reassembly.is_waiting());
    }
    assert_eq!(reassembly.push(&[0x99; 20]), Err(ReassemblyError::Overlong));
    assert!(!reassembly.is_waiting());
}

#[test]
fn a_reset_forgets_the_beginning() {
    let frame = plain_frame(&RequestData {
        wanted: PublicKeyOffer::COMMAND,
        extra: Rest,
    });
    let mut reassembly = Reassembly::new(Kind::Plain);
    assert!(reassembly.push(&frame[..4]).unwrap().is_none());
    assert!(reassembly.is_waiting());
    reassembly.reset();
    assert!(!reassembly.is_waiting());
    assert_eq!(reassembly.push(&frame).unwrap(), Some(&mut frame.clone()[..]));
    assert!(!reassembly.is_waiting());
}

#[test]
fn an_empty_piece_is_nothing() {
    let frame = plain_frame(&RequestData {
        wanted: PublicKeyOffer::COMMAND,
        extra: Rest,
    });
    let mut reassembly = Reassembly::new(Kind::Plain);
    assert_eq!(reassembly.push(&[]), Ok(None));
    assert!(!reassembly.is_waiting());
    assert!(reassembly.push(&frame).unwrap().is_some());
    assert_eq!(
        reassembly.push(&[]),
        Ok(None),
        "the last frame is not given twice"
    );
}

proptest! {
    /// Any sealed frame in any pieces, one after the other in the same buffer.
    #[test]
    fn sealed_frames_come_out_as_they_went_in(seed: u64, cuts in proptest::collection::vec(1_usize..60, 1..20)) {
        let mut source = Source::new(seed);
        let frames = [
            sealed_frame(&Draw::draw(&mut source)  as &InviteAuthorization),
            sealed_frame(&source.draw::<RequestConfig>()),
            sealed_frame(&source.draw::<Config>()),
        ];
        let mut reassembly = Reassembly::new(Kind::Sealed);
        for frame in frames {
            let mut rest = &frame[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = behind;
                let whole = reassembly.push(piece).unwrap().map(|frame| frame.to_vec());
                prop_assert_eq!(whole, rest.is_empty().then(|| frame.clone()));
            }
        }
    }
}
