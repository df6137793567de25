//! What must hold of every sealed message, whatever the other side sends.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use latchkey_image::{ImageDigest, SecurityCounter, Uuid, Version};
use minicbor::{Decode, Encode};
use proptest::prelude::*;

use crate::*;

fn device() -> SigningKey {
    SigningKey::from_bytes(&[0x11; 32])
}

fn director() -> SigningKey {
    SigningKey::from_bytes(&[0x22; 32])
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_bytes(key.verifying_key().as_bytes()).unwrap()
}

fn device_id() -> DeviceId {
    public(&device()).device_id()
}

fn sealed<M: Purpose + Encode<()>>(message: &M, key: &SigningKey) -> Vec<u8> {
    let mut out = [0; MAX_SEALED];
    let length = seal(message, |digest| key.sign(digest).to_bytes(), &mut out).unwrap();
    out[..length].to_vec()
}

fn opened<'b, M: Purpose + Decode<'b, ()>>(bytes: &'b [u8], key: &SigningKey) -> Result<M, OpenError> {
    Sealed::parse(bytes)
        .map_err(|Malformed| OpenError::Malformed)?
        .open(&public(key))
}

const NONCE: Nonce = Nonce([7; 16]);
const VENDOR: Uuid = Uuid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
const CLASS: Uuid = Uuid([16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);

fn enrolment() -> Enrolment {
    Enrolment {
        device_key: *public(&device()).as_bytes(),
        vendor: VENDOR,
        class: CLASS,
    }
}

fn check_in() -> CheckIn {
    CheckIn {
        device: device_id(),
        nonce: NONCE,
        sequence: (3 << 32) | 9,
        vendor: VENDOR,
        class: CLASS,
        running: Running {
            image: ImageDigest([0xa5; 32]),
            version: Version {
                major: 1,
                minor: 2,
                revision: 3,
                build: 4,
            },
            counter: SecurityCounter(5),
            confirmed: true,
        },
        floor: SecurityCounter(4),
        boot: BootReport {
            outcome: BootOutcome::Reverted,
            reason: 100,
            about: [0x5a; 16],
            starts_left: 0,
        },
        battery_percent: 81,
        hold: None,
        echo: None,
    }
}

fn directive() -> Directive {
    Directive {
        device: device_id(),
        nonce: NONCE,
        action: Action::Install(Install {
            image: ImageDigest([0x5a; 32]),
            size: 262_832,
            version: Version {
                major: 1,
                minor: 3,
                revision: 0,
                build: 0,
            },
            counter: SecurityCounter(6),
        }),
        call_again_s: 900,
    }
}

fn report() -> Report {
    Report {
        device: device_id(),
        sequence: (3 << 32) | 10,
        event: Event::Confirmed,
        image: ImageDigest([0x5a; 32]),
        reason: 0,
    }
}

fn receipt() -> Receipt {
    Receipt {
        device: device_id(),
        sequence: (3 << 32) | 10,
    }
}

#[test]
fn every_message_comes_back_as_it_went() {
    assert_eq!(
        opened(&sealed(&enrolment(), &device()), &device()),
        Ok(enrolment())
    );
    assert_eq!(opened(&sealed(&check_in(), &device()), &device()), Ok(check_in()));
    assert_eq!(
        opened(&sealed(&directive(), &director()), &director()),
        Ok(directive())
    );
    assert_eq!(opened(&sealed(&report(), &device()), &device()), Ok(report()));
    assert_eq!(
        opened(&sealed(&receipt(), &director()), &director()),
        Ok(receipt())
    );
}

/// Made by `tests/vectors/make.py` with cbor2 and cryptography, so that both our ends cannot be wrong alike.
#[test]
fn an_independent_implementation_says_the_same_bytes() {
    macro_rules! vector {
        ($name:literal) => {
            include_bytes!(concat!("../tests/vectors/", $name, ".cbor"))
        };
    }
    assert_eq!(sealed(&enrolment(), &device()), vector!("enrolment"));
    assert_eq!(sealed(&check_in(), &device()), vector!("check-in"));
    assert_eq!(sealed(&directive(), &director()), vector!("directive-install"));
    assert_eq!(sealed(&report(), &device()), vector!("report"));
    assert_eq!(sealed(&receipt(), &director()), vector!("receipt"));
    // The field of a later version is skipped, so these bytes are read, not written.
    let nothing: Directive = opened(vector!("directive-nothing"), &director()).unwrap();
    assert_eq!((nothing.action, nothing.call_again_s), (Action::Nothing, 3600));
}

#[test]
fn the_largest_messages_fit() {
    let mut largest = check_in();
    largest.sequence = u64::MAX;
    largest.running.version = Version {
        major: u8::MAX,
        minor: u8::MAX,
        revision: u16::MAX,
        build: u32::MAX,
    };
    largest.running.counter = SecurityCounter(u32::MAX);
    largest.floor = SecurityCounter(u32::MAX);
    largest.boot.reason = u16::MAX;
    largest.boot.starts_left = u8::MAX;
    largest.battery_percent = u8::MAX;
    assert_eq!(opened(&sealed(&largest, &device()), &device()), Ok(largest));
    assert_eq!(
        seal(&largest, |_| [0; 64], &mut [0; 64]),
        Err(SealError),
        "a buffer too small is said, not overrun"
    );
}

#[test]
fn signed_for_one_purpose_opens_for_no_other() {
    // A report and a receipt with the same first fields; were the purpose not signed, one would pass for the
    // other under the same key.
    let bytes = sealed(&report(), &device());
    assert_eq!(opened::<Receipt>(&bytes, &device()), Err(OpenError::BadSignature));
    assert_eq!(opened::<CheckIn>(&bytes, &device()), Err(OpenError::BadSignature));
    let bytes = sealed(&receipt(), &director());
    assert_eq!(
        opened::<Directive>(&bytes, &director()),
        Err(OpenError::BadSignature)
    );
}

#[test]
fn signed_by_another_key_does_not_open() {
    assert_eq!(
        opened::<Directive>(&sealed(&directive(), &device()), &director()),
        Err(OpenError::BadSignature)
    );
}

#[test]
fn keys_under_which_anything_verifies_are_no_keys() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(PublicKey::from_bytes(&identity), None);
    assert_eq!(PublicKey::from_bytes(&[0; 32]), None);
    assert_eq!(PublicKey::from_bytes(&[0xff; 32]), None);
}

#[test]
fn bytes_behind_the_envelope_are_refused() {
    let mut bytes = sealed(&directive(), &director());
    bytes.push(0);
    assert_eq!(Sealed::parse(&bytes).err(), Some(Malformed));
}

/// A message with one thing more, signed properly: for sides that write what they should not.
struct Stretched(Directive);

impl Purpose for Stretched {
    const PURPOSE: &'static str = Directive::PURPOSE;
}

impl<C> Encode<C> for Stretched {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        c: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.0.encode(e, c)?;
        e.u8(0)?.ok()
    }
}

#[test]
fn bytes_behind_the_message_are_refused_though_signed() {
    let bytes = sealed(&Stretched(directive()), &director());
    assert_eq!(
        opened::<Directive>(&bytes, &director()),
        Err(OpenError::Malformed)
    );
}

#[test]
fn over_long_envelopes_are_refused_before_they_are_read() {
    let payload = [0; MAX_SEALED];
    let mut bytes = Vec::new();
    minicbor::Encoder::new(&mut bytes)
        .array(2)
        .unwrap()
        .bytes(&payload)
        .unwrap()
        .bytes(&[0; 64])
        .unwrap();
    assert_eq!(Sealed::parse(&bytes).err(), Some(Malformed));
    // A length that no buffer could hold asks for no buffer.
    assert_eq!(
        Sealed::parse(&[0x82, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).err(),
        Some(Malformed)
    );
}

#[test]
fn a_byte_string_of_another_length_is_no_identity() {
    #[derive(Encode)]
    #[cbor(map)]
    struct ShortReceipt {
        #[cbor(n(0), with = "minicbor::bytes")]
        device: [u8; 15],
        #[n(1)]
        sequence: u64,
    }
    impl Purpose for ShortReceipt {
        const PURPOSE: &'static str = Receipt::PURPOSE;
    }
    let short = ShortReceipt {
        device: [0; 15],
        sequence: 1,
    };
    assert_eq!(
        opened::<Receipt>(&sealed(&short, &director()), &director()),
        Err(OpenError::Malformed)
    );
}

#[test]
fn the_claimed_sender_is_who_the_message_names() {
    let bytes = sealed(&check_in(), &device());
    let message = Sealed::parse(&bytes).unwrap();
    assert_eq!(message.claimed_sender::<CheckIn>(), Ok(device_id()));
    let bytes = sealed(&enrolment(), &device());
    let message = Sealed::parse(&bytes).unwrap();
    assert_eq!(
        message.claimed_sender::<Enrolment>(),
        Ok(*public(&device()).as_bytes())
    );
}

#[test]
fn no_single_bit_changed_on_the_way_opens() {
    let bytes = sealed(&directive(), &director());
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            opened::<Directive>(&changed, &director()).is_err(),
            "bit {bit} changed, and it still opened"
        );
    }
}

#[test]
fn a_problem_tells_its_reason_and_when_to_call_again() {
    let problem = Problem {
        code: ProblemCode::AwaitingApproval,
        call_again_s: 30,
        challenge: None,
    };
    let bytes = minicbor::to_vec(problem).unwrap();
    assert_eq!(bytes, [0xa2, 0x00, 0x03, 0x01, 0x18, 30]);
    assert_eq!(minicbor::decode::<Problem>(&bytes).unwrap(), problem);
    assert!(minicbor::decode::<Problem>(&[0xa2, 0x00, 0x18, 99, 0x01, 0]).is_err());
}

#[test]
fn what_came_later_is_skipped_by_the_older_side_and_missed_by_none() {
    let without = check_in();
    let with = CheckIn {
        hold: Some(Hold::OWNER),
        echo: Some(NONCE),
        ..without
    };
    let bytes = minicbor::to_vec(with).unwrap();
    assert_eq!(minicbor::decode::<CheckIn>(&bytes).unwrap(), with);
    // A map of nine entries, as before there were more.
    assert_eq!(minicbor::to_vec(without).unwrap().first(), Some(&0xa9));
    // A reason for holding that has no name yet is none to refuse a check-in for.
    let unheard_of = CheckIn {
        hold: Some(Hold(200)),
        ..without
    };
    let bytes = minicbor::to_vec(unheard_of).unwrap();
    assert_eq!(minicbor::decode::<CheckIn>(&bytes).unwrap(), unheard_of);
}

proptest! {
    #[test]
    fn random_bytes_never_open_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(opened::<Directive>(&bytes, &director()).is_err());
        prop_assert!(opened::<CheckIn>(&bytes, &device()).is_err());
        let _ = minicbor::decode::<Problem>(&bytes);
    }

    /// Behind the signature too: whoever holds the key may be wrong, and we read on without harm.
    #[test]
    fn random_payloads_properly_signed_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
        struct Raw(Vec<u8>);
        impl Purpose for Raw {
            const PURPOSE: &'static str = Directive::PURPOSE;
        }
        impl<C> Encode<C> for Raw {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.writer_mut().write_all(&self.0).map_err(minicbor::encode::Error::write)
            }
        }
        let bytes = sealed(&Raw(payload), &director());
        prop_assert_ne!(opened::<Directive>(&bytes, &director()), Err(OpenError::BadSignature));
    }

    #[test]
    fn any_report_comes_back_as_it_went(
        sequence: u64, image: [u8; 32], reason: u16, event in 0_usize..5,
    ) {
        let events = [
            Event::Requested,
            Event::RefusedByApp,
            Event::RefusedByBootloader,
            Event::Confirmed,
            Event::Reverted,
        ];
        let report = Report {
            device: device_id(),
            sequence,
            event: events[event],
            image: ImageDigest(image),
            reason,
        };
        prop_assert_eq!(opened(&sealed(&report, &device()), &device()), Ok(report));
    }
}

/// Every y from the prime up has a second spelling below; so says the point itself when it is spelled again.
#[test]
fn a_key_spelled_in_a_second_way_is_none() {
    let mut found = 0;
    for (low, high) in (0xed..=0xff).flat_map(|low| [(low, 0x7f), (low, 0xff)]) {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, high);
        let Ok(key) = VerifyingKey::from_bytes(&bytes) else {
            continue;
        };
        found += 1;
        assert_ne!(key.to_edwards().compress().as_bytes(), &bytes);
        assert!(PublicKey::from_bytes(&bytes).is_none(), "{low:02x}…{high:02x}");
    }
    assert!(found > 4, "more than the weak ones");
}

proptest::proptest! {
    #[test]
    fn a_key_is_taken_exactly_when_it_is_spelled_as_its_point(mut bytes: [u8; 32], near_prime: bool) {
        if near_prime {
            bytes[1..31].fill(0xff);
        }
        let key = VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak());
        let is_spelled_so = key.is_some_and(|key| key.to_edwards().compress().as_bytes() == &bytes);
        proptest::prop_assert_eq!(PublicKey::from_bytes(&bytes).is_some(), is_spelled_so);
    }
}
