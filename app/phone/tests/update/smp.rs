//! SMP, piece by piece: what the client says, and answers by those who lie.

use latchkey_image::ImageDigest;
use latchkey_phone::smp::{
    ANSWER_MAX, Answer, Client, Error, Fault, HEADER, Image, Offset, PIECES, Progress, Request, Upload,
};
use latchkey_phone::update::Ended;
use minicbor::Encoder;
use minicbor::encode::write::Cursor;
use proptest::prelude::*;

use crate::house::*;
use crate::images::*;

const MTU: u16 = 247;
const IMAGE: ImageDigest = ImageDigest([7; 32]);

/// What a client says, put together.
fn said(client: &mut Client, request: &Request<'_>) -> Vec<u8> {
    client.ask(request, 0).unwrap();
    let mut frame = Vec::new();
    while let Some(piece) = client.next_piece() {
        frame.extend_from_slice(piece);
    }
    frame
}

type Body<'b> = Encoder<Cursor<&'b mut [u8]>>;

fn body(write: impl FnOnce(&mut Body<'_>)) -> Vec<u8> {
    let mut bytes = [0; 1_024];
    let mut encoder = Encoder::new(Cursor::new(&mut bytes[..]));
    write(&mut encoder);
    let length = encoder.writer().position();
    bytes[..length].to_vec()
}

/// The answer to a frame.
fn answer(asked: &[u8], body: &[u8]) -> Vec<u8> {
    let [high, low] = (body.len() as u16).to_be_bytes();
    let head = [asked[0] | 1, 0, high, low, asked[4], asked[5], asked[6], asked[7]];
    [&head, body].concat()
}

fn offset(value: u32) -> Vec<u8> {
    body(|out| {
        out.map(1).unwrap().str("off").unwrap().u32(value).unwrap();
    })
}

/// What a client makes of an answer to a request for the list of images.
fn heard(change: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Option<Answer>, Error> {
    let mut client = Client::new(MTU);
    let asked = said(&mut client, &Request::Images);
    client.receive(&change(&asked))
}

fn adapted(buffer: u32) -> Result<Client, Error> {
    let mut client = Client::new(MTU);
    let asked = said(&mut client, &Request::Parameters);
    let parameters = body(|out| {
        out.map(2).unwrap().str("buf_size").unwrap().u32(buffer).unwrap();
        out.str("buf_count").unwrap().u32(1).unwrap();
    });
    client.receive(&answer(&asked, &parameters))?;
    Ok(client)
}

#[test]
fn requests_are_what_the_protocol_has() {
    let mut client = Client::new(MTU);
    let said_echo = said(&mut client, &Request::Echo("hi"));
    // Version 2, write, six bytes, group 0, sequence 1, command 0, {"d": "hi"}.
    assert_eq!(said_echo, b"\x0a\0\0\x06\0\0\x01\0\xa1\x61d\x62hi");
    let echoed = answer(&said_echo, b"\xa1\x61r\x62hi");
    assert_eq!(
        client.receive(&echoed),
        Ok(Some(Answer::Echo("hi".try_into().unwrap())))
    );
    // The sequence goes on.
    assert_eq!(
        said(&mut client, &Request::Reset),
        b"\x0a\0\0\x01\0\0\x02\x05\xa0"
    );
}

#[test]
fn frames_are_as_long_as_the_lock_takes_them_in_whole_pieces() {
    let image = vec![0x5a; 100_000];
    let piece = usize::from(MTU - 3);
    for (buffer, longest) in [
        (512, 2 * piece),
        (2 * piece as u32, 2 * piece),
        (2_440, PIECES * piece),
        (u32::MAX, PIECES * piece),
        (200, 200),
    ] {
        let mut client = adapted(buffer).unwrap();
        let mut upload = Upload::new(IMAGE, image.len() as u32);
        for at in 0..3 {
            let request = upload.next(&image, &client);
            let frame = said(&mut client, &request);
            assert!(
                frame.len() <= longest && frame.len() + 12 > longest,
                "{buffer}: {}",
                frame.len()
            );
            let Request::Upload(piece) = request else {
                panic!("{request:?}")
            };
            assert_eq!(piece.start.is_some(), at == 0);
            let end = piece.offset + piece.data.len() as u32;
            let Ok(Some(Answer::Offset(told))) = client.receive(&answer(&frame, &offset(end))) else {
                panic!("an offset is to be understood");
            };
            assert_eq!(upload.answered(told), Ok(Progress::More { offset: end }));
        }
    }
    assert_eq!(adapted(100).err(), Some(Error::BufferTooSmall { bytes: 100 }));
    assert_eq!(adapted(0).err(), Some(Error::BufferTooSmall { bytes: 0 }));
}

#[test]
fn one_request_at_a_time_and_none_for_ever() {
    let mut client = Client::new(MTU);
    assert_eq!(client.next_deadline(), None);
    client.ask(&Request::Images, 500).unwrap();
    assert!(client.ask(&Request::Images, 600).is_err());
    let by_ms = client.next_deadline().unwrap();
    assert_eq!(client.tick(by_ms - 1), Ok(()));
    assert_eq!(client.tick(by_ms), Err(Error::Silence));
    // What comes late is for nobody.
    let late = answer(&said(&mut Client::new(MTU), &Request::Images), &[0xa0]);
    assert_eq!(client.receive(&late), Ok(None));
    assert!(client.ask(&Request::Images, by_ms).is_ok());
}

#[test]
fn answers_to_something_else_are_named() {
    assert!(matches!(
        heard(|asked| answer(asked, b"\xa1\x66images\x80")),
        Ok(Some(Answer::Images(_)))
    ));
    for byte in [4, 5, 6, 7] {
        let other = heard(|asked| {
            let mut answer = answer(asked, b"\xa1\x66images\x80");
            answer[byte] ^= 1;
            answer
        });
        assert_eq!(other, Err(Error::OtherAnswer), "byte {byte}");
    }
    assert_eq!(
        heard(<[u8]>::to_vec),
        Err(Error::OtherAnswer),
        "the request itself"
    );
    let newer = heard(|asked| {
        let mut answer = answer(asked, &[0xa0]);
        answer[0] |= 0b10_000;
        answer
    });
    assert_eq!(newer, Err(Error::TooNew));
}

#[test]
fn huge_and_endless_answers_are_named() {
    let huge = heard(|asked| {
        let mut answer = answer(asked, &[0xa0]);
        (answer[2], answer[3]) = (0xff, 0xff);
        answer
    });
    assert_eq!(huge, Err(Error::TooLong { bytes: 65_543 }));
    let surplus = heard(|asked| [answer(asked, &[0xa0]), vec![0]].concat());
    assert_eq!(surplus, Err(Error::Surplus));
    let mut client = Client::new(MTU);
    client.ask(&Request::Images, 0).unwrap();
    let ended = (0..=ANSWER_MAX).find_map(|_| client.receive(&[]).err());
    assert_eq!(ended, None, "nothing is nothing");
    assert_eq!(
        client.receive(&[0; ANSWER_MAX + 1]),
        Err(Error::TooLong {
            bytes: ANSWER_MAX + 1
        })
    );
}

#[test]
fn bodies_that_make_no_sense_are_named() {
    for body in [
        &b""[..],
        b"\xa0",
        b"\xa1",
        b"\x80",
        b"\xa1\x66images\x00",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x66images\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x66images\x85\xa0\xa0\xa0\xa0\xa0",
        b"\xa2\x66images\x80\x66images\x80",
        b"\xa1\x66images\x80\x00",
        b"\xa1\x63err\xa1\x62rc\x05",
    ] {
        assert_eq!(
            heard(|asked| answer(asked, body)),
            Err(Error::Malformed),
            "{body:02x?}"
        );
    }
    let skipped = heard(|asked| {
        answer(
            asked,
            b"\xbf\x65other\x82\x01\xf5\x66images\x9f\xa1\x64slot\x02\xff\xff",
        )
    });
    let image = Image {
        slot: 2,
        ..Image::default()
    };
    assert_eq!(skipped, Ok(Some(Answer::Images([image].into_iter().collect()))));
}

#[test]
fn refusals_are_told_in_the_locks_words_or_in_ours_and_never_as_they_came() {
    let refusal = |body: &[u8]| match heard(|asked| answer(asked, body)) {
        Err(Error::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let busy = refusal(b"\xa2\x62rc\x0a\x63rsn\x65later");
    assert_eq!((busy.fault, &busy.words[..]), (Fault::BUSY, "later"));
    let closed = refusal(b"\xa1\x62rc\x0b");
    assert_eq!(closed.fault, Fault::ACCESS_DENIED);
    assert_eq!(closed.to_string(), "not allowed now");
    let group = refusal(b"\xa1\x63err\xa2\x65group\x01\x62rc\x18\x1e");
    assert_eq!(group.fault, Fault::Group { group: 1, code: 30 });
    assert_eq!(group.to_string(), "the image does not fit the lock");
    let strange = refusal(b"\xa1\x62rc\x18\x63");
    assert!(strange.to_string().contains("99"), "{strange}");
    let nasty = refusal(b"\xa2\x62rc\x01\x63rsn\x67\x1b[2Jhi\x07");
    assert_eq!(nasty.words, "[2Jhi");
    let mut long = b"\xa2\x62rc\x01\x63rsn\x79\x01\x00".to_vec();
    long.extend([b'a'; 256]);
    assert_eq!(refusal(&long).words.len(), 96);
}

#[test]
fn offsets_that_cannot_be_are_named() {
    let image = vec![1; 50_000];
    let size = image.len() as u32;
    let told = |offset| Offset {
        offset,
        matches: None,
    };
    let begun = |first: u32| {
        let client = adapted(512).unwrap();
        let mut upload = Upload::new(IMAGE, size);
        let _ = upload.next(&image, &client);
        let progress = upload.answered(told(first));
        (client, upload, progress)
    };
    let (client, mut upload, more) = begun(30_000);
    assert_eq!(
        more,
        Ok(Progress::More { offset: 30_000 }),
        "far into it, where an earlier one ended"
    );
    // From then on: never what was not sent, and not back and forth for ever.
    let Request::Upload(piece) = upload.next(&image, &client) else {
        panic!("no piece")
    };
    let sent = 30_000 + piece.data.len() as u32;
    let beyond = upload.answered(told(sent + 1));
    assert_eq!(
        beyond,
        Err(Error::Beyond {
            offset: sent + 1,
            sent
        })
    );
    assert!(matches!(begun(size + 1).2, Err(Error::Beyond { .. })));
    assert_eq!(begun(size).2, Ok(Progress::Whole));

    for back in [0, 100, 30_000] {
        let (client, mut upload, _) = begun(30_000);
        let ended = (0..100).find_map(|_| {
            let _ = upload.next(&image, &client);
            upload.answered(told(back)).err()
        });
        assert_eq!(ended, Some(Error::Stuck { offset: back }));
    }
    let (client, mut upload, _) = begun(30_000);
    let _ = upload.next(&image, &client);
    let mismatch = Offset {
        offset: sent,
        matches: Some(false),
    };
    assert_eq!(upload.answered(mismatch), Err(Error::Mismatch));
}

type Lie = fn(Vec<u8>) -> Vec<u8>;
type Name = fn(&Error) -> bool;

#[test]
fn an_update_ends_by_name_when_the_lock_lies_about_offsets() {
    let lies: [(Lie, Name); 3] = [
        (
            |bytes| change_offset(bytes, |_| 0),
            |error| matches!(error, Error::Stuck { .. }),
        ),
        (
            |bytes| change_offset(bytes, |at| at + 30_000),
            |error| matches!(error, Error::Beyond { .. }),
        ),
        (
            |bytes| change_offset(bytes, |_| u32::MAX),
            |error| matches!(error, Error::Beyond { .. }),
        ),
    ];
    for (at, (lie, named)) in lies.into_iter().enumerate() {
        let (mut house, held) = House::new(MTU);
        house.tamper = Box::new(lie);
        let mut shell = Shell::new(release(20_000), held);
        let ended = shell.run(&mut house);
        assert!(
            matches!(&ended, Some(Ended::Smp(error)) if named(error)),
            "lie {at}: {ended:?}"
        );
        let now_ms = house.door.now_ms;
        assert!(
            house.door.lock.update_window().admit(now_ms).is_none(),
            "closed again"
        );
    }
}

/// Changes the offset in an answer to an upload.
fn change_offset(bytes: Vec<u8>, change: impl FnOnce(u32) -> u32) -> Vec<u8> {
    if bytes.get(HEADER..HEADER + 5) != Some(&b"\xa1\x63off"[..]) {
        return bytes;
    }
    let at = minicbor::Decoder::new(&bytes[HEADER + 5..]).u32().unwrap();
    answer(&bytes, &offset(change(at)))
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer_or_an_error(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
        true_head: bool,
    ) {
        let mut client = Client::new(MTU);
        let asked = said(&mut client, &Request::Images);
        if true_head {
            let body = pieces.concat();
            let _ = client.receive(&answer(&asked, &body));
        } else {
            for piece in &pieces {
                let _ = client.receive(piece);
            }
        }
    }

    #[test]
    fn any_offsets_end(answers in proptest::collection::vec(any::<u32>(), 1..300)) {
        let image = vec![1; 60_000];
        let client = adapted(2_440).unwrap();
        let mut upload = Upload::new(IMAGE, image.len() as u32);
        let mut ended = false;
        for told in answers.into_iter().cycle().take(10_000) {
            let Request::Upload(piece) = upload.next(&image, &client) else { panic!("no piece") };
            let sent = piece.offset + piece.data.len() as u32;
            let offset = told % (sent + 1);
            match upload.answered(Offset { offset, matches: None }) {
                Ok(Progress::More { .. }) => {}
                Ok(Progress::Whole) | Err(_) => { ended = true; break; }
            }
        }
        prop_assert!(ended);
    }
}
