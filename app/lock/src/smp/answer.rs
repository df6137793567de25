//! Answers as CBOR maps, keys in the order of the canonical form. What does not fit is an error of its own, never half
//! an answer.

use core::fmt::Write as _;

use heapless::String;
use latchkey_image::{ImageDigest, Version};
use minicbor::encode::write::{Cursor, EndOfSlice};
use minicbor::encode::{Encoder, Error};

use super::IMAGE_GROUP;
use super::fault::{Fault, Management, Refused};
use super::frame::{BUFFER, Header, Outbox, is_first_version};

/// The longest version, as text.
type VersionText = String<24>;
type Out<'o> = Encoder<Cursor<&'o mut [u8]>>;
type Written = Result<(), Error<EndOfSlice>>;

/// An image in a slot, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) slot: u8,
    pub(super) version: Version,
    pub(super) hash: ImageDigest,
    pub(super) pending: bool,
    pub(super) confirmed: bool,
    pub(super) active: bool,
}

/// What is said when a request was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer<'b> {
    Done,
    Echo(&'b str),
    Parameters,
    Images {
        active: Listed,
        other: Option<Listed>,
    },
    Offset {
        offset: u32,
        /// Whether what was written is what was to be written, once that is known.
        matches: Option<bool>,
    },
}

/// Writes the answer to a request into its connection's outbox.
pub(super) fn write(out: &mut Outbox, request: &Header, answer: Result<Answer<'_>, Refused>, now_ms: u64) {
    let refused = match answer {
        Ok(answer) => match encode(out.body(), |out| done(out, &answer)) {
            Some(length) => return out.put(request, length, now_ms),
            None => Refused::request(Management::AnswerTooLong, "the answer does not fit"),
        },
        Err(refused) => refused,
    };
    // An error always fits: its sentence is one of ours.
    if let Some(length) = encode(out.body(), |out| error(out, request, &refused)) {
        out.put(request, length, now_ms);
    }
}

fn encode(body: &mut [u8], write: impl FnOnce(&mut Out<'_>) -> Written) -> Option<usize> {
    let mut encoder = Encoder::new(Cursor::new(body));
    write(&mut encoder).ok()?;
    Some(encoder.writer().position())
}

fn done(out: &mut Out<'_>, answer: &Answer<'_>) -> Written {
    match answer {
        Answer::Done => out.map(0)?,
        Answer::Echo(text) => out.map(1)?.str("r")?.str(text)?,
        Answer::Parameters => {
            out.map(2)?.str("buf_size")?.u32(BUFFER as u32)?;
            out.str("buf_count")?.u32(1)?
        }
        Answer::Images { active, other } => {
            let count = if other.is_some() { 2 } else { 1 };
            out.map(1)?.str("images")?.array(count)?;
            listed(out, active)?;
            if let Some(other) = other {
                listed(out, other)?;
            }
            out
        }
        Answer::Offset {
            offset,
            matches: None,
        } => out.map(1)?.str("off")?.u32(*offset)?,
        Answer::Offset {
            offset,
            matches: Some(matches),
        } => {
            out.map(2)?.str("off")?.u32(*offset)?;
            out.str("match")?.bool(*matches)?
        }
    };
    Ok(())
}

fn listed(out: &mut Out<'_>, image: &Listed) -> Written {
    let Version {
        major,
        minor,
        revision,
        build,
    } = image.version;
    let mut version = VersionText::new();
    // It has room for the longest there is.
    let _ = write!(version, "{major}.{minor}.{revision}");
    if build != 0 {
        let _ = write!(version, ".{build}");
    }
    out.map(7)?.str("hash")?.bytes(&image.hash.0)?;
    out.str("slot")?.u8(image.slot)?;
    out.str("active")?.bool(image.active)?;
    out.str("pending")?.bool(image.pending)?;
    out.str("version")?.str(&version)?;
    out.str("bootable")?.bool(true)?;
    out.str("confirmed")?.bool(image.confirmed)?;
    Ok(())
}

fn error(out: &mut Out<'_>, request: &Header, refused: &Refused) -> Written {
    match refused.fault {
        Fault::Image(fault) if !is_first_version(request) => {
            out.map(1)?.str("err")?.map(2)?;
            out.str("rc")?.u8(fault as u8)?;
            out.str("group")?.u16(IMAGE_GROUP)?;
        }
        fault @ (Fault::Image(_) | Fault::Management(_)) => {
            out.map(2)?.str("rc")?.u8(fault.management() as u8)?;
            out.str("rsn")?.str(refused.words)?;
        }
    }
    Ok(())
}
