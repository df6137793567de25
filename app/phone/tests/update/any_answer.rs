//! Anything that a lock may notify over SMP while an image is brought to it: bytes as they come, and answers to what was
//! asked with anything in them. Whatever comes, what is taken as an answer is the answer to what was asked, no more is
//! written than the lock said it takes, nothing but the image's own bytes, and no wait lasts.
//!
//! [`any_bytes`] is also the body of a fuzz target.

use latchkey_image::ImageDigest;
use latchkey_phone::smp::{
    ANSWER_MAX, Answer, Client, Error, FRAME_MAX, HEADER, PIECE_MAX, Progress, Request, Upload,
};
use minicbor::Encoder;

const IMAGE: ImageDigest = ImageDigest([7; 32]);
/// Bytes of the image.
const SIZE: usize = 6_000;
/// No request takes longer to be given up, in milliseconds.
const LONGEST_MS: u64 = 60_000;

/// Takes a script apart.
struct Script<'d>(&'d [u8]);

impl<'d> Script<'d> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes([0, 0, self.byte()?, self.byte()?]))
    }

    fn bytes(&mut self) -> Option<&'d [u8]> {
        let length = usize::from(self.byte()?);
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some(taken)
    }
}

/// A phone that brings an image, and what was said since it asked last.
struct Phone {
    client: Client,
    upload: Upload,
    image: Vec<u8>,
    asked: Vec<u8>,
    heard: Vec<u8>,
    /// The longest frame that the lock has said it takes.
    buffer: Option<u32>,
    now_ms: u64,
    /// The lock has said that it has all of the image.
    whole: bool,
}

impl Phone {
    fn new(mtu: u16) -> Self {
        Self {
            client: Client::new(mtu),
            upload: Upload::new(IMAGE, SIZE as u32),
            image: (0..SIZE).map(|at| at as u8).collect(),
            asked: Vec::new(),
            heard: Vec::new(),
            buffer: None,
            now_ms: 0,
            whole: false,
        }
    }

    /// Asks for something, or has the next piece taken; writes all of it.
    fn ask(&mut self, what: u8) {
        let mut fresh = self.upload;
        let request = match what % 8 {
            0 => Request::Echo("who is there?"),
            1 => Request::Images,
            2 => Request::Parameters,
            3 => Request::Test(IMAGE),
            4 => Request::Reset,
            _ => fresh.next(&self.image, &self.client),
        };
        if self.client.ask(&request, self.now_ms).is_err() {
            return;
        }
        if let Request::Upload(piece) = &request {
            let from = piece.offset as usize;
            assert_eq!(piece.data, &self.image[from..from + piece.data.len()]);
            self.upload = fresh;
        }
        self.heard.clear();
        self.asked.clear();
        while let Some(piece) = self.client.next_piece() {
            assert!(!piece.is_empty() && piece.len() <= PIECE_MAX);
            self.asked.extend_from_slice(piece);
        }
        assert!((HEADER..=FRAME_MAX).contains(&self.asked.len()));
        if let (Request::Upload(_), Some(buffer)) = (&request, self.buffer) {
            assert!(self.asked.len() <= buffer as usize, "longer than the lock takes");
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        let answer = match self.client.receive(bytes) {
            Ok(Some(answer)) => answer,
            Ok(None) => return,
            Err(Error::Refused(refused)) => {
                assert!(!refused.words.contains(char::is_control), "{refused:?}");
                return;
            }
            Err(_) => return,
        };
        self.is_to_what_was_asked();
        match answer {
            Answer::Parameters(parameters) => self.buffer = Some(parameters.buffer),
            Answer::Offset(offset) => {
                let upload = &mut self.upload;
                if upload.answered(offset) == Ok(Progress::Whole) {
                    assert_eq!(offset.offset as usize, SIZE);
                    assert_ne!(offset.matches, Some(false));
                    self.whole = true;
                }
            }
            Answer::Echo(_) | Answer::Images(_) | Answer::Done => {}
        }
    }

    /// What was heard since the last request is one whole frame, which answers that.
    fn is_to_what_was_asked(&self) {
        let (heard, asked) = (&self.heard, &self.asked);
        assert!(heard.len() <= ANSWER_MAX);
        assert_eq!(heard[0] & 7, (asked[0] & 7) + 1, "an answer of its kind");
        assert_eq!(heard[4..HEADER], asked[4..HEADER], "to this request");
        let length = u16::from_be_bytes([heard[2], heard[3]]);
        assert_eq!(usize::from(length), heard.len() - HEADER);
    }

    /// An answer to the last request with this body.
    fn answered(&self, body: &[u8]) -> Vec<u8> {
        let Some(asked) = self.asked.first_chunk::<HEADER>() else {
            return Vec::new();
        };
        let [high, low] = (body.len() as u16).to_be_bytes();
        let [first, _, _, _, rest @ ..] = *asked;
        [&[first + 1, 0, high, low], &rest[..], body].concat()
    }

    fn tick(&mut self, wait_ms: u64) {
        self.now_ms += wait_ms;
        let due = self
            .client
            .next_deadline()
            .is_some_and(|by_ms| by_ms <= self.now_ms);
        assert_eq!(self.client.tick(self.now_ms).is_err(), due);
    }
}

/// Lets a script loose on a phone.
pub(crate) fn any_bytes(data: &[u8]) {
    run(data);
}

/// The same; says whether the image came to be whole.
fn run(data: &[u8]) -> bool {
    let mut script = Script(data);
    let mtu = 23 + u16::from(script.byte().unwrap_or(0));
    let mut phone = Phone::new(mtu);
    while step(&mut phone, &mut script).is_some() {}
    phone.tick(LONGEST_MS);
    assert_eq!(phone.client.next_deadline(), None, "it waits for ever");
    // Who answers as a lock does is understood after all of that.
    phone.ask(0);
    let honest = phone.answered(b"\xa1\x61r\x6dwho is there?");
    let answer = phone.client.receive(&honest);
    assert!(matches!(answer, Ok(Some(Answer::Echo(_)))), "{answer:?}");
    phone.whole
}

fn step(phone: &mut Phone, script: &mut Script<'_>) -> Option<()> {
    let head = script.byte()?;
    match head & 7 {
        0 | 1 => phone.ask(head >> 3),
        2 => phone.hear(script.bytes()?),
        3 => {
            let body = script.bytes()?;
            let mut answer = phone.answered(if body.is_empty() { b"\xa0" } else { body });
            // Or one to something else.
            if let (true, Some(byte)) = (head & 8 != 0, answer.get_mut(usize::from(head >> 4 & 7))) {
                *byte ^= 1 << (head >> 7);
            }
            phone.hear(&answer);
        }
        4 => {
            let offset = script.number()?;
            let answer = phone.answered(&numbers(&[("off", offset)], head & 8 != 0));
            phone.hear(&answer);
        }
        5 => {
            let buffer = script.number()?;
            let answer = phone.answered(&numbers(&[("buf_size", buffer), ("buf_count", 1)], head & 8 != 0));
            let (first, second) = answer.split_at(answer.len().min(usize::from(head >> 4)));
            phone.hear(first);
            phone.hear(second);
        }
        6 => {
            let (code, letter) = (script.byte()?, char::from(script.byte()?));
            let words = letter.to_string();
            let text = 0x60 | words.len() as u8;
            let refusal = [
                b"\xa2\x62rc\x18",
                &[code][..],
                b"\x63rsn",
                &[text],
                words.as_bytes(),
            ];
            let answer = phone.answered(&refusal.concat());
            phone.hear(&answer);
        }
        _ => phone.tick(u64::from(script.byte()?) * 64),
    }
    Some(())
}

/// A map of numbers, with its length or with a mark at its end.
fn numbers(fields: &[(&str, u32)], open: bool) -> Vec<u8> {
    let mut body = [0; 64];
    let mut out = Encoder::new(minicbor::encode::write::Cursor::new(&mut body[..]));
    if open {
        out.begin_map().unwrap();
    } else {
        out.map(fields.len() as u64).unwrap();
    }
    for (key, value) in fields {
        out.str(key).unwrap().u32(*value).unwrap();
    }
    if open {
        out.end().unwrap();
    }
    let length = out.writer().position();
    body[..length].to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{any_bytes, run};

    /// Words of a script: requests, answers to them and to others, numbers, and nonsense.
    fn words() -> impl Strategy<Value = Vec<u8>> {
        let word = (0..7_u8, any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(|(kind, head, bytes)| {
            let head = head & !7 | kind;
            match kind {
                0 | 1 => vec![head],
                3 if bytes.len() < 30 => vec![head, 0],
                2 | 3 => [&[head, bytes.len() as u8], &bytes[..]].concat(),
                _ => vec![head, bytes.len() as u8, bytes.first().copied().unwrap_or(0)],
            }
        });
        vec(word, 0..60).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn whatever_a_lock_answers_the_phone_keeps_its_head(mtu in any::<u8>(), words in words()) {
            any_bytes(&[&[mtu], &words[..]].concat());
        }

        #[test]
        fn and_so_it_does_with_noise(data in vec(any::<u8>(), 0..400)) {
            any_bytes(&data);
        }
    }

    #[test]
    fn an_upload_to_its_end_is_reached_by_a_script() {
        // MTU 247, parameters, then pieces that are all taken.
        let mut script = vec![224, 2 << 3, 5, 0x09, 0x88];
        for offset in [2_300, 4_600, 6_000_u16] {
            script.push(5 << 3);
            script.push(4);
            script.extend_from_slice(&offset.to_be_bytes());
        }
        assert!(run(&script));
        *script.last_mut().unwrap() += 1;
        assert!(!run(&script), "more than the image has");
    }
}
