//! Anything that may be written to the SMP characteristic, by anybody, on any connection: bytes as they come, and
//! requests of the right form with anything in them. The flash beside slot and mailbox is never touched, nothing is
//! asked of the bootloader that nobody signed, what is answered is an answer, and the next honest client is served.
//!
//! [`any_bytes`] is also the body of a fuzz target.

use latchkey_handoff::Staging;
use latchkey_lock::lock::LinkId;
use latchkey_lock::smp::{HEADER, Outcome};

use crate::bench::*;

/// The beginning of an image, of allowed form.
const HEAD: [u8; 32] = [
    0x3d, 0xb8, 0xf3, 0x96, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0,
];

/// Takes a script apart.
struct Script<'d>(&'d [u8]);

impl<'d> Script<'d> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes([0, 0, self.byte()? % 0x20, self.byte()?]))
    }

    fn bytes(&mut self) -> Option<&'d [u8]> {
        let length = usize::from(self.byte()?);
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some(taken)
    }
}

/// Lets a script loose on a lock, whose window is open or not as the first byte has it.
pub(crate) fn any_bytes(data: &[u8]) {
    let mut script = Script(data);
    let mut bench = Bench::new();
    let opens = script.byte().unwrap_or(0);
    if opens & 1 != 0 {
        bench.open(60);
    }
    let before = bench.rest_of_flash();
    let work = bench.flash.work();
    while step(&mut bench, &mut script).is_some() {}
    if opens & 1 == 0 {
        assert_eq!(bench.flash.work(), work, "flash was used");
    }
    assert!(!matches!(bench.mailbox().staging, Staging::Request(_)));
    assert!(
        bench.rest_of_flash() == before,
        "flash beside the slot was changed"
    );
    assert_eq!(bench.flash.misused(), None);
    for link in 0..4 {
        bench.smp.disconnected(LinkId(link));
        assert_eq!(bench.echo(LinkId(link)).echo.as_deref(), Some("hi"));
    }
}

fn step(bench: &mut Bench, script: &mut Script<'_>) -> Option<()> {
    let how = script.byte()?;
    let link = LinkId(how >> 5);
    let body = match how & 7 {
        0 => {
            let outcome = bench.write(link, script.bytes()?);
            look(bench, link, outcome);
            return Some(());
        }
        1 => {
            bench.now_ms += u64::from(script.byte()?) * 100;
            return Some(());
        }
        2 => {
            bench.smp.disconnected(link);
            return Some(());
        }
        3 => first(script)?,
        4 => {
            let data = script.bytes()?;
            let off = Some(script.number()?);
            Piece {
                off,
                data,
                ..Piece::default()
            }
            .body()
        }
        _ => script.bytes()?.to_vec(),
    };
    let (group, command, operation) = match how & 7 {
        3 | 4 => (IMAGE, UPLOAD, 2),
        5 => (IMAGE, STATE, 2),
        _ => {
            let what = script.byte()?;
            (u16::from(what & 1), (what >> 1) & 7, what >> 4)
        }
    };
    let request = frame(operation, how >> 3 & 3, group, command, &body);
    for piece in request.chunks(PIECE) {
        let outcome = bench.write(link, piece);
        look(bench, link, outcome);
    }
    Some(())
}

fn first(script: &mut Script<'_>) -> Option<Vec<u8>> {
    let mut data = HEAD.to_vec();
    data.extend_from_slice(script.bytes()?);
    let sha = script.bytes()?;
    let piece = Piece {
        off: Some(0),
        len: Some(script.number()?),
        sha: (!sha.is_empty()).then_some(sha),
        data: &data,
        ..Piece::default()
    };
    Some(piece.body())
}

/// Whatever comes back is an answer, and comes only to a request.
fn look(bench: &mut Bench, link: LinkId, outcome: Outcome) {
    let answer = bench.read(link);
    match outcome {
        Outcome::Waiting | Outcome::Ignored => assert_eq!(answer, []),
        Outcome::Refused(_) if answer.len() >= HEADER => {
            let reply = Reply::read(&answer);
            assert!(reply.is_refused() || reply.matches == Some(false));
        }
        _ => assert!(!Reply::read(&answer).is_refused()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::any_bytes;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn any_script(data in proptest::collection::vec(any::<u8>(), 0..1500)) {
            any_bytes(&data);
        }
    }
}
