//! Every message against bytes that another implementation made (`tests/vectors/make.py`): payload, plain frame
//! and sealed frame, written and read back.

use latchkey_protocol::frame::plain;
use latchkey_protocol::frame::sealed::{self, FrameNonce, Sealed};
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::*;
use latchkey_protocol::value::AuthorizationId;
use latchkey_protocol::wire::PinWidth;

use crate::samples::{Sample, counting, payload, samples};
use crate::vectors::Vectors;

#[test]
fn payloads_are_as_another_implementation_makes_them() {
    let vectors = Vectors::messages();
    for Sample { name, message, again } in samples() {
        let expected = vectors.get(&format!("{name}.payload"));
        assert_eq!(payload(&*message), expected, "{name}");
        let width = match name.ends_with(".wide") || name.ends_with(".motor") || name.ends_with("Fifth") {
            true => PinWidth::Long,
            false => PinWidth::Short,
        };
        assert_eq!(again(expected, width), expected, "{name} read back");
    }
}

#[test]
fn frames_are_as_another_implementation_makes_them() {
    let vectors = Vectors::messages();
    for Sample { name, message, .. } in samples() {
        let expected = vectors.get(&format!("{name}.frame"));
        let mut out = [0; plain::FRAME_MAX];
        let length = plain::write(&*message, &mut out).unwrap();
        assert_eq!(&out[..length], expected, "{name}");
        let read = plain::read(expected).unwrap();
        assert_eq!(read.command, message.command(), "{name}");
        assert_eq!(read.payload, vectors.get(&format!("{name}.payload")), "{name}");
    }
}

#[test]
fn sealed_frames_are_as_libsodium_makes_them() {
    let vectors = Vectors::messages();
    let key = SharedKey::from_bytes(&mut counting(0x20));
    let authorization = AuthorizationId(0x0102_0304);
    for Sample { name, message, .. } in samples() {
        let mut expected = vectors.get(&format!("{name}.sealed")).to_vec();
        let nonce = FrameNonce::from_random(*expected.first_chunk().unwrap());
        let mut out = [0; sealed::FRAME_MAX];
        let length = sealed::seal(&*message, authorization, &key, nonce, &mut out).unwrap();
        assert_eq!(out[..length], expected, "{name}");
        let opened = Sealed::read(&mut expected).unwrap().open(&key).unwrap();
        assert_eq!(opened.authorization, authorization, "{name}");
        assert_eq!(opened.command, message.command(), "{name}");
        assert_eq!(opened.payload, vectors.get(&format!("{name}.payload")), "{name}");
    }
}

#[test]
fn every_vector_has_its_sample_and_every_message_a_vector() {
    let samples = samples();
    let vectors = Vectors::messages();
    let names: Vec<_> = vectors
        .names()
        .filter_map(|name| name.strip_suffix(".payload"))
        .collect();
    assert_eq!(names.len(), samples.len());
    for command in [
        FromClient::COMMANDS,
        FromLock::COMMANDS,
        PairingFromClient::COMMANDS,
        PairingFromLock::COMMANDS,
    ]
    .concat()
    {
        assert!(
            samples.iter().any(|sample| sample.message.command() == command),
            "{command:?}"
        );
    }
}
